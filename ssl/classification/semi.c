/* SeMi as a plug-in on FixMatch with two strong views: hard examples count more, embeddings of
 * rejected images are aligned, pseudo-labels are mixed with those of a memory bank, and a balanced
 * head predicts.
 *
 * With q^ = S(f(u^w)), pi the labelled prior and d the feature (no projection):
 *   q'_k = (1 - v w_k) q^_k + v w_k S(-|z(u^s) - c_k| / T_p)_k       v = kappa * elapsed epochs
 *   m    = [max q' >= tau] or [max q^ >= tau],  label = argmax q'
 *   L_u  = mean m h H(label, S(f(u^s))),        h = s H(q') / ln K + 1 - s
 *   L_ea = mean (1 - m) H(e, S(z(u^s) / T_e)),  e = S((z(u^w) - c) / (T_e / 5)),
 *          c <- 0.9 c + 0.1 mean(e), from 0
 *   L_b  = mean H(y, S(g(x) + T_b ln pi)) + mean m~ H(label~, S(g(u^s)))
 *   m~   = [max S(g(u^w)) >= tau] or [max S(f(u^w) - T_b ln pi) >= tau], label~ the latter's argmax
 * Prototypes c_k: mean of the class's bank, which keeps strong embeddings of kept labels by
 * confidence and lets confidences decay (balance/memory_bank.h). w_k: share of class k among labels
 * kept so far, renewed every epoch. During the warm-up (epochs up to and including `warmup`) h = 1,
 * L_ea = 0 and q' = q^; the bank fills already.
 *
 * "SeMi: When Imbalanced Semi-Supervised Learning Meets Mining Hard Examples", arXiv 2501.06004,
 * eq. 1-12. Masks and the centre, which eq. 6 leaves out, follow the authors' code, the rest the
 * paper; of the code's known defects (embeddings paired with other images, features that part from
 * their confidences, empty slots in prototypes) none is kept. The first, which touches most of the
 * method, can be asked for (`authors_code`; ssl/classification/interleave.h). */

#include <stdlib.h>

#include "balance/centre.h"
#include "balance/hardness.h"
#include "balance/label_blend.h"
#include "balance/label_counts.h"
#include "balance/logit_adjustment.h"
#include "balance/memory_bank.h"
#include "balance/prototypes.h"
#include "balance/simplex.h"
#include "core/rows.h"
#include "ssl/classification/interleave.h"
#include "ssl/classification/method.h"

typedef struct bl_semi_config {
    double tau;
    double hardness;              /* s; xi = 1 - s */
    double kappa;                 /* final share of the semantic labels */
    double proto_temperature;     /* T_p */
    double embedding_temperature; /* T_e */
    double embedding;             /* weight of L_ea */
    double centre_momentum;
    double prior; /* T_b */
    int64_t slots;
    double decay; /* of bank confidences, every `decay_every` iterations of an epoch */
    int64_t decay_every;
    bool exempt_fresh; /* entries younger than the last decay are spared (the code) */
    bool authors_code; /* embeddings of other images, as the code pairs them */
    int64_t warmup;    /* epochs */
} bl_semi_config;

