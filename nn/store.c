#include "nn/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "core/rng.h"
#include "core/strmap.h"
#include "kernels/kernels.h"
#include "nn/file_tensor.h"

/* The flat buffers consist of four regions in this order, so that every flat operation is a kernel
 * call over one or two ranges. Only the first two have gradients and momentum. */
enum { DECAYED, UNDECAYED, FROZEN, BUFFER, REGIONS };

enum { ALIGN = 16, INIT_CHUNK = 1 << 16 };

typedef struct item {
    bl_param_spec spec;
    bl_tensor *t, *g;
    int region;
    int64_t offset, count;
} item;

struct bl_store {
    bl_arena *arena; /* names and tensor structs */
    bl_strmap *names;
    item *item;
    int64_t n, cap;
    bl_device *dev; /* set by finish */
    float *w, *g, *m;
    float *v;        /* mean squares; NULL until Adam needs them */
    double *squares; /* of the gradients, see bl_store_grad_squares */
    int64_t end[REGIONS];
    int64_t trainable, elements;
    uint64_t layout; /* hash of names, shapes and offsets */
};

bl_status bl_store_create(bl_store **out) {
    *out = NULL;
    bl_store *s = calloc(1, sizeof *s);
    if (!s) return bl_no_memory("for the parameter store");
    s->arena = bl_arena_create(0);
    s->names = s->arena ? bl_strmap_create(s->arena) : NULL;
    if (!s->names) {
        bl_store_destroy(s);
        return bl_no_memory("for the parameter store");
    }
    *out = s;
    return BL_OK;
}

void bl_store_destroy(bl_store *s) {
    if (!s) return;
    if (s->dev) {
        if (s->w) s->dev->free(s->dev, s->w);
        if (s->g) s->dev->free(s->dev, s->g);
        if (s->m) s->dev->free(s->dev, s->m);
        if (s->v) s->dev->free(s->dev, s->v);
        if (s->squares) s->dev->free(s->dev, s->squares);
    }
    free(s->item);
    bl_arena_destroy(s->arena);
    free(s);
}

static bl_status check_spec(const bl_param_spec *p, int64_t *count) {
    if (!p->name || !p->name[0]) return bl_fail(BL_EINVAL, "parameter without a name");
    if (p->ndim != 1 && p->ndim != 2 && p->ndim != 4)
        return bl_fail(BL_EINVAL, "parameter %s: %d dimensions, must be 1, 2 or 4", p->name,
                       p->ndim);
    int64_t n = 1;
    for (int i = 0; i < 4; i++) {
        if (p->shape[i] < 1 || (i >= p->ndim && p->shape[i] != 1))
            return bl_fail(BL_EINVAL, "parameter %s: dimension %d is %lld", p->name, i,
                           (long long)p->shape[i]);
        if (__builtin_mul_overflow(n, p->shape[i], &n) || n > INT64_MAX / 64)
            return bl_fail(BL_EINVAL, "parameter %s: too many elements", p->name);
    }
    bool fan = p->init == BL_INIT_KAIMING_FAN_OUT || p->init == BL_INIT_KAIMING_FAN_IN ||
               p->init == BL_INIT_XAVIER_UNIFORM || p->init == BL_INIT_XAVIER_NORMAL ||
               p->init == BL_INIT_UNIT_ROWS;
    if (p->ndim == 1 && fan)
        return bl_fail(BL_EINVAL,
                       "parameter %s: a vector has no fan; use zero, one, normal or uniform",
                       p->name);
    *count = n;
    return BL_OK;
}

