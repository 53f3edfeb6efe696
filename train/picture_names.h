/* Names of the pictures that prediction draws: those of the images, unique in one folder. */
#ifndef BALLAST_TRAIN_PICTURE_NAMES_H
#define BALLAST_TRAIN_PICTURE_NAMES_H

#include <stdint.h>

#include "core/arena.h"
#include "core/status.h"

/* names[i] (in `arena`) for images[i]: its name without folder and ending, and ".jpg". A name that
 * an image before it has gets "_2", "_3", ...; a long one is cut so that a temporary file beside it
 * still has a legal name. */
bl_status bl_picture_names(const char *const *images, int32_t n, bl_arena *arena,
                           const char **names);

#endif
