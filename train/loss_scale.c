#include "train/loss_scale.h"

#include <stddef.h>

/* Where doubling ends: gradients of zero never overflow. */
static const double MAXIMUM = 0x1p30;

#define AT(member) offsetof(bl_loss_scale_config, member)
static const bl_field fields[] = {
    {"initial", BL_T_REAL, AT(initial), "65536", 1, 1073741824, NULL, NULL,
     "Factor on the losses at the beginning.", NULL},
    {"minimum", BL_T_REAL, AT(minimum), "1", 1, 1073741824, NULL, NULL,
     "Below this it is not halved: gradients that are not finite then count as bad steps "
     "(run.max_bad_steps).",
     NULL},
    {"steps", BL_T_INT, AT(steps), "2000", 1, 1e9, NULL, "iterations",
     "Steps without an overflow after which it doubles.", NULL},
    {0}};
const bl_schema bl_loss_scale_schema = {
    "loss_scale",
    "Dynamic loss scaling, with run.precision=fp16 alone: losses times a factor that follows what "
    "fp16 gradients can hold.",
    sizeof(bl_loss_scale_config), fields};

void bl_loss_scale_begin(bl_loss_scale *s, const bl_loss_scale_config *c, bool wanted) {
    if (!wanted) {
        *s = (bl_loss_scale){0, 0};
    } else if (!(s->scale > 0)) {
        *s = (bl_loss_scale){c->initial > c->minimum ? c->initial : c->minimum, 0};
    }
}

double bl_loss_scale_factor(const bl_loss_scale *s) {
    return s->scale > 0 ? s->scale : 1;
}

bool bl_loss_scale_overflow(bl_loss_scale *s, const bl_loss_scale_config *c) {
    s->good = 0;
    if (!(s->scale > c->minimum)) return false;
    s->scale = s->scale / 2 > c->minimum ? s->scale / 2 : c->minimum;
    return true;
}

void bl_loss_scale_good(bl_loss_scale *s, const bl_loss_scale_config *c) {
    s->good += 1;
    if (!(s->scale > 0) || s->good < (double)c->steps) return;
    s->good = 0;
    if (s->scale < MAXIMUM) s->scale *= 2;
}
