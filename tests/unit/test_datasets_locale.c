/* Files are read and written with a decimal point while the program around the library has set a
 * locale with another sign: a comma, and one that takes two bytes. */
#include <locale.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/json_out.h"
#include "core/json_scan.h"
#include "core/log.h"
#include "core/schema.h"
#include "datasets/annotations/dataset.h"
#include "datasets/synth/synth.h"
#include "datasets/views/detection/view.h"
#include "tests/check.h"

static char dir[] = "/tmp/ballast-locale-XXXXXX";

static void save(const char *name, const char *text) {
    char *path = bl_path_join(dir, name);
    CHECK_OK(bl_write_file(path, text, strlen(text)));
    free(path);
}

/* Compiles a locale that is nothing but a decimal sign and sets it. */
static void set_locale(const char *name, const char *sign) {
    char source[64], text[256], command[256], shown[16];
    snprintf(source, sizeof source, "%s.src", name);
    snprintf(text, sizeof text,
             "comment_char %%\nescape_char /\nLC_NUMERIC\ndecimal_point \"%s\"\n"
             "thousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n",
             sign);
    save(source, text);
    snprintf(command, sizeof command,
             "cd '%s' && localedef --no-archive -c -f UTF-8 -i %s ./%s >/dev/null 2>&1", dir,
             source, name);
    setenv("LOCPATH", dir, 1);
    const char *set = system(command) == -1 ? NULL : setlocale(LC_NUMERIC, name);
    unsetenv("LOCPATH"); /* as long as it is set, glibc's newlocale leaks, which json-c calls */
    if (!set) SKIP("localedef makes no locale with another decimal sign here");
    snprintf(shown, sizeof shown, "%.1f", 0.5);
    CHECK(!strchr(shown, '.'));
}

static void test_text(void) {
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.5, "0.5"},
                 {-0.1, "-0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1.5e300, "1.5e+300"},
                 {5e-324, "4.94065645841247e-324"}};
    char text[BL_REAL_TEXT_MAX], *end;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_real_format(cases[i].v, text);
        CHECK_STR(text, cases[i].text);
        CHECK(bl_real_parse(text, &end) == cases[i].v && !*end);
    }
    CHECK(bl_real_parse("2,5", &end) == 2 && *end == ',');
    bl_point format = bl_point_begin();
    snprintf(text, sizeof text, "%.2f", 0.25);
    bl_point_end(format);
    CHECK_STR(text, "0.25");
    snprintf(text, sizeof text, "%.2f", 0.25); /* the host's locale is back */
    CHECK(!strchr(text, '.'));
}

/* Numbers that need the C library's conversion, and some that do not. */
static void test_scanners(void) {
    static const char *const numbers[] = {"0.25", "1.5", "0.12345678901234567890123", "2.5e-310"};
    for (int i = 0; i < 4; i++) {
        bl_scan s;
        bl_scan_num n;
        bl_json doc;
        double want = bl_real_parse(numbers[i], NULL);
        bl_scan_begin(&s, numbers[i], strlen(numbers[i]), "x");
        CHECK_OK(bl_scan_number(&s, &n));
        CHECK(n.d == want);
        bl_scan_end(&s);
        CHECK_OK(bl_json_parse(numbers[i], strlen(numbers[i]), "x", &doc));
        CHECK(json_object_get_double(doc.root) == want);
        bl_json_free(&doc);
    }
    bl_arena *arena = bl_arena_create(0);
    const char *over[] = {"flip=0.125"};
    bl_view_config view;
    CHECK_OK(bl_config_load(&bl_view_schema, NULL, over, 1, arena, &view));
    CHECK(view.flip == 0.125);
    bl_arena_destroy(arena);
}

static char *slurp(const char *name) {
    char *path = bl_path_join(dir, name), *text;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    free(path);
    return text;
}

static void test_files(void) {
    char *path = bl_path_join(dir, "m.jsonl");
    bl_metrics *m;
    CHECK_OK(bl_metrics_open(path, -1, -1, &m));
    bl_metrics_begin(m);
    bl_metrics_number(m, "loss", 0.75);
    CHECK_OK(bl_metrics_end(m));
    bl_metrics_close(m);
    free(path);
    char *text = slurp("m.jsonl");
    CHECK_STR(text, "{\"loss\": 0.75}\n");
    free(text);

    bl_json doc;
    CHECK_OK(bl_json_parse("[0.5]", 5, "x", &doc));
    path = bl_path_join(dir, "s.json");
    CHECK_OK(bl_json_save(doc.root, path));
    bl_json_free(&doc);
    free(path);
    text = slurp("s.json");
    CHECK(strstr(text, "0.5"));
    free(text);

    save("in.json", "{\"images\": [{\"id\": 1, \"width\": 9, \"height\": 9, \"file_name\": \"a\"}],"
                    "\"categories\": [{\"id\": 1, \"name\": \"c\"}], \"annotations\": [{\"id\": 1,"
                    "\"image_id\": 1, \"category_id\": 1, \"bbox\": [0.5, 1.25, 3.75, 2.1],"
                    "\"area\": 7.875, \"iscrowd\": 0}]}");
    char *in = bl_path_join(dir, "in.json"), *out = bl_path_join(dir, "out.json");
    for (int turn = 0; turn < 2; turn++) {
        bl_dataset *d;
        CHECK_OK(bl_coco_read(turn ? out : in, "", NULL, &d));
        const bl_ann *a = &d->anns[0];
        CHECK(a->x == 0.5 && a->y == 1.25 && a->w == 3.75 && a->h == 2.1 && a->area == 7.875);
        if (!turn) CHECK_OK(bl_coco_write(d, out));
        bl_dataset_free(d);
    }
    free(in);
    free(out);
}

/* What the generator writes can be read. */
static void test_synth(void) {
    bl_arena *arena = bl_arena_create(0);
    const char *over[] = {"labelled=4", "unlabelled=0",  "test=0",   "classes=2",
                          "width=64",   "size_max=32.5", "height=64"};
    bl_synth_config cfg;
    CHECK_OK(bl_config_load(&bl_synth_schema, NULL, over, 7, arena, &cfg));
    CHECK_OK(bl_synth_generate(&cfg, dir, NULL, NULL));
    char *path = bl_path_join(dir, "labelled.json");
    bl_dataset *d;
    CHECK_OK(bl_coco_read(path, "", NULL, &d));
    CHECK(d->n_anns > 0);
    bl_dataset_free(d);
    free(path);
    bl_arena_destroy(arena);
}

static void test_all(void) {
    test_text();
    test_scanners();
    test_files();
    test_synth();
}

static void remove_all(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0) fputs("cannot remove the test's folder\n", stderr);
}

int main(void) {
    CHECK(mkdtemp(dir));
    atexit(remove_all);
    set_locale("comma", ",");
    test_all();
    set_locale("arabic", "<U066B>");
    test_all();
    return 0;
}
