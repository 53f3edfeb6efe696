#include "eval/results/results.h"

#include <stdlib.h>

#include "core/fs.h"
#include "eval/results/results_files.h"

bl_status bl_results_write(const char *dir, const bl_results *r) {
    static const char *const names[] = {"metrics.json", "per_class.csv", "per_class.json",
                                        "pr.json"};
    bl_status status = BL_OK;
    char *path[4] = {0};
    bl_class_result *per = calloc((size_t)r->eval->K + 1, sizeof *per);
    bool ok = per != NULL;
    for (int i = 0; i < 4; i++) ok = (path[i] = bl_path_join(dir, names[i])) && ok;
    if (!ok) BL_TRY_DONE(bl_no_memory("for %s (to write results)", dir));
    BL_TRY_DONE(bl_eval_per_class(r->eval, r->gt, r->dt, per));
    BL_TRY_DONE(bl_mkdirs(dir));
    BL_TRY_DONE(bl_results_write_metrics(path[0], r));
    BL_TRY_DONE(bl_results_write_csv(path[1], r, per));
    BL_TRY_DONE(bl_results_write_classes(path[2], r, per));
    BL_TRY_DONE(bl_results_write_curves(path[3], r));
done:
    for (int i = 0; i < 4; i++) free(path[i]);
    free(per);
    return status;
}
