#include "ssl/learner.h"

void bl_add_loss(bl_step_losses *out, const char *name, bl_tensor *value, double weight) {
    out->loss[out->n++] = (bl_loss){name, value, (float)weight};
}

const char *bl_learner_average_name(bool uses_unlabelled) {
    return uses_unlabelled ? "teacher" : "ema";
}
