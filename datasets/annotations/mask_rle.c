#include "datasets/annotations/mask_rle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/images/image.h"

void bl_rle_free(bl_rle *r) {
    if (r->cap) free(r->counts);
    *r = (bl_rle){0};
}

bl_status bl_rle_reserve(bl_rle *r, int64_t n) {
    if (n <= r->cap) return BL_OK;
    int64_t cap = r->cap + r->cap / 2 > n ? r->cap + r->cap / 2 : n;
    uint32_t *v = realloc(r->cap ? r->counts : NULL, (size_t)cap * sizeof *v);
    if (!v) return bl_no_memory("for a mask of %lld runs", (long long)n);
    if (!r->cap && r->n) memcpy(v, r->counts, (size_t)r->n * sizeof *v);
    r->counts = v;
    r->cap = cap;
    return BL_OK;
}

static bl_status check_size(int32_t h, int32_t w) {
    if (h < 1 || w < 1 || h > BL_IMAGE_MAX_SIDE || w > BL_IMAGE_MAX_SIDE)
        return bl_fail(BL_EFORMAT, "mask of %d rows and %d columns, expected 1 to %d of each", h, w,
                       BL_IMAGE_MAX_SIDE);
    return BL_OK;
}

static bl_status check_sum(uint64_t sum, int32_t h, int32_t w) {
    uint64_t pixels = (uint64_t)h * (uint64_t)w;
    if (sum == pixels) return BL_OK;
    return bl_fail(BL_EFORMAT, "the runs of the mask cover %s%llu pixels, but %d x %d are %llu",
                   sum > pixels ? "at least " : "", (unsigned long long)sum, h, w,
                   (unsigned long long)pixels);
}

bl_status bl_rle_check(const bl_rle *r) {
    uint64_t sum = 0;
    BL_TRY(check_size(r->h, r->w));
    for (int64_t i = 0; i < r->n && sum <= (uint64_t)r->h * (uint64_t)r->w; i++)
        sum += r->counts[i];
    return check_sum(sum, r->h, r->w);
}

/* ---- pixels ---- */

bl_status bl_rle_encode(const uint8_t *mask, int32_t h, int32_t w, bl_rle *out) {
    BL_TRY(check_size(h, w));
    size_t pixels = (size_t)h * (size_t)w, run = 0;
    bool value = false;
    out->h = h;
    out->w = w;
    out->n = 0;
    for (size_t i = 0; i < pixels; i++, run++) {
        if ((mask[i] != 0) == value) continue;
        BL_TRY(bl_rle_reserve(out, out->n + 2));
        out->counts[out->n++] = (uint32_t)run;
        value = !value;
        run = 0;
    }
    BL_TRY(bl_rle_reserve(out, out->n + 1));
    out->counts[out->n++] = (uint32_t)run;
    return BL_OK;
}

void bl_rle_decode(const bl_rle *r, uint8_t *mask) {
    for (int64_t i = 0; i < r->n; i++) {
        memset(mask, (int)(i & 1), r->counts[i]);
        mask += r->counts[i];
    }
}

/* ---- lists and strings of counts ---- */

bl_status bl_rle_from_counts(const double *counts, int64_t n, int32_t h, int32_t w, bl_rle *out) {
    uint64_t sum = 0, pixels = (uint64_t)h * (uint64_t)w;
    BL_TRY(check_size(h, w));
    BL_TRY(bl_rle_reserve(out, n));
    out->h = h;
    out->w = w;
    out->n = n;
    for (int64_t i = 0; i < n; i++) {
        double c = counts[i];
        if (!(c >= 0) || c != floor(c))
            return bl_fail(BL_EFORMAT, "run %lld of the mask is %g, expected a whole number >= 0",
                           (long long)i, c);
        if (c > (double)pixels) return check_sum(pixels + 1, h, w);
        sum += out->counts[i] = (uint32_t)c;
        if (sum > pixels) break;
    }
    return check_sum(sum, h, w);
}

enum { GROUPS_MAX = 7 }; /* 5 bits each; differences of runs of at most 2^30 pixels need 31 */

