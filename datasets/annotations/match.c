#include "datasets/annotations/match.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/schema.h"

/* ---- lists in words ---- */

static void BL_PRINTF(3, 4) append(char *text, int32_t *n, const char *fmt, ...) {
    enum { SHOWN = 8 };
    size_t used = strlen(text);
    char one[96];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(one, sizeof one, fmt, ap);
    va_end(ap);
    ++*n;
    if (*n > SHOWN || used + strlen(one) + 24 > BL_MATCH_TEXT) {
        if (!strstr(text, ", ...")) snprintf(text + used, BL_MATCH_TEXT - used, ", ...");
        return;
    }
    snprintf(text + used, BL_MATCH_TEXT - used, "%s%s", used ? ", " : "", one);
}

/* ---- which category is which ---- */

static void trim(const char **s, size_t *n) {
    static const char space[] = " \t\r\n";
    *s += strspn(*s, space);
    *n = strlen(*s);
    while (*n && strchr(space, (*s)[*n - 1])) --*n;
}

static bool alike(const char *a, const char *b) {
    size_t na, nb;
    trim(&a, &na);
    trim(&b, &nb);
    return na == nb && strncasecmp(a, b, na) == 0;
}

/* The one category of `d` that is called `name`: -1 when there is none, -2 when there are two. */
static int32_t find(const bl_dataset *d, const char *name, bool loosely, const uint8_t *taken) {
    int32_t found = -1;
    for (int32_t c = 0; c < d->n_categories; c++) {
        const char *other = d->categories[c].name;
        if (taken && taken[c]) continue;
        if (!(loosely ? alike(other, name) : strcmp(other, name) == 0)) continue;
        if (found >= 0) return -2;
        found = c;
    }
    return found;
}

/* Scratch of a match. */
typedef struct pairing {
    const bl_dataset *d, *like;
    int32_t *from;  /* [like's]: category of d, -1 none */
    int32_t *to;    /* [d's]: category of like, -1 none */
    uint8_t *taken; /* [d's] */
    int64_t *boxes; /* [d's] */
} pairing;

static void pairing_free(pairing *p) {
    free(p->from);
    free(p->to);
    free(p->taken);
    free(p->boxes);
}

static bl_status pairing_make(pairing *p, const bl_dataset *d, const bl_dataset *like) {
    size_t nd = (size_t)d->n_categories + 1, nl = (size_t)like->n_categories + 1;
    *p = (pairing){d,
                   like,
                   malloc(sizeof *p->from * nl),
                   malloc(sizeof *p->to * nd),
                   calloc(nd, 1),
                   calloc(nd, sizeof *p->boxes)};
    if (!p->from || !p->to || !p->taken || !p->boxes)
        return bl_no_memory("for %s (to match categories)", d->name);
    for (int32_t c = 0; c < d->n_categories; c++) p->to[c] = -1;
    bl_dataset_counts(d, true, NULL, p->boxes);
    return BL_OK;
}

static bl_status pair(pairing *p, bool loosely, bl_match *out) {
    for (int32_t c = 0; c < p->like->n_categories; c++) {
        const char *name = p->like->categories[c].name;
        if (loosely && p->from[c] >= 0) continue;
        int32_t k = find(p->d, name, loosely, p->taken);
        if (k == -2 && !loosely)
            return bl_fail(BL_EFORMAT,
                           "%s: two categories are called \"%s\"; categories are matched by name: "
                           "rename or merge them",
                           p->d->name, name);
        p->from[c] = k < 0 ? -1 : k;
        if (k < 0) continue;
        p->taken[k] = 1;
        p->to[k] = c;
        if (loosely)
            append(out->loose, &out->n_loose, "\"%.32s\" as \"%.32s\"", p->d->categories[k].name,
                   name);
    }
    return BL_OK;
}

