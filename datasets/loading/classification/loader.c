#include "datasets/loading/classification/loader.h"

#include <stdlib.h>
#include <string.h>

#include "datasets/loading/classification/sampler.h"
#include "datasets/loading/prefetch.h"

#define INT(name) #name, BL_T_INT, offsetof(bl_classify_loader_config, name)
static const bl_field fields[] = {
    {INT(workers), "1", 0, 256, NULL, "threads",
     "Threads that make views; 0 = the training thread does.", NULL},
    {INT(prefetch), "4", 1, 1024, NULL, "batches", "Batches made ahead.", NULL},
    {0}};

const bl_schema bl_classify_loader_schema = {"loader", "Batches of small images.",
                                             sizeof(bl_classify_loader_config), fields};

enum { CHUNK = 8 /* items a worker takes at a time */ };

/* A group with its own copies of what the caller gave. */
typedef struct items {
    bl_classify_group g;
    int32_t base; /* image 0 of its set among those of bl_classify_loader_sets */
    int32_t *images, *labels, *copies;
    uint8_t *is_labelled;
    bl_classify_sampler sampler;
} items;

/* A place for one batch. */
typedef struct slot {
    bl_classify_batch batch;
    void *memory;     /* pixels, or steps */
    int32_t *numbers; /* item, image, label of every part */
    uint8_t *flags;   /* is_labelled, turns of every part */
    bl_classify_pos after;
} slot;

struct bl_classify_loader {
    bl_classify_loader_config cfg;
    int n_groups;
    items groups[BL_CLASSIFY_MAX_GROUPS]; /* samplers and what they draw: under the ring's lock */
    float mean[3], std[3];
    uint64_t view_seed;
    bl_classify_views **views; /* [workers + 1][groups]: scratch of each thread */
    bool plans;                /* batches hold plans */
    int n_sets;
    const bl_classify_set *sets[BL_CLASSIFY_MAX_GROUPS];

    bl_classify_ready_fn ready;
    void *ready_arg;
    bl_prefetch *ring;
    slot *slots;          /* [places of the ring] */
    bl_classify_pos plan; /* before the batch to plan next; under the ring's lock */
    bl_classify_pos
        next; /* before the batch that bl_classify_loader_next returns next; its caller's */
};

/* ---- what the ring asks for ---- */

static void plan_view(const bl_classify_loader *l, bl_classify_batch *b, int g, int v,
                      int32_t index, const bl_classify_views *views, bl_rng *rng,
                      bl_classify_view_info *info) {
    const bl_classify_part *p = &b->part[g];
    int32_t row = p->first_row[v] + index, first = row * BL_CLASSIFY_MAX_STEPS;
    bl_classify_view_draw(views, l->groups[g].g.views[v], rng, &b->plan[row], b->steps + first,
                          info);
    b->plan[row].image = l->groups[g].base + p->image[index];
    b->plan[row].first = first;
}

static bl_status make_item(void *owner, int64_t place, int32_t index, int thread) {
    bl_classify_loader *l = owner;
    bl_classify_batch *b = &l->slots[place].batch;
    bl_classify_views **views = l->views + (size_t)thread * (size_t)l->n_groups;
    int g = 0;
    for (; index >= b->part[g].n; g++) index -= b->part[g].n;
    const bl_classify_part *p = &b->part[g];
    const bl_classify_group *cfg = &l->groups[g].g;
    size_t row = 3 * (size_t)b->height * (size_t)b->width;
    for (int v = 0; v < p->n_views; v++) {
        uint64_t slot_key = ((uint64_t)g << 32) | (uint32_t)index;
        bl_rng rng =
            bl_rng_make(l->view_seed, bl_rng_key((uint64_t)b->step, slot_key, (uint64_t)v));
        bl_classify_view_info info;
        if (l->plans)
            plan_view(l, b, g, v, index, views[g], &rng, &info);
        else
            bl_classify_view_make(views[g], cfg->views[v],
                                  bl_classify_image(cfg->set, p->image[index]), l->mean, l->std,
                                  &rng, bl_classify_rows(b, g, v) + (size_t)index * row, &info);
        p->turn[v * p->n + index] = (uint8_t)info.turn;
    }
    return BL_OK;
}

