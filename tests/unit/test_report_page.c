/* The HTML report: what it contains, what it leaves out, and that no string of a file becomes
 * markup. How a browser takes it is tests/unit/test_report_browser.c. */
#include "report/html.h"
#include "report/report.h"
#include "report/svg.h"
#include "tests/unit/eval_fake_run.h"
#include "tests/unit/page_check.h"

static char *write_report(const char *dir, const char *const *runs, int n) {
    char *path = fake_path(dir, "report.html"), *data;
    size_t size;
    CHECK_OK(bl_report_write(runs, n, "Title <b>&\"", path));
    CHECK_OK(bl_read_file(path, 1 << 26, &data, &size));
    CHECK_EQ(strlen(data), size);
    free(path);
    return data;
}

static void safe(const char *html) {
    LACKS(html, "<script>alert");
    LACKS(html, "</pre><script>x");
    LACKS(html, "onload=\"");
    LACKS(html, "'cross' </title>");
    LACKS(html, "Title <b>");
    HAS(html, "&lt;script&gt;alert(1)&lt;/script&gt;");
    HAS(html, "a&quot; onload=&quot;alert(2)");
    HAS(html, "<title>Title &lt;b&gt;&amp;&quot;</title>");
    CHECK_EQ(count(html, "<script"), 1);
    /* Nothing to fetch: no address but data:, fragments, and the policy that forbids the rest. */
    HAS(html, "default-src 'none'");
    LACKS(html, "<link");
    LACKS(html, "@import");
    LACKS(html, "url(");
    LACKS(html, "src=\"");
    CHECK_EQ(count(html, "href=\""),
             count(html, "href=\"#") + count(html, "href=\"data:image/jpeg;base64,"));
    /* No undefined number reaches a drawing. */
    static const char *const undefined[] = {"\"nan", "\"-nan", "\"inf", "Mnan",
                                            "Lnan",  " nan",   " -nan"};
    for (size_t i = 0; i < sizeof undefined / sizeof *undefined; i++) LACKS(html, undefined[i]);
}

static void two_runs(const char *dir, const char *a, const char *b) {
    const char *const runs[] = {a, b};
    char *html = write_report(dir, runs, 2);
    static const char *const parts[] = {"id=\"results\"",
                                        "id=\"training\"",
                                        "id=\"classes\"",
                                        "id=\"differences\"",
                                        "id=\"groups\"",
                                        "id=\"frequency\"",
                                        "id=\"gains\"",
                                        "What these numbers are",
                                        "at most 100 detections per image and class",
                                        "Skip to the results",
                                        "id=\"pr\"",
                                        "id=\"losses\"",
                                        "id=\"state\"",
                                        "id=\"pseudo\"",
                                        "id=\"examples\"",
                                        "id=\"details\"",
                                        "id=\"settings\"",
                                        "id=\"provenance\"",
                                        "teacher</td>",
                                        "student</td>",
                                        "<caption>",
                                        "scope=\"col\"",
                                        "scope=\"row\"",
                                        "@media print",
                                        "0123abc",
                                        "run.seed",
                                        "first_run",
                                        "second_run"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) HAS(html, parts[i]);
    safe(html);
    CHECK_EQ(count(html, "<image "), 1); /* both runs have the same picture: stored once */
    CHECK_EQ(count(html, "<use "), 1);
    CHECK_EQ(count(html, "<table"), count(html, "<caption>"));
    CHECK_EQ(count(html, "<section"), count(html, "</section>"));
    CHECK_EQ(count(html, "<figure"), count(html, "</figure>"));
    CHECK_EQ(count(html, "<svg"), count(html, "</svg>"));
    CHECK_EQ(count(html, "<svg"), count(html, "role=\"img\"") + count(html, "<svg class=\"mk\""));
    CHECK_EQ(count(html, "role=\"img\""), count(html, "role=\"img\" aria-label=\""));
    /* Classes in order of training boxes: 300, 90, 40, 7. */
    HAS(html, "<li data-g=\"0\">&lt;script&gt;alert(1)&lt;/script&gt;<li data-g=\"0\">ring &amp; "
              "&#39;cross&#39; &lt;/title&gt;<li data-g=\"1\">zebra<li data-g=\"1\">a&quot;");
    /* The same input gives the same bytes. */
    char *again = write_report(dir, runs, 2);
    CHECK_STR(again, html);
    free(again);
    free(html);
}

/* AP of the table is that of metrics.json at the last iteration. */
static void numbers(const char *dir, const char *run) {
    bl_dataset *gt = fake_ground_truth();
    bl_detections dt = fake_detections(gt, 6);
    const bl_eval_params protocol = bl_eval_params_coco();
    bl_eval_result r;
    CHECK_OK(bl_eval_run(gt, &dt, &protocol, &r));
    bl_eval_summary s = bl_eval_summarise(&r, NULL);
    char cell[96];
    char *html = write_report(dir, &run, 1);
    snprintf(cell, sizeof cell, "<td data-v=\"%.7g\">%.1f</td>", s.AP, 100 * s.AP);
    HAS(html, cell);
    LACKS(html, "id=\"differences\""); /* one run has nothing to differ from */
    LACKS(html, "id=\"settings\"");
    safe(html);
    free(html);
    bl_eval_result_free(&r);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
}

