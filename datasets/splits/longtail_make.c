/* Picking the images of a long-tailed set. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mt19937.h"
#include "core/rng.h"
#include "datasets/splits/longtail.h"

enum { STREAM_PICK = 0x6c747069636bull };

/* The images of a set in order of class, those without a class last. */
typedef struct classes {
    const bl_classify_set *set;
    int32_t *image,
        *start;   /* class c is image[start[c] .. start[c + 1]); c = n_classes: no class */
    double aside; /* share of each class, at its end, that is set aside */
} classes;

typedef struct maker {
    const bl_longtail_config *cfg;
    int32_t n_classes;
    classes train, pool; /* pool.set NULL: the training set is the pool */
    bl_mt19937 numpy;
    bl_longtail *out;
} maker;

static bl_status sort_by_class(const bl_classify_set *s, classes *out) {
    size_t k = (size_t)s->n_classes;
    out->set = s;
    out->image = malloc((s->n > 0 ? (size_t)s->n : 1) * sizeof *out->image);
    out->start = calloc(k + 3, sizeof *out->start);
    if (!out->image || !out->start) return bl_no_memory("for %s", s->name);
    /* start[c + 2] counts class c first; after the sums start[c + 1] is where it begins, and ends
     * at its end. */
    for (int32_t i = 0; i < s->n; i++)
        out->start[(s->labels[i] < 0 ? s->n_classes : s->labels[i]) + 2]++;
    for (size_t c = 2; c < k + 3; c++) out->start[c] += out->start[c - 1];
    for (int32_t i = 0; i < s->n; i++)
        out->image[out->start[(s->labels[i] < 0 ? s->n_classes : s->labels[i]) + 1]++] = i;
    return BL_OK;
}

/* Images of class k that are set aside. */
static int32_t set_aside(const classes *c, int32_t k) {
    int32_t n = c->start[k + 1] - c->start[k];
    return k < c->set->n_classes ? (int32_t)rint(c->aside * n) : 0;
}

static int32_t available(const classes *c, int32_t k) {
    return c->start[k + 1] - c->start[k] - set_aside(c, k);
}

/* Orders n images of class k from place `from` on. `what`: two choices from one set differ. */
static void shuffle(maker *m, classes *c, int32_t k, int32_t from, int32_t n, uint64_t what) {
    int32_t *v = c->image + c->start[k] + from;
    if (m->cfg->pick == BL_LONGTAIL_NUMPY) {
        bl_mt19937_shuffle(&m->numpy, v, n);
    } else if (m->cfg->pick == BL_LONGTAIL_SHUFFLED) {
        bl_rng rng =
            bl_rng_make((uint64_t)m->cfg->seed, bl_rng_key(STREAM_PICK, what, (uint64_t)k));
        bl_rng_shuffle(&rng, v, n);
    }
}

/* ---- counts ---- */

static bl_status labelled_counts(maker *m) {
    const bl_longtail_config *cfg = m->cfg;
    int64_t *n = m->out->labelled_counts;
    if (cfg->labelled_fraction > 0) {
        for (int32_t k = 0; k < m->n_classes; k++)
            n[k] = (int64_t)rint(cfg->labelled_fraction * available(&m->train, k));
    } else if (cfg->labelled_head > 0) {
        BL_TRY(bl_longtail_counts((bl_longtail_profile)cfg->profile, cfg->labelled_head,
                                  cfg->labelled_ratio, m->n_classes, n));
    } else {
        for (int32_t k = 0; k < m->n_classes; k++) n[k] = available(&m->train, k);
    }
    for (int32_t k = 0; k < m->n_classes; k++)
        if (n[k] > available(&m->train, k))
            return bl_fail(
                BL_ECONFIG,
                "longtail.labelled_head: class %s of %s has %d images%s, %lld labelled "
                "ones are asked for",
                m->train.set->class_names[k], m->train.set->name, available(&m->train, k),
                m->train.aside > 0 ? " beside those for validation" : "", (long long)n[k]);
    return BL_OK;
}

/* M_k, in class order, without the labelled images that may be included. */
static bl_status unlabelled_counts(maker *m, int64_t *counts) {
    const bl_longtail_config *cfg = m->cfg;
    double ratio = cfg->unlabelled_ratio > 0 ? cfg->unlabelled_ratio : cfg->labelled_ratio;
    bl_longtail_order order = (bl_longtail_order)cfg->unlabelled_order;
    memset(counts, 0, (size_t)m->n_classes * sizeof *counts);
    if (cfg->unlabelled_multiple > 0) {
        BL_TRY(bl_longtail_multiple(cfg->unlabelled_multiple * cfg->relevance,
                                    order == BL_LONGTAIL_UNIFORM ? 1 : ratio, m->n_classes,
                                    m->out->labelled_counts, counts));
    } else if (cfg->unlabelled_head > 0) {
        BL_TRY(bl_longtail_counts((bl_longtail_profile)cfg->profile, cfg->unlabelled_head, ratio,
                                  m->n_classes, counts));
    } else {
        return BL_OK;
    }
    return bl_longtail_arrange(order, (uint64_t)cfg->seed, m->n_classes, counts);
}