static bl_status finish(void *owner, int64_t place) {
    bl_classify_loader *l = owner;
    return l->ready ? l->ready(l->ready_arg, &l->slots[place].batch) : BL_OK;
}

/* Rows leave room for the most steps while threads draw them; now they close up. */
static void close_up(bl_classify_batch *b) {
    b->n_steps = 0;
    for (bl_view_plan *p = b->plan; p < b->plan + b->rows; p++) {
        memmove(b->steps + b->n_steps, b->steps + p->first, sizeof *b->steps * (size_t)p->steps);
        p->first = b->n_steps;
        b->n_steps += p->steps;
    }
}

static bl_status plan_group(bl_classify_loader *l, slot *s, int g, bl_classify_pos *pos) {
    items *own = &l->groups[g];
    const bl_classify_part *p = &s->batch.part[g];
    BL_TRY(bl_classify_sampler_draw(&own->sampler, pos->cursor[g], p->n, p->item));
    for (int32_t k = 0; k < p->n; k++) {
        int32_t i = p->item[k];
        p->image[k] = own->images[i];
        p->label[k] = own->labels[i];
        p->is_labelled[k] = own->is_labelled[i];
    }
    pos->cursor[g] += p->n;
    return BL_OK;
}

static bl_status plan(void *owner, int64_t place) {
    bl_classify_loader *l = owner;
    slot *s = &l->slots[place];
    bl_classify_pos pos = l->plan;
    s->batch.step = pos.step++;
    for (int g = 0; g < l->n_groups; g++) BL_TRY(plan_group(l, s, g, &pos));
    s->after = l->plan = pos;
    return BL_OK;
}

/* ---- setting up ---- */

static bl_status copy_group(const bl_classify_group *from, int index, items *to) {
    if (from->batch < 1 || from->n_views < 1 || from->n_views > BL_CLASSIFY_MAX_VIEWS ||
        from->n < 1)
        return bl_fail(
            BL_EINVAL,
            "class loader: group %d of %s has %d items, %d a batch, %d views; it needs at "
            "least 1 of each and at most %d views",
            index, from->set->name, from->n, from->batch, from->n_views, BL_CLASSIFY_MAX_VIEWS);
    if (!from->images && from->n != from->set->n)
        return bl_fail(BL_EINVAL,
                       "class loader: group %d lists no images, and %d is not the %d of %s", index,
                       from->n, from->set->n, from->set->name);
    size_t n = (size_t)from->n;
    to->g = *from;
    to->images = malloc(n * sizeof *to->images);
    to->labels = malloc(n * sizeof *to->labels);
    to->copies = malloc(n * sizeof *to->copies);
    to->is_labelled = malloc(n);
    if (!to->images || !to->labels || !to->copies || !to->is_labelled)
        return bl_no_memory("for a list of %d items (class loader)", from->n);
    for (int32_t i = 0; i < from->n; i++) {
        int32_t image = from->images ? from->images[i] : i;
        if (image < 0 || image >= from->set->n)
            return bl_fail(BL_EINVAL,
                           "class loader: item %d of group %d is image %d, but %s has %d", i, index,
                           image, from->set->name, from->set->n);
        to->images[i] = image;
        to->labels[i] = from->labels ? from->labels[i] : from->set->labels[image];
        to->is_labelled[i] = from->is_labelled ? from->is_labelled[i] != 0 : from->labelled;
        to->copies[i] = 1;
    }
    to->g.images = to->images;
    to->g.labels = to->labels;
    to->g.is_labelled = to->is_labelled;
    return BL_OK;
}

