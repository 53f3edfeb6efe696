/* A share of the labelled images set aside: what chooses the best checkpoint must not be trained
 * on, nor be the test set. */
#ifndef BALLAST_DATASETS_SPLITS_HOLDOUT_H
#define BALLAST_DATASETS_SPLITS_HOLDOUT_H

#include "datasets/annotations/dataset.h"

/* Takes about share * n_images (at least one) out of *d into *held; both keep the order. Which ones
 * depends on the data alone, so that runs with other seeds are chosen by the same images. An image
 * stays when without it a class would keep fewer than half of its images. BL_EFORMAT when that
 * leaves none to take. */
bl_status bl_dataset_hold_out(bl_dataset **d, double share, bl_dataset **held);

#endif