/* One signed number at *s; NULL when it is cut, too long or has a foreign character. */
static const char *read_groups(const char *s, const char *end, int64_t *value) {
    uint64_t v = 0;
    for (int shift = 0; s < end && shift < 5 * GROUPS_MAX; shift += 5) {
        uint32_t c = (uint32_t)(uint8_t)*s++ - 48;
        if (c > 63) return NULL;
        v |= (uint64_t)(c & 31) << shift;
        if (c & 32) continue;
        if (c & 16) v |= ~(uint64_t)0 << (shift + 5);
        *value = (int64_t)v;
        return s;
    }
    return NULL;
}

bl_status bl_rle_from_string(const char *s, size_t len, int32_t h, int32_t w, bl_rle *out) {
    BL_TRY(check_size(h, w));
    BL_TRY(bl_rle_reserve(out, (int64_t)len));
    const char *p = s, *end = s + len;
    int64_t pixels = (int64_t)h * w, sum = 0, n = 0;
    uint32_t *counts = out->counts;
    while (p < end) {
        int64_t v;
        const char *next = read_groups(p, end, &v);
        if (!next)
            return bl_fail(BL_EFORMAT,
                           "the compressed mask is broken at character %lld of %lld: %s",
                           (long long)(p - s), (long long)len,
                           end - p < GROUPS_MAX ? "it ends inside a run" : "no such run");
        if (n > 2) v += counts[n - 2];
        if (v < 0)
            return bl_fail(BL_EFORMAT, "run %lld of the compressed mask is negative (%lld)",
                           (long long)n, (long long)v);
        if (v > pixels - sum) return check_sum((uint64_t)(sum + v), h, w);
        sum += v;
        counts[n++] = (uint32_t)v;
        p = next;
    }
    out->h = h;
    out->w = w;
    out->n = n;
    return check_sum((uint64_t)sum, h, w);
}

size_t bl_rle_to_string(const bl_rle *r, char *buf) {
    char *p = buf;
    for (int64_t i = 0; i < r->n; i++) {
        int64_t v = r->counts[i];
        if (i > 2) v -= r->counts[i - 2];
        for (bool more = true; more;) {
            int group = (int)(v & 31);
            v >>= 5;
            more = v != (group & 16 ? -1 : 0);
            *p++ = (char)(48 + group + (more ? 32 : 0));
        }
    }
    return (size_t)(p - buf);
}

/* ---- two masks at a time ---- */

/* Walks the runs of one mask. A run of length 0 takes a step of its own. */
typedef struct walk {
    const uint32_t *next, *end;
    uint32_t left; /* of the present run */
    bool value;
} walk;

static walk walk_start(const bl_rle *r) {
    return (walk){.next = r->counts + 1, .end = r->counts + r->n, .left = r->counts[0]};
}

static inline void walk_on(walk *a, uint32_t by) {
    a->left -= by;
    if (a->left == 0 && a->next < a->end) {
        a->left = *a->next++;
        a->value = !a->value;
    }
}

static bl_status merge_two(const bl_rle *x, const bl_rle *y, bool intersect, bl_rle *out) {
    BL_TRY(bl_rle_reserve(out, x->n + y->n));
    walk a = walk_start(x), b = walk_start(y);
    uint32_t run = 0, todo = (uint32_t)x->h * (uint32_t)x->w;
    bool value = false;
    out->h = x->h;
    out->w = x->w;
    out->n = 0;
    while (todo > 0) {
        uint32_t step = a.left < b.left ? a.left : b.left;
        run += step;
        todo -= step;
        walk_on(&a, step);
        walk_on(&b, step);
        bool now = intersect ? a.value && b.value : a.value || b.value;
        if (now != value || todo == 0) {
            out->counts[out->n++] = run;
            run = 0;
        }
        value = now;
    }
    return BL_OK;
}

