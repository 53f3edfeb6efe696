#include "nn/schedule.h"

#include <math.h>

static const char *const kinds[] = {"step", "cosine", "constant", "cosine_annealing", NULL};

#define F(member) offsetof(bl_schedule_config, member)
static const bl_field fields[] = {
    {"kind", BL_T_ENUM, F(kind), "\"step\"", 0, 0, kinds, NULL,
     "How the learning rate falls: by steps, along a part of a cosine, not at all, or along half a "
     "period of a cosine down to 0 (PyTorch's CosineAnnealingLR).",
     NULL},
    {"steps", BL_T_REALS, F(steps), "[0.6667, 0.8889]", 0, 1e9, NULL, "fraction or iterations",
     "Where lr is multiplied by gamma (kind step): values below 1 are fractions of the total.",
     NULL},
    {"gamma", BL_T_REAL, F(gamma), "0.1", 0, 1, NULL, NULL, "Factor applied at each step.", NULL},
    {"warmup", BL_T_START, F(warmup), "500", 0, 1e9, NULL, "iterations",
     "Length of the linear warm-up at the start; 0 = none.", NULL},
    {"warmup_ratio", BL_T_REAL, F(warmup_ratio), "0.001", 0, 1, NULL, "fraction of lr",
     "Where the warm-up starts.", NULL},
    {"every", BL_T_PERIOD, F(every), "1", 1, 1e9, NULL, "iterations",
     "The rate changes only at multiples of this: the length of an epoch where a recipe sets it "
     "once "
     "an epoch.",
     NULL},
    {"cycles", BL_T_REAL, F(cycles), "0.4375", 0, 0.5, NULL, "half periods",
     "Part of the cosine that is run through (kind cosine): 7/16 ends at 0.195 lr (FixMatch), 0.5 "
     "at 0.",
     NULL},
    {0}};
#undef F

const bl_schema bl_schedule_schema = {"schedule", "Learning rate over the course of training.",
                                      sizeof(bl_schedule_config), fields};

double bl_schedule_factor(const bl_schedule_config *c, int64_t t, int64_t total) {
    double f = 1;
    if (c->every > 1) t -= t % c->every;
    if (c->kind == BL_SCHEDULE_STEP) {
        for (int32_t i = 0; i < c->steps.n; i++) {
            double at = c->steps.v[i];
            if (at < 1) at = floor(at * (double)total + 0.5);
            if ((double)t >= at) f *= c->gamma;
        }
    } else if (c->kind == BL_SCHEDULE_COSINE) {
        double u = total > 0 ? (double)t / (double)total : 0;
        f = cos(3.14159265358979323846 * c->cycles * u);
        if (f < 0) f = 0;
    } else if (c->kind == BL_SCHEDULE_COSINE_ANNEALING) {
        double u = total > 0 ? (double)t / (double)total : 0;
        f = (1 + cos(3.14159265358979323846 * u)) / 2;
    }
    if (t < c->warmup) {
        double u = (double)t / (double)c->warmup;
        f *= c->warmup_ratio + (1 - c->warmup_ratio) * u;
    }
    return f;
}
