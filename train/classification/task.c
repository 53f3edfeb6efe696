/* Classification as the loop sees it: small images in memory, learners made
 * of plug-ins, accuracy. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "kernels/resident.h"
#include "train/classification/evaluate.h"
#include "train/classification/input.h"
#include "train/classification/model.h"
#include "train/send_ahead.h"
#include "train/task.h"

typedef struct {
    bl_task base;
    const bl_run_config *cfg;
    bl_classify_run_data data;
    bl_classify_needs needs;
    bl_pseudo_set pseudo; /* self-training, generations: what the learner's labelled list is then */
    bl_classify_loader *loader;
    bl_ctx *ctx;
    bl_resident *images;  /* on the device, for batches of plans; else NULL */
    bl_send_ahead *ahead; /* NULL: pixels go to the device when a step asks for them */
} classification;

_Static_assert(sizeof(bl_classify_pos) <= sizeof(int64_t[BL_POS_WORDS]), "a position has room");

static void describe(const bl_task *k, char *out, size_t size) {
    const classification *c = (const classification *)k;
    const bl_classify_set *train = c->data.sets.train, *test = c->data.sets.test;
    snprintf(out, size, "%s: labelled %d images of %d classes, unlabelled %d, test %d, %dx%d px",
             train->name, (int)c->data.labelled.n, (int)train->n_classes, (int)c->data.unlabelled.n,
             test ? (int)test->n : 0, (int)train->height, (int)train->width);
}

/* Which images were chosen, and what is known of the classes before training. */
static bl_status record(bl_task *k, const char *run_dir) {
    const classification *c = (const classification *)k;
    const bl_classify_set *train = c->data.sets.train;
    struct json_object *root = json_object_new_object(), *list = json_object_new_array();
    struct json_object *groups = json_object_new_array();
    char *classes = bl_path_join(run_dir, "classes.json");
    char *images = bl_path_join(run_dir, "images.json");
    bl_accuracy a = {0};
    bl_status status = classes && images ? BL_OK : bl_no_memory("for the run folder");
    if (status == BL_OK) status = bl_accuracy_create(train->n_classes, &a);
    if (status == BL_OK) status = bl_accuracy_finish(&a, c->data.labelled_counts);
    for (int32_t i = 0; status == BL_OK && i < train->n_classes; i++) {
        struct json_object *o = json_object_new_object();
        bl_json_add(&o, "id", json_object_new_int(i));
        bl_json_add(&o, "name", json_object_new_string(train->class_names[i]));
        bl_json_add(&o, "train_images", json_object_new_int64(c->data.labelled_counts[i]));
        bl_json_add(&o, "unlabelled_images", json_object_new_int64(c->data.unlabelled_counts[i]));
        bl_json_add(&o, "group", json_object_new_string(bl_frequency_names[a.frequency[i]]));
        bl_json_append(&list, o);
    }
    for (int g = 0; g < BL_FREQUENCIES; g++)
        bl_json_append(&groups, json_object_new_string(bl_frequency_names[g]));
    bl_json_add(&root, "classes", list);
    bl_json_add(&root, "groups", groups);
    bl_classify_input_record(&root, train);
    if (status == BL_OK) status = bl_json_save(root, classes);
    if (status == BL_OK)
        status = bl_longtail_write(c->data.split, &c->cfg->longtail, train, c->data.sets.unlabelled,
                                   images);
    json_object_put(root);
    bl_accuracy_free(&a);
    free(classes);
    free(images);
    return status;
}

/* Of a list: the pixels of its set, and which images stand in it with which labels. */
static bool list_sum(const bl_classify_items *x, const char *pixels, char hex[65]) {
    size_t head = strlen(pixels), words = 2 * (size_t)x->n, size = head + words * sizeof(int32_t);
    char *bytes = malloc(size + 1);
    if (!bytes) return false;
    memcpy(bytes, pixels, head);
    for (int32_t i = 0; i < x->n; i++) {
        const int32_t pair[2] = {x->image ? x->image[i] : i, x->label[i]};
        memcpy(bytes + head + (size_t)i * sizeof pair, pair, sizeof pair);
    }
    bl_sha256(bytes, size, hex);
    free(bytes);
    return true;
}

static void add_set(struct json_object **sets, const char *key, const bl_classify_items *x) {
    const bl_classify_set *s = x->set;
    if (!s) return;
    struct json_object *o = json_object_new_object();
    char hex[65], sum[65];
    bl_sha256(s->pixels, bl_classify_image_bytes(s) * (size_t)s->n, hex);
    bl_json_add(&o, "name", json_object_new_string(s->name));
    bl_json_add(&o, "images", json_object_new_int(x->n));
    bl_json_add(&o, "of", json_object_new_int(s->n));
    bl_json_add(&o, "pixels_sha256", json_object_new_string(hex));
    if (list_sum(x, hex, sum)) bl_json_add(&o, "content_sha256", json_object_new_string(sum));
    bl_json_add(sets, key, o);
}

