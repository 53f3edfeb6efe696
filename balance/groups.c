#include "balance/groups.h"

bl_status bl_groups_assign(bl_group_rule rule, double threshold, const int32_t *list, int n_list,
                           const int64_t *counts, int n_classes, int32_t *groups) {
    double bound = threshold;
    if (rule == BL_GROUP_BY_RATIO) {
        if (!(threshold >= 0 && threshold <= 1)) {
            return bl_fail(BL_EINVAL, "class groups: the ratio %g is not in [0, 1]", threshold);
        }
        int64_t largest = 0;
        for (int c = 0; c < n_classes; c++) largest = counts[c] > largest ? counts[c] : largest;
        bound = threshold * (double)largest;
    }
    for (int c = 0; c < n_classes; c++) {
        bool minor = rule != BL_GROUP_BY_LIST && (double)counts[c] < bound;
        groups[c] = minor ? BL_GROUP_MINORITY : BL_GROUP_MAJORITY;
    }
    for (int i = 0; rule == BL_GROUP_BY_LIST && i < n_list; i++) {
        if (list[i] < 0 || list[i] >= n_classes || groups[list[i]] == BL_GROUP_MINORITY) {
            return bl_fail(BL_EINVAL,
                           "class groups: entry %d: class %d is listed twice or not in [0, %d)", i,
                           list[i], n_classes);
        }
        groups[list[i]] = BL_GROUP_MINORITY;
    }
    return BL_OK;
}

void bl_rarity_assign(const int64_t *image_counts, int n_classes, int32_t *rarity) {
    for (int c = 0; c < n_classes; c++) {
        rarity[c] = image_counts[c] <= 10    ? BL_RARE
                    : image_counts[c] <= 100 ? BL_COMMON
                                             : BL_FREQUENT;
    }
}
