/* The HTML report of what is not one training run: score folders with error analysis, seeds of a
 * method, classifiers, metrics of other names, very many classes, broken files. */
#include "core/safetensors.h"
#include "report/data.h"
#include "report/html.h"
#include "tests/unit/eval_fake_run.h"
#include "tests/unit/page_check.h"

/* The page of some sources; *printed, unless NULL, gets the table of the console. */
static char *page(const char *dir, const bl_report_source *sources, int n,
                  const bl_report_options *options, char **printed) {
    char *path = fake_path(dir, "out.html"), *html, *text = NULL;
    size_t size, length;
    bl_report *r;
    CHECK_OK(bl_report_open(sources, n, options, &r));
    CHECK_OK(bl_report_write_html(r, path));
    FILE *f = open_memstream(&text, &length);
    bl_report_print(r, f);
    fclose(f);
    bl_report_close(r);
    CHECK_OK(bl_read_file(path, 1 << 26, &html, &size));
    CHECK_EQ(strlen(html), size);
    CHECK_EQ(count(html, "<section"), count(html, "</section>"));
    CHECK_EQ(count(html, "<table"), count(html, "<caption>"));
    CHECK_EQ(count(html, "<div"), count(html, "</div>"));
    CHECK_EQ(count(html, "<details"), count(html, "</details>"));
    CHECK_EQ(count(html, "<figure"), count(html, "</figure>"));
    CHECK_EQ(count(html, "<g"), count(html, "</g"));
    static const char *const undefined[] = {"\"nan", "\"-nan", "\"inf", "Mnan", "Lnan", " nan"};
    for (size_t i = 0; i < sizeof undefined / sizeof *undefined; i++) LACKS(html, undefined[i]);
    LACKS(html, "<script>alert");
    CHECK_EQ(count(html, "<script"), 1);
    if (printed)
        *printed = text;
    else
        free(text);
    free(path);
    return html;
}

/* ---- a score folder ---- */

#define NAMES                                                                                      \
    "\"zebra\", \"<script>alert(1)</script>\", \"a\\\" onload=\\\"alert(2)\", \"ring & 'cross' "   \
    "</title>\""
#define REST                                                                                       \
    "\"iou\": 0.5, \"score_threshold\": 0.3, \"classes\": [" NAMES "], "                           \
    "\"tide\": {\"AP50\": 0.45, \"dAP\": {\"cls\": 0.08, \"loc\": 0.05, \"both\": -1, \"dupe\": "  \
    "1e300, \"bkg\": 0.06, \"miss\": 0.11, \"fp\": 0.2, \"fn\": null}, \"counts\": {\"cls\": "     \
    "800}}, \"calibration\": {\"ece\": 0.12, \"bins\": [{\"lo\": 0, \"hi\": 0.5, \"count\": 90, "  \
    "\"mean_score\": 0.2, \"precision\": 0.1}, {\"lo\": 0.5, \"hi\": 1, \"count\": 10, "           \
    "\"mean_score\": 0.7, \"precision\": 0.6}, {\"lo\": 0.9, \"hi\": 0.1}, 7]}, \"costly\": "      \
    "[{\"class\": \"zebra\", \"images\": [{\"image_id\": 3, \"file_name\": \"<b>x.jpg\", "         \
    "\"cost\": 0.25, \"fp\": 4, \"fn\": 1, \"thumbnail\": \"thumbs/a.jpg\"}, {\"image_id\": 9, "   \
    "\"cost\": 0.1, \"thumbnail\": \"../secret.jpg\"}, {\"file_name\": \"absent\", "               \
    "\"thumbnail\": \"thumbs/none.jpg\"}, {\"file_name\": \"text\", \"thumbnail\": "               \
    "\"metrics.json\"}]}]}"

