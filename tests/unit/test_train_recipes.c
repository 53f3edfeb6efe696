/* What the leaves of configs/class resolve to, against the settings of the programs whose results
 * they are named after. Each check names file and object of that program. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "ssl/classification/method.h"
#include "tests/check.h"
#include "train/sweep.h"
#include "train/train.h"

static bl_run_config load(bl_arena *a, const char *leaf) {
    bl_run_config cfg;
    char path[512];
    snprintf(path, sizeof path, "%s/configs/class/%s", BALLAST_SOURCE_DIR, leaf);
    CHECK_OK(bl_run_config_load(path, NULL, 0, a, &cfg));
    return cfg;
}

static void check_statistics(const bl_run_config *c, const double mean[3], const double std[3]) {
    CHECK(c->images.mean.n == 3 && c->images.std.n == 3);
    for (int k = 0; k < 3; k++) {
        CHECK_NEAR(c->images.mean.v[k], mean[k], 1e-6);
        CHECK_NEAR(c->images.std.v[k], std[k], 1e-6);
    }
}

/* USB: semilearn/nets/utils.py get_optimizer-groups leave tensors of one dimension and biases
 * undecayed; core/utils/build.py get_cosine_schedule_with_warmup(num_cycles=7/16) for a base
 * algorithm, constant under an imbalance algorithm; cv_datasets/cifar.py, stl10.py, svhn.py:
 * statistics. */
static void usb(bl_arena *a) {
    static const double imagenet[2][3] = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
    static const double stl[2][3] = {{112.4 / 255, 109.1 / 255, 98.6 / 255},
                                     {68.4 / 255, 66.6 / 255, 68.5 / 255}};
    static const char *const base[] = {"cifar10_1500_3000_g100/flexmatch.json",
                                       "cifar10_1500_3000_g100/freematch.json",
                                       "cifar10_1500_3000_g100/softmatch.json"};
    static const char *const imbalance[] = {
        "cifar10_1000_4000_g100/bacon.json", "cifar100_200_300_g20/bacon.json",
        "svhn_1000_4000_g100/bacon.json", "stl10_150_g10/bacon.json"};
    for (int i = 0; i < 3; i++) {
        bl_run_config c = load(a, base[i]);
        CHECK(!c.model.decay_norm);
        for (int64_t t = 0; t < c.run.iterations; t += c.run.iterations / 20)
            CHECK_NEAR(bl_schedule_factor(&c.schedule, t, c.run.iterations),
                       cos(acos(-1) * 7.0 / 16.0 * (double)t / (double)c.run.iterations), 1e-12);
        check_statistics(&c, imagenet[0], imagenet[1]);
    }
    for (int i = 0; i < 4; i++) {
        bl_run_config c = load(a, imbalance[i]);
        CHECK(!c.model.decay_norm);
        CHECK(bl_schedule_factor(&c.schedule, 0, c.run.iterations) == 1 &&
              bl_schedule_factor(&c.schedule, c.run.iterations - 1, c.run.iterations) == 1);
        if (i == 0) check_statistics(&c, imagenet[0], imagenet[1]);
        if (i == 3) check_statistics(&c, stl[0], stl[1]);
        CHECK(c.images.train_unlabelled == (i == 3)); /* stl10.py: concatenate([ulb, lb]) */
    }
}

/* DASO: configs of ImageNet-127 in ytaek-oh/daso and SEVAL: Adam 0.002 without L2, 64 + 64 images;
 * its STL-10 pipeline augments at 96 px and resizes to 32 afterwards. */
static void daso(bl_arena *a) {
    bl_run_config c = load(a, "imagenet127_32/daso.json");
    CHECK(c.optim.weight_decay == 0 && c.optim.lr == 0.002);
    CHECK(c.batch.labelled == 64 && c.batch.unlabelled == 64);
    static const char *const stl[] = {"stl10_150_g10/daso.json", "stl10_150_g10/fixmatch.json"};
    for (int i = 0; i < 2; i++) {
        c = load(a, stl[i]);
        CHECK(c.images.size == 96 && c.views.size == 32);
    }
}

/* Yang and Xu: run_networks.py steps CosineAnnealingLR(T_max=epochs) once an epoch (cRT),
 * pretrain_moco.py multiplies by (1 + cos(pi epoch / epochs)) / 2. */
