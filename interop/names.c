#include "interop/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "interop/names/tables.h"

enum { MAX_NUMBERS = 6, MAX_NAME = 512 };

const bl_name_table *const bl_name_tables[] = {
    &bl_names_torchvision,   &bl_names_detectron2,
    &bl_names_detectron2_c4, &bl_names_detectron2_backbone,
    &bl_names_caffe2,        &bl_names_mmdet1,
    &bl_names_moco,          &bl_names_usb_wrn,
    &bl_names_daso_wrn,      NULL};

/* ---- one rule ---- */

typedef struct found {
    long number[MAX_NUMBERS];
    int n;
    const char *rest;
} found;

static bool fits(const char *pattern, const char *name, found *f) {
    for (; *pattern; pattern++) {
        if (*pattern == '*' && !pattern[1]) {
            f->rest = name;
            return *name != 0;
        }
        if (*pattern == '#') {
            char *end;
            if (!isdigit((unsigned char)*name) || f->n == MAX_NUMBERS) return false;
            f->number[f->n++] = strtol(name, &end, 10);
            name = end;
        } else if (*pattern != *name++) {
            return false;
        }
    }
    return *name == 0;
}

/* "{1}" or "{2-1}" at *ours, which moves behind it. */
static long number_of(const char **ours, const found *f) {
    char *end;
    long i = strtol(*ours + 1, &end, 10), less = *end == '-' ? strtol(end + 1, &end, 10) : 0;
    *ours = end + 1;
    return i >= 1 && i <= f->n ? f->number[i - 1] - less : 0;
}

bool bl_name_apply(const bl_name_rule *rule, const char *theirs, char *out, size_t size) {
    found f = {.rest = ""};
    size_t n = 0;
    if (!fits(rule->theirs, theirs, &f)) return false;
    for (const char *p = rule->ours; *p;) {
        if (*p == '{') {
            n += (size_t)snprintf(out + n, size - n, "%ld", number_of(&p, &f));
        } else {
            bool rest = *p == '*' && !p[1];
            n += rest ? (size_t)snprintf(out + n, size - n, "%s", f.rest)
                      : (size_t)snprintf(out + n, size - n, "%c", *p);
            p++;
        }
        if (n >= size) return false;
    }
    return true;
}

/* "{1}" or "{2-1}" against the digits at *name: number 1 becomes them, or them plus 1. */
static bool take_number(const char **ours, const char **name, found *f) {
    char *end;
    if (!isdigit((unsigned char)**name)) return false;
    long i = strtol(*ours + 1, &end, 10), more = *end == '-' ? strtol(end + 1, &end, 10) : 0;
    *ours = end + 1;
    if (i < 1 || i > MAX_NUMBERS) return false;
    f->number[i - 1] = strtol(*name, &end, 10) + more;
    *name = end;
    return true;
}

static bool fits_ours(const char *pattern, const char *name, found *f) {
    while (*pattern) {
        if (*pattern == '*' && !pattern[1]) {
            f->rest = name;
            return *name != 0;
        }
        if (*pattern == '{') {
            if (!take_number(&pattern, &name, f)) return false;
        } else if (*pattern++ != *name++) {
            return false;
        }
    }
    return *name == 0;
}

bool bl_name_reverse(const bl_name_rule *rule, const char *ours, char *out, size_t size) {
    found f = {.rest = ""};
    size_t n = 0;
    if (!fits_ours(rule->ours, ours, &f)) return false;
    for (const char *p = rule->theirs; *p; p++) {
        if (*p == '#')
            n += (size_t)snprintf(out + n, size - n, "%ld", f.number[f.n++]);
        else if (*p == '*' && !p[1])
            n += (size_t)snprintf(out + n, size - n, "%s", f.rest);
        else
            n += (size_t)snprintf(out + n, size - n, "%c", *p);
        if (n >= size) return false;
    }
    return true;
}

/* ---- the part of a file that holds the model ---- */

static bool begins(const char *s, const char *with) {
    return strncmp(s, with, strlen(with)) == 0;
}

/* Removes one container that some tensors lie in: the names of those begin with part + what. */
static bool enter(const bl_st_file *f, bl_translation *tell, const char *what) {
    char longer[sizeof tell->part];
    int n = snprintf(longer, sizeof longer, "%s%s", tell->part, what);
    if (n >= (int)sizeof longer) return false;
    for (int i = 0; i < bl_st_count(f); i++) {
        if (!begins(bl_st_at(f, i)->name, longer)) continue;
        memcpy(tell->part, longer, sizeof longer);
        return true;
    }
    return false;
}

