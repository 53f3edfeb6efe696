#include "ssl/classification/fixmatch.h"

#include <stdlib.h>

#include "core/rows.h"
#include "ssl/classification/method.h"

static const char *const forwards[] = {"joint", "weak_apart", "separate", NULL};
static const bl_field fields[] = {
    BL_ROW_REAL(bl_fixmatch_config, tau, "0.95", 0, 1, NULL,
                "Least confidence of a pseudo-label that teaches."),
    BL_ROW_REAL(bl_fixmatch_config, weight, "1", 0, 1000, NULL, "Factor of the unlabelled loss."),
    BL_ROW_INT(bl_fixmatch_config, strong, "1", 1, BL_CLASSIFY_MAX_STRONG, NULL,
               "Strong views of an unlabelled image."),
    BL_ROW_ENUM(bl_fixmatch_config, forward, "\"joint\"", forwards,
                "Which images share batch statistics: all of a step; all but "
                "the weak ones, which then need no "
                "gradient; or those of each view."),
    BL_ROWS_END};
static const bl_schema section = {"method.fixmatch",
                                  "FixMatch: pseudo-labels from weak views teach strong ones.",
                                  sizeof(bl_fixmatch_config), fields};

typedef struct {
    bl_plugin base;
    const bl_fixmatch_config *cfg;
} fixmatch;

/* Rows [first, first + count) of the batch's pixels through the student; the loader lays views out
 * one after the other, labelled ones first. */
static bl_status extract_rows(bl_classify_step *s, int64_t first, int64_t count, bl_tensor **z) {
    bl_tensor *x;
    BL_TRY(bl_classify_batch_rows(s, first, count, &x));
    bl_status status = bl_classifier_extract(s->ctx, s->world->model[0], true, x, z);
    bl_tensor_drop(s->ctx, x);
    return status;
}

static bl_status joint(bl_classify_step *s) {
    const bl_classify_part *x = s->labelled, *u = s->unlabelled;
    bl_tensor *z;
    BL_TRY(extract_rows(s, 0, s->batch->rows, &z));
    BL_TRY(bl_slice(s->ctx, z, x->first_row[0], x->n, &s->x.z));
    if (s->x_strong.n) BL_TRY(bl_slice(s->ctx, z, x->first_row[1], x->n, &s->x_strong.z));
    BL_TRY(bl_slice(s->ctx, z, u->first_row[0], u->n, &s->weak.z));
    for (int v = 0; v < s->n_strong; v++)
        BL_TRY(bl_slice(s->ctx, z, u->first_row[1 + v], u->n, &s->strong[v].z));
    bl_tensor_drop(s->ctx, z);
    return BL_OK;
}

static bl_status weak_pass(bl_classify_step *s) {
    bool old = bl_no_grad(s->ctx);
    bl_status status = bl_classify_extract(s, 0, true, BL_CLASSIFY_UNLABELLED, 0, &s->weak.z);
    bl_set_grad(s->ctx, old);
    return status;
}

/* Labelled and strong views are not neighbours in the batch: their pixels are joined first. */
static bl_status weak_apart(bl_classify_step *s) {
    BL_TRY(weak_pass(s));
    bl_tensor *part[2 + BL_CLASSIFY_MAX_STRONG], *all, *z;
    int n = 0;
    BL_TRY(bl_classify_images(s, BL_CLASSIFY_LABELLED, 0, &part[n++]));
    if (s->x_strong.n) BL_TRY(bl_classify_images(s, BL_CLASSIFY_LABELLED, 1, &part[n++]));
    for (int v = 0; v < s->n_strong; v++)
        BL_TRY(bl_classify_images(s, BL_CLASSIFY_UNLABELLED, 1 + v, &part[n++]));
    BL_TRY(bl_concat(s->ctx, part, n, &all));
    for (int i = 0; i < n; i++) bl_tensor_drop(s->ctx, part[i]);
    BL_TRY(bl_classifier_extract(s->ctx, s->world->model[0], true, all, &z));
    bl_tensor_drop(s->ctx, all);
    int64_t at = 0;
    BL_TRY(bl_slice(s->ctx, z, at, s->x.n, &s->x.z));
    at += s->x.n;
    if (s->x_strong.n) BL_TRY(bl_slice(s->ctx, z, at, s->x_strong.n, &s->x_strong.z));
    at += s->x_strong.n;
    for (int v = 0; v < s->n_strong; v++, at += s->weak.n)
        BL_TRY(bl_slice(s->ctx, z, at, s->weak.n, &s->strong[v].z));
    bl_tensor_drop(s->ctx, z);
    return BL_OK;
}

