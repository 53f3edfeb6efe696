#include "train/task.h"

#include <stdio.h>

#include "core/fs.h"

int64_t bl_run_generation(const bl_run_config *cfg) {
    int64_t n = cfg->task == BL_TASK_CLASSIFICATION
                    ? bl_classify_method_generations(&cfg->class_method)
                    : 1;
    return cfg->run.iterations / n > 0 ? cfg->run.iterations / n : 1;
}

double bl_run_lr(const void *arg, int64_t iteration) {
    const bl_run_config *cfg = arg;
    int64_t length = bl_run_generation(cfg);
    return cfg->optim.lr * bl_schedule_factor(&cfg->schedule, iteration % length, length);
}

char *bl_step_folder(const char *run_dir, const char *what, int64_t iter, const char *leaf) {
    char name[96];
    snprintf(name, sizeof name, "%s/iter_%08lld%s%s", what, (long long)iter, leaf ? "/" : "",
             leaf ? leaf : "");
    char *p = bl_path_join(run_dir, name);
    if (!p) bl_no_memory(NULL);
    return p;
}
