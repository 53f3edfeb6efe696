#include "nn/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/file_tensor.h"

static const char BACKBONE[] = "backbone.";
enum { BACKBONE_LENGTH = sizeof BACKBONE - 1, NAME = 512 };

static bool begins(const char *name, const char *with) {
    return strncmp(name, with, strlen(with)) == 0;
}

static bool ends(const char *name, const char *with) {
    size_t n = strlen(name), m = strlen(with);
    return n >= m && strcmp(name + n - m, with) == 0;
}

static void list_name(bl_weight_names *l, const char *name) {
    size_t at = strlen(l->text);
    if (l->n++ >= BL_WEIGHT_SHOWN) return;
    snprintf(l->text + at, sizeof l->text - at, "%s%.48s", at ? ", " : "", name);
}

/* How the file writes the model's names: all below `prefix`, the backbone's with or without its
 * own. */
typedef struct naming {
    char prefix[32];
    bool bare;
} naming;

static const bl_st_tensor *find(const bl_st_file *f, const naming *how, const char *ours) {
    char theirs[NAME];
    const char *rest = how->bare && begins(ours, BACKBONE) ? ours + BACKBONE_LENGTH : ours;
    int n = snprintf(theirs, sizeof theirs, "%s%s", how->prefix, rest);
    return n > 0 && n < NAME ? bl_st_find(f, theirs) : NULL;
}

/* Scale and shift of batch normalisation mean nothing to group normalisation, nor the reverse; only
 * the former has statistics beside them. */
static bool other_norm(const bl_store *s, const bl_st_file *f, const naming *how,
                       const bl_param_spec *p) {
    char mean[NAME];
    const char *dot = strrchr(p->name, '.');
    if (p->ndim != 1 || !dot) return false;
    int n = snprintf(mean, sizeof mean, "%.*s.running_mean", (int)(dot - p->name), p->name);
    return n < NAME && (bl_store_find(s, mean) != NULL) != (find(f, how, mean) != NULL);
}

static bool skipped(const bl_strings *skip, const char *name) {
    for (int32_t i = 0; skip && i < skip->n; i++)
        if (begins(name, skip->v[i])) return true;
    return false;
}

static int count_backbone(const bl_store *s, const bl_st_file *f, const naming *how) {
    int n = 0;
    for (int64_t i = 0; i < bl_store_count(s); i++) {
        const char *name = bl_store_spec(s, i)->name;
        n += begins(name, BACKBONE) && find(f, how, name) != NULL;
    }
    return n;
}

static naming find_naming(const bl_store *s, const bl_st_file *f, const char *model) {
    naming how = {"", false}, bare;
    char prefix[sizeof how.prefix];
    snprintf(prefix, sizeof prefix, "%.24s.", model);
    for (int i = 0; i < bl_st_count(f); i++)
        if (begins(bl_st_at(f, i)->name, prefix)) memcpy(how.prefix, prefix, sizeof prefix);
    bare = how;
    bare.bare = true;
    return count_backbone(s, f, &bare) > count_backbone(s, f, &how) ? bare : how;
}

/* A classifier, or a box regressor with rows for each class, of a file with other classes. */
static bool other_classes(const bl_param_spec *p, const bl_st_tensor *t) {
    static const char *const heads[] = {"roi_head.bbox_head.fc_cls.", "roi_head.bbox_head.fc_reg.",
                                        "head.f."};
    bool head = false;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) head |= begins(p->name, heads[i]);
    if (!head || t->ndim != p->ndim || t->shape[0] == p->shape[0]) return false;
    for (int i = 1; i < t->ndim; i++)
        if (t->shape[i] != p->shape[i]) return false;
    return true;
}