bl_status bl_store_add(bl_store *s, const bl_param_spec *spec, bl_tensor **t) {
    int64_t count = 0;
    BL_TRY(check_spec(spec, &count));
    if (s->dev)
        return bl_fail(BL_EINVAL, "parameter %s: the store is finished; declare before that",
                       spec->name);
    if (s->n == s->cap) {
        int64_t cap = s->cap ? 2 * s->cap : 128;
        item *p = realloc(s->item, (size_t)cap * sizeof *p);
        if (!p) return bl_no_memory("for parameter %s", spec->name);
        s->item = p;
        s->cap = cap;
    }
    item it = {.spec = *spec, .count = count};
    it.spec.name = bl_arena_strdup(s->arena, spec->name);
    it.t = BL_NEW(s->arena, bl_tensor);
    it.g = BL_NEW(s->arena, bl_tensor);
    if (!it.spec.name || !it.t || !it.g) return BL_ENOMEM;
    int64_t at = bl_strmap_add(s->names, 0, it.spec.name, s->n);
    if (at < 0) return BL_ENOMEM;
    if (at != s->n) return bl_fail(BL_EINVAL, "parameter %s: declared twice", spec->name);
    it.region = spec->buffer       ? BUFFER
                : !spec->trainable ? FROZEN
                : spec->decay      ? DECAYED
                                   : UNDECAYED;
    const int64_t *d = spec->shape;
    bool vec = spec->ndim == 1;
    *it.t = (bl_tensor){.n = vec ? 1 : d[0],
                        .c = vec ? d[0] : d[1],
                        .h = vec ? 1 : d[2],
                        .w = vec ? 1 : d[3],
                        .cb = 1,
                        .dtype = BL_F32,
                        .leaf = true};
    *it.g = *it.t;
    it.g->leaf = false;
    s->item[s->n++] = it;
    if (it.region < FROZEN) s->trainable += count;
    if (it.region != BUFFER) s->elements += count;
    *t = it.t;
    return BL_OK;
}

void bl_store_freeze(bl_store *s, const char *prefix, int64_t *n) {
    *n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        item *it = &s->item[i];
        if (it->region == BUFFER || strncmp(it->spec.name, prefix, strlen(prefix)) != 0) continue;
        if (it->region < FROZEN) s->trainable -= it->count;
        it->region = FROZEN;
        it->spec.trainable = false;
        *n += 1;
    }
}

static uint64_t hash_name(const char *name) { /* FNV-1a, mixed */
    uint64_t h = 0xcbf29ce484222325ull;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        h = (h ^ *p) * 0x100000001b3ull;
    return bl_mix64(h);
}

static void place(bl_store *s) {
    int64_t at = 0;
    s->layout = 0;
    for (int r = 0; r < REGIONS; r++) {
        for (int64_t i = 0; i < s->n; i++) {
            item *it = &s->item[i];
            if (it->region != r) continue;
            it->offset = at;
            at += (it->count + ALIGN - 1) / ALIGN * ALIGN;
            s->layout = bl_rng_key(s->layout, hash_name(it->spec.name), (uint64_t)it->offset);
            for (int k = 0; k < 4; k++)
                s->layout = bl_rng_key(s->layout, (uint64_t)it->spec.shape[k], (uint64_t)r);
        }
        s->end[r] = at;
    }
}

typedef struct init_job {
    const item *it;
    uint64_t seed, stream;
    float *v;
} init_job;

/* The spread of an initialisation: standard deviation, or bound of a uniform one. */
static float init_spread(const bl_param_spec *p) {
    double taps = (double)(p->shape[2] * p->shape[3]);
    double in = (double)p->shape[1] * taps, out = (double)p->shape[0] * taps;
    switch (p->init) {
    case BL_INIT_KAIMING_FAN_OUT:
        return (float)sqrt(2.0 / out);
    case BL_INIT_KAIMING_FAN_IN:
        return (float)sqrt(2.0 / in);
    case BL_INIT_XAVIER_UNIFORM:
        return (float)sqrt(6.0 / (in + out));
    case BL_INIT_XAVIER_NORMAL:
        return (float)sqrt(2.0 / (in + out));
    case BL_INIT_UNIT_ROWS:
        return 1;
    default:
        return p->std;
    }
}

