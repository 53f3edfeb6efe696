/* The tables, one a file. */
#ifndef BALLAST_INTEROP_NAMES_TABLES_H
#define BALLAST_INTEROP_NAMES_TABLES_H

#include "interop/names.h"

#define BL_NAME_COUNT(rules) ((int)(sizeof(rules) / sizeof *(rules)))

extern const bl_name_table bl_names_torchvision, bl_names_detectron2, bl_names_detectron2_c4,
    bl_names_detectron2_backbone, bl_names_caffe2, bl_names_mmdet1, bl_names_moco, bl_names_usb_wrn,
    bl_names_daso_wrn;

#endif
