#include "datasets/loading/detection/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "datasets/loading/detection/image_cache.h"
#include "datasets/loading/detection/sampler.h"
#include "datasets/loading/prefetch.h"

#define INT(name) #name, BL_T_INT, offsetof(bl_loader_config, name)
#define BOOL(name) #name, BL_T_BOOL, offsetof(bl_loader_config, name)
static const bl_field fields[] = {
    {INT(batch), "5", 1, 4096, NULL, "images", "Images a batch.", NULL},
    {INT(labelled), "1", 0, 4096, NULL, "images",
     "Labelled images of a batch (their mean, with binomial).", NULL},
    {BOOL(binomial), "true", 0, 0, NULL, NULL,
     "Draw the unlabelled count from a binomial, at least one image of each kind.", NULL},
    {BOOL(group_by_aspect), "true", 0, 0, NULL, NULL, "Only wide or only tall images in a batch.",
     NULL},
    {INT(workers), "1", 0, 256, NULL, "threads",
     "Decoding threads; 0 = decode in the training thread.", NULL},
    {INT(prefetch), "4", 1, 1024, NULL, "batches", "Batches made ahead.", NULL},
    {INT(cache_mb), "512", 0, 1048576, NULL, "MiB", "Decoded images kept in memory.", NULL},
    {BOOL(skip_bad), "false", 0, 0, NULL, NULL,
     "Replace unreadable images by others instead of stopping.", NULL},
    {0}};

const bl_schema bl_loader_schema = {"loader", "Batches of training images.",
                                    sizeof(bl_loader_config), fields};

/* A place for one batch. */
typedef struct slot {
    bl_batch batch;
    bl_arena **arenas; /* one a sample: an arena serves one thread at a time */
    int32_t *images;   /* planned */
    bl_loader_pos after;
} slot;

struct bl_loader {
    bl_loader_config cfg;
    bl_view_config view;
    uint64_t view_seed;
    int n_kinds[2];
    bl_view_kind kinds[2][BL_LOADER_MAX_VIEWS];
    const bl_dataset *data[2];
    bl_image_cache *cache[2]; /* [1] may be [0] */

    bl_ready_fn ready;
    void *ready_arg;
    bl_prefetch *ring;
    slot *slots; /* [places of the ring] */
    /* Guarded by the ring's lock: */
    bl_sampler sampler;
    bl_loader_pos plan; /* before the batch that is planned next */
    uint8_t *bad[2];    /* one flag an image, shared like the cache */
    int64_t skipped;

    bl_loader_pos next; /* before the batch that bl_loader_next returns next; its caller's */
};

/* ---- what the ring asks for ---- */

static void free_views(bl_sample *sample) {
    for (; sample->n_views > 0; sample->n_views--)
        bl_view_free(&sample->views[sample->n_views - 1]);
}

/* Which view's random stream view v begins with: a blurred view has its weak view's, and so its
 * size and flip. */
static int stream_of(const bl_loader *l, int kind, int v) {
    for (int w = 0; l->kinds[kind][v] == BL_VIEW_BLURRED && w < l->n_kinds[kind]; w++)
        if (l->kinds[kind][w] == BL_VIEW_WEAK) return w;
    return v;
}

static bl_status make_views(bl_loader *l, int kind, int32_t image, int64_t step, int32_t index,
                            bl_arena *arena, bl_sample *sample) {
    bl_image own;
    const bl_image *src;
    BL_TRY(bl_image_cache_get(l->cache[kind], image, &own, &src));
    bl_status status = BL_OK;
    *sample = (bl_sample){.image = image, .labelled = kind == 0};
    for (int v = 0; v < l->n_kinds[kind] && status == BL_OK; v++) {
        uint64_t stream = (uint64_t)stream_of(l, kind, v);
        bl_rng rng = bl_rng_make(l->view_seed, bl_rng_key((uint64_t)step, (uint64_t)index, stream));
        status = bl_view_make(&l->view, l->kinds[kind][v], src, l->data[kind], image, &rng, arena,
                              &sample->views[v]);
        if (status == BL_OK) sample->n_views++;
    }
    bl_image_free(&own);
    if (status != BL_OK) free_views(sample);
    return status;
}

/* Reports an image the first time it fails. Returns its substitute or -1. */
static int32_t give_up(bl_loader *l, int kind, int32_t image) {
    bl_prefetch_lock(l->ring);
    bool first = !l->bad[kind][image];
    l->bad[kind][image] = 1;
    l->skipped += first;
    int32_t other = bl_sampler_substitute(&l->sampler, kind, image, l->bad[kind]);
    bl_prefetch_unlock(l->ring);
    if (first) BL_WARN("skipped an image: %s", bl_error());
    return other;
}