static bl_status make_slots(bl_classify_loader *l) {
    const bl_classify_views *v = l->views[0];
    int32_t height = bl_classify_views_height(v), width = bl_classify_views_width(v);
    int64_t rows = 0, flags = 0;
    bl_prefetch_source source = {
        .name = "class loader", .chunk = CHUNK, .plan = plan, .make = make_item, .finish = finish};
    for (int g = 0; g < l->n_groups; g++) {
        int64_t batch = l->groups[g].g.batch, views = l->groups[g].g.n_views;
        source.parts += (int32_t)batch;
        rows += batch * views;
        flags += batch * (1 + views);
    }
    BL_TRY(bl_prefetch_create(&source, l, l->cfg.workers, l->cfg.prefetch, &l->ring));
    int64_t n = bl_prefetch_places(l->ring);
    l->slots = calloc((size_t)n, sizeof *l->slots);
    if (!l->slots) return bl_no_memory("for the class loader");
    for (slot *s = l->slots; s < l->slots + n; s++) {
        bl_classify_batch *b = &s->batch;
        size_t bytes = (size_t)rows * 3 * (size_t)height * (size_t)width * sizeof(float);
        if (l->plans) bytes = (size_t)rows * BL_CLASSIFY_MAX_STEPS * sizeof *b->steps;
        s->numbers = calloc((size_t)source.parts * 3, sizeof *s->numbers);
        s->flags = calloc((size_t)flags, 1);
        s->memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
        if (l->plans) b->plan = calloc((size_t)rows, sizeof *b->plan);
        if (!s->numbers || !s->flags || !s->memory || (l->plans && !b->plan))
            return bl_no_memory("for %lld batches of %lld views (%.0f MB each) (class loader)",
                                (long long)n, (long long)rows, (double)bytes / 1e6);
        *(l->plans ? (void **)&b->steps : (void **)&b->pixels) = s->memory;
        for (int k = 0; k < 3; k++) {
            b->mean[k] = 255 * l->mean[k];
            b->std[k] = 255 * l->std[k];
        }
        b->place = s - l->slots;
        b->rows = rows;
        b->height = height;
        b->width = width;
        b->n_groups = l->n_groups;
        int32_t *numbers = s->numbers, row = 0;
        uint8_t *flag = s->flags;
        for (int g = 0; g < l->n_groups; g++) {
            bl_classify_part *p = &b->part[g];
            p->n = l->groups[g].g.batch;
            p->n_views = l->groups[g].g.n_views;
            p->item = numbers;
            p->image = numbers + p->n;
            p->label = numbers + 2 * (size_t)p->n;
            p->is_labelled = flag;
            p->turn = flag + p->n;
            numbers += 3 * (size_t)p->n;
            flag += (size_t)p->n * (size_t)(1 + p->n_views);
            for (int k = 0; k < p->n_views; k++, row += p->n) p->first_row[k] = row;
        }
    }
    return BL_OK;
}

static bl_status make_views(bl_classify_loader *l, const bl_classify_view_config *cfg) {
    size_t threads = (size_t)l->cfg.workers + 1, n = threads * (size_t)l->n_groups;
    l->views = calloc(n, sizeof(bl_classify_views *));
    if (!l->views) return bl_no_memory("for the class loader");
    for (size_t i = 0; i < n; i++)
        BL_TRY(
            bl_classify_views_create(cfg, l->groups[i % (size_t)l->n_groups].g.set, &l->views[i]));
    for (int g = 1; g < l->n_groups; g++)
        if (bl_classify_views_width(l->views[g]) != bl_classify_views_width(l->views[0]) ||
            bl_classify_views_height(l->views[g]) != bl_classify_views_height(l->views[0]))
            return bl_fail(BL_EINVAL,
                           "class loader: %s and %s give views of different sizes; set views.size",
                           l->groups[0].g.set->name, l->groups[g].g.set->name);
    return BL_OK;
}

/* Where each group's images stand among those of all sets, and whether every view
 * can be planned. */
