#include "ssl/semi.h"

#include <stddef.h>
#include <stdlib.h>

#include "balance/centre.h"
#include "balance/hardness.h"
#include "balance/label_blend.h"
#include "balance/label_counts.h"
#include "balance/logit_adjustment.h"
#include "balance/memory_bank.h"
#include "balance/prototypes.h"
#include "balance/simplex.h"
#include "ssl/class_method.h"

#define AT(member) offsetof(bl_semi_config, member)
static const bl_field fields[] = {
    {"tau", BL_T_REAL, AT(tau), "0.7", 0, 1, NULL, NULL,
     "Least confidence of a pseudo-label (instead of fixmatch.tau).", NULL},
    {"hardness", BL_T_REAL, AT(hardness), "0.75", 0, 1, NULL, NULL,
     "Part of a pseudo-label's weight that follows its entropy.", NULL},
    {"kappa", BL_T_REAL, AT(kappa), "0.4", 0, 1, NULL, NULL,
     "Share of the bank's labels at the end of training (grows linearly; times the class's share "
     "of kept labels).",
     NULL},
    {"proto_temperature", BL_T_REAL, AT(proto_temperature), "0.1", 1e-4, 1000, NULL, NULL,
     "Temperature of the distances to the bank's prototypes.", NULL},
    {"embedding_temperature", BL_T_REAL, AT(embedding_temperature), "0.09", 1e-4, 1000, NULL, NULL,
     "Temperature of the student's embeddings in the alignment loss; the teacher's is a fifth.",
     NULL},
    {"embedding", BL_T_REAL, AT(embedding), "0.15", 0, 1000, NULL, NULL,
     "Weight of the embedding alignment loss.", NULL},
    {"centre_momentum", BL_T_REAL, AT(centre_momentum), "0.9", 0, 1, NULL, NULL,
     "Keep rate of the centre of teacher embeddings.", NULL},
    {"prior", BL_T_REAL, AT(prior), "2", 0, 10, NULL, NULL,
     "Strength of logit adjustment in the balanced head.", NULL},
    {"slots", BL_T_INT, AT(slots), "128", 1, 100000, NULL, NULL, "Bank entries of each class.",
     NULL},
    {"decay", BL_T_REAL, AT(decay), "0.99", 0, 1, NULL, NULL,
     "Factor on the bank's confidences at each decay.", NULL},
    {"decay_every", BL_T_INT, AT(decay_every), "100", 1, 1e9, NULL, "iterations",
     "Iterations (of an epoch) between decays: 100 for CIFAR-10, 200 for CIFAR-100.", NULL},
    {"exempt_fresh", BL_T_BOOL, AT(exempt_fresh), "false", 0, 0, NULL, NULL,
     "A decay spares entries made since the last one, as in the authors' code.", NULL},
    {"warmup", BL_T_INT, AT(warmup), "2", 0, 1e9, NULL, "epochs",
     "The last epoch (from 0) without hardness weights, alignment and mixing.", NULL},
    {0}};
#undef AT
const bl_schema bl_semi_schema = {"method.semi", "Mining of hard examples (plug-in \"semi\").",
                                  sizeof(bl_semi_config), fields};

static const double PRIOR_FLOOR = 1e-12; /* classes without a labelled image */
static const char BALANCED[] = "balanced";

typedef struct {
    bl_class_plugin base;
    const bl_semi_config *cfg;
    const bl_class_world *world;
    int head;
    bl_memory_bank *bank;
    bl_label_counts *counts;
    bl_centre *centre;
    double *w, *minus;        /* [K] class shares; -T_b ln pi */
    float *plus;              /* [K] +T_b ln pi */
    float *prototypes;        /* [K][d] */
    uint8_t *present;         /* [K] */
    const bl_class_pseudo *q; /* this step's */
    uint8_t *kept;            /* [n] m of this step */
    double mass[2];           /* window: sum of all q', images: q' need not sum to 1 */
} semi;