/* Images of no class that belong to D_U. */
static int64_t irrelevant_count(const maker *m) {
    const bl_longtail_config *cfg = m->cfg;
    int64_t sum = 0;
    for (int32_t k = 0; k < m->n_classes; k++) sum += m->out->labelled_counts[k];
    if (!(cfg->unlabelled_multiple > 0)) return 0;
    return (int64_t)rint((1 - cfg->relevance) * floor(cfg->unlabelled_multiple * (double)sum));
}

/* ---- lists ---- */

static bl_status pick_labelled(maker *m) {
    bl_longtail *l = m->out;
    int64_t n = 0;
    for (int32_t k = 0; k < m->n_classes; k++) n += l->labelled_counts[k];
    if (n < 1)
        return bl_fail(BL_ECONFIG, "longtail: no labelled image; raise labelled_head or "
                                   "labelled_fraction");
    l->labelled = malloc((size_t)n * sizeof *l->labelled);
    if (!l->labelled) return bl_no_memory("for the long-tailed split");
    for (int32_t k = 0; k < m->n_classes; k++) {
        shuffle(m, &m->train, k, 0, m->train.start[k + 1] - m->train.start[k], 0);
        memcpy(l->labelled + l->n_labelled, m->train.image + m->train.start[k],
               (size_t)l->labelled_counts[k] * sizeof *l->labelled);
        l->n_labelled += (int32_t)l->labelled_counts[k];
    }
    return BL_OK;
}

static bl_status pick_validation(maker *m) {
    bl_longtail *l = m->out;
    const classes *c = &m->train;
    size_t n = 0;
    for (int32_t k = 0; k < m->n_classes; k++) n += (size_t)set_aside(c, k);
    l->validation = malloc((n + 1) * sizeof *l->validation);
    if (!l->validation) return bl_no_memory("for the long-tailed split");
    for (int32_t k = 0; k < m->n_classes; k++) {
        int32_t aside = set_aside(c, k);
        memcpy(l->validation + l->n_validation, c->image + c->start[k + 1] - aside,
               (size_t)aside * sizeof *l->validation);
        l->n_validation += aside;
    }
    return BL_OK;
}

static void append(bl_longtail *l, const int32_t *images, int64_t n, bool is_labelled) {
    memcpy(l->unlabelled + l->n_unlabelled, images, (size_t)n * sizeof *images);
    memset(l->is_labelled + l->n_unlabelled, is_labelled, (size_t)n);
    l->n_unlabelled += (int32_t)n;
}

static bl_status reserve_unlabelled(bl_longtail *l, const bl_classify_set *pool) {
    size_t most = pool->n > 0 ? (size_t)pool->n : 1; /* no image is listed twice */
    l->unlabelled = malloc(most * sizeof *l->unlabelled);
    l->is_labelled = malloc(most);
    return l->unlabelled && l->is_labelled ? BL_OK : bl_no_memory("for the long-tailed split");
}

static bool has_labels(const classes *c) {
    return c->start[c->set->n_classes] > 0;
}

static bl_status too_few(const maker *m, const classes *from, int32_t k, int64_t have,
                         int64_t asked) {
    const char *name = k < m->n_classes ? from->set->class_names[k] : "(none)";
    return bl_fail(BL_ECONFIG,
                   "longtail: class %s of %s has %lld images left, %lld unlabelled ones are asked "
                   "for; lower unlabelled_head, unlabelled_multiple or the labelled counts",
                   name, from->set->name, (long long)have, (long long)asked);
}

