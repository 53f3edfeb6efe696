/* The report in a real browser: no error on the console, no request to anywhere, and its script
 * sorts and filters. Skipped where no Chromium is installed. */
#include "report/report.h"
#include "tests/unit/eval_fake_run.h"

static const char *browser(void) {
    static const char *const names[] = {"chromium", "chromium-browser", "google-chrome"};
    char command[96];
    for (int i = 0; i < 3; i++) {
        snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", names[i]);
        if (system(command) == 0) return names[i];
    }
    return NULL;
}

/* The document after its scripts have run; *console gets the lines that the page logged. */
static char *open_page(const char *program, const char *dir, const char *page, char **console) {
    char command[1024];
    snprintf(command, sizeof command,
             "timeout 90 %s --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
             "--user-data-dir=%s/profile --enable-logging=stderr --v=0 --virtual-time-budget=5000 "
             "--dump-dom file://%s/%s >%s/dom.html 2>%s/stderr.txt",
             program, dir, dir, page, dir, dir);
    if (system(command) != 0) SKIP("%s does not run here", program);
    char *path = fake_path(dir, "dom.html"), *dom, *log;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 26, &dom, &size));
    free(path);
    path = fake_path(dir, "stderr.txt");
    CHECK_OK(bl_read_file(path, 1 << 24, &log, &size));
    free(path);
    char *first = strstr(log, "CONSOLE");
    *console = first ? strdup(first) : NULL;
    free(log);
    return dom;
}

/* The page as the browser prints it. */
static void print_page(const char *program, const char *dir, const char *page) {
    char command[1024];
    snprintf(command, sizeof command,
             "timeout 90 %s --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
             "--user-data-dir=%s/profile --print-to-pdf=%s/page.pdf file://%s/%s >/dev/null 2>&1",
             program, dir, dir, dir, page);
    if (system(command) != 0) SKIP("%s does not print here", program);
    char *path = fake_path(dir, "page.pdf"), *pdf;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 26, &pdf, &size));
    CHECK(size > 20000 && memcmp(pdf, "%PDF-", 5) == 0);
    free(pdf);
    free(path);
}

/* A copy of the report that runs `script` after its own; the policy, which would forbid that, is
 * taken out. */
static void write_copy(const char *dir, const char *html, const char *name, const char *script,
                       bool keep_policy) {
    char *path = fake_path(dir, name);
    const char *policy = strstr(html, "<meta http-equiv"), *end = strstr(html, "</body>");
    CHECK(policy && end && policy < end);
    const char *after = strchr(policy, '\n');
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fwrite(html, 1, (size_t)(policy - html), f);
    if (keep_policy) fwrite(policy, 1, (size_t)(after - policy), f);
    fwrite(after, 1, (size_t)(end - after), f);
    fprintf(f, "%s</body></html>\n", script);
    CHECK(fclose(f) == 0);
    free(path);
}

/* Clicks column headings of the table of gains, notes the order of its rows after each click, then
 * filters. */
static const char exercise[] =
    "<script>(function(){"
    "var t=document.querySelector('#differences table'),log=[];"
    "function order(){log.push(Array.from(t.tBodies[0].rows).map(function(r){"
    "return r.cells[2].getAttribute('data-v');}).join(','));}"
    "function click(i){t.tHead.rows[0].cells[i].querySelector('button').click();order();}"
    "order();click(2);click(2);click(0);"
    "log.push(t.tHead.rows[0].cells[0].getAttribute('aria-sort'));"
    "var box=document.getElementById('filter');box.value='ZEB';"
    "box.dispatchEvent(new Event('input'));"
    "log.push(Array.from(t.tBodies[0].rows).filter(function(r){return !r.hidden;}).length);"
    "log.push(document.querySelectorAll('#classes g.off').length);"
    "log.push(document.getElementById('shown').textContent);"
    "box.value='';box.dispatchEvent(new Event('input'));"
    "var g=document.getElementById('filter-group');g.value='1';"
    "g.dispatchEvent(new Event('change'));"
    "log.push(Array.from(t.tBodies[0].rows).filter(function(r){return !r.hidden;}).map("
    "function(r){return r.cells[1].textContent;}).join('+'));"
    "log.push(document.getElementById('said').textContent);"
    /* Nothing is wider than the window, and whatever scrolls can be reached by keyboard. */
    "log.push(document.documentElement.scrollWidth<=window.innerWidth?'fits':'wide');"
    "log.push(document.querySelectorAll('.scroll:not([tabindex])').length);"
    "log.push(performance.getEntriesByType('resource').length);"
    "log.push(typeof window.alerted);"
    "document.title='RESULT '+log.join(' ');})();</script>";

int main(void) {
    const char *program = browser();
    if (!program) SKIP("no Chromium");
    char dir[] = "/tmp/test_report_browser_XXXXXX", *console;
    CHECK(mkdtemp(dir) != NULL);
    char *a = fake_path(dir, "first_run"), *b = fake_path(dir, "second_run");
    char *page = fake_path(dir, "report.html"), *html;
    size_t size;
    fake_run(a, 6, 1);
    fake_run(b, 4, 2);
    const char *const runs[] = {a, b};
    CHECK_OK(bl_report_write(runs, 2, "Report", page));
    CHECK_OK(bl_read_file(page, 1 << 26, &html, &size));

    /* As it is: the script runs under the policy, and nothing is logged. */
    char *dom = open_page(program, dir, "report.html", &console);
    if (console) fprintf(stderr, "console: %.400s\n", console);
    CHECK(console == NULL);
    CHECK(strstr(dom, "<html lang=\"en\" class=\"js\">") != NULL);
    free(dom);

    print_page(program, dir, "report.html");

    /* The console does show what the policy stops: a request, and a script that is not the
     * report's. */
    write_copy(dir, html, "probe.html",
               "<img src=\"http://127.0.0.1:9/x.png\"><script>document.title='BROKEN'</script>",
               true);
    dom = open_page(program, dir, "probe.html", &console);
    CHECK(console != NULL && strstr(console, "127.0.0.1:9") != NULL);
    CHECK(strstr(dom, "<title>BROKEN") == NULL);
    free(console);
    free(dom);

    write_copy(dir, html, "exercise.html", exercise, false);
    dom = open_page(program, dir, "exercise.html", &console);
    const char *title = strstr(dom, "<title>RESULT ");
    CHECK(title != NULL && console == NULL);
    static const char wanted[] = "<title>RESULT 300,90,40,7 300,90,40,7 7,40,90,300 300,7,90,40 "
                                 "ascending 1 3 1 of 4 classes minority+minority Sorted by Class, "
                                 "ascending fits 0 0 undefined</title>";
    if (strncmp(title, wanted, strlen(wanted)) != 0) fprintf(stderr, "got %.200s\n", title);
    CHECK(strncmp(title, wanted, strlen(wanted)) == 0);
    free(dom);
    free(html);
    free(page);
    free(a);
    free(b);
    fake_remove_all(dir);
    return 0;
}
