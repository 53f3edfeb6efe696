/* The descriptor tables of a run's own sections, and the whole configuration put together. */
#include <stddef.h>

#include "train/train.h"

#define AT(member) offsetof(STRUCT, member)

static const char *const formats[] = {"coco", "voc", NULL};
#define STRUCT bl_data_config
static const bl_field data_fields[] = {
    {"format", BL_T_ENUM, AT(format), "\"coco\"", 0, 0, formats, NULL, "Annotation format.", NULL},
    {"root", BL_T_STRING, AT(root), "\"\"", 0, 0, NULL, NULL,
     "Folder that relative paths below start from; empty = the working directory.", NULL},
    {"labelled", BL_T_STRING, AT(labelled), "\"\"", 0, 0, NULL, NULL,
     "Labelled training images: COCO JSON file, or the name of a VOC ImageSets/Main list.", NULL},
    {"unlabelled", BL_T_STRING, AT(unlabelled), "\"\"", 0, 0, NULL, NULL,
     "Unlabelled training images: a folder (with its sub-folders), a text file with one image a "
     "line, a COCO file (annotations and categories may be absent), or the name of a VOC list "
     "(XML files may be absent). Boxes in it are never trained on, only used to measure "
     "pseudo-label quality. Empty = none.",
     NULL},
    {"validation", BL_T_STRING, AT(validation), "\"\"", 0, 0, NULL, NULL,
     "Labelled images that choose the best checkpoint and end a run early (run.patience), in the "
     "form of labelled. Empty = validation_share, or the test images choose.",
     NULL},
    {"validation_share", BL_T_REAL, AT(validation_share), "0", 0, 0.5, NULL, NULL,
     "Share of the labelled images set aside for that, the same for every seed; every class keeps "
     "at least half of its images. 0 = none.",
     NULL},
    {"test", BL_T_STRING, AT(test), "\"\"", 0, 0, NULL, NULL, "Images for evaluation.", NULL},
    {"image_dir", BL_T_STRING, AT(image_dir), "\"\"", 0, 0, NULL, NULL,
     "Folder of the images; empty = the root (voc: its JPEGImages).", NULL},
    {"unlabelled_image_dir", BL_T_STRING, AT(unlabelled_image_dir), "\"\"", 0, 0, NULL, NULL,
     "Folder of the unlabelled images; empty = image_dir.", NULL},
    {"validation_image_dir", BL_T_STRING, AT(validation_image_dir), "\"\"", 0, 0, NULL, NULL,
     "Folder of the validation images; empty = image_dir.", NULL},
    {"test_image_dir", BL_T_STRING, AT(test_image_dir), "\"\"", 0, 0, NULL, NULL,
     "Folder of the test images; empty = image_dir.", NULL},
    {"classes", BL_T_STRINGS, AT(classes), "[]", 0, 0, NULL, NULL,
     "voc: class names in order. coco: if given, must equal the file's names.", NULL},
    {"voc_one_based", BL_T_BOOL, AT(voc_one_based), "true", 0, 0, NULL, NULL,
     "voc: corners are 1-based and inclusive, as the format defines.", NULL},
    {"exif", BL_T_BOOL, AT(exif), "true", 0, 0, NULL, NULL,
     "Turn images as EXIF's orientation says, as OpenCV, mmdetection and detectron2 do; boxes are "
     "of "
     "the turned image, unless they only fit the stored one. false = use images as stored.",
     NULL},
    {"skip_bad", BL_T_BOOL, AT(skip_bad), "false", 0, 0, NULL, NULL,
     "Go on without damaged annotations and unreadable images, reporting how many.", NULL},
    {"drop_empty", BL_T_BOOL, AT(drop_empty), "true", 0, 0, NULL, NULL,
     "Leave out labelled images without boxes.", NULL},
    {"groups", BL_T_STRING, AT(groups), "\"\"", 0, 0, NULL, NULL,
     "JSON file with groups of classes for logs and reports: {\"name\": [class name or id, ...], "
     "...}; a class may be in several or in none. Empty = minority; else rare, common and frequent "
     "where the labelled file has LVIS frequencies; else minority_ratio.",
     NULL},
    {"minority_ratio", BL_T_REAL, AT(minority_ratio), "0.2", 0, 1, NULL, NULL,
     "A class is a minority class when it has fewer labelled boxes than this fraction of the most "
     "frequent one.",
     NULL},
    {"minority", BL_T_STRINGS, AT(minority), "[]", 0, 0, NULL, NULL,
     "Minority classes by name, all others being the majority.", NULL},
    {0}};
static const bl_schema data_schema = {"data", "Data sets and class groups.", sizeof(bl_data_config),
                                      data_fields};
#undef STRUCT