static bl_status make_sample(void *owner, int64_t place, int32_t index, int thread) {
    (void)thread;
    bl_loader *l = owner;
    slot *s = &l->slots[place];
    int kind = index >= s->batch.n_labelled;
    int32_t image = s->images[index];
    for (;;) {
        bl_arena_reset(s->arenas[index]);
        bl_status status = make_views(l, kind, image, s->batch.step, index, s->arenas[index],
                                      &s->batch.samples[index]);
        if (status == BL_OK) return BL_OK;
        bool data_fault = status == BL_EIO || status == BL_EFORMAT || status == BL_EUNSUPPORTED;
        if (!data_fault) return status;
        if (!l->cfg.skip_bad) {
            char why[512]; /* the message is rewritten from itself */
            snprintf(why, sizeof why, "%s", bl_error());
            return bl_fail(status, "%s; --skip-bad goes on without unreadable images", why);
        }
        image = give_up(l, kind, image);
        if (image < 0) return bl_fail_context(status, "no readable image is left; the last fault");
    }
}

static bl_status plan(void *owner, int64_t place) {
    bl_loader *l = owner;
    slot *s = &l->slots[place];
    s->batch.step = l->plan.step;
    s->batch.n = 0;
    memset(s->batch.samples, 0, (size_t)l->cfg.batch * sizeof *s->batch.samples);
    BL_TRY(bl_sampler_next(&l->sampler, &l->plan, s->images, &s->batch.n_labelled));
    s->batch.n = (int32_t)l->cfg.batch;
    s->after = l->plan;
    return BL_OK;
}

static bl_status finish(void *owner, int64_t place) {
    bl_loader *l = owner;
    return l->ready ? l->ready(l->ready_arg, &l->slots[place].batch) : BL_OK;
}

static void empty(void *owner, int64_t place) {
    slot *s = &((bl_loader *)owner)->slots[place];
    for (int32_t i = 0; i < s->batch.n; i++) {
        free_views(&s->batch.samples[i]);
        bl_arena_reset(s->arenas[i]);
    }
    s->batch.n = 0;
}

/* ---- interface ---- */

static bl_status make_slots(bl_loader *l) {
    const bl_prefetch_source source = {.name = "loader",
                                       .parts = (int32_t)l->cfg.batch,
                                       .chunk = 1,
                                       .plan = plan,
                                       .make = make_sample,
                                       .finish = finish,
                                       .empty = empty};
    BL_TRY(bl_prefetch_create(&source, l, l->cfg.workers, l->cfg.prefetch, &l->ring));
    size_t batch = (size_t)l->cfg.batch, n = (size_t)bl_prefetch_places(l->ring);
    l->slots = calloc(n, sizeof *l->slots);
    if (!l->slots) return bl_no_memory("for the loader");
    for (slot *s = l->slots; s < l->slots + n; s++) {
        s->batch.place = s - l->slots;
        s->batch.samples = calloc(batch, sizeof *s->batch.samples);
        s->images = calloc(batch, sizeof *s->images);
        s->arenas = calloc(batch, sizeof(bl_arena *));
        if (!s->batch.samples || !s->images || !s->arenas) return bl_no_memory("for the loader");
        for (size_t k = 0; k < batch; k++) {
            s->arenas[k] = bl_arena_create(8 << 10);
            if (!s->arenas[k]) return bl_no_memory("for the loader");
        }
    }
    return BL_OK;
}

static bl_status make_stores(bl_loader *l) {
    for (int k = 0; k < 2; k++) {
        const bl_dataset *d = l->data[k];
        if (!d) continue;
        if (k == 1 && d == l->data[0]) {
            l->cache[1] = l->cache[0];
            l->bad[1] = l->bad[0];
            continue;
        }
        /* The two data sets share the budget in proportion to their number of images. */
        double all = l->data[0]->n_images, n = d->n_images;
        if (l->data[1] && l->data[1] != l->data[0]) all += l->data[1]->n_images;
        size_t budget = (size_t)((double)(l->cfg.cache_mb << 20) * (all > 0 ? n / all : 1));
        BL_TRY(bl_image_cache_create(d, budget, &l->cache[k]));
        l->bad[k] = calloc((size_t)d->n_images + 1, 1);
        if (!l->bad[k]) return bl_no_memory("for the loader");
    }
    return BL_OK;
}

static bl_status set_kinds(bl_loader *l, int kind, const bl_view_kind *kinds, int n) {
    if (n < 1 || n > BL_LOADER_MAX_VIEWS)
        return bl_fail(BL_EINVAL, "loader: %d views of a sample; 1..%d are possible", n,
                       BL_LOADER_MAX_VIEWS);
    l->n_kinds[kind] = n;
    memcpy(l->kinds[kind], kinds, (size_t)n * sizeof *kinds);
    return BL_OK;
}

