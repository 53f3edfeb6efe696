#include "datasets/loading/detection/sampler.h"

#include <stdlib.h>
#include <string.h>

/* Streams of the sampler; the views use other seeds. */
enum { STREAM_ORDER = 1, STREAM_GROUP = 2, STREAM_COUNT = 3 };

static const char *const kind_names[2] = {"labelled", "unlabelled"};

static int group_of(const bl_sampler *s, int kind, int32_t image) {
    const bl_image_info *info = &s->data[kind]->images[image];
    return s->grouped && info->width > info->height;
}

static bool can_group(const bl_dataset *const data[2]) {
    int64_t n[2][2] = {{0}};
    for (int k = 0; k < 2; k++)
        for (int32_t i = 0; data[k] && i < data[k]->n_images; i++)
            n[k][data[k]->images[i].width > data[k]->images[i].height]++;
    if (!data[1]) return true;
    for (int g = 0; g < 2; g++)
        if ((n[0][g] > 0) != (n[1][g] > 0)) return false;
    return true;
}

static bl_status build_lists(bl_sampler *s, int kind) {
    int64_t n[2] = {0};
    for (int32_t i = 0; i < s->data[kind]->n_images; i++)
        n[group_of(s, kind, i)] += s->copies[kind][i];
    for (int g = 0; g < 2; g++) {
        bl_sampler_list *list = &s->lists[kind][g];
        free(list->base);
        free(list->shuffled);
        *list = (bl_sampler_list){.pass = -1};
        if (n[g] > INT32_MAX)
            return bl_fail(
                BL_EINVAL,
                "%s: %lld repeated images are more than a list can hold; lower the repeats",
                s->data[kind]->name, (long long)n[g]);
        if (n[g] == 0) continue;
        list->base = malloc((size_t)n[g] * sizeof *list->base);
        list->shuffled = malloc((size_t)n[g] * sizeof *list->shuffled);
        if (!list->base || !list->shuffled)
            return bl_no_memory("for %s (a list of %lld images)", s->data[kind]->name,
                                (long long)n[g]);
    }
    for (int32_t i = 0; i < s->data[kind]->n_images; i++) {
        bl_sampler_list *list = &s->lists[kind][group_of(s, kind, i)];
        for (int32_t c = 0; c < s->copies[kind][i]; c++) list->base[list->n++] = i;
    }
    return BL_OK;
}

static bl_status check_config(const bl_loader_config *cfg, const bl_dataset *unlabelled) {
    if (cfg->batch < 1)
        return bl_fail(BL_ECONFIG, "loader.batch: %lld must be at least 1", (long long)cfg->batch);
    if (cfg->labelled < 0 || cfg->labelled > cfg->batch)
        return bl_fail(BL_ECONFIG, "loader.labelled: %lld is not in 0..batch = %lld",
                       (long long)cfg->labelled, (long long)cfg->batch);
    if (cfg->labelled < cfg->batch && !unlabelled)
        return bl_fail(BL_ECONFIG,
                       "loader.labelled: %lld of %lld images a batch are to be unlabelled, but "
                       "there is no unlabelled "
                       "data; set loader.labelled = loader.batch",
                       (long long)(cfg->batch - cfg->labelled), (long long)cfg->batch);
    if (cfg->binomial && cfg->batch < 2 && cfg->labelled < cfg->batch)
        return bl_fail(BL_ECONFIG, "loader.batch: binomial mixing needs at least 2 images a batch");
    return BL_OK;
}

bl_status bl_sampler_init(bl_sampler *s, const bl_loader_config *cfg, const bl_dataset *labelled,
                          const bl_dataset *unlabelled, uint64_t seed) {
    *s = (bl_sampler){.cfg = *cfg, .seed = bl_mix64(seed ^ 0x73616d706c6572ull)};
    BL_TRY(check_config(cfg, unlabelled));
    bool mixed = cfg->labelled < cfg->batch;
    s->data[0] = labelled;
    s->data[1] = mixed ? unlabelled : NULL;
    s->grouped = cfg->group_by_aspect && can_group(s->data);
    for (int k = 0; k < 2; k++) {
        if (!s->data[k]) continue;
        size_t n = (size_t)s->data[k]->n_images;
        s->copies[k] = malloc((n ? n : 1) * sizeof *s->copies[k]);
        if (!s->copies[k]) return bl_no_memory("for %s (%zu repeats)", s->data[k]->name, n);
        for (size_t i = 0; i < n; i++) s->copies[k][i] = 1;
        BL_TRY(build_lists(s, k));
    }
    return BL_OK;
}

void bl_sampler_free(bl_sampler *s) {
    for (int k = 0; k < 2; k++) {
        free(s->copies[k]);
        for (int g = 0; g < 2; g++) {
            free(s->lists[k][g].base);
            free(s->lists[k][g].shuffled);
        }
    }
    memset(s, 0, sizeof *s);
}

