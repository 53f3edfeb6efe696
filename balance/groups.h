/* Groups of classes by frequency, for reports and for split builders: majority and minority, or
 * rare, common and frequent. */
#ifndef BALLAST_BALANCE_GROUPS_H
#define BALLAST_BALANCE_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef enum bl_group { BL_GROUP_MAJORITY, BL_GROUP_MINORITY } bl_group;
typedef enum bl_rarity { BL_RARE, BL_COMMON, BL_FREQUENT } bl_rarity;

typedef enum bl_group_rule {
    BL_GROUP_BY_COUNT, /* minority: counts[c] < threshold */
    BL_GROUP_BY_RATIO, /* minority: counts[c] < threshold * the largest count */
    BL_GROUP_BY_LIST   /* minority: the listed classes */
} bl_group_rule;

/* `counts`: boxes or images a class (n_classes; NULL with BL_GROUP_BY_LIST). `list`: n_list class
 * indices, used with BL_GROUP_BY_LIST. groups[c] receives a bl_group. BL_EINVAL for a listed class
 * out of range or listed twice, or a ratio outside [0, 1]. */
bl_status bl_groups_assign(bl_group_rule rule, double threshold, const int32_t *list, int n_list,
                           const int64_t *counts, int n_classes, int32_t *groups);

/* LVIS groups by the number of training images: up to 10 rare, up to 100 common, else frequent
 * (Gupta, Dollar, Girshick, CVPR 2019). rarity[c] receives a bl_rarity. */
void bl_rarity_assign(const int64_t *image_counts, int n_classes, int32_t *rarity);

#endif
