/* Features as the released program of SeMi has them (train_semi.py of pywin/SeMi): it interleaves
 * the rows of a step before the forward pass, puts the logits back in order and forgets the
 * features, so that each slice of them holds rows of all views.
 *
 * With B_l labelled rows, mu = B_u / B_l and size = (1 + strong) mu + 1, row r of the rows in order
 * (labelled, weak, strong views) shows row (r mod B_l) size + r div B_l. With mu = 1 and two strong
 * views a quarter of each slice is labelled, weak, strong and second strong. */
#ifndef BALLAST_SSL_CLASSIFICATION_INTERLEAVE_H
#define BALLAST_SSL_CLASSIFICATION_INTERLEAVE_H

#include "ssl/classification/learner.h"

/* weak, strong[n_strong]: the step's branches with features (n, d) shuffled so, gradients going to
 * the rows they came from; other members are empty. BL_EINVAL when the unlabelled rows are not a
 * multiple of the labelled ones. */
bl_status bl_interleaved_features(bl_classify_step *s, bl_classify_branch *weak,
                                  bl_classify_branch *strong);

#endif