/* Unlabelled images of class k (n_classes: of no class). */
static bl_status pick_class(maker *m, int32_t k, int64_t asked) {
    bl_longtail *l = m->out;
    bool own = !m->pool.set;
    classes *from = own ? &m->train : &m->pool;
    int64_t used = own && k < m->n_classes ? l->labelled_counts[k] : 0;
    int64_t have = available(from, k) - used;
    if (m->cfg->unlabelled_rest) asked = have;
    if (asked > have) return too_few(m, from, k, have, asked);
    /* From the training set the labelled draw has shuffled the rest too, except that the reference
     * code of the NumPy order shuffles what is left once more. */
    bool fresh = !own || k == m->n_classes || m->cfg->pick == BL_LONGTAIL_NUMPY;
    if (fresh) shuffle(m, from, k, (int32_t)used, (int32_t)have, 1);
    const int32_t *images = from->image + from->start[k];
    if (m->cfg->unlabelled_includes_labelled && k < m->n_classes) append(l, images, used, true);
    append(l, images + used, asked, false);
    if (k < m->n_classes)
        l->unlabelled_counts[k] = asked + (m->cfg->unlabelled_includes_labelled ? used : 0);
    return BL_OK;
}

static bl_status pick_unlabelled(maker *m) {
    const classes *from = m->pool.set ? &m->pool : &m->train;
    BL_TRY(reserve_unlabelled(m->out, from->set));
    if (m->pool.set && !has_labels(&m->pool)) {
        append(m->out, m->pool.image, m->pool.set->n, false);
        return BL_OK;
    }
    int64_t *counts = malloc((size_t)m->n_classes * sizeof *counts);
    if (!counts) return bl_no_memory("for the long-tailed split");
    bl_status status = unlabelled_counts(m, counts);
    for (int32_t k = 0; k < m->n_classes && status == BL_OK; k++)
        status = pick_class(m, k, counts[k]);
    if (status == BL_OK) status = pick_class(m, m->n_classes, irrelevant_count(m));
    free(counts);
    return status;
}

static bl_status check(const bl_longtail_config *cfg, const bl_classify_set *train,
                       const bl_classify_set *pool) {
    if (pool && cfg->unlabelled_includes_labelled)
        return bl_fail(
            BL_ECONFIG,
            "longtail.unlabelled_includes_labelled: the unlabelled images come from a set "
            "of their own (%s), which does not contain the labelled ones",
            pool->name);
    if (pool && pool->n_classes != train->n_classes)
        return bl_fail(BL_EINVAL, "%s has %d classes, %s has %d", train->name, train->n_classes,
                       pool->name, pool->n_classes);
    if (cfg->relevance < 1 && !(cfg->unlabelled_multiple > 0))
        return bl_fail(BL_ECONFIG, "longtail.relevance: %g needs longtail.unlabelled_multiple",
                       cfg->relevance);
    if (!(cfg->relevance >= 0 && cfg->relevance <= 1))
        return bl_fail(BL_ECONFIG, "longtail.relevance: %g is not in 0..1", cfg->relevance);
    if (cfg->unlabelled_ratio != 0 && !(cfg->unlabelled_ratio >= 1))
        return bl_fail(BL_ECONFIG,
                       "longtail.unlabelled_ratio: %g must be at least 1 (or 0: as the labelled "
                       "ratio); for more images in the rare classes use unlabelled_order = "
                       "\"reversed\"",
                       cfg->unlabelled_ratio);
    return BL_OK;
}

bl_status bl_longtail_make(const bl_longtail_config *cfg, const bl_classify_set *train,
                           const bl_classify_set *pool, bl_longtail **out) {
    if (pool == train) pool = NULL;
    BL_TRY(check(cfg, train, pool));
    maker m = {.cfg = cfg, .n_classes = train->n_classes};
    size_t k = (size_t)train->n_classes;
    bl_mt19937_seed(&m.numpy, (uint32_t)cfg->seed);
    m.out = calloc(1, sizeof *m.out);
    bl_status status = BL_OK;
    if (!m.out) return bl_no_memory("for the long-tailed split");
    m.out->n_classes = train->n_classes;
    m.out->labelled_counts = calloc(k, sizeof *m.out->labelled_counts);
    m.out->unlabelled_counts = calloc(k, sizeof *m.out->unlabelled_counts);
    if (!m.out->labelled_counts || !m.out->unlabelled_counts) {
        status = bl_no_memory("for the long-tailed split");
        goto done;
    }
    BL_TRY_DONE(sort_by_class(train, &m.train));
    m.train.aside = cfg->validation;
    if (pool) BL_TRY_DONE(sort_by_class(pool, &m.pool));
    BL_TRY_DONE(labelled_counts(&m));
    BL_TRY_DONE(pick_labelled(&m));
    BL_TRY_DONE(pick_validation(&m));
    BL_TRY_DONE(pick_unlabelled(&m));
done:
    free(m.train.image);
    free(m.train.start);
    free(m.pool.image);
    free(m.pool.start);
    if (status != BL_OK)
        bl_longtail_free(m.out);
    else
        *out = m.out;
    return status;
}
