#include "datasets/splits/split_copy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json_out.h"
#include "core/json_pull.h"

enum { IMAGES, ANNOTATIONS, CATEGORIES, TABLES };
static const char *const keys[TABLES] = {"images", "annotations", "categories"};

/* Where a record goes: a bit a part; nowhere for what the reader has left out. */
typedef struct table {
    uint8_t *parts; /* [n] by record */
    int64_t n;
} table;

typedef struct copier {
    const bl_split *s;
    bl_pull *j;
    bl_outfile out[2];
    table table[TABLES];
    int64_t *fresh; /* [annotations] the id to write in place of the record's; INT64_MIN: its own */
    bool any_key, info;
} copier;

/* ---- which record goes where ---- */

static void take(table *t, uint32_t record, uint8_t parts) {
    if (record < t->n) t->parts[record] |= parts;
}

static bl_status make_table(table *t, int64_t n) {
    t->n = n;
    t->parts = calloc((size_t)n + 1, 1);
    return t->parts ? BL_OK : bl_no_memory("for %lld records", (long long)n);
}

static bl_status make_tables(copier *c) {
    const bl_dataset *d = c->s->source, *part[2] = {c->s->labelled, c->s->unlabelled};
    int64_t most[TABLES] = {0};
    for (int32_t i = 0; i < d->n_images; i++)
        if (d->images[i].record >= most[IMAGES]) most[IMAGES] = d->images[i].record + 1;
    for (int64_t i = 0; i < d->n_anns; i++)
        if (d->anns[i].record >= most[ANNOTATIONS]) most[ANNOTATIONS] = d->anns[i].record + 1;
    for (int32_t i = 0; i < d->n_categories; i++)
        if (d->categories[i].record >= most[CATEGORIES])
            most[CATEGORIES] = d->categories[i].record + 1;
    for (int t = 0; t < TABLES; t++) BL_TRY(make_table(&c->table[t], most[t]));
    c->fresh = malloc(((size_t)most[ANNOTATIONS] + 1) * sizeof *c->fresh);
    if (!c->fresh) return bl_no_memory("for %lld ids", (long long)d->n_anns);
    for (int64_t i = 0; i < most[ANNOTATIONS]; i++) c->fresh[i] = INT64_MIN;
    for (int64_t i = 0; i < d->n_anns; i++)
        if (d->anns[i].renumbered) c->fresh[d->anns[i].record] = d->anns[i].id;
    for (int32_t i = 0; i < d->n_categories; i++)
        take(&c->table[CATEGORIES], d->categories[i].record, 3);
    for (int k = 0; k < 2; k++) {
        for (int32_t i = 0; i < part[k]->n_images; i++)
            take(&c->table[IMAGES], part[k]->images[i].record, (uint8_t)(1 << k));
        for (int64_t i = 0; i < part[k]->n_anns; i++)
            take(&c->table[ANNOTATIONS], part[k]->anns[i].record, (uint8_t)(1 << k));
    }
    return BL_OK;
}

/* ---- members ---- */

static void put_key(copier *c, const char *key) {
    for (int k = 0; k < 2; k++) {
        fputs(c->any_key ? ",\n" : "{", c->out[k].f);
        bl_json_put_string(c->out[k].f, key);
        fputs(": ", c->out[k].f);
    }
    c->any_key = true;
}

/* `first` becomes false. */
static void put_member(FILE *f, bool *first, const char *key, const char *text, size_t size) {
    if (!*first) fputs(", ", f);
    *first = false;
    bl_json_put_string(f, key);
    fputs(": ", f);
    fwrite(text, 1, size, f);
}

/* Copies an object's members, but for those of two names. */
static bl_status put_members(bl_pull *j, FILE *f, bool first, const char *without,
                             const char *or_without) {
    BL_TRY(bl_pull_object(j));
    for (;;) {
        const char *key, *text;
        size_t size;
        BL_TRY(bl_pull_key(j, &key));
        if (!key) return BL_OK;
        char *own = strdup(key); /* skipping may move it away */
        if (!own) return bl_no_memory("for a key");
        bl_status status = bl_pull_skip_text(j, &text, &size);
        if (status == BL_OK && strcmp(own, without) != 0 && strcmp(own, or_without) != 0)
            put_member(f, &first, own, text, size);
        free(own);
        BL_TRY(status);
    }
}

/* ---- info ---- */

static void put_role(FILE *f, int part) {
    fprintf(f, "{\"ballast_role\": \"%s\"", part ? "unlabelled" : "labelled");
    if (part)
        fputs(", \"note\": \"the boxes are hidden labels, kept to measure pseudo-labels: do not "
              "train "
              "on them\"",
              f);
}

