/* mmdetection 1, where the background was the first class. The names of versions 2 and 3 are ours.
 */
#include "interop/names/tables.h"

static const bl_name_rule rules[] = {
    {"bbox_head.fc_cls.*", "roi_head.bbox_head.fc_cls.*", BL_NAME_BACKGROUND_FIRST},
    {"bbox_head.fc_reg.*", "roi_head.bbox_head.fc_reg.*", BL_NAME_BACKGROUND_BOXES},
    {"bbox_head.*", "roi_head.bbox_head.*", BL_NAME_SAME},
    {"backbone.*", "backbone.*", BL_NAME_SAME},
    {"neck.*", "neck.*", BL_NAME_SAME},
    {"rpn_head.*", "rpn_head.*", BL_NAME_SAME},
};

const bl_name_table bl_names_mmdet1 = {
    .framework = "mmdetection 1 detector",
    .needs = "bbox_head.fc_cls.weight",
    .rule = rules,
    .n = BL_NAME_COUNT(rules),
    .settings = "",
};