static const bl_field fields[] = {
    BL_ROW_REAL(bl_semi_config, tau, "0.7", 0, 1, NULL,
                "Least confidence of a pseudo-label (instead of fixmatch.tau)."),
    BL_ROW_REAL(bl_semi_config, hardness, "0.75", 0, 1, NULL,
                "Part of a pseudo-label's weight that follows its entropy."),
    BL_ROW_REAL(bl_semi_config, kappa, "0.4", 0, 1, NULL,
                "Share of the bank's labels at the end of training (grows linearly; times the "
                "class's share "
                "of kept labels)."),
    BL_ROW_REAL(bl_semi_config, proto_temperature, "0.1", 1e-4, 1000, NULL,
                "Temperature of the distances to the bank's prototypes."),
    BL_ROW_REAL(
        bl_semi_config, embedding_temperature, "0.09", 1e-4, 1000, NULL,
        "Temperature of the student's embeddings in the alignment loss; the teacher's is a fifth."),
    BL_ROW_REAL(bl_semi_config, embedding, "0.15", 0, 1000, NULL,
                "Weight of the embedding alignment loss."),
    BL_ROW_REAL(bl_semi_config, centre_momentum, "0.9", 0, 1, NULL,
                "Keep rate of the centre, which follows the teacher's distributions."),
    BL_ROW_REAL(bl_semi_config, prior, "2", 0, 10, NULL,
                "Strength of logit adjustment in the balanced head."),
    BL_ROW_INT(bl_semi_config, slots, "128", 1, 100000, NULL, "Bank entries of each class."),
    BL_ROW_REAL(bl_semi_config, decay, "0.99", 0, 1, NULL,
                "Factor on the bank's confidences at each decay."),
    BL_ROW_PERIOD(bl_semi_config, decay_every, "100", 1, 1e9,
                  "Iterations (of an epoch) between decays: 100 for CIFAR-10, 200 for CIFAR-100."),
    BL_ROW_BOOL(bl_semi_config, exempt_fresh, "false",
                "A decay spares entries made since the last one, as in the authors' code."),
    BL_ROW_BOOL(bl_semi_config, authors_code, "false",
                "Bank, prototypes and alignment take the rows that the released program takes by "
                "mistake, mostly of other images; for asking what its numbers rest on."),
    BL_ROW_INT(bl_semi_config, warmup, "2", 0, 1e9, "epochs",
               "The last epoch (from 0) without hardness weights, alignment and mixing."),
    BL_ROWS_END};
static const bl_schema section = {"method.semi", "Mining of hard examples (plug-in \"semi\").",
                                  sizeof(bl_semi_config), fields};

static const double PRIOR_FLOOR = 1e-12; /* classes without a labelled image */
static const char BALANCED[] = "balanced";

typedef struct {
    bl_plugin base;
    const bl_semi_config *cfg;
    const bl_classify_world *world;
    int head;
    bl_memory_bank *bank;
    bl_label_counts *counts;
    bl_centre *centre;
    double *w, *minus;                                    /* [K] class shares; -T_b ln pi */
    float *plus;                                          /* [K] +T_b ln pi */
    float *prototypes;                                    /* [K][d] */
    uint8_t *present;                                     /* [K] */
    const bl_classify_pseudo *q;                          /* this step's */
    uint8_t *kept;                                        /* [n] m of this step */
    bl_classify_branch mixed[1 + BL_CLASSIFY_MAX_STRONG]; /* of this step, with authors_code */
    double mass[2]; /* window: sum of all q', images: q' need not sum to 1 */
} semi;

static bool past_warmup(const semi *m, const bl_classify_step *s) {
    return s->epoch > m->cfg->warmup;
}

/* Where the embeddings of a view come from: 0 weak, 1... strong. */
static bl_classify_branch *embedded(semi *m, bl_classify_step *s, int view) {
    if (m->cfg->authors_code) return &m->mixed[view];
    return view == 0 ? &s->weak : &s->strong[view - 1];
}

/* q' from q^ and the prototypes of the bank as it stands, by the first strong view. */
static bl_status refine(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    semi *m = (semi *)p;
    const bl_classify_world *w = s->world;
    if (m->cfg->authors_code) BL_TRY(bl_interleaved_features(s, m->mixed, m->mixed + 1));
    if (!past_warmup(m, s)) return BL_OK;
    if (bl_bank_prototypes(m->bank, m->prototypes, m->present) == 0) return BL_OK;
    const float *z;
    BL_TRY(bl_classify_host_features(s, embedded(m, s, 1), &z));
    double *semantic = BL_NEW_ARRAY(s->ctx->arena, double, (size_t)q->n *(size_t)q->classes);
    if (!semantic) return BL_ENOMEM;
    bl_semantic_rows(BL_SIMILARITY_DISTANCE, z, q->n, w->dim, m->prototypes, m->present, q->classes,
                     m->cfg->proto_temperature, semantic);
    double elapsed = (double)(s->epoch * w->epoch) / (double)w->iterations;
    bl_label_counts_share(m->counts, 1, m->w);
    bl_blend_by_class(q->p, semantic, q->n, q->classes, m->cfg->kappa * elapsed, m->w, m->present);
    return BL_OK;
}