bl_status bl_rle_merge(const bl_rle *masks, int64_t n, bool intersect, bl_rle *out) {
    if (n < 1) return bl_fail(BL_EINVAL, "no masks to merge");
    for (int64_t i = 1; i < n; i++)
        if (masks[i].h != masks[0].h || masks[i].w != masks[0].w)
            return bl_fail(BL_EINVAL, "masks of %d x %d and %d x %d cannot be merged", masks[0].h,
                           masks[0].w, masks[i].h, masks[i].w);
    BL_TRY(bl_rle_reserve(out, masks[0].n));
    out->h = masks[0].h;
    out->w = masks[0].w;
    out->n = masks[0].n;
    memcpy(out->counts, masks[0].counts, (size_t)masks[0].n * sizeof *out->counts);
    bl_rle other = {0};
    bl_status status = BL_OK;
    for (int64_t i = 1; i < n && status == BL_OK; i++) {
        status = merge_two(out, &masks[i], intersect, &other);
        bl_rle t = *out;
        *out = other;
        other = t;
    }
    bl_rle_free(&other);
    return status;
}

uint32_t bl_rle_area(const bl_rle *r) {
    uint32_t sum = 0;
    for (int64_t i = 1; i < r->n; i += 2) sum += r->counts[i];
    return sum;
}

void bl_rle_to_box(const bl_rle *r, double box[4]) {
    uint32_t h = (uint32_t)r->h, x0 = (uint32_t)r->w, y0 = h, x1 = 0, y1 = 0, at = 0;
    memset(box, 0, 4 * sizeof *box);
    if (r->n < 2) return;
    for (int64_t i = 0; i + 1 < r->n; i += 2) {
        uint32_t first = at + r->counts[i];
        at = first + r->counts[i + 1];
        if (first == at) continue;
        uint32_t left = first / h, right = (at - 1) / h;
        uint32_t top = left < right ? 0 : first % h, bottom = left < right ? h - 1 : (at - 1) % h;
        if (left < x0) x0 = left;
        if (right > x1) x1 = right;
        if (top < y0) y0 = top;
        if (bottom > y1) y1 = bottom;
    }
    box[0] = x0;
    box[1] = y0;
    box[2] = x1 - x0 + 1;
    box[3] = y1 - y0 + 1; /* unsigned, as in the API */
}

/* Whether the API's IoU of the boxes is above 0, which decides if it looks at the masks. */
static bool boxes_meet(const double d[4], const double g[4], bool crowd) {
    double w = fmin(d[2] + d[0], g[2] + g[0]) - fmax(d[0], g[0]);
    double h = fmin(d[3] + d[1], g[3] + g[1]) - fmax(d[1], g[1]);
    if (w <= 0 || h <= 0) return false;
    double both = w * h, own = d[2] * d[3];
    return both / (crowd ? own : own + g[2] * g[3] - both) > 0;
}

double bl_rle_iou(const bl_rle *d, const double d_box[4], const bl_rle *g, const double g_box[4],
                  bool crowd) {
    if (!boxes_meet(d_box, g_box, crowd)) return 0;
    if (d->h != g->h || d->w != g->w) return -1;
    walk a = walk_start(d), b = walk_start(g);
    uint32_t both = 0, either = 0;
    do { /* the API stops early where both masks have an empty run at the same place; so do we */
        uint32_t step = a.left < b.left ? a.left : b.left;
        either += (a.value | b.value) ? step : 0;
        both += (a.value & b.value) ? step : 0;
        walk_on(&a, step);
        walk_on(&b, step);
    } while (a.left + b.left > 0);
    if (both == 0) return 0;
    return (double)both / (double)(crowd ? bl_rle_area(d) : either);
}

bl_status bl_rle_ious(const bl_rle *d, int64_t m, const bl_rle *g, int64_t n, const uint8_t *crowd,
                      double *out) {
    double(*boxes)[4] = malloc(((size_t)m + (size_t)n + 1) * sizeof *boxes);
    if (!boxes) return bl_no_memory("for the boxes of masks");
    for (int64_t i = 0; i < m; i++) bl_rle_to_box(&d[i], boxes[i]);
    for (int64_t k = 0; k < n; k++) bl_rle_to_box(&g[k], boxes[m + k]);
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; i < m; i++)
            out[k * m + i] = bl_rle_iou(&d[i], boxes[i], &g[k], boxes[m + k], crowd && crowd[k]);
    free(boxes);
    return BL_OK;
}