static bl_status prepare_plans(bl_classify_loader *l, const bl_classify_view_config *views) {
    int64_t images = 0;
    for (int g = 0; g < l->n_groups; g++) {
        items *own = &l->groups[g];
        const char *why = NULL;
        for (int v = 0; v < own->g.n_views && !why; v++)
            why = bl_classify_view_cpu_only(views, own->g.set, own->g.views[v]);
        if (why)
            return bl_fail(BL_ECONFIG,
                           "views.device: the views of %s cannot be made on a device: %s; use cpu "
                           "or auto",
                           own->g.set->name, why);
        int64_t base = 0;
        int i = 0;
        for (; i < l->n_sets && l->sets[i] != own->g.set; i++) base += l->sets[i]->n;
        if (i == l->n_sets) {
            l->sets[l->n_sets++] = own->g.set;
            images += own->g.set->n;
        }
        own->base = (int32_t)base;
    }
    if (images > INT32_MAX)
        return bl_fail(BL_ECONFIG, "views.device: %lld images are too many for a device; use cpu",
                       (long long)images);
    return BL_OK;
}

static bl_status set_up(bl_classify_loader *l, const bl_classify_view_config *views,
                        const bl_classify_group *groups, int n_groups, uint64_t seed) {
    l->n_groups = n_groups;
    for (int g = 0; g < n_groups; g++) {
        items *own = &l->groups[g];
        BL_TRY(copy_group(&groups[g], g, own));
        BL_TRY(bl_classify_sampler_init(&own->sampler, seed, (uint64_t)g, own->g.order, own->g.n,
                                        own->g.set->n_classes, own->labels));
    }
    BL_TRY(make_views(l, views));
    l->plans = views->device == BL_CLASSIFY_MAKER_DEVICE;
    if (l->plans) BL_TRY(prepare_plans(l, views));
    return make_slots(l);
}

bl_status bl_classify_loader_create(const bl_classify_loader_config *cfg,
                                    const bl_classify_view_config *views,
                                    const bl_classify_group *groups, int n_groups,
                                    const float *mean, const float *std, uint64_t seed,
                                    bl_classify_loader **out) {
    if (n_groups < 1 || n_groups > BL_CLASSIFY_MAX_GROUPS)
        return bl_fail(BL_EINVAL, "class loader: %d groups are not in 1..%d", n_groups,
                       BL_CLASSIFY_MAX_GROUPS);
    bl_classify_loader *l = calloc(1, sizeof *l);
    if (!l) return bl_no_memory("for the class loader");
    l->cfg = *cfg;
    memcpy(l->mean, mean ? mean : groups[0].set->mean, sizeof l->mean);
    memcpy(l->std, std ? std : groups[0].set->std, sizeof l->std);
    l->view_seed = bl_mix64(seed ^ 0x636c617373766965ull);
    bl_status status = set_up(l, views, groups, n_groups, seed);
    if (status != BL_OK) {
        bl_classify_loader_destroy(l);
        return status;
    }
    *out = l;
    return BL_OK;
}

void bl_classify_loader_destroy(bl_classify_loader *l) {
    if (!l) return;
    int64_t n_slots = l->slots ? bl_prefetch_places(l->ring) : 0;
    bl_prefetch_destroy(l->ring);
    for (slot *s = l->slots; s < l->slots + n_slots; s++) {
        free(s->numbers);
        free(s->flags);
        free(s->memory);
        free(s->batch.plan);
    }
    for (size_t i = 0; l->views && i < ((size_t)l->cfg.workers + 1) * (size_t)l->n_groups; i++)
        bl_classify_views_destroy(l->views[i]);
    for (int g = 0; g < BL_CLASSIFY_MAX_GROUPS; g++) {
        items *own = &l->groups[g];
        free(own->images);
        free(own->labels);
        free(own->copies);
        free(own->is_labelled);
        bl_classify_sampler_free(&own->sampler);
    }
    free(l->slots);
    free(l->views);
    free(l);
}

/* ---- interface ---- */

int64_t bl_classify_loader_places(const bl_classify_loader *l) {
    return bl_prefetch_places(l->ring);
}

void bl_classify_loader_on_ready(bl_classify_loader *l, bl_classify_ready_fn ready, void *arg) {
    l->ready = ready;
    l->ready_arg = arg;
}