static void write_score(const char *dir, int good, const char *analysis) {
    char *sub = fake_path(dir, "thumbs");
    CHECK_OK(bl_mkdirs(sub));
    free(sub);
    bl_dataset *gt = fake_ground_truth();
    bl_detections dt = fake_detections(gt, good);
    const bl_eval_params protocol = bl_eval_params_coco();
    bl_eval_result e;
    CHECK_OK(bl_eval_run(gt, &dt, &protocol, &e));
    const bl_results results = {.gt = gt, .dt = &dt, .eval = &e, .iter = -1, .source = "dt <1>"};
    CHECK_OK(bl_results_write(dir, &results));
    bl_eval_result_free(&e);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    if (analysis) fake_write(dir, "analysis.json", analysis);
    bl_image img;
    CHECK_OK(bl_image_alloc(8, 8, &img));
    for (int i = 0; i < 8 * 8 * 3; i++) img.rgb[i] = (uint8_t)i;
    char *path = fake_path(dir, "thumbs/a.jpg"), *outside = fake_path(dir, "../secret.jpg");
    CHECK_OK(bl_jpeg_write(path, &img, 80));
    CHECK_OK(bl_jpeg_write(outside, &img, 80));
    bl_image_free(&img);
    free(path);
    free(outside);
}

static void score_folders(const char *dir) {
    char *a = fake_path(dir, "dense"), *b = fake_path(dir, "sparse");
    write_score(a, 6,
                "{\"confusion\": [[7, 0, 0, 0, 3], [1, 8, 0, 0, 1], [0, 0, 0, 0, 0], [2, -5, 0, 6, "
                "\"x\"], [4, 0, 0, 0, 0]], " REST);
    write_score(
        b, 4,
        "{\"confusion_sparse\": [[0, 0, 7], [0, 4, 3], [1, 0, 1], [1, 1, 8], [1, 4, 1], "
        "[3, 0, 2], [3, 3, 6], [4, 0, 4], [99, 0, 5], [0, -1, 5], [1e9, 2, 2], [1], 8], " REST);
    bl_report_source s[2] = {{.path = a}, {.path = b, .label = "<other>", .origin = "b.json"}};
    char *printed, *html = page(dir, s, 2, NULL, &printed);
    static const char *const ids[] = {"confusion", "errors", "calibration", "costly",
                                      "pr",        "gains",  "classes",     "details"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char id[40];
        snprintf(id, sizeof id, "<section id=\"%s\"", ids[i]);
        HAS(html, id);
    }
    /* Both spellings of the matrix are the same picture; numbers of absurd size are no numbers. */
    CHECK_EQ(count(html, "<title>zebra taken for zebra: 7 (70.0 %)</title>"), 2);
    CHECK_EQ(count(html, "<title>zebra taken for background: 3 (30.0 %)</title>"), 2);
    CHECK_EQ(count(html, "<title>background taken for zebra: 4</title>"), 2);
    CHECK_EQ(count(html, "taken for zebra: 2 (25.0 %)</title>"), 2);
    HAS(html, ": the 2 most confused pairs of 2</caption>");
    CHECK_EQ(count(html, "<title>Class: 8.00 points of AP50, 800 errors</title>"), 2);
    LACKS(html, "<title>Duplicate:");
    HAS(html, "<small>ECE 12.0 %</small>");
    HAS(html, "score 0.50 to 1.00: 10 detections, mean score 0.700, 60.0 % right");
    HAS(html, "<img src=\"data:image/jpeg;base64,");
    CHECK_EQ(count(html, "<img "), 2); /* one a folder: not what lies outside, nor a text */
    HAS(html, "&lt;b&gt;x.jpg<small>cost 0.25, 4 FP, 1 FN</small>");
    HAS(html, "image 9<small>cost 0.1</small>");
    HAS(html, "dt &lt;1&gt;");
    HAS(html, "Result: <code>b.json</code>");
    HAS(html, "at most 100 detections per image and class");
    HAS(printed, "<other>");
    HAS(printed, "AP50");
    free(printed);
    free(html);
    /* Other protocols and other numbers of images are warned about. */
    fake_write(
        b, "metrics.json",
        "{\"protocol\": \"VOC <2007>\", \"images\": 5, \"AP\": 0.5, \"warnings\": [{\"code\": "
        "\"x\", \"message\": \"3 <odd> scores\"}, 7]}");
    html = page(dir, s, 2, NULL, NULL);
    HAS(html, "the evaluation protocols differ");
    HAS(html, "VOC &lt;2007&gt;");
    HAS(html, "different numbers of images");
    HAS(html, "3 &lt;odd&gt; scores");
    free(html);
    /* Broken files are errors that name them. */
    fake_write(b, "metrics.json", "{\"AP\": NaN}");
    bl_report *r;
    CHECK_FAILS(bl_report_open(s, 2, NULL, &r), BL_EFORMAT, "sparse/metrics.json");
    fake_write(b, "metrics.json",
               "{\"AP\": 0.3, \"groups\": 7, \"columns\": [3, {\"key\": \"\"}]}");
    fake_write(b, "per_class.json", "{\"classes\": [1, {\"name\": 7}, null, {\"AP\": \"x\"}]}");
    fake_write(b, "analysis.json",
               "{\"classes\": 3, \"confusion\": [[1, 2], 5, {}], \"tide\": [], "
               "\"calibration\": {\"bins\": {}}, \"costly\": [null, {}, 3]}");
    free(page(dir, s, 2, NULL, NULL)); /* odd, but harmless */
    free(a);
    free(b);
}