static bl_status push_strong(semi *m, bl_classify_step *s, const bl_classify_pseudo *q) {
    for (int v = 0; v < s->n_strong; v++) {
        const float *z;
        BL_TRY(bl_classify_host_features(s, embedded(m, s, 1 + v), &z));
        BL_TRY(bl_bank_push(m->bank, z, q->label, q->confidence, m->kept, q->n, NULL));
    }
    return BL_OK;
}

/* The mask, what it lets into counts and bank, and the hardness weights. */
static bl_status choose(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    semi *m = (semi *)p;
    int32_t n = q->n, k = q->classes;
    double *hardness = BL_NEW_ARRAY(s->ctx->arena, double, n);
    m->q = q;
    m->kept = BL_NEW_ARRAY(s->ctx->arena, uint8_t, n);
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

static bl_status balanced_losses(semi *m, bl_classify_step *s) {
    static const char *const names[BL_CLASSIFY_MAX_STRONG] = {"balanced_unsup", "balanced_unsup2"};
    const bl_classify_world *w = s->world;
    int32_t n = s->weak.n, k = w->classes;
    const float *f, *g;
    bl_tensor *logits, *loss;
    BL_TRY(bl_classify_logits(s, &s->x, m->head, &logits));
    BL_TRY(bl_adjusted_softmax_loss(s->ctx, logits, s->labelled->label, NULL,
                                    &(bl_softmax_attr){.bias = m->plus}, 1.0f / (float)s->x.n,
                                    &loss));
    bl_add_loss(s->out, "balanced_sup", loss, 1);

    BL_TRY(bl_classify_host_logits(s, &s->weak, 0, &f));
    BL_TRY(bl_classify_host_logits(s, &s->weak, m->head, &g));
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
        BL_TRY(bl_classify_logits(s, &s->strong[v], m->head, &logits));
        BL_TRY(bl_softmax_loss(s->ctx, logits, label, weight, 0, 1.0f / (float)(n * s->n_strong),
                               &loss));
        bl_add_loss(s->out, names[v], loss, 1);
    }
    return BL_OK;
}

static bl_status embedding_losses(semi *m, bl_classify_step *s) {
    static const char *const names[BL_CLASSIFY_MAX_STRONG] = {"embedding", "embedding2"};
    int32_t n = s->weak.n, d = s->world->dim;
    const float *z;
    BL_TRY(bl_classify_host_features(s, embedded(m, s, 0), &z));
    int64_t entries = (int64_t)n * d;
    double *teacher = BL_NEW_ARRAY(s->ctx->arena, double, entries);
    float *target = BL_NEW_ARRAY(s->ctx->arena, float, entries);
    float *rejected = BL_NEW_ARRAY(s->ctx->arena, float, n);
    if (!teacher || !target || !rejected) return BL_ENOMEM;
    double temperature = m->cfg->embedding_temperature;
    bl_centre_teacher(m->centre, z, n, temperature / 5, teacher);
    bl_centre_update(m->centre, teacher, n);
    for (int64_t i = 0; i < entries; i++) target[i] = (float)teacher[i];
    for (int32_t i = 0; i < n; i++) rejected[i] = !m->kept[i];
    bl_softmax_attr attr = {.gain = (float)(1 / temperature)};
    for (int v = 0; v < s->n_strong; v++) {
        bl_tensor *loss;
        BL_TRY(bl_soft_target_loss(s->ctx, embedded(m, s, 1 + v)->z, target, rejected, &attr,
                                   1.0f / (float)(n * s->n_strong), &loss));
        bl_add_loss(s->out, names[v], loss, m->cfg->embedding);
    }
    return BL_OK;
}