static bl_status set_up(bl_loader *l, const bl_view_kind *labelled_kinds, int n_lk,
                        const bl_view_kind *unlabelled_kinds, int n_uk) {
    if (l->view.max_side < l->view.min_side)
        return bl_fail(BL_ECONFIG, "view.max_side: %lld is below view.min_side = %lld",
                       (long long)l->view.max_side, (long long)l->view.min_side);
    for (int k = 0; k < 2; k++) l->data[k] = l->sampler.data[k];
    BL_TRY(set_kinds(l, 0, labelled_kinds, n_lk));
    if (l->data[1]) BL_TRY(set_kinds(l, 1, unlabelled_kinds, n_uk));
    BL_TRY(make_slots(l));
    return make_stores(l);
}

bl_status bl_loader_create(const bl_loader_config *cfg, const bl_view_config *view,
                           const bl_dataset *labelled, const bl_view_kind *labelled_kinds, int n_lk,
                           const bl_dataset *unlabelled, const bl_view_kind *unlabelled_kinds,
                           int n_uk, uint64_t seed, bl_loader **out) {
    bl_loader *l = calloc(1, sizeof *l);
    if (!l) return bl_no_memory("for the loader");
    l->cfg = *cfg;
    l->view = *view;
    l->view_seed = bl_mix64(seed ^ 0x7669657773ull);
    bl_status status = bl_sampler_init(&l->sampler, cfg, labelled, unlabelled, seed);
    if (status == BL_OK) status = set_up(l, labelled_kinds, n_lk, unlabelled_kinds, n_uk);
    if (status != BL_OK) {
        bl_loader_destroy(l);
        return status;
    }
    *out = l;
    return BL_OK;
}

void bl_loader_destroy(bl_loader *l) {
    if (!l) return;
    int64_t n_slots = l->slots ? bl_prefetch_places(l->ring) : 0;
    bl_prefetch_destroy(l->ring);
    for (slot *s = l->slots; s < l->slots + n_slots; s++) {
        for (int64_t k = 0; s->arenas && k < l->cfg.batch; k++)
            if (s->arenas[k]) bl_arena_destroy(s->arenas[k]);
        free(s->arenas);
        free(s->images);
        free(s->batch.samples);
    }
    free(l->slots);
    for (int k = 0; k < 2; k++) {
        if (k == 1 && l->cache[1] == l->cache[0]) break;
        bl_image_cache_destroy(l->cache[k]);
        free(l->bad[k]);
    }
    bl_sampler_free(&l->sampler);
    free(l);
}

bl_status bl_loader_set_repeats(bl_loader *l, bool labelled, const int32_t *copies) {
    bl_prefetch_pause(l->ring);
    bl_loader_pos pos = l->next;
    bl_status status = bl_sampler_set_repeats(&l->sampler, labelled ? 0 : 1, copies, &pos);
    if (status == BL_OK) l->next = pos;
    l->plan = l->next;
    bl_prefetch_restart(l->ring);
    return status;
}

int64_t bl_loader_places(const bl_loader *l) {
    return bl_prefetch_places(l->ring);
}

void bl_loader_on_ready(bl_loader *l, bl_ready_fn ready, void *arg) {
    l->ready = ready;
    l->ready_arg = arg;
}

bl_status bl_loader_next(bl_loader *l, bl_batch **out) {
    int64_t place;
    BL_TRY(bl_prefetch_next(l->ring, &place));
    l->next = l->slots[place].after;
    *out = &l->slots[place].batch;
    return BL_OK;
}

void bl_loader_release(bl_loader *l, bl_batch *b) {
    for (int64_t i = 0; i < bl_prefetch_places(l->ring); i++)
        if (&l->slots[i].batch == b) bl_prefetch_release(l->ring, i);
}

bl_loader_pos bl_loader_tell(const bl_loader *l) {
    return l->next;
}

bl_status bl_loader_seek(bl_loader *l, const bl_loader_pos *pos) {
    bool bad = pos->step < 0;
    for (int k = 0; k < 2; k++)
        for (int g = 0; g < 2; g++) bad |= pos->cursor[k][g] < 0;
    if (bad)
        return bl_fail(BL_EINVAL, "loader: a negative position (step %lld)", (long long)pos->step);
    bl_prefetch_pause(l->ring);
    l->next = l->plan = *pos;
    bl_prefetch_restart(l->ring);
    return BL_OK;
}

int64_t bl_loader_skipped(const bl_loader *l) {
    bl_prefetch_lock(l->ring);
    int64_t n = l->skipped;
    bl_prefetch_unlock(l->ring);
    return n;
}
