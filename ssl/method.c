/* The "method" section's descriptor tables, and the one place that maps a method name to its
 * learner. */
#include "ssl/method.h"

#include <stddef.h>

#include "ssl/soft_teacher.h"
#include "ssl/supervised.h"

#define AT(member) offsetof(STRUCT, member)

#define STRUCT bl_teacher_section
static const bl_field teacher_fields[] = {
    {"ema", BL_T_REAL, AT(ema), "0.999", 0, 1, NULL, NULL,
     "Keep rate of the teacher's exponential moving average; warmed up as min(ema, 1 - 1/(t+1)).",
     NULL},
    {"unsup_weight", BL_T_REAL, AT(unsup_weight), "4", 0, 1000, NULL, NULL,
     "Factor of all losses on unlabelled images.", NULL},
    {"burn_in", BL_T_INT, AT(burn_in), "0", 0, 1e9, NULL, "iterations",
     "Iterations of supervised training before unlabelled images are used.", NULL},
    {"ramp", BL_T_INT, AT(ramp), "0", 0, 1e9, NULL, "iterations",
     "Iterations over which unsup_weight rises linearly from 0 after the burn-in.", NULL},
    {"candidate_score", BL_T_REAL, AT(candidate_score), "0.5", 0, 1, NULL, NULL,
     "Teacher detections above this score are pseudo-box candidates.", NULL},
    {"rpn_score", BL_T_REAL, AT(rpn_score), "0.9", 0, 1, NULL, NULL,
     "Pseudo boxes above this score train the RPN.", NULL},
    {"cls_score", BL_T_REAL, AT(cls_score), "0.9", 0, 1, NULL, NULL,
     "Base threshold of pseudo boxes for RoI classification (see gbt).", NULL},
    {"reg_variance", BL_T_REAL, AT(reg_variance), "0.02", 0, 10, NULL, NULL,
     "Pseudo boxes whose box-jitter uncertainty is below this train box regression.", NULL},
    {"jitter_times", BL_T_INT, AT(jitter_times), "10", 2, 100, NULL, NULL,
     "Jittered copies of each candidate box.", NULL},
    {"jitter_scale", BL_T_REAL, AT(jitter_scale), "0.06", 0, 1, NULL, NULL,
     "Standard deviation of the jitter, as a fraction of the box's side.", NULL},
    {"background_weight", BL_T_BOOL, AT(background_weight), "true", 0, 0, NULL, NULL,
     "Weight background RoIs of unlabelled images by the teacher's background probability.", NULL},
    {0}};
static const bl_schema teacher_schema = {
    "method.teacher", "Soft Teacher: how the teacher is averaged and what its boxes may teach.",
    sizeof(bl_teacher_section), teacher_fields};
#undef STRUCT

#define STRUCT bl_gbr_section
static const bl_field gbr_fields[] = {
    {"enabled", BL_T_BOOL, AT(enabled), "false", 0, 0, NULL, NULL,
     "Weight the RoI classification loss by class so that class gradients balance.", NULL},
    {"warmup", BL_T_INT, AT(warmup), "8000", 0, 1e9, NULL, "iterations",
     "Iterations with all weights 1 while the gradient matrix is averaged.", NULL},
    {"beta", BL_T_REAL, AT(beta), "0.5", 0, 1, NULL, NULL,
     "Exponent of the weights on the labelled branch (1 on the unlabelled one).", NULL},
    {"accumulate", BL_T_REAL, AT(accumulate), "0.999", 0, 1, NULL, NULL,
     "Keep rate of the gradient matrix and of the mean weight after the warm-up.", NULL},
    {"lr", BL_T_REAL, AT(lr), "0", 0, 10, NULL, NULL,
     "Learning rate of the online solver; 0 = the detector's, following its schedule.", NULL},
    {"direct", BL_T_BOOL, AT(direct), "false", 0, 0, NULL, NULL,
     "Solve the linear system directly at every step instead of the online Jacobi iteration.",
     NULL},
    {0}};
const bl_schema bl_gbr_schema = {"method.gbr", "Gradient-based reweighting (GbR).",
                                 sizeof(bl_gbr_section), gbr_fields};
#undef STRUCT