static void absent_parts(const char *dir) {
    char *run = fake_path(dir, "poor"), *out = fake_path(dir, "poor.html");
    const char *runs[] = {run};
    CHECK_FAILS(bl_report_write(runs, 1, "t", out), BL_EIO, run);
    CHECK_OK(bl_mkdirs(run));
    char *html = write_report(dir, runs, 1);
    HAS(html, "classes.json (class order and training counts)");
    HAS(html, "metrics.jsonl (losses");
    HAS(html, "config.json");
    LACKS(html, "id=\"results\"");
    LACKS(html, "id=\"examples\"");
    free(html);
    /* Evaluation lines without eval/: the summary from the lines, no class plots. */
    fake_write(run, "metrics.jsonl",
               "{\"kind\": \"eval\", \"iter\": 5, \"model\": \"student\", \"AP\": 0.123}\n");
    html = write_report(dir, runs, 1);
    HAS(html, ">12.3</td>");
    LACKS(html, "id=\"classes\"");
    free(html);
    /* eval/ without classes.json: classes from per_class.json. */
    fake_eval(run, "student", 9, 4);
    html = write_report(dir, runs, 1);
    HAS(html, "id=\"classes\"");
    HAS(html, "<li data-g=\"1\">zebra");
    free(html);
    fake_write(run, "metrics.jsonl", "{\"kind\": \"train\"}\n{\"kind\": oops}\n");
    CHECK_FAILS(bl_report_write(runs, 1, "t", out), BL_EFORMAT, "line 2");
    fake_write(run, "metrics.jsonl",
               "[]\n3\n{\"kind\": \"class\", \"weight\": 7}\n{\"kind\": \"eval\"}\n");
    free(write_report(dir, runs, 1)); /* odd, but harmless */
    CHECK(!bl_exists(out));
    free(run);
    free(out);
}

static void escaping(void) {
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    bl_html_text(f, "<&>\"'\x01 \xc3\xa9 \xff \xc0\xaf \xed\xa0\x80 \xf0\x9f\x8d\x8e \xe2\x82");
    fclose(f);
#define BAD "\xef\xbf\xbd"
    CHECK_STR(text, "&lt;&amp;&gt;&quot;&#39;" BAD " \xc3\xa9 " BAD " " BAD BAD " " BAD BAD BAD
                    " \xf0\x9f\x8d\x8e " BAD BAD);
    free(text);
    char out[16];
    bl_html_base64((const uint8_t *)"light wor", 9, out);
    CHECK_STR(out, "bGlnaHQgd29y");
    bl_html_base64((const uint8_t *)"light wo", 8, out);
    CHECK_STR(out, "bGlnaHQgd28=");
    bl_html_base64((const uint8_t *)"light w", 7, out);
    CHECK_STR(out, "bGlnaHQgdw==");
    bl_html_base64((const uint8_t *)"", 0, out);
    CHECK_STR(out, "");
}

static void ticks(void) {
    double t[32];
    svg_axis a = bl_svg_range(0, 0.62, false, SVG_PERCENT, NULL);
    CHECK_EQ(bl_svg_ticks(&a, 5, t, 32), 7); /* 0, 0.1, ..., 0.6 */
    CHECK_NEAR(t[6], 0.6, 1e-12);
    a = bl_svg_range(0.02, 300, true, SVG_PLAIN, NULL);
    CHECK_EQ(bl_svg_ticks(&a, 5, t, 32), 4); /* 0.1, 1, 10, 100 */
    CHECK_NEAR(t[3], 100, 1e-9);
    /* Empty and single-valued data still give a usable axis. */
    a = bl_svg_range(INFINITY, -INFINITY, false, SVG_PLAIN, NULL);
    CHECK(a.hi > a.lo && bl_svg_ticks(&a, 5, t, 32) > 1);
    a = bl_svg_range(3, 3, false, SVG_PLAIN, NULL);
    CHECK(a.hi > 3 && a.lo < 3);
    a = bl_svg_range(0, 0, true, SVG_PLAIN, NULL);
    CHECK(a.lo > 0 && a.hi > a.lo);
    CHECK_STR(bl_svg_rank_colour(0, 12).light, "#0d0887");
    CHECK_STR(bl_svg_rank_colour(11, 12).light, "#f69632");
    CHECK_STR(bl_svg_rank_colour(11, 12).dark, "#fdbe5a");
    CHECK_STR(bl_svg_rank_colour(0, 1).light, "#0d0887");
}

int main(void) {
    char dir[] = "/tmp/test_report_page_XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    char *a = fake_path(dir, "first_run"), *b = fake_path(dir, "second_run");
    fake_run(a, 6, 1);
    fake_run(b, 4, 2);
    two_runs(dir, a, b);
    numbers(dir, a);
    absent_parts(dir);
    escaping();
    ticks();
    free(a);
    free(b);
    fake_remove_all(dir);
    return 0;
}
