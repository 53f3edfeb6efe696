/* What the log says of a teacher's boxes: sums by class over a log window, and their quality where
 * unlabelled images carry hidden boxes. For base learners with a teacher. */
#ifndef BALLAST_SSL_DETECTION_PSEUDO_WINDOW_H
#define BALLAST_SSL_DETECTION_PSEUDO_WINDOW_H

#include "core/log.h"
#include "ssl/detection/pseudo_label.h"
#include "ssl/state.h"

typedef struct bl_pseudo_window bl_pseudo_window;

/* hidden_truth: views of unlabelled images have boxes. */
bl_status bl_pseudo_window_create(int32_t classes, bool hidden_truth, bl_pseudo_window **out);
void bl_pseudo_window_destroy(bl_pseudo_window *w);

/* One image: its candidates, those that teach RoI classification, its weak view. */
void bl_pseudo_window_add(bl_pseudo_window *w, const bl_pseudo *c, bl_pseudo_filter keep,
                          const void *arg, const bl_view *weak);
/* Whether the window has images, and the boxes that taught in each. */
bool bl_pseudo_window_watched(const bl_pseudo_window *w, double *pseudo_per_image);
/* "pseudo", "candidates", "kept", with hidden truth "precision" and "recall", [K] each, into the
 * open line; then the window is empty. */
void bl_pseudo_window_report(bl_pseudo_window *w, bl_metrics *line);
/* Part of a learner's state: a resumed run writes the lines of an uninterrupted one. */
bl_status bl_pseudo_window_state(bl_pseudo_window *w, bl_state_io *io);

#endif