static bl_status refuse(const pairing *p, int32_t c) {
    const char **names = calloc((size_t)p->like->n_categories + 1, sizeof *names);
    if (!names) return bl_no_memory("for %s", p->d->name);
    for (int32_t i = 0; i < p->like->n_categories; i++) names[i] = p->like->categories[i].name;
    const char *name = p->d->categories[c].name, *close = bl_did_you_mean(name, names);
    bl_status status = bl_fail(
        BL_EFORMAT,
        "%s: category \"%s\" has %lld boxes, but %s has no category of that name%s%s%s; categories "
        "are matched by name: rename it, or add it there",
        p->d->name, name, (long long)p->boxes[c], p->like->name, close ? " (is it \"" : "",
        close ? close : "", close ? "\" there?)" : "");
    free(names);
    return status;
}

static bl_status report(const pairing *p, bool drop_boxes, bl_match *out) {
    for (int32_t c = 0; c < p->like->n_categories; c++) {
        const bl_category *here = &p->like->categories[c];
        int32_t k = p->from[c];
        if (k < 0) {
            append(out->absent, &out->n_absent, "\"%.60s\"", here->name);
        } else if (p->d->categories[k].id != here->id || k != c) {
            append(out->moved, &out->n_moved, "\"%.40s\" (id %lld for %lld)", here->name,
                   (long long)p->d->categories[k].id, (long long)here->id);
        }
    }
    for (int32_t c = 0; c < p->d->n_categories; c++) {
        if (p->to[c] >= 0) continue;
        if (p->boxes[c] && !drop_boxes) return refuse(p, c);
        append(out->extra, &out->n_extra, "\"%.60s\"", p->d->categories[c].name);
        out->n_boxes += p->boxes[c];
    }
    return BL_OK;
}

/* ---- the data set with other categories ---- */

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int32_t remap_list(const int32_t *v, int32_t n, const int32_t *to, int32_t *out) {
    int32_t kept = 0;
    for (int32_t i = 0; i < n; i++)
        if (to[v[i]] >= 0) out[kept++] = to[v[i]];
    qsort(out, (size_t)kept, sizeof *out, by_value);
    return kept;
}

static int64_t list_length(const bl_dataset *d) {
    int64_t n = 0;
    for (int32_t i = 0; d->federated && i < d->n_images; i++)
        n += d->federated[i].n_negative + d->federated[i].n_not_exhaustive;
    return n;
}

static void remap_lists(bl_federated *f, int32_t n, const int32_t *to, int32_t *room) {
    for (int32_t i = 0; i < n; i++) {
        f[i].n_negative = remap_list(f[i].negative, f[i].n_negative, to, room);
        f[i].negative = room;
        room += f[i].n_negative;
        f[i].n_not_exhaustive = remap_list(f[i].not_exhaustive, f[i].n_not_exhaustive, to, room);
        f[i].not_exhaustive = room;
        room += f[i].n_not_exhaustive;
    }
}

/* *d with `categories` instead of its own; to[c] says which of them category c becomes, -1: none,
 * and its boxes go. */
static bl_status replace(bl_dataset **d, bl_category *categories, int32_t n, const int32_t *to) {
    const bl_dataset *old = *d;
    bl_dataset parts = *old, *now = NULL;
    size_t room = (size_t)old->n_anns + 1, images = (size_t)old->n_images + 1;
    int32_t *lists = malloc(sizeof *lists * (size_t)(list_length(old) + 1));
    parts.anns = malloc(sizeof *parts.anns * room);
    parts.masks = old->masks ? malloc(sizeof *parts.masks * room) : NULL;
    parts.federated = old->federated ? malloc(sizeof *parts.federated * images) : NULL;
    parts.categories = categories;
    parts.n_categories = n;
    parts.n_anns = 0;
    bl_status status = BL_OK;
    if (!lists || !parts.anns || (old->masks && !parts.masks) ||
        (old->federated && !parts.federated))
        BL_TRY_DONE(bl_no_memory("for %s (to match categories)", old->name));
    for (int64_t i = 0; i < old->n_anns; i++) {
        if (to[old->anns[i].category] < 0) continue;
        parts.anns[parts.n_anns] = old->anns[i];
        parts.anns[parts.n_anns].category = to[old->anns[i].category];
        if (old->masks) parts.masks[parts.n_anns] = old->masks[i];
        parts.n_anns++;
    }
    if (old->federated) {
        memcpy(parts.federated, old->federated, sizeof *parts.federated * (size_t)old->n_images);
        remap_lists(parts.federated, old->n_images, to, lists);
    }
    BL_TRY_DONE(bl_dataset_build(&parts, &now));
    bl_dataset_free(*d);
    *d = now;
done:
    free(lists);
    free(parts.anns);
    free(parts.masks);
    free(parts.federated);
    return status;
}

