/* Which tensor of a weight file each tensor of a model starts from, before a byte is read. Training
 * and `validate` ask the same question, so that what one says the other does. */
#ifndef BALLAST_NN_WEIGHTS_H
#define BALLAST_NN_WEIGHTS_H

#include "core/safetensors.h"
#include "core/schema.h"
#include "nn/store.h"

enum { BL_WEIGHT_NAMES = 160, BL_WEIGHT_SHOWN = 3 };
/* The first names of a list, for messages. */
typedef struct bl_weight_names {
    int n;                      /* of the whole list */
    char text[BL_WEIGHT_NAMES]; /* the first BL_WEIGHT_SHOWN: "a, b, c" */
} bl_weight_names;

typedef struct bl_weights {
    const bl_st_tensor *
        *from; /* one per tensor of the store in its order; NULL: keeps its values */
    int read;
    bl_weight_names missing; /* the model's that the file lacks */
    bl_weight_names norms; /* the model's that stay as they are because the file's normalise another
                              way: statistics of batches against groups of channels */
    bl_weight_names heads; /* the model's classifiers that the file has for other classes */
    bl_weight_names unused; /* the file's that the model has no place for */
    int skipped;            /* the model's left out on request */
    int backbone_missing;   /* of `missing`, those of the backbone */
} bl_weights;

/* Matches the tensors of `s` (declared; bl_store_finish need not have run) with those of `f`: by
 * name, below "student." or "teacher." (`model` says which) when the file is a checkpoint. A bare
 * backbone, whose names lack "backbone.", is found as well. Tensors whose names begin with an entry
 * of `skip` are left out, and classifiers whose number of rows differs. BL_EFORMAT when another
 * tensor has another shape, and when nothing matches, or
 * nothing of the backbone (unless all of it is skipped); the message shows names of both sides. */
bl_status bl_weights_match(const bl_store *s, const bl_st_file *f, const char *model,
                           const bl_strings *skip, bl_weights *out);
void bl_weights_free(bl_weights *w);

#endif
