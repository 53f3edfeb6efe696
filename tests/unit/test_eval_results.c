/* metrics.json, per_class.csv, per_class.json, pr.json and the printed table: read back and
 * compared with the evaluator's own numbers, to the last bit. */
#include "core/json.h"
#include "core/real_text.h"
#include "eval/results/class_choice.h"
#include "tests/unit/eval_fake_run.h"

static const bl_class_info info = {.train_images = fake_boxes,
                                   .train_boxes = fake_boxes,
                                   .group = fake_group,
                                   .group_names = fake_groups,
                                   .n_groups = 2};

static struct json_object *member(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v)) fprintf(stderr, "no member %s\n", key);
    CHECK(v != NULL || json_object_object_get_ex(o, key, NULL));
    return v;
}
static double number(struct json_object *o, const char *key) {
    return json_object_get_double(member(o, key));
}
static bl_json load(const char *dir, const char *name) {
    bl_json doc = {0};
    char *path = fake_path(dir, name);
    CHECK_OK(bl_json_load(path, &doc));
    free(path);
    return doc;
}

static void check_summary(struct json_object *o, bl_eval_summary s) {
    CHECK_NEAR(number(o, "AP"), s.AP, 0);
    CHECK_NEAR(number(o, "AP50"), s.AP50, 0);
    CHECK_NEAR(number(o, "AP75"), s.AP75, 0);
    CHECK_NEAR(number(o, "APs"), s.APs, 0);
    CHECK_NEAR(number(o, "APm"), s.APm, 0);
    CHECK_NEAR(number(o, "APl"), s.APl, 0);
    CHECK_NEAR(number(o, "AR1"), s.AR1, 0);
    CHECK_NEAR(number(o, "AR10"), s.AR10, 0);
    CHECK_NEAR(number(o, "AR100"), s.AR100, 0);
    CHECK_NEAR(number(o, "ARs"), s.ARs, 0);
    CHECK_NEAR(number(o, "ARm"), s.ARm, 0);
    CHECK_NEAR(number(o, "ARl"), s.ARl, 0);
}

static void metrics(const char *dir, const bl_eval_result *r) {
    bl_json doc = load(dir, "metrics.json");
    CHECK_STR(json_object_get_string(member(doc.root, "model")), "teacher");
    CHECK_EQ(number(doc.root, "iter"), 7);
    check_summary(doc.root, bl_eval_summarise(r, NULL));
    CHECK(number(doc.root, "AP") > 0.1 && number(doc.root, "AP") < 0.9);
    CHECK_NEAR(number(doc.root, "APs"), -1, 0); /* no small object: undefined is -1 */
    struct json_object *groups = member(doc.root, "groups");
    for (int g = 0; g < 2; g++) {
        uint8_t mask[FAKE_CLASSES];
        for (int k = 0; k < FAKE_CLASSES; k++) mask[k] = fake_group[k] == g;
        check_summary(member(groups, fake_groups[g]), bl_eval_summarise(r, mask));
        CHECK_EQ(number(member(groups, fake_groups[g]), "classes"), 2);
    }
    bl_json_free(&doc);
}

static void per_class(const char *dir, const bl_class_result *per) {
    bl_json doc = load(dir, "per_class.json");
    struct json_object *list = member(doc.root, "classes");
    CHECK_EQ(json_object_array_length(list), FAKE_CLASSES);
    for (int k = 0; k < FAKE_CLASSES; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        CHECK_STR(json_object_get_string(member(c, "name")), fake_names[k]);
        CHECK_STR(json_object_get_string(member(c, "group")), fake_groups[fake_group[k]]);
        CHECK_EQ(number(c, "id"), k + 1);
        CHECK_EQ(number(c, "train_boxes"), fake_boxes[k]);
        CHECK_EQ(number(c, "test_boxes"), 6);
        CHECK_EQ(number(c, "test_images"), 6);
        CHECK_NEAR(number(c, "AP"), per[k].AP, 0);
        CHECK_NEAR(number(c, "APs"), -1, 0);
        CHECK_NEAR(number(c, "best_f1"), per[k].best_f1, 0);
        CHECK_NEAR(number(c, "best_f1_score"), per[k].best_f1_score, 0);
        CHECK_EQ(number(c, "tp"), per[k].tp);
        CHECK_EQ(number(c, "fp"), per[k].fp);
        CHECK_EQ(number(c, "fn"), 6 - per[k].tp);
    }
    bl_json_free(&doc);
}