/* ---- seeds ---- */

static void write_seed(const char *dir, const char *name, int quality, int seed, double ap) {
    char *run = fake_path(dir, name), text[512];
    fake_run(run, quality, seed);
    snprintf(text, sizeof text,
             "{\"kind\": \"eval\", \"iter\": 1500, \"model\": \"teacher\", \"AP\": %g, "
             "\"AP_majority\": %g, \"AP_minority\": 0.1}\n{\"kind\": \"eval\", \"iter\": 2000, "
             "\"model\": \"teacher\", \"AP\": %g, \"AP_majority\": %g, \"AP_minority\": 0.1}\n",
             ap / 2, ap, ap, ap);
    fake_write(run, "metrics.jsonl", text);
    free(run);
}

static void seeds(const char *dir) {
    static const char *const names[] = {"ours/seed1", "ours/seed2", "ours/seed3", "base/seed1",
                                        "base/seed2"};
    static const double ap[] = {.40, .42, .47, .30, .32};
    bl_report_source s[5];
    for (int i = 0; i < 5; i++) {
        write_seed(dir, names[i], i < 3 ? 6 : 4, i, ap[i]);
        s[i] = (bl_report_source){.path = fake_path(dir, names[i])};
    }
    bl_report_options options = {.baseline = "base"};
    char *printed, *html = page(dir, s, 5, &options, &printed);
    HAS(html, "5 training runs of 2 methods");
    HAS(html, "differences refer to <strong>base</strong>");
    HAS(html, "3 seeds");
    HAS(html, "2 seeds");
    /* mean 43.0, sample standard deviation 3.6056; against 31.0. */
    HAS(html, ">43.0<span class=\"sd\" title=\"3 runs from 40 to 47\">");
    HAS(html, "\xc2\xb1\xe2\x80\xaf"
              "3.6</span>");
    HAS(html, "<small class=\"up\">+12.0</small>");
    HAS(html, "<small class=\"range\">40.0\xe2\x80\x93"
              "47.0</small>");
    HAS(html, "class=\"whisker\"");
    HAS(html, "class=\"band b0\"");
    HAS(printed, "43.0 +- 3.6");
    HAS(printed, "31.0 +- 1.4");
    free(printed);
    free(html);
    options = (bl_report_options){.baseline = "ours/seed2", .grouping = BL_REPORT_GROUP_NONE};
    html = page(dir, s, 5, &options, NULL);
    HAS(html, "Report of 5 training runs side by side; differences refer to <strong>ours/seed2");
    LACKS(html, "class=\"sd\"");
    free(html);
    options = (bl_report_options){.baseline = "nobody"};
    bl_report *r;
    CHECK_FAILS(bl_report_open(s, 5, &options, &r), BL_ECONFIG, "it has \"ours\", \"base\"");
    /* Splits of their own keep runs apart, unless one says that they are seeds. */
    fake_write(s[1].path, "config.json",
               "{\"run\": {\"seed\": 1, \"note\": \"</pre><script>x()</script>\"}, \"learner\": "
               "{\"quality\": 6}, \"data\": {\"labelled\": \"other.json\"}}");
    fake_write(s[0].path, "config.json",
               "{\"run\": {\"seed\": 0, \"note\": \"</pre><script>x()</script>\"}, \"learner\": "
               "{\"quality\": 6}, \"data\": {\"labelled\": \"one.json\"}}");
    bl_report *split, *whole;
    options = (bl_report_options){.grouping = BL_REPORT_GROUP_AUTO};
    CHECK_OK(bl_report_open(s, 2, &options, &split));
    options.grouping = BL_REPORT_GROUP_SEED;
    CHECK_OK(bl_report_open(s, 2, &options, &whole));
    CHECK_EQ(split->n_methods, 2);
    CHECK_EQ(whole->n_methods, 1);
    CHECK_STR(whole->methods[0].label, "seed1 and 1 more");
    bl_report_close(split);
    bl_report_close(whole);
    for (int i = 0; i < 5; i++) free((char *)s[i].path);
}

