/* FreeMatch as a plug-in (Wang et al., ICLR 2023): thresholds that follow the model's own
 * confidence, and a loss that keeps its predictions fair.
 *
 *   a, p, h   running means (rate `decay`, from 1/K) of max q, of q and of the histogram of argmax
 * q over the weak views, this step's included m_j       [max q_j >= a p_c / max p], c = argmax q_j
 *   L_fair    sum_c A_c ln(B_c + 1e-12), A = norm(p / h), B = norm(s / hs); s the mean softmax of
 * the kept images' strong views, hs the histogram of its arg-max; entries with an empty histogram
 * are 0
 *
 * It replaces FixMatch's tau. Two strong views have a fairness loss each, weighted by one half. */
#ifndef BALLAST_SSL_FREEMATCH_H
#define BALLAST_SSL_FREEMATCH_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef struct bl_freematch_config {
    double decay;
    double quantile; /* a follows this quantile of max q instead of the mean; 0 = the mean */
    double clip;     /* greatest a */
    double fairness; /* weight of L_fair */
} bl_freematch_config;
extern const bl_schema bl_freematch_schema;
extern const bl_class_plugin_type bl_freematch_plugin;

#endif
