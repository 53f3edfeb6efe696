/* Which pyramid level pools a RoI. */
#include <math.h>

#include "detector/model.h"

int32_t bl_roi_level(const bl_detector *d, bl_box roi) {
    const bl_style *s = d->style;
    float area = bl_box_area(roi);
    float v = floorf(log2f(sqrtf(area) / (float)d->cfg.finest_scale + s->level_eps_in) +
                     s->level_eps_out);
    /* Compared as floats: an empty box gives -inf, which must not be converted. */
    if (!(v > 0)) return 0;
    return v < BL_ROI_LEVELS - 1 ? (int32_t)v : BL_ROI_LEVELS - 1;
}