static void provenance(const bl_task *k, struct json_object **sets) {
    const classification *c = (const classification *)k;
    add_set(sets, "labelled", &c->data.labelled);
    if (c->data.unlabelled.n) add_set(sets, "unlabelled", &c->data.unlabelled);
    const bl_classify_set *test = c->data.sets.test;
    if (test)
        add_set(sets, "test",
                &(bl_classify_items){.set = test, .n = test->n, .label = test->labels});
}

static void log_line(void *arg, const char *text) {
    (void)arg;
    BL_INFO("%s", text);
}

static bl_status create_learner(bl_task *k, bl_ctx *ctx, bl_learner **l) {
    classification *c = (classification *)k;
    const bl_classify_method_config *m = &c->cfg->class_method;
    c->ctx = ctx;
    BL_TRY(bl_classify_method_needs(m, c->data.sets.train->n_classes, &c->needs));
    bl_classify_env env = bl_classify_env_make(c->cfg, &c->data, ctx);
    if (c->needs.labels_unlabelled) {
        BL_TRY(bl_pseudo_set_make(c->cfg, &c->data, ctx, &c->pseudo));
        env.labelled = c->pseudo.items;
        env.unlabelled = (bl_classify_items){0};
        env.is_labelled = NULL;
    } else if (bl_classify_method_generations(m) > 1) {
        BL_TRY(bl_pseudo_set_join(&c->data, &c->pseudo));
        env.labelled = c->pseudo.items;
        env.joined = c->data.unlabelled.n;
    }
    BL_TRY(bl_classify_learner_create(m, &env, l));
    bl_classifier_describe((*l)->model[0].model, log_line, NULL);
    return BL_OK;
}

/* Who makes the views, where the configuration leaves it open: a device with memory of its own, if
 * it can make all of them. */
static int32_t choose_maker(const classification *c, const bl_classify_group *g, int n_groups) {
    const bl_classify_view_config *views = &c->cfg->views;
    if (views->device != BL_CLASSIFY_MAKER_AUTO) return views->device;
    if (c->ctx->dev->host_memory) return BL_CLASSIFY_MAKER_CPU;
    for (int i = 0; i < n_groups; i++) {
        for (int v = 0; v < g[i].n_views; v++) {
            const char *why = bl_classify_view_cpu_only(views, g[i].set, g[i].views[v]);
            if (!why) continue;
            BL_INFO("views are made on the CPU: %s", why);
            return BL_CLASSIFY_MAKER_CPU;
        }
    }
    return BL_CLASSIFY_MAKER_DEVICE;
}

/* The sets that plans count through, one behind the other, in the device's memory. */
static bl_status upload_images(classification *c) {
    const bl_classify_set *set[BL_CLASSIFY_MAX_GROUPS];
    int n_sets = bl_classify_loader_sets(c->loader, set);
    int64_t n = 0;
    for (int i = 0; i < n_sets; i++) n += set[i]->n;
    if (n_sets == 0) return BL_OK;
    double mb = (double)n * (double)bl_classify_image_bytes(set[0]) / 1e6;
    bl_status status =
        bl_resident_create(c->ctx, n, 3, set[0]->height, set[0]->width, 3, BL_U8, &c->images);
    int64_t at = 0;
    for (int i = 0; i < n_sets && status == BL_OK; at += set[i++]->n)
        status = bl_resident_write(c->images, at, set[i]->n, set[i]->pixels);
    if (status != BL_OK)
        return bl_fail_context(status, "views.device: %.1f MB of training images", mb);
    BL_INFO("views are made by %s, which holds %lld images (%.1f MB)", c->ctx->dev->name,
            (long long)n, mb);
    return BL_OK;
}

static bl_status send(void *arg, const bl_classify_batch *b) {
    bl_send_ahead *ahead = arg;
    size_t values = (size_t)b->rows * 3 * (size_t)b->height * (size_t)b->width;
    *bl_send_ahead_parcels(ahead, b->place) =
        (bl_parcel){.src = b->pixels, .bytes = values * sizeof *b->pixels};
    return bl_send_ahead_go(ahead, b->place);
}