static const char *const gbt_modes[] = {"fixed", "w_only", "code", NULL};
#define STRUCT bl_gbt_section
static const bl_field gbt_fields[] = {
    {"mode", BL_T_ENUM, AT(mode), "\"fixed\"", 0, 0, gbt_modes, NULL,
     "fixed: the base threshold for every class (detection: teacher.cls_score; classification: "
     "gb.base); w_only: base / weight; code: also follows the mean teacher score of the class.",
     NULL},
    {"warmup", BL_T_INT, AT(warmup), "12000", 0, 1e9, NULL, "iterations",
     "Iterations with the fixed threshold.", NULL},
    {"lower", BL_T_REAL, AT(lower), "0.5", 0, 1, NULL, NULL, "Lower bound of a class's threshold.",
     NULL},
    {"upper", BL_T_REAL, AT(upper), "0.9", 0, 1, NULL, NULL, "Upper bound of a class's threshold.",
     NULL},
    {"prior_cap", BL_T_REAL, AT(prior_cap), "0", 0, 1000, NULL, NULL,
     "Raises a class's threshold, also above upper, so that it gets at most so many times the "
     "pseudo-labels an image that it has labels in a labelled image; 0 = no limit.",
     NULL},
    {"cap_window", BL_T_INT, AT(cap_window), "1000", 1, 1e9, NULL, "images",
     "Unlabelled images over which pseudo-labels are counted for prior_cap.", NULL},
    {0}};
const bl_schema bl_gbt_schema = {"method.gbt", "Gradient-based thresholds (GbT).",
                                 sizeof(bl_gbt_section), gbt_fields};
#undef STRUCT

#define STRUCT bl_crs_section
static const bl_field crs_fields[] = {
    {"enabled", BL_T_BOOL, AT(enabled), "false", 0, 0, NULL, NULL,
     "Repeat unlabelled images that hold confident pseudo boxes of rare classes.", NULL},
    {"warmup", BL_T_INT, AT(warmup), "12000", 0, 1e9, NULL, "iterations",
     "Iterations before pseudo boxes are gathered.", NULL},
    {"alpha", BL_T_REAL, AT(alpha), "0.5", 0, 1, NULL, NULL,
     "Oversampling level: the frequency below which a class is repeated, ramped up over training.",
     NULL},
    {"save_every", BL_T_INT, AT(save_every), "4000", 2, 1e9, NULL, "iterations",
     "How often gathered boxes join the pool.", NULL},
    {"rebuild_every", BL_T_INT, AT(rebuild_every), "16000", 2, 1e9, NULL, "iterations",
     "How often the unlabelled list is rebuilt from the pool.", NULL},
    {0}};
static const bl_schema crs_schema = {"method.crs", "Class-rebalancing sampling (CrS).",
                                     sizeof(bl_crs_section), crs_fields};
#undef STRUCT

static const char *const method_names[] = {"supervised", "soft_teacher", NULL};
#define STRUCT bl_method_config
static const bl_field method_fields[] = {
    {"name", BL_T_ENUM, AT(name), "\"supervised\"", 0, 0, method_names, NULL, "The learner.", NULL},
    {"focal", BL_T_REAL, AT(focal), "0", 0, 5, NULL, NULL,
     "Exponent of the RoI softmax focal loss; 0 = cross-entropy.", NULL},
    {"rfs", BL_T_REAL, AT(rfs), "0", 0, 1, NULL, NULL,
     "Repeat-factor threshold of labelled images: classes in a smaller fraction of images are "
     "repeated; 0 = off.",
     NULL},
    {"rfs_warmup", BL_T_INT, AT(rfs_warmup), "0", 0, 1e9, NULL, "iterations",
     "Iterations before labelled images are repeated: the representation is learnt first, the "
     "balance later.",
     NULL},
    {"teacher", BL_T_SECTION, AT(teacher), NULL, 0, 0, NULL, NULL, "", &teacher_schema},
    {"gbr", BL_T_SECTION, AT(gbr), NULL, 0, 0, NULL, NULL, "", &bl_gbr_schema},
    {"gbt", BL_T_SECTION, AT(gbt), NULL, 0, 0, NULL, NULL, "", &bl_gbt_schema},
    {"crs", BL_T_SECTION, AT(crs), NULL, 0, 0, NULL, NULL, "", &crs_schema},
    {0}};
const bl_schema bl_method_schema = {"method", "The learner and the balancing it uses.",
                                    sizeof(bl_method_config), method_fields};
#undef STRUCT

bl_status bl_learner_create(const bl_method_config *cfg, const bl_learner_env *env,
                            bl_learner **out) {
    switch ((bl_method_name)cfg->name) {
    case BL_METHOD_SUPERVISED:
        return bl_supervised_create(cfg, env, out);
    case BL_METHOD_SOFT_TEACHER:
        return bl_soft_teacher_create(cfg, env, out);
    }
    return bl_fail(BL_ECONFIG, "method.name: unknown method %d", (int)cfg->name);
}