static bool id_taken(const bl_category *v, int32_t n, const bl_dataset *d, int64_t id) {
    for (int32_t c = 0; c < n; c++)
        if (v[c].id == id) return true;
    for (int32_t c = 0; c < d->n_categories; c++)
        if (d->categories[c].id == id) return true;
    return false;
}

static int64_t free_id(const bl_category *v, int32_t n, const bl_dataset *d, int64_t wanted) {
    while (id_taken(v, n, d, wanted) && wanted < INT64_MAX) wanted++;
    return wanted;
}

static bl_status take_categories(bl_dataset **d, const pairing *p) {
    int32_t n = p->like->n_categories;
    bl_category *v = malloc(sizeof *v * ((size_t)n + 1));
    if (!v) return bl_no_memory("for %s (to match categories)", p->d->name);
    for (int32_t c = 0; c < n; c++) {
        v[c] = p->from[c] >= 0 ? p->d->categories[p->from[c]] : p->like->categories[c];
        v[c].name = p->like->categories[c].name;
        if (p->from[c] < 0) v[c].id = free_id(v, c, p->d, v[c].id);
    }
    bl_status status = replace(d, v, n, p->to);
    free(v);
    return status;
}

bl_status bl_dataset_match(bl_dataset **d, const bl_dataset *like, bool drop_boxes, bl_match *out) {
    pairing p;
    *out = (bl_match){0};
    bl_status status = pairing_make(&p, *d, like);
    if (status == BL_OK) status = pair(&p, false, out);
    if (status == BL_OK) status = pair(&p, true, out);
    if (status == BL_OK) status = report(&p, drop_boxes, out);
    bool same = out->n_loose + out->n_absent + out->n_extra == 0;
    for (int32_t c = 0; same && status == BL_OK && c < like->n_categories; c++)
        same = p.from[c] == c;
    if (status == BL_OK && !same) status = take_categories(d, &p);
    pairing_free(&p);
    return status;
}

bl_status bl_dataset_drop_root(bl_dataset **d, char **name) {
    const bl_dataset *old = *d;
    int32_t n = old->n_categories, root = -1;
    *name = NULL;
    for (int32_t c = 0; c < n; c++)
        if (old->categories[c].id == 0) root = c;
    if (root < 0 || n < 2) return BL_OK;
    for (int32_t c = 0; c < n; c++)
        if (c != root && strcmp(old->categories[c].supercategory, old->categories[root].name) != 0)
            return BL_OK;
    for (int64_t i = 0; i < old->n_anns; i++)
        if (old->anns[i].category == root) return BL_OK;
    int32_t *to = malloc(sizeof *to * (size_t)n), kept = 0;
    bl_category *v = malloc(sizeof *v * (size_t)n);
    *name = strdup(old->categories[root].name);
    bl_status status = to && v && *name ? BL_OK : bl_no_memory("for %s (categories)", old->name);
    for (int32_t c = 0; status == BL_OK && c < n; c++) {
        to[c] = c == root ? -1 : kept;
        if (c != root) v[kept++] = old->categories[c];
    }
    if (status == BL_OK) status = replace(d, v, kept, to);
    free(to);
    free(v);
    if (status != BL_OK) {
        free(*name);
        *name = NULL;
    }
    return status;
}