static void curves(const char *dir, const bl_eval_result *r) {
    bl_json doc = load(dir, "pr.json");
    struct json_object *list = member(doc.root, "classes");
    CHECK_EQ(json_object_array_length(list), FAKE_CLASSES);
    for (int k = 0; k < FAKE_CLASSES; k++) {
        struct json_object *c = json_object_array_get_idx(list, (size_t)k);
        struct json_object *p50 = member(c, "precision50"), *p75 = member(c, "precision75");
        struct json_object *s50 = member(c, "score50");
        CHECK_EQ(json_object_array_length(p50), 101);
        for (int i = 0; i < r->R; i++) {
            size_t n = (size_t)i;
            CHECK_NEAR(json_object_get_double(json_object_array_get_idx(p50, n)),
                       bl_eval_precision(r, 0, i, k, 0, 2), 0);
            CHECK_NEAR(json_object_get_double(json_object_array_get_idx(s50, n)),
                       bl_eval_score(r, 0, i, k, 0, 2), 0);
            CHECK_NEAR(json_object_get_double(json_object_array_get_idx(p75, n)),
                       bl_eval_precision(r, 5, i, k, 0, 2), 0);
        }
    }
    bl_json_free(&doc);
}

static void csv(const char *dir, const bl_class_result *per) {
    char *path = fake_path(dir, "per_class.csv"), *data;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 20, &data, &size));
    CHECK(strncmp(data,
                  "id,name,group,train_images,train_boxes,test_images,test_boxes,detections,AP,",
                  76) == 0);
    char wanted[256], ap[BL_REAL_TEXT_MAX];
    bl_real_format(per[0].AP, ap);
    snprintf(wanted, sizeof wanted, "\n1,zebra,minority,40,40,6,6,%d,%s,", (int)per[0].n_det, ap);
    CHECK(strstr(data, wanted) != NULL);
    CHECK(strstr(data, "\n3,\"a\"\" onload=\"\"alert(2)\",minority,7,") != NULL);
    CHECK(strstr(data, ",,") != NULL); /* APs: undefined is empty */
    CHECK(strstr(data, "-1") == NULL);
    int lines = 0;
    for (char *p = data; *p; p++) lines += *p == '\n';
    CHECK_EQ(lines, FAKE_CLASSES + 1);
    free(data);
    free(path);
}

static void table(const bl_results *r) {
    char *text = NULL, line[160];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    bl_results_print(f, r);
    fclose(f);
    bl_eval_summary s = bl_eval_summarise(r->eval, NULL);
    snprintf(line, sizeof line,
             " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = %0.3f\n",
             s.AP);
    CHECK(strncmp(text,
                  "COCO bbox: IoU 0.50:0.05:0.95, 101 recall points, at most 100 detections per "
                  "image and class, areas all, small <= 1024, medium 1024..9216, large >= 9216 "
                  "px^2\n",
                  strcspn(text, "\n") + 1) == 0);
    CHECK(strncmp(strchr(text, '\n') + 1, line, strlen(line)) == 0);
    snprintf(line, sizeof line,
             " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = %0.3f\n",
             s.AR1);
    CHECK(strstr(text, line) != NULL);
    CHECK(strstr(text, "minority, 2 classes") != NULL);
    free(text);
}

/* Few classes: all in order. Many: the ends of the ranking, undefined ones in neither. */
static void test_choice(void) {
    double v[40];
    int32_t out[40], gap;
    for (int i = 0; i < 40; i++) v[i] = i == 7 ? -1 : i == 8 ? NAN : (i * 7 % 40) / 40.0;
    CHECK_EQ(bl_class_choice(v, 20, false, out, &gap), 20);
    CHECK(gap == -1 && out[0] == 0 && out[19] == 19);
    CHECK_EQ(bl_class_choice(v, 40, true, out, &gap), 40);
    CHECK(gap == -1 && out[39] == 39);
    CHECK_EQ(bl_class_choice(v, 40, false, out, &gap), 10);
    CHECK_EQ(gap, 5);
    for (int i = 1; i < 10; i++) CHECK(v[out[i - 1]] > v[out[i]]);
    CHECK_EQ(out[0], 17); /* 17 * 7 % 40 = 39 */
    CHECK_EQ(out[9], 0);
    CHECK_EQ(bl_class_name_pad("caf\xc3\xa9", 6), 2);
    CHECK_EQ(bl_class_name_pad("long name", 6), 0);
}

int main(void) {
    test_choice();
    char dir[] = "/tmp/test_eval_results_XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    char *sub = fake_path(dir, "a/b");
    bl_dataset *gt = fake_ground_truth();
    bl_detections dt = fake_detections(gt, 5);
    const bl_eval_params protocol = bl_eval_params_coco();
    bl_eval_result r;
    bl_class_result per[FAKE_CLASSES];
    CHECK_OK(bl_eval_run(gt, &dt, &protocol, &r));
    CHECK_OK(bl_eval_per_class(&r, gt, &dt, per));
    bl_results results = {
        .gt = gt, .dt = &dt, .eval = &r, .info = &info, .model = "teacher", .iter = 7};
    CHECK_OK(bl_results_write(sub, &results));
    metrics(sub, &r);
    per_class(sub, per);
    curves(sub, &r);
    csv(sub, per);
    table(&results);
    CHECK_FAILS(bl_results_write("/proc/none", &results), BL_EIO, "/proc/none");
    results.info = NULL; /* nothing known of the classes */
    CHECK_OK(bl_results_write(sub, &results));
    bl_eval_result_free(&r);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    free(sub);
    fake_remove_all(dir);
    return 0;
}
