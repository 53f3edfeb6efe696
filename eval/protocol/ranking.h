/* Detections by class and falling score. Internal to eval/. */
#ifndef BALLAST_EVAL_PROTOCOL_RANKING_H
#define BALLAST_EVAL_PROTOCOL_RANKING_H

#include "eval/protocol/detections.h"

typedef struct eval_ranking {
    int64_t *first; /* [n_keys + 1] */
    int32_t *order; /* [first[n_keys]] indices of detections */
} eval_ranking;

/* Detections with key[i] = k >= 0 form list k, ordered as the evaluator does it: by falling score,
 * then by ascending image id, then as in the result file; class-agnostic, by class before that. */
bl_status bl_eval_rank(const bl_dataset *gt, const bl_detections *dt, const int32_t *key,
                       int32_t n_keys, bool class_agnostic, eval_ranking *out);
void bl_eval_ranking_free(eval_ranking *r);

/* rank[i] of an image among ascending ids (malloc'd). */
bl_status bl_eval_rank_images(const bl_dataset *gt, int32_t **rank);

typedef struct eval_ranked {
    double score;
    int64_t rank;  /* what decides between equal scores, smaller first */
    int32_t index; /* what decides last, smaller first */
} eval_ranked;
void bl_eval_ranked_sort(eval_ranked *v, size_t n);

#endif