static bool past_warmup(const semi *m, const bl_class_step *s) {
    return s->epoch > m->cfg->warmup;
}

/* q' from q^ and the prototypes of the bank as it stands, by the first strong view. */
static bl_status refine(bl_class_plugin *p, bl_class_step *s, bl_class_pseudo *q) {
    semi *m = (semi *)p;
    const bl_class_world *w = s->world;
    if (q->head != 0 || !past_warmup(m, s)) return BL_OK;
    if (bl_bank_prototypes(m->bank, m->prototypes, m->present) == 0) return BL_OK;
    const float *z;
    BL_TRY(bl_class_host_features(s, &s->strong[0], &z));
    double *semantic = BL_NEW_ARRAY(s->ctx->arena, double, (size_t)q->n *(size_t)q->classes);
    if (!semantic) return BL_ENOMEM;
    bl_semantic_rows(BL_SIMILARITY_DISTANCE, z, q->n, w->dim, m->prototypes, m->present, q->classes,
                     m->cfg->proto_temperature, semantic);
    double elapsed = (double)(s->epoch * w->epoch) / (double)w->iterations;
    bl_label_counts_share(m->counts, 1, m->w);
    bl_blend_by_class(q->p, semantic, q->n, q->classes, m->cfg->kappa * elapsed, m->w, m->present);
    return BL_OK;
}

static bl_status push_strong(semi *m, bl_class_step *s, const bl_class_pseudo *q) {
    for (int v = 0; v < s->n_strong; v++) {
        const float *z;
        BL_TRY(bl_class_host_features(s, &s->strong[v], &z));
        BL_TRY(bl_bank_push(m->bank, z, q->label, q->confidence, m->kept, q->n, NULL));
    }
    return BL_OK;
}

/* The mask, what it lets into counts and bank, and the hardness weights. */
static bl_status choose(bl_class_plugin *p, bl_class_step *s, bl_class_pseudo *q) {
    semi *m = (semi *)p;
    if (q->head != 0) return BL_OK;
    int32_t n = q->n, k = q->classes;
    double *hardness = BL_NEW_ARRAY(s->ctx->arena, double, n);
    m->q = q, m->kept = BL_NEW_ARRAY(s->ctx->arena, uint8_t, n);
    if (!hardness || !m->kept) return BL_ENOMEM;
    bl_hardness_weights(q->p, n, k, m->cfg->hardness, hardness);
    for (int32_t i = 0; i < n; i++) {
        const double *raw = q->raw + (int64_t)i * k, *mixed = q->p + (int64_t)i * k;
        m->kept[i] = q->confidence[i] >= m->cfg->tau || raw[bl_argmax(raw, k)] >= m->cfg->tau;
        q->weight[i] = !m->kept[i] ? 0 : past_warmup(m, s) ? (float)hardness[i] : 1;
        for (int32_t c = 0; c < k; c++) m->mass[0] += mixed[c];
    }
    m->mass[1] += n;
    BL_TRY(bl_label_counts_add(m->counts, q->label, m->kept, n));
    if (s->in_epoch == s->world->epoch - 1) bl_label_counts_publish(m->counts);
    return push_strong(m, s, q);
}

