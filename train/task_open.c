/* Which task a configuration means: the one place that knows both. */
#include "train/task.h"

bl_status bl_task_open(const bl_run_config *cfg, bl_task **out) {
    return cfg->task == BL_TASK_CLASSIFICATION ? bl_classify_task_open(cfg, out)
                                               : bl_detection_task_open(cfg, out);
}