/* Chunks have streams of their own: the values do not depend on how chunks fall on threads. */
static void init_chunks(void *arg, int64_t begin, int64_t end) {
    const init_job *j = arg;
    const bl_param_spec *p = &j->it->spec;
    float spread = init_spread(p);
    for (int64_t c = begin; c < end; c++) {
        bl_rng r = bl_rng_make(j->seed, bl_rng_key(j->stream, (uint64_t)c, 0));
        int64_t last = (c + 1) * INIT_CHUNK < j->it->count ? (c + 1) * INIT_CHUNK : j->it->count;
        for (int64_t i = c * INIT_CHUNK; i < last; i++) {
            switch (p->init) {
            case BL_INIT_ZERO:
                j->v[i] = 0;
                break;
            case BL_INIT_ONE:
                j->v[i] = 1;
                break;
            case BL_INIT_VALUE:
                j->v[i] = spread;
                break;
            case BL_INIT_NORMAL:
            case BL_INIT_KAIMING_FAN_OUT:
            case BL_INIT_KAIMING_FAN_IN:
            case BL_INIT_XAVIER_NORMAL:
                j->v[i] = spread * bl_rng_normal(&r);
                break;
            case BL_INIT_XAVIER_UNIFORM:
            case BL_INIT_UNIFORM:
            case BL_INIT_UNIT_ROWS:
                j->v[i] = bl_rng_range(&r, -spread, spread);
                break;
            }
        }
    }
}

static void scale_rows_to_unit(float *v, int64_t rows, int64_t cols) {
    for (int64_t i = 0; i < rows; i++, v += cols) {
        double square = 0;
        for (int64_t c = 0; c < cols; c++) square += (double)v[c] * v[c];
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (int64_t c = 0; c < cols; c++) v[c] = (float)(v[c] * scale);
    }
}

static bl_status initialise(bl_store *s, uint64_t seed) {
    int64_t largest = 1;
    for (int64_t i = 0; i < s->n; i++)
        if (s->item[i].count > largest) largest = s->item[i].count;
    float *v = malloc((size_t)largest * sizeof *v);
    if (!v) return bl_no_memory("for the parameter store");
    bl_status status = BL_OK;
    for (int64_t i = 0; i < s->n && status == BL_OK; i++) {
        item *it = &s->item[i];
        init_job j = {it, seed, hash_name(it->spec.name), v};
        bl_parallel_for((it->count + INIT_CHUNK - 1) / INIT_CHUNK, 1, init_chunks, &j);
        if (it->spec.init == BL_INIT_UNIT_ROWS)
            scale_rows_to_unit(v, it->spec.shape[0], it->count / it->spec.shape[0]);
        status = s->dev->to_device(s->dev, it->t->data, v, (size_t)it->count * sizeof *v);
    }
    free(v);
    return status;
}

static bl_status alloc_zero(bl_device *dev, int64_t count, float **out) {
    size_t bytes = (size_t)(count > 0 ? count : 1) * sizeof(float);
    void *p = NULL;
    BL_TRY(dev->alloc(dev, bytes, &p));
    *out = p;
    return dev->zero(dev, p, bytes);
}

bl_status bl_store_finish(bl_store *s, bl_ctx *ctx, uint64_t seed, bool with_grad) {
    if (s->dev) return bl_fail(BL_EINVAL, "parameter store: finished twice");
    place(s);
    s->dev = ctx->dev;
    BL_TRY(alloc_zero(s->dev, s->end[BUFFER], &s->w));
    if (with_grad) {
        BL_TRY(alloc_zero(s->dev, s->end[UNDECAYED], &s->g));
        BL_TRY(alloc_zero(s->dev, s->end[UNDECAYED], &s->m));
        BL_TRY(s->dev->alloc(s->dev, sizeof *s->squares, (void **)&s->squares));
    }
    for (int64_t i = 0; i < s->n; i++) {
        item *it = &s->item[i];
        it->t->data = s->w + it->offset;
        if (with_grad && it->region < FROZEN) {
            it->g->data = s->g + it->offset;
            it->t->grad = it->g;
            it->t->needs_grad = true;
        }
    }
    return initialise(s, seed);
}

int64_t bl_store_params(const bl_store *s) {
    return s->trainable;
}

int64_t bl_store_elements(const bl_store *s) {
    return s->elements;
}