/* An empty list counts one image a pass, so that its pass number survives. */
static int64_t length(const bl_sampler_list *list) {
    return list->n > 0 ? list->n : 1;
}

bl_status bl_sampler_set_repeats(bl_sampler *s, int kind, const int32_t *copies,
                                 bl_loader_pos *pos) {
    if (!s->data[kind])
        return bl_fail(BL_EINVAL, "loader: repeats for %s images, but batches have none",
                       kind_names[kind]);
    for (int32_t i = 0; i < s->data[kind]->n_images; i++)
        if (copies[i] < 0)
            return bl_fail(BL_EINVAL, "%s: image %d has %d copies; it must be at least 0",
                           s->data[kind]->name, i, copies[i]);
    int64_t next_pass[2];
    for (int g = 0; g < 2; g++) {
        int64_t len = length(&s->lists[kind][g]), at = pos->cursor[kind][g];
        next_pass[g] = (at + len - 1) / len;
    }
    memcpy(s->copies[kind], copies, (size_t)s->data[kind]->n_images * sizeof *copies);
    BL_TRY(build_lists(s, kind));
    for (int g = 0; g < 2; g++) pos->cursor[kind][g] = next_pass[g] * length(&s->lists[kind][g]);
    return BL_OK;
}

static int32_t image_at(bl_sampler *s, int kind, int group, int64_t cursor) {
    bl_sampler_list *list = &s->lists[kind][group];
    int64_t pass = cursor / list->n;
    if (pass != list->pass) {
        memcpy(list->shuffled, list->base, (size_t)list->n * sizeof *list->base);
        bl_rng r = bl_rng_make(bl_mix64(s->seed + STREAM_ORDER),
                               bl_rng_key((uint64_t)kind, (uint64_t)group, (uint64_t)pass));
        bl_rng_shuffle(&r, list->shuffled, list->n);
        list->pass = pass;
    }
    return list->shuffled[cursor % list->n];
}

/* Labelled images of the batch at `step`. */
static int32_t draw_labelled(const bl_sampler *s, int64_t step) {
    int64_t batch = s->cfg.batch, labelled = s->cfg.labelled;
    if (!s->cfg.binomial || labelled == batch) return (int32_t)labelled;
    bl_rng r = bl_rng_make(bl_mix64(s->seed + STREAM_COUNT), (uint64_t)step);
    float p = (float)labelled / (float)batch;
    int32_t n = 0;
    for (int64_t i = 0; i < batch; i++) n += bl_rng_uniform(&r) < p;
    if (n < 1) n = 1;
    return n < batch ? n : (int32_t)batch - 1;
}

/* An aspect group, in proportion to its size, of those that can serve both kinds wanted. */
static int draw_group(const bl_sampler *s, int64_t step, const int32_t want[2]) {
    int64_t size[2] = {0};
    for (int g = 0; g < 2; g++) {
        for (int k = 0; k < 2; k++) size[g] += s->lists[k][g].n;
        for (int k = 0; k < 2; k++)
            if (want[k] > 0 && s->lists[k][g].n == 0) size[g] = 0;
    }
    if (size[0] + size[1] == 0) return -1;
    bl_rng r = bl_rng_make(bl_mix64(s->seed + STREAM_GROUP), (uint64_t)step);
    uint64_t x = ((uint64_t)bl_rng_u32(&r) * (uint64_t)(size[0] + size[1])) >> 32;
    return x >= (uint64_t)size[0];
}

bl_status bl_sampler_next(bl_sampler *s, bl_loader_pos *pos, int32_t *images, int32_t *n_labelled) {
    int32_t want[2];
    want[0] = draw_labelled(s, pos->step);
    want[1] = (int32_t)s->cfg.batch - want[0];
    int g = draw_group(s, pos->step, want);
    if (g < 0) {
        int k = want[0] > 0 && s->lists[0][0].n + s->lists[0][1].n == 0 ? 0 : 1;
        return bl_fail(
            BL_EINVAL,
            "%s: no %s image is left to draw from; check the annotation file and the repeats",
            s->data[k]->name, kind_names[k]);
    }
    for (int k = 0; k < 2; k++)
        for (int32_t i = 0; i < want[k]; i++) *images++ = image_at(s, k, g, pos->cursor[k][g]++);
    *n_labelled = want[0];
    pos->step++;
    return BL_OK;
}

int32_t bl_sampler_substitute(const bl_sampler *s, int kind, int32_t image, const uint8_t *bad) {
    int32_t n = s->data[kind]->n_images;
    int group = group_of(s, kind, image);
    for (int32_t d = 1; d < n; d++) {
        int32_t i = (image + d) % n;
        if (!bad[i] && s->copies[kind][i] > 0 && group_of(s, kind, i) == group) return i;
    }
    return -1;
}