/* Averaged models first when the teacher is asked for. "module" is DataParallel's. */
static void find_part(const bl_st_file *f, bool teacher, bl_translation *tell) {
    static const char *const averaged[] = {"ema_model.", "ema_state_dict.", "state_dict_ema.",
                                           "model_ema.", NULL};
    static const char *const plain[] = {
        "state_dict.", "model_state_dict.", "model.", "module.", "blobs.", "net.", NULL};
    bool more = true;
    while (more) {
        more = false;
        for (int i = 0; teacher && averaged[i] && !more; i++) more = enter(f, tell, averaged[i]);
        for (int i = 0; plain[i] && !more; i++) more = enter(f, tell, plain[i]);
    }
}

/* ---- a whole file ---- */

typedef struct translated {
    bl_st_file *file;
    bl_arena *arena;
} translated;

static void release(void *owner) {
    translated *t = owner;
    bl_st_close(t->file);
    bl_arena_destroy(t->arena);
    free(t);
}

static const bl_name_rule *rule_for(const bl_name_table *table, const char *name, char *out,
                                    size_t size) {
    for (int i = 0; i < table->n; i++)
        if (bl_name_apply(&table->rule[i], name, out, size)) return &table->rule[i];
    return NULL;
}

static const bl_name_table *find_table(const bl_st_file *f, const char *part) {
    for (int k = 0; bl_name_tables[k]; k++) {
        char name[MAX_NAME];
        int n = snprintf(name, sizeof name, "%s%s", part, bl_name_tables[k]->needs);
        if (n < MAX_NAME && bl_st_find(f, name)) return bl_name_tables[k];
    }
    return NULL;
}

/* Rows in another order; a copy in the arena. */
static bl_status change_rows(bl_arena *arena, bl_name_change change, const char *path,
                             bl_st_tensor *t) {
    int64_t rows = t->ndim > 0 ? t->shape[0] : 0,
            first = change == BL_NAME_BACKGROUND_BOXES ? 4 : 1;
    if (rows < first || (change == BL_NAME_BACKGROUND_BOXES && rows % 4))
        return bl_fail(BL_EFORMAT, "%s: tensor \"%s\": %lld rows hold no background class", path,
                       t->name, (long long)rows);
    size_t row = t->bytes / (size_t)rows, head = row * (size_t)first;
    uint8_t *to = BL_NEW_ARRAY(arena, uint8_t, t->bytes + 1);
    if (!to) return BL_ENOMEM;
    memcpy(to, (const uint8_t *)t->data + head, t->bytes - head);
    if (change == BL_NAME_BACKGROUND_FIRST) {
        memcpy(to + t->bytes - head, t->data, head);
    } else {
        t->shape[0] -= first;
        t->bytes -= head;
    }
    t->data = to;
    return BL_OK;
}

static bl_status translate_one(translated *o, const char *path, const bl_st_tensor *from,
                               bl_translation *tell, bl_st_tensor *to) {
    char name[MAX_NAME];
    const char *theirs = from->name + strlen(tell->part);
    const bl_name_rule *rule =
        tell->table ? rule_for(tell->table, theirs, name, sizeof name) : NULL;
    *to = *from;
    to->name = theirs;
    if (!rule) {
        tell->others++;
        return BL_OK;
    }
    tell->renamed++;
    to->name = bl_arena_strdup(o->arena, name);
    if (!to->name) return BL_ENOMEM;
    return rule->change == BL_NAME_SAME ? BL_OK : change_rows(o->arena, rule->change, path, to);
}

static bl_status translate_all(translated *o, const char *path, bl_translation *tell,
                               bl_st_tensor **out, int *n) {
    int count = bl_st_count(o->file);
    bl_st_tensor *to = BL_NEW_ARRAY(o->arena, bl_st_tensor, count + 1);
    if (!to) return BL_ENOMEM;
    for (int i = 0; i < count; i++) {
        const bl_st_tensor *from = bl_st_at(o->file, i);
        if (!begins(from->name, tell->part)) continue;
        BL_TRY(translate_one(o, path, from, tell, &to[*n]));
        (*n)++;
    }
    *out = to;
    return BL_OK;
}

/* Takes `file`, which is closed on failure. */
static bl_status begin(bl_st_file *file, const char *path, translated **out) {
    translated *o = calloc(1, sizeof *o);
    if (o) *o = (translated){file, bl_arena_create(1 << 14)};
    if (!o || !o->arena) {
        free(o);
        bl_st_close(file);
        return bl_no_memory("for %s", path);
    }
    *out = o;
    return BL_OK;
}