int64_t bl_store_count(const bl_store *s) {
    return s->n;
}

const bl_param_spec *bl_store_spec(const bl_store *s, int64_t i) {
    return i >= 0 && i < s->n ? &s->item[i].spec : NULL;
}

bl_tensor *bl_store_find(const bl_store *s, const char *name) {
    int64_t i = bl_strmap_get(s->names, 0, name);
    return i < 0 ? NULL : s->item[i].t;
}

/* ---- flat operations ---- */

static bl_status need_grad(const bl_store *s) {
    if (!s->g) return bl_fail(BL_EINVAL, "parameter store: made without gradients");
    return BL_OK;
}

bl_status bl_store_zero_grad(bl_store *s, bl_ctx *ctx) {
    BL_TRY(need_grad(s));
    return ctx->dev->zero(ctx->dev, s->g, (size_t)s->end[UNDECAYED] * sizeof(float));
}

bl_status bl_store_grad_squares(bl_store *s, bl_ctx *ctx, const double **squares) {
    BL_TRY(need_grad(s));
    ctx->k->sum_squares(s->g, s->end[UNDECAYED], s->squares);
    *squares = s->squares;
    return BL_OK;
}

/* The factor on the gradients that clipping asks for, times `scale`; a norm is computed only if
 * somebody wants it. */
static bl_status gradient_scale(bl_store *s, bl_ctx *ctx, float clip_norm, const double *known,
                                double *scale, double *grad_norm) {
    if (!grad_norm && !(clip_norm > 0)) return BL_OK;
    double squares;
    if (known) {
        squares = *known;
    } else {
        const double *sum;
        BL_TRY(bl_store_grad_squares(s, ctx, &sum));
        BL_TRY(ctx->dev->to_host(ctx->dev, &squares, sum, sizeof squares));
    }
    double norm = sqrt(squares) * fabs(*scale);
    if (grad_norm) *grad_norm = norm;
    if (!isfinite(norm)) {
        const char *name = bl_store_first_nonfinite(s, ctx, true);
        return bl_fail(BL_ENUMERIC,
                       "the gradient of %s is not finite; the parameters were not changed",
                       name ? name : "the whole model (its norm overflows)");
    }
    if (clip_norm > 0 && norm > clip_norm) *scale *= clip_norm / norm;
    return BL_OK;
}

bl_status bl_store_sgd(bl_store *s, bl_ctx *ctx, const bl_sgd *o, double *grad_norm) {
    BL_TRY(need_grad(s));
    double scale = o->grad_scale != 0 ? o->grad_scale : 1;
    BL_TRY(gradient_scale(s, ctx, o->clip_norm, o->grad_squares, &scale, grad_norm));
    int64_t a = s->end[DECAYED], b = s->end[UNDECAYED];
    ctx->k->sgd(s->w, s->m, s->g, a, o->lr, o->momentum, o->decay, (float)scale, o->nesterov);
    ctx->k->sgd(s->w + a, s->m + a, s->g + a, b - a, o->lr, o->momentum, 0, (float)scale,
                o->nesterov);
    return bl_store_zero_grad(s, ctx);
}

static bl_status make_squares(bl_store *s) {
    return s->v ? BL_OK : alloc_zero(s->dev, s->end[UNDECAYED], &s->v);
}

bool bl_store_has_squares(const bl_store *s) {
    return s->v != NULL;
}

bl_status bl_store_adam(bl_store *s, bl_ctx *ctx, const bl_adam *o, double *grad_norm) {
    BL_TRY(need_grad(s));
    if (o->step < 1) return bl_fail(BL_EINVAL, "adam: steps count from 1");
    double scale = o->grad_scale != 0 ? o->grad_scale : 1;
    BL_TRY(gradient_scale(s, ctx, o->clip_norm, o->grad_squares, &scale, grad_norm));
    BL_TRY(make_squares(s));
    double t = (double)o->step, fix1 = 1 - pow(o->beta1, t), fix2 = 1 - pow(o->beta2, t);
    bl_adam_kernel k = {.lr = (float)(o->lr / fix1),
                        .beta1 = o->beta1,
                        .beta2 = o->beta2,
                        .epsilon = o->epsilon,
                        .square_fix = (float)(1 / fix2),
                        .gscale = (float)scale};
    int64_t a = s->end[DECAYED], b = s->end[UNDECAYED];
    k.decay = o->decay;
    ctx->k->adam(s->w, s->m, s->v, s->g, a, &k);
    k.decay = 0;
    ctx->k->adam(s->w + a, s->m + a, s->v + a, s->g + a, b - a, &k);
    return bl_store_zero_grad(s, ctx);
}