static const char *const optimisers[] = {"sgd", "adam", NULL};
#define STRUCT bl_optim_config
static const bl_field optim_fields[] = {
    {"kind", BL_T_ENUM, AT(kind), "\"sgd\"", 0, 0, optimisers, NULL, "The optimiser.", NULL},
    {"lr", BL_T_REAL, AT(lr), "0.01", 0, 100, NULL, NULL, "Base learning rate.", NULL},
    {"momentum", BL_T_REAL, AT(momentum), "0.9", 0, 1, NULL, NULL, "Momentum.", NULL},
    {"weight_decay", BL_T_REAL, AT(weight_decay), "0.0001", 0, 1, NULL, NULL,
     "Weight decay of convolution and linear weights.", NULL},
    {"clip_norm", BL_T_REAL, AT(clip_norm), "0", 0, 1e9, NULL, NULL,
     "Scale the gradient to at most this L2 norm; 0 = off.", NULL},
    {"nesterov", BL_T_BOOL, AT(nesterov), "false", 0, 0, NULL, NULL, "Nesterov momentum.", NULL},
    {"beta1", BL_T_REAL, AT(beta1), "0.9", 0, 1, NULL, NULL, "Keep rate of the mean (adam).", NULL},
    {"beta2", BL_T_REAL, AT(beta2), "0.999", 0, 1, NULL, NULL,
     "Keep rate of the mean square (adam).", NULL},
    {"epsilon", BL_T_REAL, AT(epsilon), "1e-8", 0, 1, NULL, NULL,
     "Added to the root of the mean square (adam).", NULL},
    {"shrink", BL_T_REAL, AT(shrink), "0", 0, 1, NULL, NULL,
     "After each step, multiply all weights and batch-norm statistics by 1 - shrink * lr (0.02 in "
     "the Adam recipes of imbalanced semi-supervised learning).",
     NULL},
    {"loss_scale", BL_T_SECTION, AT(loss_scale), NULL, 0, 0, NULL, NULL, "", &bl_loss_scale_schema},
    {0}};
static const bl_schema optim_schema = {"optim", "The optimiser.", sizeof(bl_optim_config),
                                       optim_fields};
#undef STRUCT

static const char *const precisions[] = {"fp32", "tf32", "bf16", "fp16", NULL}; /* bl_precision */

const char *const bl_protocol_names[] = {"coco", "lvis", "lvis_fixed", NULL};