/* text: the file's own "info", or NULL. What is no object gives way. */
static bl_status put_info(copier *c, const char *text, size_t size) {
    c->info = true;
    put_key(c, "info");
    for (int k = 0; k < 2; k++) {
        put_role(c->out[k].f, k);
        if (text && size && *text == '{') {
            bl_pull *j;
            BL_TRY(bl_pull_open_memory(text, size, c->s->source->name, &j));
            bl_status status = put_members(j, c->out[k].f, false, "ballast_role", "note");
            bl_pull_close(j);
            BL_TRY(status);
        }
        fputc('}', c->out[k].f);
    }
    return BL_OK;
}

/* ---- records ---- */

/* An annotation with another id. */
static bl_status put_renumbered(copier *c, FILE *f, int64_t id, const char *text, size_t size) {
    bl_pull *j;
    BL_TRY(bl_pull_open_memory(text, size, c->s->source->name, &j));
    fprintf(f, "{\"id\": %" PRId64, id);
    bl_status status = put_members(j, f, false, "id", "id");
    fputc('}', f);
    bl_pull_close(j);
    return status;
}

static bl_status put_record(copier *c, int t, int64_t record, FILE *f, const char *text,
                            size_t size) {
    if (t == ANNOTATIONS && c->fresh[record] != INT64_MIN)
        return put_renumbered(c, f, c->fresh[record], text, size);
    fwrite(text, 1, size, f);
    return BL_OK;
}

static bl_status copy_table(copier *c, int t) {
    bool any[2] = {false, false}, more;
    put_key(c, keys[t]);
    fputc('[', c->out[0].f);
    fputc('[', c->out[1].f);
    BL_TRY(bl_pull_array(c->j));
    for (int64_t i = 0;; i++) {
        const char *text;
        size_t size;
        BL_TRY(bl_pull_more(c->j, &more));
        if (!more) break;
        uint8_t parts = i < c->table[t].n ? c->table[t].parts[i] : 0;
        BL_TRY(parts ? bl_pull_skip_text(c->j, &text, &size) : bl_pull_skip(c->j));
        for (int k = 0; k < 2; k++) {
            if (!(parts >> k & 1)) continue;
            fputs(any[k] ? ",\n" : "\n", c->out[k].f);
            any[k] = true;
            BL_TRY(put_record(c, t, i, c->out[k].f, text, size));
        }
    }
    fputs("\n]", c->out[0].f);
    fputs("\n]", c->out[1].f);
    return BL_OK;
}

static bl_status copy_member(copier *c, const char *key) {
    const char *text;
    size_t size;
    for (int t = 0; t < TABLES; t++)
        if (strcmp(key, keys[t]) == 0) return copy_table(c, t);
    if (strcmp(key, "info") == 0) {
        BL_TRY(bl_pull_skip_text(c->j, &text, &size));
        char *own = strndup(text, size);
        bl_status status = own ? put_info(c, own, size) : bl_no_memory("for info");
        free(own);
        return status;
    }
    put_key(c, key);
    BL_TRY(bl_pull_skip_text(c->j, &text, &size));
    for (int k = 0; k < 2; k++) fwrite(text, 1, size, c->out[k].f);
    return BL_OK;
}

static bl_status copy_document(copier *c) {
    BL_TRY(bl_pull_object(c->j));
    for (;;) {
        const char *key;
        BL_TRY(bl_pull_key(c->j, &key));
        if (!key) break;
        BL_TRY(copy_member(c, key));
    }
    BL_TRY(bl_pull_end(c->j));
    if (!c->info) BL_TRY(put_info(c, NULL, 0));
    for (int k = 0; k < 2; k++) fputs("\n}\n", c->out[k].f);
    return BL_OK;
}

bl_status bl_split_copy(const bl_split *s, const char *const paths[2]) {
    copier c = {.s = s};
    bl_status status;
    BL_TRY_DONE(make_tables(&c));
    BL_TRY_DONE(bl_pull_open(s->source->name, &c.j));
    for (int k = 0; k < 2; k++) BL_TRY_DONE(bl_outfile_open(paths[k], &c.out[k]));
    BL_TRY_DONE(copy_document(&c));
    for (int k = 0; k < 2; k++) BL_TRY_DONE(bl_outfile_commit(&c.out[k]));
done:
    for (int k = 0; k < 2; k++) bl_outfile_abort(&c.out[k]);
    for (int t = 0; t < TABLES; t++) free(c.table[t].parts);
    bl_pull_close(c.j);
    free(c.fresh);
    return status;
}