/* Plans are small: a step sends its own. */
static bl_status send_ahead(classification *c) {
    if (!c->cfg->run.prefetch_device || c->images) return BL_OK;
    BL_TRY(bl_send_ahead_create(c->ctx, bl_classify_loader_places(c->loader), 1, &c->ahead));
    bl_classify_loader_on_ready(c->loader, send, c->ahead);
    return BL_OK;
}

static bl_status create_loader(bl_task *k, const bl_learner *l) {
    classification *c = (classification *)k;
    const bl_classify_needs *n = &c->needs;
    bool pseudo = c->pseudo.items.n > 0;
    const bl_classify_items *x = pseudo ? &c->pseudo.items : &c->data.labelled;
    const bl_classify_items *u = &c->data.unlabelled;
    bl_classify_group g[2] = {{.set = x->set,
                               .n = x->n,
                               .images = x->image,
                               .labels = x->label,
                               .is_labelled = pseudo ? c->pseudo.is_labelled : NULL,
                               .labelled = true,
                               .batch = (int32_t)c->cfg->batch.labelled,
                               .order = n->labelled_order,
                               .n_views = 1 + n->labelled_strong,
                               .views = {n->labelled_view[0], n->labelled_view[1]}},
                              {.set = u->set,
                               .n = u->n,
                               .images = u->image,
                               .labels = u->label,
                               .is_labelled = c->data.split->is_labelled,
                               .batch = (int32_t)c->cfg->batch.unlabelled,
                               .n_views = 1 + n->strong}};
    for (int v = 0; v < g[1].n_views; v++) g[1].views[v] = n->unlabelled_view[v];
    const bl_classify_set *train = c->data.sets.train;
    int n_groups = l->uses_unlabelled ? 2 : 1;
    bl_classify_view_config views = c->cfg->views;
    views.device = choose_maker(c, g, n_groups);
    BL_TRY(bl_classify_loader_create(&c->cfg->class_loader, &views, g, n_groups, train->mean,
                                     train->std, (uint64_t)c->cfg->run.seed, &c->loader));
    BL_TRY(upload_images(c));
    return send_ahead(c);
}

static int32_t images(const bl_task *k, bool labelled) {
    const classification *c = (const classification *)k;
    if (!labelled) return c->data.unlabelled.n;
    return c->pseudo.items.n > 0 ? c->pseudo.items.n : c->data.labelled.n;
}

static bl_status set_repeats(bl_task *k, bool labelled, const int32_t *copies) {
    return bl_classify_loader_set_copies(((classification *)k)->loader,
                                         labelled ? BL_CLASSIFY_LABELLED : BL_CLASSIFY_UNLABELLED,
                                         copies);
}

static bl_status set_labels(bl_task *k, const int32_t *label) {
    return bl_classify_loader_set_labels(((classification *)k)->loader, BL_CLASSIFY_LABELLED,
                                         label);
}

static bl_status next(bl_task *k, bl_step_input *in) {
    classification *c = (classification *)k;
    bl_classify_batch *batch;
    BL_TRY(bl_classify_loader_next(c->loader, &batch));
    *in = (bl_step_input){.batch = batch};
    if (c->images) in->images = bl_resident_tensor(c->images);
    return c->ahead ? bl_send_ahead_take(c->ahead, batch->place, &in->sent) : BL_OK;
}

static void release(bl_task *k, bl_step_input *in) {
    classification *c = (classification *)k;
    const bl_classify_batch *b = in->batch;
    if (c->ahead) bl_send_ahead_release(c->ahead, b->place);
    bl_classify_loader_release(c->loader, (bl_classify_batch *)b);
}

static void describe_batch(const bl_task *k, const bl_step_input *in, char *out, size_t size) {
    (void)k;
    static const char *const names[] = {"labelled images", "; unlabelled images"};
    const bl_classify_batch *b = in->batch;
    size_t at = 0;
    for (int g = 0; g < b->n_groups && g < 2; g++) {
        int n = snprintf(out + at, size - at, "%s", names[g]);
        at += n > 0 ? (size_t)n : 0;
        for (int32_t i = 0; i < b->part[g].n && at < size; i++) {
            n = snprintf(out + at, size - at, " %d", (int)b->part[g].image[i]);
            at += n > 0 ? (size_t)n : 0;
        }
        if (at >= size) return;
    }
}

static void tell(const bl_task *k, int64_t pos[BL_POS_WORDS]) {
    bl_classify_pos p = bl_classify_loader_tell(((const classification *)k)->loader);
    memset(pos, 0, sizeof *pos * BL_POS_WORDS);
    memcpy(pos, &p, sizeof p);
}

static bl_status seek(bl_task *k, const int64_t pos[BL_POS_WORDS]) {
    bl_classify_pos p;
    memcpy(&p, pos, sizeof p);
    return bl_classify_loader_seek(((classification *)k)->loader, &p);
}