#define STRUCT bl_run_section
static const bl_field run_fields[] = {
    {"iterations", BL_T_LENGTH, AT(iterations), "180000", 1, 1e9, NULL, "iterations",
     "Length of training.", NULL},
    {"accumulate", BL_T_INT, AT(accumulate), "1", 1, 1024, NULL, "batches",
     "Batches of an iteration (detection): its gradient is the mean of theirs, each with "
     "normalisers and batch statistics of its own, as on so many GPUs. Schedules, averages of the "
     "teacher and all intervals count iterations.",
     NULL},
    {"seed", BL_T_INT, AT(seed), "0", 0, 9007199254740992.0, NULL, NULL,
     "Seed of everything random: weights, data order, views, samplers.", NULL},
    {"threads", BL_T_INT, AT(threads), "0", 0, 1024, NULL, NULL, "Compute threads; 0 = all cores.",
     NULL},
    {"adapt_threads", BL_T_BOOL, AT(adapt_threads), "true", 0, 0, NULL, NULL,
     "Use fewer threads while other processes keep cores busy. Changes speed, not results.", NULL},
    {"device", BL_T_STRING, AT(device), "\"auto\"", 0, 0, NULL, NULL,
     "cpu, cuda:N, or auto: cuda:0 when it is built in and a device is present, else cpu.", NULL},
    {"backend", BL_T_STRING, AT(backend), "\"auto\"", 0, 0, NULL, NULL,
     "Kernels: auto (fastest) or ref (plain C, for checking).", NULL},
    {"tuning_file", BL_T_STRING, AT(tuning_file), "\"\"", 0, 0, NULL, NULL,
     "Where timed kernel choices are kept between runs; empty = not kept.", NULL},
    {"deterministic", BL_T_BOOL, AT(deterministic), "true", 0, 0, NULL, NULL,
     "Choose kernels by rule instead of by timing, so that reruns and resumed runs are "
     "bit-identical.",
     NULL},
    {"precision", BL_T_ENUM, AT(precision), "\"fp32\"", 0, 0, precisions, NULL,
     "How a GPU computes: fp32; tf32 (tensor cores; inputs of products rounded to 10 bits); bf16 "
     "or "
     "fp16 (activations and their gradients in 16 bits; parameters, statistics and losses in fp32; "
     "fp16 with optim.loss_scale). Sums are fp32 in all of them. The CPU computes in fp32, and "
     "refuses bf16 and fp16.",
     NULL},
    {"prefetch_device", BL_T_BOOL, AT(prefetch_device), "false", 0, 0, NULL, NULL,
     "Send the pixels of the next batches to the device while it computes; off, a step sends its "
     "own. "
     "The results are the same. Not yet run on a real GPU.",
     NULL},
    {"graphs", BL_T_BOOL, AT(graphs), "false", 0, 0, NULL, NULL,
     "Collect a GPU's work and replay what repeats as CUDA graphs; same results. Not yet run on a "
     "real GPU. No effect on the CPU.",
     NULL},
    {"log_every", BL_T_PERIOD, AT(log_every), "50", 1, 1e9, NULL, "iterations",
     "Console and metrics interval.", NULL},
    {"eval_every", BL_T_PERIOD, AT(eval_every), "5000", 0, 1e9, NULL, "iterations",
     "Evaluation interval; the end is always evaluated. 0 = only the end.", NULL},
    {"checkpoint_every", BL_T_PERIOD, AT(checkpoint_every), "5000", 0, 1e9, NULL, "iterations",
     "Checkpoint interval; the end is always saved. 0 = only the end.", NULL},
    {"keep_checkpoints", BL_T_INT, AT(keep_checkpoints), "2", 1, 1000, NULL, NULL,
     "Newest checkpoints kept, besides the best.", NULL},
    {"samples", BL_T_INT, AT(samples), "8", 0, 1000, NULL, "images",
     "Example images with boxes written at the last evaluation, from the test and the unlabelled "
     "set each.",
     NULL},
    {"eval_batch", BL_T_INT, AT(eval_batch), "4", 1, 256, NULL, "images", "Batch of evaluation.",
     NULL},
    {"protocol", BL_T_ENUM, AT(protocol), "\"coco\"", 0, 0, bl_protocol_names, NULL,
     "Rules of detection's evaluations: coco; lvis (classes judged where they are annotated, 300 "
     "detections an image); lvis_fixed (LVIS Fixed AP). detector.max_detections and "
     "detector.score_threshold bound what reaches them.",
     NULL},
    {"eval_student", BL_T_BOOL, AT(eval_student), "true", 0, 0, NULL, NULL,
     "Evaluate the student too, not only the teacher.", NULL},
    {"eval_limit", BL_T_INT, AT(eval_limit), "0", 0, 1e9, NULL, "images",
     "Test images used by evaluations before the last one; 0 = all.", NULL},
    {"eval_test", BL_T_BOOL, AT(eval_test), "true", 0, 0, NULL, NULL,
     "Where validation images choose the best checkpoint: evaluate the test images every time as "
     "well, for their curves; false: only at the end.",
     NULL},
    {"patience", BL_T_INT, AT(patience), "0", 0, 1e6, NULL, "evaluations",
     "End the run after so many evaluations in a row that were not the best on the validation "
     "images; 0 = never.",
     NULL},
    {"init_from", BL_T_STRING, AT(init_from), "\"\"", 0, 0, NULL, NULL,
     "Weights to start from: a file of PyTorch, detectron2 or safetensors, or a run folder "
     "(docs/weights.md); tensors it lacks keep their initialisation. Empty = none.",
     NULL},
    {"init_model", BL_T_STRING, AT(init_model), "\"student\"", 0, 0, NULL, NULL,
     "Whose weights of a checkpoint init_from reads: student or teacher.", NULL},
    {"init_skip", BL_T_STRINGS, AT(init_skip), "[]", 0, 0, NULL, NULL,
     "Beginnings of tensor names that init_from leaves at their initialisation, e.g. head. for "
     "classifier re-training.",
     NULL},
    {"features", BL_T_BOOL, AT(features), "false", 0, 0, NULL, NULL,
     "Classification: write the features of the test images at the last evaluation.", NULL},
    {"max_bad_steps", BL_T_INT, AT(max_bad_steps), "10", 0, 1e6, NULL, "iterations",
     "Consecutive steps with a non-finite loss or gradient that are skipped before training stops.",
     NULL},
    {0}};
static const bl_schema run_section_schema = {
    "run", "Length, seed, machine, logging, evaluation, checkpoints.", sizeof(bl_run_section),
    run_fields};
#undef STRUCT

#define STRUCT bl_classify_batch_config
static const bl_field batch_fields[] = {
    {"labelled", BL_T_INT, AT(labelled), "64", 1, 65536, NULL, "images", "Labelled images a step.",
     NULL},
    {"unlabelled", BL_T_INT, AT(unlabelled), "128", 1, 65536, NULL, "images",
     "Unlabelled images a step, for learners that use them.", NULL},
    {0}};
static const bl_schema batch_schema = {"batch", "How many images make a step.",
                                       sizeof(bl_classify_batch_config), batch_fields};