static bl_status losses(bl_plugin *p, bl_classify_step *s) {
    semi *m = (semi *)p;
    BL_TRY(balanced_losses(m, s));
    return past_warmup(m, s) ? embedding_losses(m, s) : BL_OK;
}

static bl_status after_step(bl_plugin *p, bl_ctx *ctx, int64_t t) {
    (void)ctx;
    semi *m = (semi *)p;
    if ((t % m->world->epoch + 1) % m->cfg->decay_every == 0) {
        bl_bank_decay(m->bank, m->cfg->decay);
    }
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    semi *m = (semi *)p;
    int64_t filled = 0;
    for (int c = 0; c < m->world->classes; c++) filled += bl_bank_filled(m->bank, c);
    bl_metrics_number(line, "semi_bank", (double)filled);
    if (m->mass[1] > 0) bl_metrics_number(line, "semi_mass", m->mass[0] / m->mass[1]);
    m->mass[0] = m->mass[1] = 0;
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    semi *m = (semi *)p;
    int64_t len;
    double *v = bl_label_counts_state(m->counts, &len);
    BL_TRY(bl_state_numbers(io, "semi.counts", v, len));
    v = bl_centre_state(m->centre, &len);
    BL_TRY(bl_state_numbers(io, "semi.centre", v, len));
    BL_TRY(bl_state_numbers(io, "semi.window", m->mass, 2));
    len = bl_bank_pack(m->bank, NULL);
    BL_TRY(bl_state_packed(io, "semi.bank", &v, &len));
    if (io->loading) return bl_bank_unpack(m->bank, v, len);
    bl_bank_pack(m->bank, v);
    return BL_OK;
}

static void destroy(bl_plugin *p) {
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

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)cfg;
    return bl_classify_need_head(
        n, &(bl_head_spec){.name = BALANCED, .kind = BL_HEAD_LINEAR, .out = classes});
}

static bl_status allocate(semi *m, const bl_semi_config *c, const bl_classify_world *w) {
    size_t k = (size_t)w->classes;
    m->w = calloc(2 * k, sizeof *m->w);
    m->plus = calloc(k, sizeof *m->plus);
    m->prototypes = calloc(k * (size_t)w->dim, sizeof *m->prototypes);
    m->present = calloc(k, sizeof *m->present);
    if (!m->w || !m->plus || !m->prototypes || !m->present) {
        return bl_no_memory("for SeMi");
    }
    m->minus = m->w + k;
    bl_bank_config bank = {w->classes, (int)c->slots, w->dim, BL_BANK_CONFIDENCE, c->exempt_fresh};
    BL_TRY(bl_bank_create(&bank, &m->bank));
    BL_TRY(bl_label_counts_create(w->classes, false, &m->counts));
    return bl_centre_create(w->dim, c->centre_momentum, &m->centre);
}

static bl_status check_batch(const bl_semi_config *c, const bl_classify_world *w) {
    if (!c->authors_code || w->batch_unlabelled % w->batch_labelled == 0) return BL_OK;
    return bl_fail(BL_ECONFIG,
                   "method.semi.authors_code: batch.unlabelled = %d is not a multiple of "
                   "batch.labelled = %d, which the released program needs",
                   (int)w->batch_unlabelled, (int)w->batch_labelled);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    semi *m = calloc(1, sizeof *m);
    if (!m) return bl_no_memory("for SeMi");
    m->cfg = bl_classify_settings(cfg, "semi");
    m->world = w;
    m->head = bl_classifier_find(w->model[0], BALANCED);
    bl_status status = check_batch(m->cfg, w);
    if (status == BL_OK) status = allocate(m, m->cfg, w);
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

const bl_classify_plugin_type bl_semi_plugin = {
    .plugin = {.name = "semi",
               .claims = BL_CLAIM_THRESHOLD | BL_CLAIM_LABELS | BL_CLAIM_PREDICTION,
               .section = &section,
               .after_step = after_step,
               .report = report,
               .state = state,
               .destroy = destroy},
    .unlabelled = true,
    .needs = needs,
    .create = create,
    .refine = refine,
    .select = choose,
    .losses = losses};
