/* The tensors of other frameworks' detectors, by the names and shapes that those frameworks list
 * (scripts/golden/names_detectors.py), find their places in ours. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "detector/faster_rcnn.h"
#include "interop/names.h"
#include "nn/weights.h"
#include "tests/check.h"

enum { CLASSES = 7, MAX_TENSORS = 1024 };

static float *numbers; /* every tensor's values: 0, 1, 2, ... */
static const size_t n_numbers = 1024 * 12544;

static void ignore(void *owner) {
    (void)owner;
}

static bl_st_file *list_file(bl_arena *a, const char *name) {
    static bl_st_tensor t[MAX_TENSORS];
    char path[512], tensor[256], shape[128];
    int n = 0;
    snprintf(path, sizeof path, "%s/tests/golden/names/%s.txt", BALLAST_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    CHECK(f);
    char line[512];
    while (fgets(line, sizeof line, f)) {
        *shape = 0;
        CHECK(sscanf(line, "%255s %127s", tensor, shape) >= 1);
        CHECK(n < MAX_TENSORS);
        bl_st_tensor *to = &t[n++];
        *to = (bl_st_tensor){.name = bl_arena_strdup(a, tensor), .dtype = BL_ST_F32};
        size_t count = 1;
        for (char *p = shape; *p; p += *p == 'x') {
            to->shape[to->ndim] = strtol(p, &p, 10);
            count *= (size_t)to->shape[to->ndim++];
        }
        CHECK(count <= n_numbers);
        to->data = numbers;
        to->bytes = count * sizeof *numbers;
    }
    fclose(f);
    bl_st_file *out;
    CHECK_OK(bl_st_wrap(name, t, n, ignore, NULL, &out));
    return out;
}

static bl_store *model(bl_arena *a, int32_t classes) {
    bl_detector_config cfg;
    bl_detector *d;
    bl_store *s;
    CHECK_OK(bl_config_load(&bl_detector_schema, NULL, NULL, 0, a, &cfg));
    CHECK_OK(bl_store_create(&s));
    CHECK_OK(bl_detector_create(&cfg, classes, s, &d));
    bl_detector_destroy(d);
    return s;
}

static const bl_st_tensor *match(bl_arena *a, const char *name, const char *framework,
                                 int32_t classes, const char *tensor, bl_weights *w) {
    bl_translation tell;
    bl_st_file *f;
    CHECK_OK(bl_names_translate(list_file(a, name), name, false, &f, &tell));
    CHECK(tell.table);
    CHECK_STR(tell.table->framework, framework);
    bl_store *s = model(a, classes);
    CHECK_OK(bl_weights_match(s, f, "student", NULL, w));
    bl_store_destroy(s);
    return tensor ? bl_st_find(f, tensor) : NULL; /* the handle lives on: the test is short */
}

static float value(const bl_st_tensor *t, size_t i) {
    return ((const float *)t->data)[i];
}

int main(void) {
    bl_arena *a = bl_arena_create(0);
    bl_weights w;
    numbers = malloc(n_numbers * sizeof *numbers);
    CHECK(a && numbers);
    for (size_t i = 0; i < n_numbers; i++) numbers[i] = (float)i;

    /* torchvision: class 0 is the background; ours is the last, and has no box. */
    const char *torchvision = "torchvision_fasterrcnn_resnet50_fpn";
    const bl_st_tensor *t = match(a, torchvision, "torchvision detector", CLASSES,
                                  "roi_head.bbox_head.fc_cls.weight", &w);
    CHECK_EQ(w.missing.n + w.norms.n + w.heads.n + w.unused.n, 0);
    CHECK(w.read == 295);
    CHECK(t && t->shape[0] == CLASSES + 1);
    for (int c = 0; c < CLASSES; c++) CHECK(value(t, 1024 * (size_t)c) == 1024 * (float)(c + 1));
    CHECK(value(t, 1024 * CLASSES) == 0);
    bl_weights_free(&w);
    t = match(a, torchvision, "torchvision detector", CLASSES, "roi_head.bbox_head.fc_reg.bias",
              &w);
    CHECK(t && t->shape[0] == 4 * CLASSES && value(t, 0) == 4);
    bl_weights_free(&w);

    /* A model of 3 classes leaves both class heads at their initialisation, and says so. */
    match(a, torchvision, "torchvision detector", 3, NULL, &w);
    CHECK_EQ(w.heads.n, 4);
    CHECK_EQ(w.read, 295 - 4);
    bl_weights_free(&w);

    t = match(a, "detectron2_faster_rcnn_R_50_FPN", "detectron2 detector", CLASSES,
              "roi_head.bbox_head.fc_cls.bias", &w);
    CHECK_EQ(w.missing.n + w.norms.n + w.heads.n + w.unused.n, 0);
    CHECK(t && value(t, 0) == 0);
    bl_weights_free(&w);

    match(a, "detectron2_faster_rcnn_R_50_C4", "detectron2 C4 detector", CLASSES, NULL, &w);
    CHECK_EQ(w.backbone_missing, 0);
    CHECK_EQ(w.read, 265);
    bl_weights_free(&w);

    /* Rules one by one. */
    static const struct {
        int table;
        const char *theirs, *ours;
    } one[] = {{4, "res4_22_branch2c_bn_b", "backbone.layer3.22.bn3.bias"},
               {4, "conv1_w", "backbone.conv1.weight"},
               {4, "conv1_w_momentum", NULL},
               {4, "fc1000_w", NULL},
               {6, "encoder_q.layer1.0.bn1.weight", "backbone.layer1.0.bn1.weight"},
               {6, "encoder_k.conv1.weight", NULL},
               {7, "block2.layer.0.convShortcut.weight", "backbone.layer2.0.shortcut.weight"},
               {8, "encoder.unit1.0.layer.0.weight", "backbone.layer1.0.conv1.weight"},
               {8, "encoder.unit1.1.layer.0.weight", "backbone.layer1.1.bn1.weight"}};
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
        char name[256] = "";
        bool fits = false;
        const bl_name_table *table = bl_name_tables[one[i].table];
        for (int k = 0; k < table->n && !fits; k++)
            fits = bl_name_apply(&table->rule[k], one[i].theirs, name, sizeof name);
        CHECK(fits == (one[i].ours != NULL));
        if (fits) CHECK_STR(name, one[i].ours);
    }
    free(numbers);
    bl_arena_destroy(a);
    return 0;
}
