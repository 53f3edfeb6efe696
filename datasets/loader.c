#include "datasets/loader.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "datasets/image_cache.h"
#include "datasets/sampler.h"

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

typedef enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_HELD } slot_state;

/* A place for one batch. Everything but the samples' contents is guarded by the loader's lock. */
typedef struct slot {
    bl_batch batch;
    bl_arena **arenas; /* one a sample: an arena serves one thread at a time */
    int32_t *images;   /* planned */
    slot_state state;
    int32_t taken, made; /* samples handed to workers; finished */
    bl_loader_pos after;
    bl_status status; /* of the failed sample with the lowest index */
    int32_t failed;
    char message[512];
} slot;

struct bl_loader {
    bl_loader_config cfg;
    bl_view_config view;
    uint64_t view_seed;
    int n_kinds[2];
    bl_view_kind kinds[2][BL_LOADER_MAX_VIEWS];
    const bl_dataset *data[2];
    bl_image_cache *cache[2]; /* [1] may be [0] */
    uint8_t *bad[2];          /* one flag an image, shared like the cache */

    pthread_mutex_t lock;
    pthread_cond_t work, ready; /* something to do for workers; something done */
    bl_sampler sampler;
    bl_loader_pos next; /* before the batch that bl_loader_next returns next */
    bl_loader_pos plan; /* before the batch that is planned next */
    slot *slots;        /* a ring: batches [head, tail) are being made or ready */
    int64_t n_slots, head, tail;
    int64_t skipped;
    int active; /* workers that are making a sample */
    bool paused, stop;
    pthread_t *threads;
    int n_threads;
};

static slot *slot_at(bl_loader *l, int64_t i) {
    return &l->slots[i % l->n_slots];
}

/* ---- making one sample (any thread, without the lock) ---- */

static bl_status make_views(bl_loader *l, int kind, int32_t image, int64_t step, int32_t index,
                            bl_arena *arena, bl_sample *sample) {
    bl_image own;
    const bl_image *src;
    BL_TRY(bl_image_cache_get(l->cache[kind], image, &own, &src));
    bl_status status = BL_OK;
    *sample = (bl_sample){.image = image, .labelled = kind == 0};
    for (int v = 0; v < l->n_kinds[kind] && status == BL_OK; v++) {
        bl_rng rng =
            bl_rng_make(l->view_seed, bl_rng_key((uint64_t)step, (uint64_t)index, (uint64_t)v));
        status = bl_view_make(&l->view, l->kinds[kind][v], src, l->data[kind], image, &rng, arena,
                              &sample->views[v]);
        if (status == BL_OK) sample->n_views++;
    }
    bl_image_free(&own);
    if (status != BL_OK)
        for (; sample->n_views > 0; sample->n_views--)
            bl_view_free(&sample->views[sample->n_views - 1]);
    return status;
}

/* Reports an image the first time it fails. Returns its substitute or -1. */
static int32_t give_up(bl_loader *l, int kind, int32_t image) {
    pthread_mutex_lock(&l->lock);
    bool first = !l->bad[kind][image];
    l->bad[kind][image] = 1;
    l->skipped += first;
    int32_t other = bl_sampler_substitute(&l->sampler, kind, image, l->bad[kind]);
    pthread_mutex_unlock(&l->lock);
    if (first) BL_WARN("skipped an image: %s", bl_error());
    return other;
}