static int64_t skipped(const bl_task *k) {
    (void)k;
    return 0;
}

static bool has_test(const bl_task *k) {
    const classification *c = (const classification *)k;
    return c->data.sets.test && !c->needs.pretext;
}

static int64_t validation(const bl_task *k) {
    const classification *c = (const classification *)k;
    return c->needs.pretext ? 0 : c->data.validation.n;
}

static int64_t test(const bl_task *k) {
    return has_test(k) ? ((const classification *)k)->data.sets.test->n : 0;
}

static bl_status log_evaluation(const bl_task_evaluation *e, const bl_accuracy *a) {
    const char *model = e->learner->model[e->model].name;
    bl_metrics_begin(e->metrics);
    bl_metrics_number(e->metrics, "iter", (double)e->iter);
    bl_metrics_string(e->metrics, "kind", e->validation ? "validation" : "eval");
    bl_metrics_string(e->metrics, "model", model);
    bl_metrics_number(e->metrics, "accuracy", a->accuracy);
    bl_metrics_number(e->metrics, "balanced_accuracy", a->balanced);
    bl_metrics_number(e->metrics, "geometric_mean", a->geometric);
    for (int g = 0; g < BL_FREQUENCIES; g++)
        bl_metrics_number(e->metrics, bl_frequency_names[g], a->group[g]);
    bl_metrics_array(e->metrics, "class_recall", a->recall, a->n_classes);
    BL_INFO("%s at %lld%s: accuracy %.4f  balanced %.4f  GM %.4f  many %.4f  medium %.4f  few %.4f",
            model, (long long)e->iter, e->validation ? ", validation" : "", a->accuracy,
            a->balanced, a->geometric, a->group[BL_MANY], a->group[BL_MEDIUM], a->group[BL_FEW]);
    return bl_metrics_end(e->metrics);
}

static bl_status evaluate(bl_task *k, const bl_task_evaluation *e) {
    classification *c = (classification *)k;
    const bl_run_section *run = &c->cfg->run;
    const char *name = e->learner->model[e->model].name;
    char *dir = bl_step_folder(e->run_dir, e->validation ? "validation" : "eval", e->iter, name);
    if (!dir) return BL_ENOMEM;
    bl_classify_evaluation ce = {.world = bl_classify_learner_world(e->learner),
                                 .data = &c->data,
                                 .ctx = e->ctx,
                                 .model = e->model,
                                 .name = name,
                                 .iter = e->iter,
                                 .batch = run->eval_batch,
                                 .validation = e->validation,
                                 .limit = e->last || e->validation ? 0 : run->eval_limit,
                                 .cancel = e->cancel,
                                 .dir = dir,
                                 .features = run->features && e->last && !e->validation && e->main};
    bl_accuracy a;
    bl_status status = bl_classify_evaluate(&ce, &a);
    free(dir);
    BL_TRY(status);
    *e->score = a.balanced;
    status = log_evaluation(e, &a);
    bl_accuracy_free(&a);
    return status;
}

static bl_status finish(bl_task *k, const char *run_dir) {
    return has_test(k) ? bl_classify_summary_write(run_dir) : BL_OK;
}

static void close_task(bl_task *k) {
    classification *c = (classification *)k;
    bl_classify_loader_destroy(c->loader);
    bl_send_ahead_destroy(c->ahead);
    bl_resident_destroy(c->images);
    bl_pseudo_set_free(&c->pseudo);
    bl_classify_run_data_close(&c->data);
    free(c);
}

static const bl_task_ops ops = {.describe = describe,
                                .record = record,
                                .provenance = provenance,
                                .create_learner = create_learner,
                                .create_loader = create_loader,
                                .images = images,
                                .set_repeats = set_repeats,
                                .set_labels = set_labels,
                                .next = next,
                                .release = release,
                                .describe_batch = describe_batch,
                                .tell = tell,
                                .seek = seek,
                                .skipped = skipped,
                                .has_test = has_test,
                                .validation = validation,
                                .test = test,
                                .measure = "balanced accuracy",
                                .evaluate = evaluate,
                                .finish = finish,
                                .close = close_task};

bl_status bl_classify_task_open(const bl_run_config *cfg, bl_task **out) {
    classification *c = calloc(1, sizeof *c);
    if (!c) return bl_no_memory(NULL);
    c->base.ops = &ops;
    c->cfg = cfg;
    bl_status status = bl_classify_run_data_open(cfg, &c->data);
    if (status != BL_OK) {
        close_task(&c->base);
        return status;
    }
    *out = &c->base;
    return BL_OK;
}