static bl_status match_one(const bl_store *s, const bl_st_file *f, const naming *how, int64_t i,
                           bl_weights *w) {
    const bl_param_spec *p = bl_store_spec(s, i);
    const bl_st_tensor *t = find(f, how, p->name);
    if (t && other_norm(s, f, how, p)) {
        list_name(&w->norms, p->name);
        return BL_OK;
    }
    if (t && other_classes(p, t)) {
        list_name(&w->heads, p->name);
        return BL_OK;
    }
    if (!t) {
        list_name(&w->missing, p->name);
        w->backbone_missing += begins(p->name, BACKBONE);
        return BL_OK;
    }
    bl_status status = bl_file_tensor_check(t, p);
    if (status != BL_OK) {
        const char *dot = strrchr(p->name, '.');
        return bl_fail(status,
                       "%s; use the network the weights are of, or leave the tensor at its "
                       "initialisation: run.init_skip=[\"%.*s.\"]",
                       bl_error(), dot ? (int)(dot - p->name) : (int)strlen(p->name), p->name);
    }
    w->from[i] = t;
    w->read++;
    return BL_OK;
}

static int by_address(const void *a, const void *b) {
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    return x < y ? -1 : x > y;
}

/* What a checkpoint holds beside the model's weights is no weight that was overlooked. */
static bool no_weight(const char *name, const naming *how) {
    if (ends(name, ".num_batches_tracked")) return true;
    return *how->prefix && !begins(name, how->prefix);
}

static bl_status list_unused(const bl_store *s, const bl_st_file *f, const naming *how,
                             bl_weights *w) {
    const bl_st_tensor **used = malloc(((size_t)w->read + 1) * sizeof *used);
    if (!used) return bl_no_memory("for a list of tensors");
    size_t n = 0;
    for (int64_t i = 0; i < bl_store_count(s); i++)
        if (w->from[i]) used[n++] = w->from[i];
    qsort(used, n, sizeof *used, by_address);
    for (int i = 0; i < bl_st_count(f); i++) {
        const bl_st_tensor *t = bl_st_at(f, i);
        if (!no_weight(t->name, how) && !bsearch(&t, used, n, sizeof *used, by_address))
            list_name(&w->unused, t->name);
    }
    free(used);
    return BL_OK;
}

/* Starting from a file none of whose weights is read is a run from scratch that nobody wanted. */
static bl_status check_read(const bl_store *s, const bl_strings *skip, const bl_weights *w) {
    int backbone = 0, all = 0, read_backbone = 0;
    bl_weight_names ours = {0};
    for (int64_t i = 0; i < bl_store_count(s); i++) {
        const char *name = bl_store_spec(s, i)->name;
        if (skipped(skip, name)) continue;
        all++;
        backbone += begins(name, BACKBONE);
        read_backbone += begins(name, BACKBONE) && w->from[i];
        if (begins(name, BACKBONE)) list_name(&ours, name);
    }
    if (w->read > 0 && (backbone == 0 || read_backbone > 0)) return BL_OK;
    if (all == 0) return bl_fail(BL_ECONFIG, "run.init_skip leaves out every tensor of the model");
    return bl_fail(
        BL_EFORMAT,
        "none of the model's %d %stensors is in the file. The model's are named %s, ...; "
        "the file's %s%s; give them the model's names (docs/weights.md), or train from "
        "scratch with run.init_from=\"\"",
        backbone ? backbone : all, backbone ? "backbone " : "",
        backbone ? ours.text : w->missing.text, w->unused.n ? w->unused.text : "(none)",
        w->unused.n > BL_WEIGHT_SHOWN ? ", ..." : "");
}

bl_status bl_weights_match(const bl_store *s, const bl_st_file *f, const char *model,
                           const bl_strings *skip, bl_weights *out) {
    *out = (bl_weights){0};
    naming how = find_naming(s, f, model);
    out->from = calloc((size_t)bl_store_count(s) + 1, sizeof *out->from);
    if (!out->from) return bl_no_memory("for a list of tensors");
    bl_status status = BL_OK;
    for (int64_t i = 0; i < bl_store_count(s) && status == BL_OK; i++) {
        if (skipped(skip, bl_store_spec(s, i)->name))
            out->skipped++;
        else
            status = match_one(s, f, &how, i, out);
    }
    if (status == BL_OK) status = list_unused(s, f, &how, out);
    if (status == BL_OK) status = check_read(s, skip, out);
    if (status != BL_OK) bl_weights_free(out);
    return status;
}

void bl_weights_free(bl_weights *w) {
    free(w->from);
    *w = (bl_weights){0};
}
