/* What the plug-ins of a world decide together. */
#include "ssl/detection/learner.h"

bool bl_detection_keep(const bl_detection_world *w, const bl_pseudo *c, int32_t i,
                       bl_pseudo_use use) {
    for (int k = 0; k < w->plugins.n; k++) {
        const bl_plugin *p = w->plugins.v[k];
        if (bl_detection_type(p)->keep && !bl_detection_type(p)->keep(p, c, i, use)) return false;
    }
    return true;
}

bl_status bl_detection_thresholds(bl_detection_world *w, int64_t t) {
    for (int32_t c = 0; c < w->classes; c++) w->theta[c] = w->needs.threshold;
    BL_DETECTION_EACH(w, thresholds, t, w->theta);
    return BL_OK;
}