static bl_status balanced_losses(semi *m, bl_class_step *s) {
    static const char *const names[BL_CLASS_MAX_STRONG] = {"balanced_unsup", "balanced_unsup2"};
    const bl_class_world *w = s->world;
    int32_t n = s->weak.n, k = w->classes;
    const float *f, *g;
    bl_tensor *logits, *loss;
    BL_TRY(bl_class_logits(s, &s->x, m->head, &logits));
    BL_TRY(bl_adjusted_softmax_loss(s->ctx, logits, s->labelled->label, NULL,
                                    &(bl_softmax_attr){.bias = m->plus}, 1.0f / (float)s->x.n,
                                    &loss));
    bl_add_loss(s->out, "balanced_sup", loss, 1);

    BL_TRY(bl_class_host_logits(s, &s->weak, 0, &f));
    BL_TRY(bl_class_host_logits(s, &s->weak, m->head, &g));
    double *row = BL_NEW_ARRAY(s->ctx->arena, double, k);
    int32_t *label = BL_NEW_ARRAY(s->ctx->arena, int32_t, n);
    float *weight = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!row || !label || !weight) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) {
        double adjusted, own;
        bl_softmax_rows(g + (int64_t)i * k, 1, k, NULL, 1, row);
        bl_argmax_rows(row, 1, k, NULL, &own);
        bl_softmax_rows(f + (int64_t)i * k, 1, k, m->minus, 1, row);
        bl_argmax_rows(row, 1, k, &label[i], &adjusted);
        weight[i] = adjusted >= m->cfg->tau || own >= m->cfg->tau;
    }
    for (int v = 0; v < s->n_strong; v++) {
        BL_TRY(bl_class_logits(s, &s->strong[v], m->head, &logits));
        BL_TRY(bl_softmax_loss(s->ctx, logits, label, weight, 0, 1.0f / (float)(n * s->n_strong),
                               &loss));
        bl_add_loss(s->out, names[v], loss, 1);
    }
    return BL_OK;
}

static bl_status embedding_losses(semi *m, bl_class_step *s) {
    static const char *const names[BL_CLASS_MAX_STRONG] = {"embedding", "embedding2"};
    int32_t n = s->weak.n, d = s->world->dim;
    const float *z;
    BL_TRY(bl_class_host_features(s, &s->weak, &z));
    int64_t entries = (int64_t)n * d;
    double *teacher = BL_NEW_ARRAY(s->ctx->arena, double, entries);
    float *target = BL_NEW_ARRAY(s->ctx->arena, float, entries);
    float *rejected = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!teacher || !target || !rejected) return BL_ENOMEM;
    double temperature = m->cfg->embedding_temperature;
    bl_centre_teacher(m->centre, z, n, temperature / 5, teacher);
    bl_centre_update(m->centre, z, n);
    for (int64_t i = 0; i < entries; i++) target[i] = (float)teacher[i];
    for (int32_t i = 0; i < n; i++) rejected[i] = !m->kept[i];
    bl_softmax_attr attr = {.gain = (float)(1 / temperature)};
    for (int v = 0; v < s->n_strong; v++) {
        bl_tensor *loss;
        BL_TRY(bl_soft_target_loss(s->ctx, s->strong[v].z, target, rejected, &attr,
                                   1.0f / (float)(n * s->n_strong), &loss));
        bl_add_loss(s->out, names[v], loss, m->cfg->embedding);
    }
    return BL_OK;
}

static bl_status losses(bl_class_plugin *p, bl_class_step *s) {
    semi *m = (semi *)p;
    BL_TRY(balanced_losses(m, s));
    return past_warmup(m, s) ? embedding_losses(m, s) : BL_OK;
}

static bl_status after_step(bl_class_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    semi *m = (semi *)p;
    if ((t % m->world->epoch + 1) % m->cfg->decay_every == 0) {
        bl_bank_decay(m->bank, m->cfg->decay);
    }
    return BL_OK;
}

static bl_status report(bl_class_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    semi *m = (semi *)p;
    int64_t filled = 0;
    for (int c = 0; c < m->world->classes; c++) filled += bl_bank_filled(m->bank, c);
    bl_metrics_number(line, "semi_bank", (double)filled);
    if (m->mass[1] > 0) bl_metrics_number(line, "semi_mass", m->mass[0] / m->mass[1]);
    m->mass[0] = m->mass[1] = 0;
    return BL_OK;
}