#undef STRUCT

static const char *const tasks[] = {"detection", "classification", NULL};
static const char TASK_DOC[] = "What is learnt; decides which sections exist.";

#define STRUCT bl_run_config
#define SECTION(name, schema)                                                                      \
    { #name, BL_T_SECTION, AT(name), NULL, 0, 0, NULL, NULL, "", &schema }
static const bl_field fields[] = {
    {"task", BL_T_ENUM, AT(task), "\"detection\"", 0, 0, tasks, NULL, TASK_DOC, NULL},
    SECTION(run, run_section_schema),
    SECTION(optim, optim_schema),
    SECTION(schedule, bl_schedule_schema),
    {"data", BL_T_SECTION, AT(data), NULL, 0, 0, NULL, NULL, "", &data_schema},
    {"view", BL_T_SECTION, AT(view), NULL, 0, 0, NULL, NULL, "", &bl_view_schema},
    {"loader", BL_T_SECTION, AT(loader), NULL, 0, 0, NULL, NULL, "", &bl_loader_schema},
    {"detector", BL_T_SECTION, AT(detector), NULL, 0, 0, NULL, NULL, "", &bl_detector_schema},
    {"method", BL_T_SECTION, AT(method), NULL, 0, 0, NULL, NULL, "", &bl_method_schema},
    {0}};
const bl_schema bl_run_schema = {"detection", "A training run for detection.",
                                 sizeof(bl_run_config), fields};

static const bl_field class_fields[] = {
    {"task", BL_T_ENUM, AT(task), "\"classification\"", 0, 0, tasks, NULL, TASK_DOC, NULL},
    SECTION(run, run_section_schema),
    SECTION(optim, optim_schema),
    SECTION(schedule, bl_schedule_schema),
    {"images", BL_T_SECTION, AT(images), NULL, 0, 0, NULL, NULL, "", &bl_classify_data_schema},
    {"longtail", BL_T_SECTION, AT(longtail), NULL, 0, 0, NULL, NULL, "", &bl_longtail_schema},
    {"views", BL_T_SECTION, AT(views), NULL, 0, 0, NULL, NULL, "", &bl_classify_view_schema},
    {"batch", BL_T_SECTION, AT(batch), NULL, 0, 0, NULL, NULL, "", &batch_schema},
    {"loader", BL_T_SECTION, AT(class_loader), NULL, 0, 0, NULL, NULL, "",
     &bl_classify_loader_schema},
    {"model", BL_T_SECTION, AT(model), NULL, 0, 0, NULL, NULL, "", &bl_classifier_schema},
    {"method", BL_T_SECTION, AT(class_method), NULL, 0, 0, NULL, NULL, "",
     &bl_classify_method_schema},
    {0}};
const bl_schema bl_classify_run_schema = {"classification", "A training run for classification.",
                                          sizeof(bl_run_config), class_fields};

static const bl_field task_fields[] = {
    {"task", BL_T_ENUM, AT(task), "\"detection\"", 0, 0, tasks, NULL, TASK_DOC, NULL}, {0}};
static const bl_schema task_schema = {"task", "", sizeof(bl_run_config), task_fields};
#undef STRUCT

const bl_schema *bl_run_schema_of(int32_t task) {
    return task == BL_TASK_CLASSIFICATION ? &bl_classify_run_schema : &bl_run_schema;
}

bl_status bl_run_config_load(const char *path, const char *const *overrides, int n_overrides,
                             bl_arena *arena, bl_run_config *out) {
    bl_run_config *peek = BL_NEW(arena, bl_run_config);
    if (!peek) return BL_ENOMEM;
    BL_TRY(bl_config_peek(&task_schema, path, overrides, n_overrides, arena, peek));
    BL_TRY(bl_config_load(bl_run_schema_of(peek->task), path, overrides, n_overrides, arena, out));
    bl_type_list list;
    if (out->task == BL_TASK_CLASSIFICATION && out->run.accumulate > 1)
        return bl_fail(BL_ECONFIG,
                       "run.accumulate = %lld: classification takes its batches whole; set it to 1 "
                       "and batch.labelled and batch.unlabelled to what memory holds",
                       (long long)out->run.accumulate);
    return out->task == BL_TASK_CLASSIFICATION ? bl_classify_method_check(&out->class_method)
                                               : bl_method_types(&out->method, &list);
}

bl_ctx_options bl_run_ctx_options(const bl_run_section *run) {
    return (bl_ctx_options){.device = run->device,
                            .backend = run->backend,
                            .tuning_file = *run->tuning_file ? run->tuning_file : NULL,
                            .deterministic = run->deterministic,
                            .precision = (bl_precision)run->precision,
                            .graphs = run->graphs};
}