static void statistics(void) {
    rep_stat s = {NAN, NAN, NAN, NAN, 0}, one = s;
    double squares = 0, other = 0;
    const double v[] = {2, NAN, 4, 4, 4, 5, 5, 7, 9};
    for (int i = 0; i < 9; i++) bl_rep_stat_add(&s, &squares, v[i]);
    CHECK_EQ(s.n, 8);
    CHECK_NEAR(s.mean, 5, 1e-12);
    CHECK_NEAR(s.std, sqrt(32.0 / 7), 1e-12);
    CHECK(s.lo == 2 && s.hi == 9);
    bl_rep_stat_add(&one, &other, 3);
    CHECK(one.n == 1 && one.mean == 3 && isnan(one.std));
    rep_gain g = bl_rep_difference(one, s);
    CHECK(g.value == -2 && isnan(g.error));
    g = bl_rep_difference(s, s);
    CHECK_NEAR(g.error, sqrt(2 * (32.0 / 7) / 8), 1e-12);
}

/* ---- a classifier ---- */

static void classifier(const char *dir) {
    char *run = fake_path(dir, "classifier"), *eval = fake_path(run, "eval/iter_00000600/teacher");
    char text[4096] = "", line[256];
    CHECK_OK(bl_mkdirs(eval));
    fake_write(run, "classes.json",
               "{\"classes\": [{\"id\": 0, \"name\": \"cat\", \"train_images\": 500, \"group\": "
               "\"many\"}, {\"id\": 1, \"name\": \"<dog>\", \"train_images\": 50, \"group\": "
               "\"medium\"}, {\"id\": 2, \"name\": \"frog\", \"train_images\": 5, \"group\": "
               "\"few\"}], \"groups\": [\"many\", \"medium\", \"few\"]}");
    fake_write(
        eval, "metrics.json",
        "{\"protocol\": \"classification\", \"model\": \"teacher\", \"iter\": 600, \"images\": "
        "300, \"correct\": 171, \"accuracy\": 0.57, \"balanced_accuracy\": 0.6, "
        "\"geometric_mean\": 0.55, \"top5\": null, \"many\": 0.9, \"medium\": 0.6, \"few\": "
        "0.3, \"flops\": 1234.5, \"columns\": [{\"key\": \"flops\", \"name\": \"<F>\", "
        "\"unit\": \"number\", \"lower_is_better\": true}]}");
    fake_write(
        eval, "per_class.json",
        "{\"classes\": [{\"id\": 0, \"name\": \"cat\", \"group\": \"many\", \"train_images\": "
        "500, \"test_images\": 100, \"predicted\": 140, \"recall\": 0.9, \"precision\": 0.6, "
        "\"f1\": 0.72}, {\"id\": 1, \"name\": \"<dog>\", \"group\": \"medium\", "
        "\"train_images\": 50, \"test_images\": 100, \"predicted\": 120, \"recall\": 0.6, "
        "\"precision\": 0.5, \"f1\": 0.545}, {\"id\": 2, \"name\": \"frog\", \"group\": "
        "\"few\", \"train_images\": 5, \"test_images\": 100, \"predicted\": 40, \"recall\": "
        "0.3, \"precision\": 0.75, \"f1\": 0.43}]}");
    fake_write(eval, "confusion.json",
               "{\"classes\": [\"cat\", \"<dog>\", \"frog\"], \"matrix\": [[90, 10, 0], [30, 60, "
               "10], [20, 50, 30]]}");
    for (int it = 100; it <= 600; it += 100) {
        snprintf(line, sizeof line,
                 "{\"kind\": \"eval\", \"iter\": %d, \"model\": \"teacher\", \"accuracy\": 0.5, "
                 "\"balanced_accuracy\": %g, \"many\": 0.9, \"few\": %g}\n",
                 it, it / 1000.0, it / 2000.0);
        strcat(text, line);
        snprintf(line, sizeof line,
                 "{\"kind\": \"class\", \"iter\": %d, \"pseudo\": [80, 9, 1], \"mask_rate\": 0.75, "
                 "\"gb_weight\": [0.5, 1, 1.5], \"precision\": [0.9, 0.8, null], "
                 "\"recall\": [0.8, 0.3, 0]}\n",
                 it);
        strcat(text, line);
    }
    fake_write(run, "metrics.jsonl", text);
    /* Features: a map, drawn the same each time. */
    float x[60 * 3];
    int32_t labels[60];
    for (int i = 0; i < 60; i++) {
        labels[i] = i % 3;
        for (int k = 0; k < 3; k++) x[3 * i + k] = (k == i % 3 ? 9.f : 0.f) + (float)(i % 7) * .1f;
    }
    labels[59] = -4;
    bl_st_tensor t[2] = {{.name = "features",
                          .dtype = BL_ST_F32,
                          .ndim = 2,
                          .shape = {60, 3},
                          .data = x,
                          .bytes = sizeof x},
                         {.name = "labels",
                          .dtype = BL_ST_I32,
                          .ndim = 1,
                          .shape = {60},
                          .data = labels,
                          .bytes = sizeof labels}};
    char *features = fake_path(eval, "features.safetensors");
    CHECK_OK(bl_st_write(features, t, 2, NULL, 0));
    bl_report_source s = {.path = run};
    char *printed, *html = page(dir, &s, 1, NULL, &printed);
    HAS(html, "Balanced accuracy by group of classes");
    HAS(html, "Balanced accuracy over training");
    HAS(html, "Recall against training frequency");
    HAS(html, "labelled images per class from 500 down to 5.</p>");
    LACKS(html, "other labelled counts");
    LACKS(html, "samples/");
    HAS(html, "Class weights and thresholds"); /* of a plug-in's key, "gb_weight" */
    HAS(html, "pseudo labels that are right");
    HAS(html, "mask_rate");
    HAS(html, "&lt;F&gt;");
    HAS(html, "<title>cat taken for &lt;dog&gt;: 10 (10.0 %)</title>");
    HAS(html, "How training ends: Balanced accuracy");
    /* Last 60.0, best 60.0, median and mean of 10 20 30 40 50 60: 35.0. */
    HAS(html, "<td data-v=\"0.6\">60.0</td><td data-v=\"0.6\">60.0</td><td "
              "data-v=\"0.35\">35.0</td><td data-v=\"0.35\">35.0</td>");
    HAS(html, "t-SNE map of 60 feature vectors");
    HAS(html, "<title>unknown class</title>");
    LACKS(html, ">AP<");
    LACKS(html, ">background<");
    LACKS(html, ">Top-5<");
    HAS(printed, "Balanced accuracy");
    HAS(printed, "few");
    char *again = page(dir, &s, 1, NULL, NULL);
    CHECK_STR(again, html);
    free(again);
    free(printed);
    free(html);
    /* A broken features file costs the map, not the report. */
    t[1].shape[0] = 59;
    t[1].bytes -= 4;
    CHECK_OK(bl_st_write(features, t, 2, NULL, 0));
    html = page(dir, &s, 1, NULL, NULL);
    HAS(html, "features.safetensors: expected");
    free(html);
    /* Beside a run of another long tail: whose counts are shown is said. */
    char *other = fake_path(dir, "other_tail");
    CHECK_OK(bl_mkdirs(other));
    fake_write(other, "classes.json",
               "{\"classes\": [{\"id\": 0, \"name\": \"cat\", \"train_images\": 500, \"group\": "
               "\"many\"}, {\"id\": 1, \"name\": \"<dog>\", \"train_images\": 51, \"group\": "
               "\"medium\"}], \"groups\": [\"many\", \"medium\", \"few\"]}");
    fake_write(other, "metrics.jsonl", text);
    bl_report_source both[2] = {{.path = run}, {.path = other}};
    html = page(dir, both, 2, NULL, NULL);
    HAS(html, "trained on other labelled counts: other_tail.</p>");
    free(html);
    free(other);
    free(features);
    free(eval);
    free(run);
}

