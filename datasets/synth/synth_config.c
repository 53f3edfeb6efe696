#include "datasets/synth/synth_config.h"

#include <stddef.h>

#include "datasets/synth/synth_shapes.h"

#define FIELD(name) #name, BL_T_INT, offsetof(bl_synth_config, name)
#define REAL(name) #name, BL_T_REAL, offsetof(bl_synth_config, name)
static const char *const tail_names[] = {"exponential", "step", NULL};
static const char *const lookalike_names[] = {"apart", "together", NULL};
static const bl_field fields[] = {
    {FIELD(width), "128", 32, 4096, NULL, "px", "Image width.", NULL},
    {FIELD(height), "128", 32, 4096, NULL, "px", "Image height.", NULL},
    {FIELD(classes), "12", 2, BL_SYNTH_MAX_CLASSES, NULL, NULL, "Classes, an even number.", NULL},
    {FIELD(pairs), "-1", -1, BL_SYNTH_MAX_CLASSES / 2, NULL, NULL,
     "Pairs of look-alikes among the classes; the others look alike none. -1 = all are in pairs.",
     NULL},
    {FIELD(labelled), "200", 1, 1e6, NULL, "images", "Labelled training images.", NULL},
    {FIELD(unlabelled), "1800", 0, 1e6, NULL, "images", "Unlabelled training images.", NULL},
    {FIELD(test), "400", 0, 1e6, NULL, "images", "Test images, class-balanced.", NULL},
    {REAL(imbalance), "50", 1, 1e5, NULL, NULL,
     "Frequency of the most common class over that of the rarest.", NULL},
    {REAL(unlabelled_imbalance), "0", 0, 1e5, NULL, NULL,
     "The same for the unlabelled set; 0 = as the labelled set.", NULL},
    {"tail", BL_T_ENUM, offsetof(bl_synth_config, tail), "\"exponential\"", 0, 0, tail_names, NULL,
     "How frequency falls from class to class: exponential, or a step from the more frequent half "
     "of the classes to the other.",
     NULL},
    {FIELD(min_instances), "3", 0, 1e5, NULL, NULL,
     "Least instances of a class in the labelled set.", NULL},
    {"lookalikes", BL_T_ENUM, offsetof(bl_synth_config, lookalikes), "\"apart\"", 0, 0,
     lookalike_names, NULL,
     "Look-alike classes: apart = one common, one rare; together = neighbours in frequency.", NULL},
    {FIELD(objects_min), "2", 0, BL_SYNTH_MAX_OBJECTS, NULL, NULL, "Fewest objects in an image.",
     NULL},
    {FIELD(objects_max), "6", 1, BL_SYNTH_MAX_OBJECTS, NULL, NULL, "Most objects in an image.",
     NULL},
    {REAL(size_min), "14", 8, 2048, NULL, "px", "Smallest object diameter.", NULL},
    {REAL(size_max), "64", 8, 2048, NULL, "px", "Largest object diameter.", NULL},
    {REAL(rotation), "45", 0, 180, NULL, "degrees", "Objects turn by up to this angle either way.",
     NULL},
    {REAL(clutter), "1", 0, 10, NULL, NULL, "Amount of strokes and blobs that are not objects.",
     NULL},
    {REAL(occlusion), "0.3", 0, 1, NULL, NULL, "Probability that an object is put over others.",
     NULL},
    {REAL(max_hidden), "0.7", 0, 0.95, NULL, NULL, "Most that may be hidden of an object.", NULL},
    {REAL(contrast), "40", 0, 200, NULL, NULL, "Least colour distance of object and background.",
     NULL},
    {REAL(noise), "12", 0, 100, NULL, NULL, "Largest standard deviation of pixel noise.", NULL},
    {FIELD(quality), "90", 10, 100, NULL, NULL, "JPEG quality.", NULL},
    {FIELD(seed), "1", 0, 9007199254740992.0, NULL, NULL, "Seed of everything.", NULL},
    {0}};

const bl_schema bl_synth_schema = {"synth", "Generated long-tailed detection data.",
                                   sizeof(bl_synth_config), fields};

int bl_synth_rank(const bl_synth_config *cfg, int c) {
    int n = (int)cfg->classes, family = c / 2, families = n / 2;
    if (cfg->lookalikes == BL_LOOKALIKES_TOGETHER) /* every other family is a common one */
        return 2 * (family % 2 ? (families + 1) / 2 + family / 2 : family / 2) + c % 2;
    int second = (c % 2) ^ (family & 1);
    return family + (second ? families : 0);
}
