/* The tuning file: written and read back, dropped when the machine changed, errors, best effort. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "kernels/tuning.h"
#include "tests/check.h"

static const bl_tuning_id here[] = {{"cpu", "avx2"}, {"library", "1.2"}};
static const bl_tuning_id elsewhere[] = {{"cpu", "avx2"}, {"library", "1.3"}};

static void write_and_read(const char *path) {
    bl_tuning *t;
    CHECK_OK(bl_tuning_open(path, here, 2, &t));
    CHECK(!bl_tuning_get(t, "conv a"));
    bl_tuning_close(t);
    CHECK(!bl_exists(path)); /* nothing new, nothing written */

    CHECK_OK(bl_tuning_open(path, here, 2, &t));
    bl_tuning_set(t, "conv a", "slow");
    bl_tuning_set(t, "conv a", "fast");
    bl_tuning_set(t, "conv \"b\"", "direct");
    CHECK(strcmp(bl_tuning_get(t, "conv a"), "fast") == 0);
    bl_tuning_close(t);

    CHECK_OK(bl_tuning_open(path, here, 2, &t));
    CHECK(strcmp(bl_tuning_get(t, "conv a"), "fast") == 0);
    CHECK(strcmp(bl_tuning_get(t, "conv \"b\""), "direct") == 0);
    CHECK(!bl_tuning_get(t, "conv c"));
    bl_tuning_close(t);
}

/* Another library: its choices replace the old ones. */
static void other_machine(const char *path) {
    bl_tuning *t;
    char *text;
    size_t size;
    CHECK_OK(bl_tuning_open(path, elsewhere, 2, &t));
    CHECK(!bl_tuning_get(t, "conv a"));
    bl_tuning_set(t, "conv d", "new");
    bl_tuning_close(t);
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    CHECK(strstr(text, "\"1.3\"") && strstr(text, "conv d") && !strstr(text, "conv a"));
    free(text);
}

/* Well-formed JSON of another kind holds no choices; anything else is refused. */
static void odd_files(const char *path) {
    static const char *const odd[] = {
        "[]", "{}", "{\"cpu\": 3, \"library\": \"1.2\", \"plans\": {\"conv a\": \"x\"}}",
        "{\"cpu\": \"avx2\", \"library\": \"1.2\", \"plans\": []}",
        "{\"cpu\": \"avx2\", \"library\": \"1.2\", \"plans\": {\"conv a\": 7}}"};
    bl_tuning *t;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK_OK(bl_write_file(path, odd[i], strlen(odd[i])));
        CHECK_OK(bl_tuning_open(path, here, 2, &t));
        CHECK(!bl_tuning_get(t, "conv a"));
        bl_tuning_close(t);
    }
    CHECK_OK(bl_write_file(path, "{\"plans\": [", 11));
    CHECK_FAILS(bl_tuning_open(path, here, 2, &t), BL_EFORMAT, "delete it");
    CHECK(!t);
}

static void no_file(void) {
    bl_tuning_set(NULL, "conv a", "x");
    CHECK(!bl_tuning_get(NULL, "conv a"));
    bl_tuning_close(NULL);
    bl_tuning *t; /* cannot be written: closing is quiet */
    CHECK_OK(bl_tuning_open("/nonexistent/folder/tuning.json", here, 2, &t));
    bl_tuning_set(t, "conv a", "x");
    bl_tuning_close(t);
}

int main(void) {
    char path[] = "/tmp/ballast_tuning_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
    write_and_read(path);
    other_machine(path);
    odd_files(path);
    no_file();
    unlink(path);
    return 0;
}
