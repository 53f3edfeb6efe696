/* One generated scene: where its objects stand (geometry), and how it looks (pixels). */
#ifndef BALLAST_DATASETS_SYNTH_SYNTH_SCENE_H
#define BALLAST_DATASETS_SYNTH_SYNTH_SCENE_H

#include "datasets/images/image.h"
#include "datasets/synth/synth_config.h"
#include "datasets/synth/synth_shapes.h"

typedef struct bl_synth_object {
    int32_t category;
    bl_synth_shape shape;
    float cx, cy; /* centre, px */
    float scale;  /* radius, px */
    float aspect; /* width / height of the unit frame */
    float cos_r, sin_r;
    int32_t x0, y0, x1, y1; /* full extent in pixels, hidden parts included */
    float area;             /* covered pixels, hidden ones included */
    float hidden;           /* fraction covered by objects in front */
} bl_synth_object;

typedef struct bl_synth_scene {
    int32_t n; /* objects placed, back to front */
    bl_synth_object objects[BL_SYNTH_MAX_OBJECTS];
} bl_synth_scene;

/* Places objects of the given categories in the image that `key` names (a bl_rng_key). Objects that
 * find no place, or would hide another beyond cfg->max_hidden, are left out. */
bl_status bl_synth_scene_place(const bl_synth_config *cfg, uint64_t key, const int32_t *categories,
                               int n, bl_synth_scene *out);

/* Renders the scene; out is allocated. */
bl_status bl_synth_scene_render(const bl_synth_config *cfg, uint64_t key,
                                const bl_synth_scene *scene, bl_image *out);

#endif