/* ---- as many classes as LVIS ---- */

static void write_large(const char *dir, int classes, int shift) {
    CHECK_OK(bl_mkdirs(dir));
    fake_write(dir, "metrics.json",
               shift ? "{\"protocol\": \"p\", \"AP\": 0.25}"
                     : "{\"protocol\": \"p\", \"AP\": 0.2}");
    char *path = fake_path(dir, "per_class.json");
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs("{\"classes\": [", f);
    for (int k = 0; k < classes; k++)
        fprintf(
            f,
            "%s{\"id\": %d, \"name\": \"a class with a long name %d\", \"group\": \"%s\", "
            "\"train_images\": %d, \"train_boxes\": %d, \"test_images\": 9, \"test_boxes\": 20, "
            "\"detections\": 300, \"AP\": %g, \"AP50\": 0.5, \"AP75\": 0.4, \"APs\": 0.1, "
            "\"APm\": 0.2, \"APl\": 0.3, \"AR\": 0.4, \"best_f1\": 0.5, \"best_f1_score\": "
            "0.35, \"precision\": 0.55, \"recall\": 0.45, \"tp\": 9, \"fp\": 8, \"fn\": 7}",
            k ? ", " : "", k + 1, k,
            k < 400   ? "f"
            : k < 900 ? "c"
                      : "r",
            9000 / (k + 1) + 1, 20000 / (k + 1) + 1, fabs(sin(k + .1 * shift)));
    fputs("]}", f);
    fclose(f);
    free(path);
    path = fake_path(dir, "pr.json");
    f = fopen(path, "w");
    CHECK(f != NULL);
    fputs("{\"classes\": [", f);
    for (int k = 0; k < classes; k++) {
        fprintf(f, "%s{\"name\": \"a class with a long name %d\"", k ? ", " : "", k);
        for (int strict = 0; strict < 2; strict++) {
            fprintf(f, ", \"precision%d\": [", strict ? 75 : 50);
            for (int i = 0; i <= 100; i++)
                fprintf(f, "%s%.3f", i ? ", " : "", 1 - i * (k % 9 + 1 + strict) / 1100.0);
            fputs("]", f);
        }
        fputs("}", f);
    }
    fputs("]}", f);
    fclose(f);
    free(path);
}

static void many_classes(const char *dir) {
    enum { CLASSES = 1203 };
    bl_report_source s[3];
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "large%d", i);
        s[i] = (bl_report_source){.path = fake_path(dir, name)};
        write_large(s[i].path, CLASSES, i);
    }
    char *html = page(dir, s, 3, NULL, NULL);
    CHECK(strlen(html) < 10 << 20);
    LACKS(html, "<section id=\"classes\""); /* bars of each class would be a hall of mirrors */
    HAS(html, "the 50 largest gains and losses of 1203 classes");
    HAS(html, "48 of 1203 classes");
    CHECK_EQ(count(html, "<li data-g="), CLASSES);
    free(html);
    for (int i = 0; i < 3; i++) free((char *)s[i].path);
}

int main(void) {
    char dir[] = "/tmp/test_report_results_XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    statistics();
    score_folders(dir);
    seeds(dir);
    classifier(dir);
    many_classes(dir);
    fake_remove_all(dir);
    return 0;
}