static void annealing(bl_arena *a) {
    static const char *const leaf[] = {"cifar10_lt_g100/crt.json", "cifar10_lt_g100/moco.json"};
    for (int i = 0; i < 2; i++) {
        bl_run_config c = load(a, leaf[i]);
        int64_t epochs = c.run.iterations / 97;
        for (int64_t e = 0; e < epochs; e++)
            CHECK_NEAR(bl_schedule_factor(&c.schedule, 97 * e + 50, c.run.iterations),
                       (1 + cos(acos(-1) * (double)e / (double)epochs)) / 2, 1e-12);
    }
}

/* google-research/crest: six generations of 64 x 1024 iterations, cos(pi t / 16 T) in each. */
static void crest(bl_arena *a) {
    bl_run_config c = load(a, "cifar10_500_4000_g100/crest_authors.json");
    CHECK(bl_classify_method_generations(&c.class_method) == 6);
    CHECK(c.run.iterations == 6 * 64 * 1024);
    CHECK_NEAR(bl_schedule_factor(&c.schedule, 65536, 65536), cos(acos(-1) / 16), 1e-12);
}

static bool has_plugin(const bl_run_config *c, const char *name) {
    for (int i = 0; i < c->class_method.plugins.n; i++)
        if (strcmp(c->class_method.plugins.v[i], name) == 0) return true;
    return false;
}

/* A setting of a plug-in, whose struct is its own. */
static const void *plugin_setting(const bl_run_config *c, const char *plugin, const char *key) {
    for (int i = 0; i < bl_classify_registry()->n; i++) {
        const bl_plugin_type *type = bl_classify_registry()->type[i];
        if (strcmp(type->name, plugin) != 0) continue;
        const char *settings = bl_classify_settings(&c->class_method, plugin);
        for (const bl_field *f = type->section->fields; f->key; f++)
            if (strcmp(f->key, key) == 0) return settings + f->offset;
    }
    fprintf(stderr, "no setting method.%s.%s\n", plugin, key);
    exit(1);
}

static bl_run_config load_run(bl_arena *a, const bl_sweep *s, const bl_sweep_run *r) {
    bl_run_config c;
    const char *all[64];
    int n = 0;
    const bl_strings *lists[] = {&s->settings, &r->settings};
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < lists[l]->n; i++) all[n++] = lists[l]->v[i];
    CHECK_OK(bl_run_config_load(r->config, all, n, a, &c));
    return c;
}

/* DASO: models/darp_reproduce.py get_target_dist scales the labelled counts where gamma_l =
 * gamma_u, and loads an estimate where they differ or the order is reversed. Held to in all lists.
 */
static void darp_targets(bl_arena *a) {
    static const char *const lists[] = {"table1.json",     "table2.json",      "table3.json",
                                        "table1_acr.json", "table1_adam.json", "table1_daso.json"};
    int mismatched = 0;
    for (int l = 0; l < 6; l++) {
        bl_sweep s;
        char path[512];
        snprintf(path, sizeof path, "%s/configs/class/%s", BALLAST_SOURCE_DIR, lists[l]);
        CHECK_OK(bl_sweep_load(path, a, &s));
        for (int i = 0; i < s.n_runs; i++) {
            bl_run_config c = load_run(a, &s, &s.run[i]);
            if (!has_plugin(&c, "darp")) continue;
            const bool *estimate = plugin_setting(&c, "darp", "estimate");
            double gamma_u = c.longtail.unlabelled_ratio;
            bool same = c.longtail.unlabelled_order == BL_LONGTAIL_CONSISTENT &&
                        (gamma_u == 0 || gamma_u == c.longtail.labelled_ratio);
            CHECK_EQ(*estimate, !same);
            mismatched += !same;
        }
    }
    CHECK_EQ(mismatched, 4);
}

