/* Logit adjustment by the labelled prior (Menon et al., ICLR 2021), in its three forms:
 *   loss    labelled logits + tau ln pi in training, raw ones elsewhere ("+ LA" of most tables)
 *   post    training untouched; predictions from logits - tau ln pi
 *   pseudo  pseudo-labels from weak logits - tau ln pi; training and prediction raw */
#ifndef BALLAST_SSL_LOGIT_ADJUST_H
#define BALLAST_SSL_LOGIT_ADJUST_H

#include "core/schema.h"
#include "ssl/class_learner.h"

typedef enum bl_logit_adjust_form { BL_LA_LOSS, BL_LA_POST, BL_LA_PSEUDO } bl_logit_adjust_form;
typedef struct bl_logit_adjust_config {
    int32_t form; /* bl_logit_adjust_form */
    double tau;
} bl_logit_adjust_config;
extern const bl_schema bl_logit_adjust_schema;
extern const bl_class_plugin_type bl_logit_adjust_plugin;

#endif