bl_status bl_names_translate(bl_st_file *file, const char *path, bool teacher, bl_st_file **out,
                             bl_translation *tell) {
    bl_translation unused;
    bl_st_tensor *tensors = NULL;
    int n = 0;
    *out = NULL;
    if (!tell) tell = &unused;
    *tell = (bl_translation){0};
    translated *o = NULL;
    BL_TRY(begin(file, path, &o));
    find_part(file, teacher, tell);
    tell->table = find_table(file, tell->part);
    bl_status status = translate_all(o, path, tell, &tensors, &n);
    if (status != BL_OK) {
        release(o);
        return status;
    }
    return bl_st_wrap(path, tensors, n, release, o, out);
}

/* ---- the way out ---- */

static const bl_name_rule *reverse_rule(const bl_name_table *table, const char *ours, char *out,
                                        size_t size) {
    for (int i = 0; i < table->n; i++)
        if (bl_name_reverse(&table->rule[i], ours, out, size)) return &table->rule[i];
    return NULL;
}

/* The rows of the background return to the front. */
static bl_status restore_rows(bl_arena *arena, bl_name_change change, const char *path,
                              bl_st_tensor *t) {
    int64_t rows = t->ndim > 0 ? t->shape[0] : 0;
    if (rows < 1) return bl_fail(BL_EFORMAT, "%s: tensor \"%s\" is empty", path, t->name);
    size_t row = t->bytes / (size_t)rows, head = change == BL_NAME_BACKGROUND_BOXES ? 4 * row : row;
    uint8_t *to = BL_NEW_ARRAY(arena, uint8_t, t->bytes + head);
    if (!to) return BL_ENOMEM;
    if (change == BL_NAME_BACKGROUND_BOXES) {
        memset(to, 0, head);
        memcpy(to + head, t->data, t->bytes);
        t->shape[0] += 4;
        t->bytes += head;
    } else {
        memcpy(to, (const uint8_t *)t->data + t->bytes - head, head);
        memcpy(to + head, t->data, t->bytes - head);
    }
    t->data = to;
    return BL_OK;
}

static int64_t rows_of(bl_st_file *file, const char *part, const char *name) {
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%s%s", part, name);
    const bl_st_tensor *t = bl_st_find(file, full);
    return t && t->ndim > 0 ? t->shape[0] : -1;
}

/* Other frameworks have one output for each class and the background; the losses of some plug-ins
 * want more or fewer (detector/faster_rcnn.h), which must not pass for those. */
static bl_status check_outputs(bl_st_file *file, const char *path, const char *part,
                               const bl_name_table *table) {
    int64_t outputs = rows_of(file, part, "roi_head.bbox_head.fc_cls.weight");
    int64_t classes = rows_of(file, part, "roi_head.bbox_head.fc_reg.weight") / 4;
    if (outputs < 0 || classes < 1 || outputs == classes + 1) return BL_OK;
    return bl_fail(
        BL_EFORMAT,
        "%s: the RoI classifier has %lld outputs for %lld classes; a %s has %lld, so this "
        "method's model cannot be written as one",
        path, (long long)outputs, (long long)classes, table->framework, (long long)classes + 1);
}

static bl_status export_all(translated *o, const char *path, const char *part,
                            const bl_name_table *table, bl_st_tensor *to, int *n, int *left) {
    for (int i = 0; i < bl_st_count(o->file); i++) {
        const bl_st_tensor *from = bl_st_at(o->file, i);
        char name[MAX_NAME];
        if (!begins(from->name, part)) continue;
        const bl_name_rule *rule =
            reverse_rule(table, from->name + strlen(part), name, sizeof name);
        if (!rule) {
            (*left)++;
            continue;
        }
        bl_st_tensor *t = &to[(*n)++];
        *t = *from;
        t->name = bl_arena_strdup(o->arena, name);
        if (!t->name) return BL_ENOMEM;
        if (rule->change != BL_NAME_SAME) BL_TRY(restore_rows(o->arena, rule->change, path, t));
    }
    return BL_OK;
}

bl_status bl_names_export(bl_st_file *file, const char *path, const char *part,
                          const bl_name_table *table, bl_st_file **out, int *left) {
    int n = 0, others = 0;
    *out = NULL;
    translated *o = NULL;
    BL_TRY(begin(file, path, &o));
    bl_st_tensor *to = BL_NEW_ARRAY(o->arena, bl_st_tensor, bl_st_count(file) + 1);
    bl_status status = to ? check_outputs(file, path, part, table) : BL_ENOMEM;
    if (status == BL_OK) status = export_all(o, path, part, table, to, &n, &others);
    if (status == BL_OK && n == 0)
        status = bl_fail(BL_EFORMAT, "%s: no tensor has a name in a %s", path, table->framework);
    if (left) *left = others;
    if (status != BL_OK) {
        release(o);
        return status;
    }
    return bl_st_wrap(path, to, n, release, o, out);
}