/* What a recipe is: two runs that agree on all of it differ by their methods alone. */
static void check_same_recipe(const bl_run_config *a, const bl_run_config *b) {
    CHECK(a->run.iterations == b->run.iterations);
    CHECK(a->optim.kind == b->optim.kind && a->optim.lr == b->optim.lr);
    CHECK(a->optim.weight_decay == b->optim.weight_decay && a->optim.shrink == b->optim.shrink);
    for (int64_t t = 0; t < a->run.iterations; t += a->run.iterations / 20)
        CHECK(bl_schedule_factor(&a->schedule, t, a->run.iterations) ==
              bl_schedule_factor(&b->schedule, t, b->run.iterations));
    CHECK(a->batch.labelled == b->batch.labelled && a->batch.unlabelled == b->batch.unlabelled);
    CHECK(a->model.variant == b->model.variant && a->model.bn_momentum == b->model.bn_momentum);
    CHECK(a->model.decay_norm == b->model.decay_norm);
    CHECK(a->views.strong == b->views.strong && a->views.pad_mode == b->views.pad_mode);
    CHECK(a->longtail.pick == b->longtail.pick);
    CHECK(a->longtail.validation == b->longtail.validation);
    CHECK(a->longtail.unlabelled_includes_labelled == b->longtail.unlabelled_includes_labelled);
    const bl_classify_method_config *m = &a->class_method, *n = &b->class_method;
    CHECK(m->epoch == n->epoch && m->ema.keep == n->ema.keep);
    CHECK(m->ema.warmup == n->ema.warmup && m->ema.buffers == n->ema.buffers);
    CHECK(*(const int64_t *)plugin_setting(a, "fixmatch", "strong") ==
          *(const int64_t *)plugin_setting(b, "fixmatch", "strong"));
    CHECK(*(const int32_t *)plugin_setting(a, "fixmatch", "forward") ==
          *(const int32_t *)plugin_setting(b, "fixmatch", "forward"));
}

/* Lists whose rows can be compared with each other; every one has FixMatch, ABC and SeMi, and two
 * strong views. */
static void one_recipe_lists(bl_arena *a) {
    static const char *const lists[] = {"table1_acr.json", "table1_adam.json", "table1_daso.json"};
    for (int l = 0; l < 3; l++) {
        bl_sweep s;
        char path[512];
        int plain = 0, abc = 0, semi = 0;
        snprintf(path, sizeof path, "%s/configs/class/%s", BALLAST_SOURCE_DIR, lists[l]);
        CHECK_OK(bl_sweep_load(path, a, &s));
        bl_run_config first = load_run(a, &s, &s.run[0]);
        CHECK_EQ(*(const int64_t *)plugin_setting(&first, "fixmatch", "strong"), 2);
        for (int i = 0; i < s.n_runs; i++) {
            bl_run_config c = load_run(a, &s, &s.run[i]);
            check_same_recipe(&first, &c);
            plain += strcmp(c.class_method.name, "fixmatch") == 0 && c.class_method.plugins.n == 0;
            abc += has_plugin(&c, "abc");
            semi += has_plugin(&c, "semi");
        }
        CHECK(plain == 1 && abc == 2 && semi == 1);
    }
}

/* CoSSL and DARP: train_cifar_fix.py: Adam 0.002, every tensor times 1 - 0.02 * 0.002 a step, EMA
 * 0.999, batch 64 + 64 with two strong views, the weak pass apart, unlabelled images that contain
 * the labelled ones. SeMi's README names that program's options. */
static void semi_adam(bl_arena *a) {
    static const char *const leaf[] = {
        "cifar10_500_4000_g100/semi_adam.json", "cifar10_500_4000_reversed/semi_adam.json",
        "cifar10_1500_3000_g100/semi_adam.json", "cifar10_1500_3000_reversed/semi_adam.json"};
    for (int i = 0; i < 4; i++) {
        bl_run_config c = load(a, leaf[i]);
        CHECK(c.optim.lr == 0.002 && c.optim.shrink == 0.02 && c.optim.weight_decay == 0);
        CHECK(bl_schedule_factor(&c.schedule, c.run.iterations - 1, c.run.iterations) == 1);
        CHECK(c.batch.labelled == 64 && c.batch.unlabelled == 64);
        CHECK(c.longtail.unlabelled_includes_labelled && c.class_method.ema.keep == 0.999);
        CHECK(*(const int64_t *)plugin_setting(&c, "fixmatch", "strong") == 2);
        CHECK(*(const double *)plugin_setting(&c, "semi", "tau") == 0.7);
        CHECK_EQ(*(const int64_t *)plugin_setting(&c, "semi", "warmup"), i < 2 ? 20 : 2);
    }
}

int main(void) {
    bl_arena *a = bl_arena_create(0);
    CHECK(a);
    usb(a);
    daso(a);
    annealing(a);
    crest(a);
    darp_targets(a);
    one_recipe_lists(a);
    semi_adam(a);
    bl_arena_destroy(a);
    return 0;
}