bl_status bl_classify_loader_next(bl_classify_loader *l, bl_classify_batch **out) {
    int64_t place;
    BL_TRY(bl_prefetch_next(l->ring, &place));
    l->next = l->slots[place].after;
    *out = &l->slots[place].batch;
    if (l->plans) close_up(*out);
    return BL_OK;
}

void bl_classify_loader_release(bl_classify_loader *l, bl_classify_batch *b) {
    for (int64_t i = 0; i < bl_prefetch_places(l->ring); i++)
        if (&l->slots[i].batch == b) bl_prefetch_release(l->ring, i);
}

bl_classify_pos bl_classify_loader_tell(const bl_classify_loader *l) {
    return l->next;
}

bl_status bl_classify_loader_seek(bl_classify_loader *l, const bl_classify_pos *pos) {
    bool bad = pos->step < 0;
    for (int g = 0; g < l->n_groups; g++) bad |= pos->cursor[g] < 0;
    if (bad)
        return bl_fail(BL_EINVAL, "class loader: a negative position (step %lld)",
                       (long long)pos->step);
    bl_prefetch_pause(l->ring);
    l->next = l->plan = *pos;
    bl_prefetch_restart(l->ring);
    return BL_OK;
}

/* A change of a group, made while the workers pause; the batches ahead are planned again. */
typedef struct change {
    const int32_t *copies, *labels;
    const double *weights;
    bool set_weights;
    const bl_classify_order *order;
} change;

static bl_status apply(bl_classify_loader *l, int g, const change *c, bl_classify_pos *pos) {
    items *own = &l->groups[g];
    bl_classify_sampler *s = &own->sampler;
    size_t bytes = (size_t)own->g.n * sizeof(int32_t);
    if (c->copies) {
        int32_t before = s->n;
        BL_TRY(bl_classify_sampler_set(s, c->copies, own->labels));
        memcpy(own->copies, c->copies, bytes);
        pos->cursor[g] = bl_classify_sampler_next_pass(s, pos->cursor[g], before);
    }
    if (c->labels) {
        BL_TRY(bl_classify_sampler_set(s, own->copies, c->labels));
        memcpy(own->labels, c->labels, bytes);
    }
    if (c->set_weights) BL_TRY(bl_classify_sampler_weights(s, c->weights));
    if (c->order) s->order = *c->order;
    return BL_OK;
}

static bl_status change_group(bl_classify_loader *l, int g, const change *c) {
    if (g < 0 || g >= l->n_groups)
        return bl_fail(BL_EINVAL, "class loader: there is no group %d (0..%d)", g, l->n_groups - 1);
    bl_prefetch_pause(l->ring);
    bl_classify_pos pos = l->next;
    bl_status status = apply(l, g, c, &pos);
    if (status == BL_OK) l->next = pos;
    l->plan = l->next;
    bl_prefetch_restart(l->ring);
    return status;
}

bl_status bl_classify_loader_set_copies(bl_classify_loader *l, int group, const int32_t *copies) {
    return change_group(l, group, &(change){.copies = copies});
}

bl_status bl_classify_loader_set_labels(bl_classify_loader *l, int group, const int32_t *labels) {
    return change_group(l, group, &(change){.labels = labels});
}

bl_status bl_classify_loader_set_weights(bl_classify_loader *l, int group, const double *weights) {
    return change_group(l, group, &(change){.weights = weights, .set_weights = true});
}

bl_status bl_classify_loader_set_order(bl_classify_loader *l, int group, bl_classify_order order) {
    return change_group(l, group, &(change){.order = &order});
}

int bl_classify_loader_sets(const bl_classify_loader *l,
                            const bl_classify_set *out[BL_CLASSIFY_MAX_GROUPS]) {
    for (int i = 0; i < l->n_sets; i++) out[i] = l->sets[i];
    return l->n_sets;
}

int64_t bl_classify_loader_pass(const bl_classify_loader *l, int group) {
    int64_t n = l->groups[group].sampler.n, batch = l->groups[group].g.batch;
    return (n + batch - 1) / batch;
}