static bl_status save(bl_class_plugin *p, bl_arena *arena, bl_state_array *out, int cap, int *n) {
    semi *m = (semi *)p;
    int64_t len;
    const double *v = bl_label_counts_state(m->counts, &len);
    BL_TRY(bl_state_put(arena, "semi.counts", v, len, out, cap, n));
    v = bl_centre_state(m->centre, &len);
    BL_TRY(bl_state_put(arena, "semi.centre", v, len, out, cap, n));
    BL_TRY(bl_state_put(arena, "semi.window", m->mass, 2, out, cap, n));
    double *bank;
    BL_TRY(bl_state_reserve(arena, "semi.bank", bl_bank_pack(m->bank, NULL), &bank, out, cap, n));
    bl_bank_pack(m->bank, bank);
    return BL_OK;
}

static bl_status load(bl_class_plugin *p, const bl_state_array *in, int n) {
    semi *m = (semi *)p;
    const double *bank;
    int64_t len;
    BL_TRY(bl_state_find(in, n, "semi.bank", &bank, &len));
    BL_TRY(bl_bank_unpack(m->bank, bank, len));
    double *v = bl_label_counts_state(m->counts, &len);
    BL_TRY(bl_state_get(in, n, "semi.counts", v, len));
    v = bl_centre_state(m->centre, &len);
    BL_TRY(bl_state_get(in, n, "semi.centre", v, len));
    return bl_state_get(in, n, "semi.window", m->mass, 2);
}

static void destroy(bl_class_plugin *p) {
    semi *m = (semi *)p;
    bl_bank_destroy(m->bank);
    bl_label_counts_destroy(m->counts);
    bl_centre_destroy(m->centre);
    free(m->w);
    free(m->plus);
    free(m->prototypes);
    free(m->present);
    free(m);
}

static const bl_class_hooks hooks = {.name = "semi",
                                     .refine = refine,
                                     .select = choose,
                                     .losses = losses,
                                     .after_step = after_step,
                                     .report = report,
                                     .save = save,
                                     .load = load,
                                     .destroy = destroy};

static bl_status needs(const bl_class_method_config *cfg, int32_t classes, bl_class_needs *n) {
    (void)cfg;
    return bl_class_need_head(
        n, &(bl_head_spec){.name = BALANCED, .kind = BL_HEAD_LINEAR, .out = classes});
}

static bl_status allocate(semi *m, const bl_semi_config *c, const bl_class_world *w) {
    size_t k = (size_t)w->classes;
    m->w = calloc(2 * k, sizeof *m->w);
    m->plus = calloc(k, sizeof *m->plus);
    m->prototypes = calloc(k * (size_t)w->dim, sizeof *m->prototypes);
    m->present = calloc(k, sizeof *m->present);
    if (!m->w || !m->plus || !m->prototypes || !m->present) {
        return bl_fail(BL_ENOMEM, "out of memory for SeMi");
    }
    m->minus = m->w + k;
    bl_bank_config bank = {w->classes, (int)c->slots, w->dim, BL_BANK_CONFIDENCE, c->exempt_fresh};
    BL_TRY(bl_bank_create(&bank, &m->bank));
    BL_TRY(bl_label_counts_create(w->classes, false, &m->counts));
    return bl_centre_create(w->dim, c->centre_momentum, &m->centre);
}

static bl_status create(const bl_class_method_config *cfg, bl_class_world *w,
                        bl_class_plugin **out) {
    semi *m = calloc(1, sizeof *m);
    if (!m) return bl_fail(BL_ENOMEM, "out of memory for SeMi");
    m->base.hooks = &hooks, m->cfg = &cfg->semi, m->world = w;
    m->head = bl_classifier_find(w->model[0], BALANCED);
    bl_status status = allocate(m, m->cfg, w);
    if (status != BL_OK) {
        destroy(&m->base);
        return status;
    }
    bl_logit_offsets(w->prior, w->classes, -m->cfg->prior, PRIOR_FLOOR, m->minus);
    for (int32_t k = 0; k < w->classes; k++) m->plus[k] = (float)-m->minus[k];
    w->predict_head = m->head;
    *out = &m->base;
    return BL_OK;
}

const bl_class_plugin_type bl_semi_plugin = {
    .name = "semi", .unlabelled = true, .needs = needs, .create = create};