static bl_status separate(bl_classify_step *s) {
    BL_TRY(bl_classify_extract(s, 0, true, BL_CLASSIFY_LABELLED, 0, &s->x.z));
    if (s->x_strong.n)
        BL_TRY(bl_classify_extract(s, 0, true, BL_CLASSIFY_LABELLED, 1, &s->x_strong.z));
    BL_TRY(weak_pass(s));
    for (int v = 0; v < s->n_strong; v++)
        BL_TRY(bl_classify_extract(s, 0, true, BL_CLASSIFY_UNLABELLED, 1 + v, &s->strong[v].z));
    return BL_OK;
}

static bl_status labelled_loss(bl_classify_step *s) {
    bl_tensor *logits, *loss;
    BL_TRY(bl_classify_logits(s, &s->x, 0, &logits));
    BL_TRY(bl_adjusted_softmax_loss(s->ctx, logits, s->labelled->label, s->label_weight,
                                    &(bl_softmax_attr){.bias = s->bias.labelled},
                                    1.0f / (float)s->x.n, &loss));
    bl_add_loss(s->out, "sup", loss, 1);
    return BL_OK;
}

static bl_status unlabelled_loss(const bl_fixmatch_config *cfg, bl_classify_step *s) {
    static const char *const names[BL_CLASSIFY_MAX_STRONG] = {"unsup", "unsup2"};
    for (int v = 0; v < s->n_strong; v++) {
        bl_tensor *loss;
        BL_TRY(bl_classify_pseudo_loss(s, s->pseudo, &s->strong[v], s->bias.strong,
                                       1.0 / (s->weak.n * s->n_strong), &loss));
        bl_add_loss(s->out, names[v], loss, cfg->weight);
    }
    return BL_OK;
}

bl_status bl_fixmatch_teach(const bl_fixmatch_config *cfg, bl_classify_step *s) {
    BL_TRY(bl_classify_pseudo_make(s, 0, s->bias.weak, cfg->tau, &s->pseudo));
    BL_TRY(labelled_loss(s));
    return unlabelled_loss(cfg, s);
}

static bl_status learn(bl_plugin *p, bl_classify_step *s) {
    const fixmatch *f = (const fixmatch *)p;
    switch ((bl_fixmatch_forward)f->cfg->forward) {
    case BL_FORWARD_JOINT:
        BL_TRY(joint(s));
        break;
    case BL_FORWARD_WEAK_APART:
        BL_TRY(weak_apart(s));
        break;
    case BL_FORWARD_SEPARATE:
        BL_TRY(separate(s));
        break;
    }
    return bl_fixmatch_teach(f->cfg, s);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)classes;
    n->unlabelled = true;
    n->strong = (int)((const bl_fixmatch_config *)bl_classify_settings(cfg, "fixmatch"))->strong;
    return BL_OK;
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    (void)w;
    fixmatch *f = calloc(1, sizeof *f);
    if (!f) return bl_no_memory("for the learner");
    f->cfg = bl_classify_settings(cfg, "fixmatch");
    *out = &f->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_fixmatch_plugin = {
    .plugin = {.name = "fixmatch", .base = true, .section = &section, .destroy = destroy},
    .needs = needs,
    .create = create,
    .learn = learn};