static bl_status make_sample(bl_loader *l, slot *s, int32_t index) {
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

/* ---- the ring (with the lock held) ---- */

static void finish_sample(slot *s, int32_t index, bl_status status) {
    if (status != BL_OK && (s->status == BL_OK || index < s->failed)) {
        s->status = status, s->failed = index;
        snprintf(s->message, sizeof s->message, "%s", bl_error());
    }
    if (++s->made == s->batch.n) s->state = SLOT_READY;
}

static void plan_next(bl_loader *l) {
    slot *s = slot_at(l, l->tail++);
    s->batch.step = l->plan.step;
    s->batch.n = (int32_t)l->cfg.batch;
    s->taken = s->made = 0;
    s->state = SLOT_FILLING;
    memset(s->batch.samples, 0, (size_t)l->cfg.batch * sizeof *s->batch.samples);
    s->status = bl_sampler_next(&l->sampler, &l->plan, s->images, &s->batch.n_labelled);
    s->after = l->plan;
    if (s->status == BL_OK) return;
    snprintf(s->message, sizeof s->message, "%s", bl_error());
    s->batch.n = s->batch.n_labelled = 0;
    s->state = SLOT_READY;
}

/* The oldest batch with a sample that nobody has taken; plans batches while there is room. NULL:
 * nothing to do. */
static slot *find_work(bl_loader *l) {
    for (;;) {
        for (int64_t i = l->head; i < l->tail; i++) {
            slot *s = slot_at(l, i);
            if (s->state == SLOT_FILLING && s->taken < s->batch.n) return s;
        }
        if (l->tail - l->head >= l->n_slots || slot_at(l, l->tail)->state != SLOT_FREE) return NULL;
        plan_next(l);
        pthread_cond_broadcast(&l->ready);
    }
}

/* Makes one sample of `s`, releasing the lock meanwhile. */
static void work_on(bl_loader *l, slot *s) {
    int32_t index = s->taken++;
    l->active++;
    pthread_mutex_unlock(&l->lock);
    bl_status status = make_sample(l, s, index);
    pthread_mutex_lock(&l->lock);
    l->active--;
    finish_sample(s, index, status);
    if (s->state == SLOT_READY || l->active == 0) pthread_cond_broadcast(&l->ready);
}

static void *worker(void *arg) {
    bl_loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        slot *s = l->paused ? NULL : find_work(l);
        if (s)
            work_on(l, s);
        else
            pthread_cond_wait(&l->work, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void empty_slot(slot *s) {
    for (int32_t i = 0; i < s->batch.n; i++) {
        bl_sample *sample = &s->batch.samples[i];
        for (; sample->n_views > 0; sample->n_views--)
            bl_view_free(&sample->views[sample->n_views - 1]);
        bl_arena_reset(s->arenas[i]);
    }
    s->batch.n = 0;
    s->status = BL_OK;
    s->state = SLOT_FREE;
}

/* Stops the workers between two samples; the lock is held before and after. */
static void pause_workers(bl_loader *l) {
    l->paused = true;
    while (l->active > 0) pthread_cond_wait(&l->ready, &l->lock);
}

/* Drops what was made ahead and lets the workers go on from `pos`. */
static void restart_at(bl_loader *l, bl_loader_pos pos) {
    for (int64_t i = l->head; i < l->tail; i++) empty_slot(slot_at(l, i));
    l->tail = l->head;
    l->next = l->plan = pos;
    l->paused = false;
    pthread_cond_broadcast(&l->work);
}

static bl_status start_threads(bl_loader *l) {
    if (l->n_threads > 0 || l->cfg.workers == 0) return BL_OK;
    sigset_t all, before;
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (l->n_threads < l->cfg.workers &&
           pthread_create(&l->threads[l->n_threads], NULL, worker, l) == 0)
        l->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (l->n_threads == 0)
        return bl_fail(BL_ENOMEM, "loader: cannot start a thread; set loader.workers = 0");
    return BL_OK;
}

/* ---- interface ---- */

static bl_status make_slots(bl_loader *l) {
    l->n_slots = (l->cfg.prefetch > 0 ? l->cfg.prefetch : 1) + 1;
    size_t batch = (size_t)l->cfg.batch;
    l->slots = calloc((size_t)l->n_slots, sizeof *l->slots);
    l->threads = calloc((size_t)l->cfg.workers + 1, sizeof *l->threads);
    if (!l->slots || !l->threads) return bl_fail(BL_ENOMEM, "loader: no memory");
    for (int64_t i = 0; i < l->n_slots; i++) {
        slot *s = &l->slots[i];
        s->batch.samples = calloc(batch, sizeof *s->batch.samples);
        s->images = calloc(batch, sizeof *s->images);
        s->arenas = calloc(batch, sizeof(bl_arena *));
        if (!s->batch.samples || !s->images || !s->arenas)
            return bl_fail(BL_ENOMEM, "loader: no memory");
        for (size_t k = 0; k < batch; k++) {
            s->arenas[k] = bl_arena_create(8 << 10);
            if (!s->arenas[k]) return bl_fail(BL_ENOMEM, "loader: no memory");
        }
    }
    return BL_OK;
}

static bl_status make_stores(bl_loader *l) {
    for (int k = 0; k < 2; k++) {
        const bl_dataset *d = l->data[k];
        if (!d) continue;
        if (k == 1 && d == l->data[0]) {
            l->cache[1] = l->cache[0], l->bad[1] = l->bad[0];
            continue;
        }
        /* The two data sets share the budget in proportion to their number of images. */
        double all = l->data[0]->n_images, n = d->n_images;
        if (l->data[1] && l->data[1] != l->data[0]) all += l->data[1]->n_images;
        size_t budget = (size_t)((double)(l->cfg.cache_mb << 20) * (all > 0 ? n / all : 1));
        BL_TRY(bl_image_cache_create(d, budget, &l->cache[k]));
        l->bad[k] = calloc((size_t)d->n_images + 1, 1);
        if (!l->bad[k]) return bl_fail(BL_ENOMEM, "loader: no memory");
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
    if (!l) return bl_fail(BL_ENOMEM, "loader: no memory");
    l->cfg = *cfg;
    l->view = *view;
    l->view_seed = bl_mix64(seed ^ 0x7669657773ull);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
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
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++) pthread_join(l->threads[i], NULL);
    for (int64_t i = 0; l->slots && i < l->n_slots; i++) {
        slot *s = &l->slots[i];
        if (s->state != SLOT_FREE) empty_slot(s);
        for (int64_t k = 0; s->arenas && k < l->cfg.batch; k++)
            if (s->arenas[k]) bl_arena_destroy(s->arenas[k]);
        free(s->arenas), free(s->images), free(s->batch.samples);
    }
    free(l->slots), free(l->threads);
    for (int k = 0; k < 2; k++) {
        if (k == 1 && l->cache[1] == l->cache[0]) break;
        bl_image_cache_destroy(l->cache[k]);
        free(l->bad[k]);
    }
    bl_sampler_free(&l->sampler);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

bl_status bl_loader_set_repeats(bl_loader *l, bool labelled, const int32_t *copies) {
    pthread_mutex_lock(&l->lock);
    pause_workers(l);
    bl_loader_pos pos = l->next;
    bl_status status = bl_sampler_set_repeats(&l->sampler, labelled ? 0 : 1, copies, &pos);
    restart_at(l, status == BL_OK ? pos : l->next);
    pthread_mutex_unlock(&l->lock);
    return status;
}

bl_status bl_loader_next(bl_loader *l, bl_batch **out) {
    pthread_mutex_lock(&l->lock);
    bl_status status = start_threads(l);
    slot *s = slot_at(l, l->head);
    if (status == BL_OK && s->state == SLOT_HELD)
        status =
            bl_fail(BL_EINVAL, "loader: all %lld batches are held; call bl_loader_release first",
                    (long long)l->n_slots);
    while (status == BL_OK && s->state != SLOT_READY) {
        if (l->n_threads > 0) {
            pthread_cond_wait(&l->ready, &l->lock);
            continue;
        }
        if (s->state == SLOT_FREE)
            plan_next(l);
        else
            work_on(l, s);
    }
    if (status == BL_OK && s->status != BL_OK) status = bl_fail(s->status, "%s", s->message);
    if (status == BL_OK) {
        s->state = SLOT_HELD;
        l->next = s->after;
        l->head++;
        *out = &s->batch;
        pthread_cond_broadcast(&l->work);
    }
    pthread_mutex_unlock(&l->lock);
    return status;
}

void bl_loader_release(bl_loader *l, bl_batch *b) {
    pthread_mutex_lock(&l->lock);
    for (int64_t i = 0; i < l->n_slots; i++)
        if (&l->slots[i].batch == b && l->slots[i].state == SLOT_HELD) empty_slot(&l->slots[i]);
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
}

bl_loader_pos bl_loader_tell(const bl_loader *l) {
    return l->next; /* written only by the thread that calls bl_loader_next */
}

bl_status bl_loader_seek(bl_loader *l, const bl_loader_pos *pos) {
    bool bad = pos->step < 0;
    for (int k = 0; k < 2; k++)
        for (int g = 0; g < 2; g++) bad |= pos->cursor[k][g] < 0;
    if (bad)
        return bl_fail(BL_EINVAL, "loader: a negative position (step %lld)", (long long)pos->step);
    pthread_mutex_lock(&l->lock);
    pause_workers(l);
    restart_at(l, *pos);
    pthread_mutex_unlock(&l->lock);
    return BL_OK;
}

int64_t bl_loader_skipped(const bl_loader *l) {
    bl_loader *m = (bl_loader *)l; /* the lock is not part of the value */
    pthread_mutex_lock(&m->lock);
    int64_t n = l->skipped;
    pthread_mutex_unlock(&m->lock);
    return n;
}
