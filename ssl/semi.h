/* SeMi as a plug-in on FixMatch with two strong views: hard examples count more, embeddings of
 * rejected images are aligned, pseudo-labels are mixed with those of a memory bank, and a balanced
 * head predicts.
 *
 * With q^ = S(f(u^w)), pi the labelled prior and d the feature (no projection):
 *   q'_k = (1 - v w_k) q^_k + v w_k S(-|z(u^s) - c_k| / T_p)_k       v = kappa * elapsed epochs
 *   m    = [max q' >= tau] or [max q^ >= tau],  label = argmax q'
 *   L_u  = mean m h H(label, S(f(u^s))),        h = s H(q') / ln K + 1 - s
 *   L_ea = mean (1 - m) H(S((z(u^w) - c) / (T_e / 5)), S(z(u^s) / T_e))
 *   L_b  = mean H(y, S(g(x) + T_b ln pi)) + mean m~ H(label~, S(g(u^s)))
 *   m~   = [max S(g(u^w)) >= tau] or [max S(f(u^w) - T_b ln pi) >= tau], label~ the latter's argmax
 * Prototypes c_k: mean of the class's bank, which keeps strong embeddings of kept labels by
 * confidence and lets confidences decay (balance/memory_bank.h). w_k: share of class k among labels
 * kept so far, renewed every epoch. During the warm-up (epochs up to and including `warmup`) h = 1,
 * L_ea = 0 and q' = q^; the bank fills already.
 *
 * "SeMi: When Imbalanced Semi-Supervised Learning Meets Mining Hard Examples", arXiv 2501.06004,
 * eq. 1-12. Masks follow the authors' code, the rest the paper; of the code's known defects
 * (embeddings paired with other images, features that part from their confidences, empty slots in
 * prototypes) none is kept. */
#ifndef BALLAST_SSL_SEMI_H
#define BALLAST_SSL_SEMI_H

#include "core/schema.h"
#include "ssl/class_learner.h"

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
    int64_t warmup;    /* epochs */
} bl_semi_config;
extern const bl_schema bl_semi_schema;
extern const bl_class_plugin_type bl_semi_plugin;

#endif
