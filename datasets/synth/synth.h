/* Generator of an embedded, long-tailed detection data set.
 *
 * Scenes of flat shapes in look-alike families before textured background and clutter, rendered to
 * JPEG with COCO annotations. Class frequencies of the training sets fall with the rank of a
 * class (bl_tail), the test set is balanced. Every
 * image is a pure function of (config, seed, set, index): the files are the same for any thread
 * count. */
#ifndef BALLAST_DATASETS_SYNTH_SYNTH_H
#define BALLAST_DATASETS_SYNTH_SYNTH_H

#include <stdint.h>

#include "core/status.h"
#include "datasets/synth/synth_config.h"

/* Called from the caller's thread, now and then, with the images done so far. */
typedef void (*bl_synth_progress)(void *arg, int64_t done, int64_t total);

/* Writes out_dir/images/{labelled,unlabelled,test}_NNNNNN.jpg,
 * out_dir/{labelled,unlabelled,test}.json (COCO; file names are relative to out_dir/images; the
 * unlabelled set keeps its true annotations, for diagnosis only) and, last, out_dir/synth.json: the
 * config, the class table (name, family, rank, group, instances) and SHA-256 sums of the annotation
 * files and of each set's images. Groups: the more frequent half of the classes is "majority", the
 * other "minority". */
bl_status bl_synth_generate(const bl_synth_config *cfg, const char *out_dir,
                            bl_synth_progress progress, void *progress_arg);

#endif