bl_status bl_store_scale(bl_store *s, bl_ctx *ctx, float factor) {
    ctx->k->axpby(BL_F32, factor, s->w, 0, s->w, s->end[BUFFER]);
    return BL_OK;
}

static bl_status average(bl_ctx *ctx, float *t, const float *s, int64_t n, float keep) {
    if (keep == 0) return ctx->dev->copy(ctx->dev, t, s, (size_t)n * sizeof *t);
    ctx->k->ema(t, s, n, keep);
    return BL_OK;
}

bl_status bl_store_ema(bl_store *teacher, const bl_store *student, bl_ctx *ctx, float keep,
                       bool copy_buffers) {
    if (!teacher->dev || !student->dev || teacher->n != student->n ||
        teacher->layout != student->layout)
        return bl_fail(BL_EINVAL, "teacher and student have different parameters: build both from "
                                  "one configuration");
    int64_t p = student->end[FROZEN];
    BL_TRY(average(ctx, teacher->w, student->w, p, keep));
    return average(ctx, teacher->w + p, student->w + p, student->end[BUFFER] - p,
                   copy_buffers ? 0 : keep);
}

/* How many of n values are not finite; 0 where the device fails, which is said elsewhere. */
static int64_t nonfinite(bl_ctx *ctx, const float *v, int64_t n) {
    bl_tensor t = {.data = (void *)v, .n = n, .c = 1, .h = 1, .w = 1, .cb = 1, .dtype = BL_F32};
    int64_t count;
    return bl_tensor_count_nonfinite(ctx, &t, &count) == BL_OK ? count : 0;
}

const char *bl_store_first_nonfinite(const bl_store *s, bl_ctx *ctx, bool gradients) {
    const float *v = gradients ? s->g : s->w;
    if (!v || nonfinite(ctx, v, s->end[gradients ? UNDECAYED : BUFFER]) == 0) return NULL;
    for (int64_t i = 0; i < s->n; i++) {
        const item *it = &s->item[i];
        if (gradients && it->region >= FROZEN) continue;
        if (nonfinite(ctx, v + it->offset, it->count) > 0) return it->spec.name;
    }
    return NULL;
}

/* ---- checkpoints ---- */

static float *values_of(const bl_store *s, bl_store_part part) {
    return part == BL_STORE_VALUES ? s->w : part == BL_STORE_MOMENTUM ? s->m : s->v;
}

bl_status bl_store_export(const bl_store *s, bl_ctx *ctx, const char *prefix, bl_store_part part,
                          bl_arena *arena, bl_st_tensor *out, int cap, int *n) {
    const float *v = values_of(s, part);
    if (!v) return bl_fail(BL_EINVAL, "parameter store: %s", part ? "no momentum" : "unfinished");
    for (int64_t i = 0; i < s->n; i++) {
        const item *it = &s->item[i];
        if (part && it->region >= FROZEN) continue;
        if (*n >= cap)
            return bl_fail(BL_EINVAL, "checkpoint: room for %d tensors is too little", cap);
        size_t bytes = (size_t)it->count * sizeof(float);
        float *data = bl_arena_alloc(arena, bytes);
        char *name = bl_arena_printf(arena, "%s%s", prefix, it->spec.name);
        if (!data || !name) return BL_ENOMEM;
        BL_TRY(ctx->dev->to_host(ctx->dev, data, v + it->offset, bytes));
        bl_st_tensor t = {
            .name = name, .dtype = BL_ST_F32, .ndim = it->spec.ndim, .data = data, .bytes = bytes};
        memcpy(t.shape, it->spec.shape, sizeof it->spec.shape);
        out[(*n)++] = t;
    }
    return BL_OK;
}

/* The file's name for a tensor; false when it is too long for any file of ours. */
static bool file_name(const bl_rename *rules, int n, const char *name, char *full, size_t size) {
    const char *head = "";
    for (int i = 0; i < n; i++) {
        size_t len = strlen(rules[i].ours);
        if (strncmp(name, rules[i].ours, len) != 0) continue;
        head = rules[i].theirs;
        name += len;
        break;
    }
    int len = snprintf(full, size, "%s%s", head, name);
    return len >= 0 && (size_t)len < size;
}

/* Everything is checked before anything is written: a bad file leaves the model as it was. `from`
 * has one entry per tensor, NULL where it keeps its values. */
static bl_status read_tensors(bl_store *s, bl_ctx *ctx, const bl_st_tensor *const *from, float *v) {
    int64_t most = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (!from[i]) continue;
        BL_TRY(bl_file_tensor_check(from[i], &s->item[i].spec));
        if (s->item[i].count > most) most = s->item[i].count;
    }
    float *host = malloc(((size_t)most + 1) * sizeof *host);
    if (!host) return bl_no_memory("for a tensor of %lld values", (long long)most);
    bl_status status = BL_OK;
    for (int64_t i = 0; i < s->n && status == BL_OK; i++) {
        const item *it = &s->item[i];
        if (!from[i]) continue;
        bl_file_tensor_floats(from[i], host);
        status =
            ctx->dev->to_device(ctx->dev, v + it->offset, host, (size_t)it->count * sizeof *host);
    }
    free(host);
    return status;
}

static bl_status import_renamed(bl_store *s, bl_ctx *ctx, const bl_st_file *f,
                                const bl_rename *rules, int n_rules, bl_store_part part,
                                bool partial, int *n_missing) {
    if (part == BL_STORE_SQUARES && s->g) BL_TRY(make_squares(s));
    float *v = values_of(s, part);
    if (!v) return bl_fail(BL_EINVAL, "parameter store: %s", part ? "no momentum" : "unfinished");
    const bl_st_tensor **from = calloc((size_t)s->n + 1, sizeof *from);
    if (!from) return bl_no_memory("for a list of tensors");
    char full[512];
    int missing = 0;
    bl_status status = BL_OK;
    for (int64_t i = 0; i < s->n && status == BL_OK; i++) {
        const item *it = &s->item[i];
        if (part && it->region >= FROZEN) continue;
        bool fits = file_name(rules, n_rules, it->spec.name, full, sizeof full);
        from[i] = fits ? bl_st_find(f, full) : NULL;
        missing += from[i] == NULL;
        if (!from[i] && !partial) status = bl_fail(BL_EFORMAT, "tensor %s is missing", full);
    }
    if (status == BL_OK) status = read_tensors(s, ctx, from, v);
    free(from);
    if (n_missing) *n_missing = missing;
    return status;
}

bl_status bl_store_import_tensors(bl_store *s, bl_ctx *ctx, const bl_st_tensor *const *from) {
    return s->w ? read_tensors(s, ctx, from, s->w)
                : bl_fail(BL_EINVAL, "parameter store: unfinished");
}

bl_status bl_store_import(bl_store *s, bl_ctx *ctx, const bl_st_file *f, const char *prefix,
                          bl_store_part part, bool partial, int *n_missing) {
    bl_rename all = {"", prefix};
    return import_renamed(s, ctx, f, &all, 1, part, partial, n_missing);
}

bl_status bl_store_import_renamed(bl_store *s, bl_ctx *ctx, const bl_st_file *f,
                                  const bl_rename *rules, int n_rules, bool partial,
                                  int *n_missing) {
    return import_renamed(s, ctx, f, rules, n_rules, BL_STORE_VALUES, partial, n_missing);
}
