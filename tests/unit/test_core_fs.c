#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/lock.h"
#include "core/log.h"
#include "tests/check.h"

static char root[] = "/tmp/ballast-fs-XXXXXX";

static char *at(const char *name) {
    return bl_path_join(root, name);
}

static void test_round_trip(void) {
    char *path = at("a.bin"), *data;
    size_t size;
    CHECK_OK(bl_write_file(path, "one\0two", 7));
    CHECK_OK(bl_read_file(path, 100, &data, &size));
    CHECK_EQ(size, 7);
    CHECK(memcmp(data, "one\0two\0", 8) == 0);
    free(data);
    CHECK_OK(bl_read_file(path, 7, &data, &size)); /* exactly the limit */
    free(data);
    CHECK_FAILS(bl_read_file(path, 6, &data, &size), BL_EFORMAT, path);
    CHECK(!data);
    CHECK_FAILS(bl_read_file("/nonexistent/x", 6, &data, &size), BL_EIO, "/nonexistent/x");
    CHECK_FAILS(bl_read_file(root, 6, &data, &size), BL_EIO, "folder");
    CHECK_OK(bl_read_file("/proc/self/stat", 1 << 20, &data, &size)); /* size unknown beforehand */
    CHECK(size > 0);
    free(data);
    free(path);
}

static void test_map(void) {
    char *path = at("m"), *empty = at("empty");
    bl_map m;
    CHECK_OK(bl_write_file(path, "abc", 3));
    CHECK_OK(bl_map_open(path, &m));
    CHECK(m.size == 3 && memcmp(m.data, "abc", 3) == 0);
    bl_map_close(&m);
    CHECK_OK(bl_write_file(empty, NULL, 0));
    CHECK_OK(bl_map_open(empty, &m));
    CHECK(m.size == 0 && m.data);
    bl_map_close(&m);
    CHECK_FAILS(bl_map_open(root, &m), BL_EIO, "folder");
    free(path);
    free(empty);
}

static void test_atomic(void) {
    char *path = at("atomic"), *data;
    size_t size;
    CHECK_OK(bl_write_file(path, "old", 3));
    bl_outfile o;
    CHECK_OK(bl_outfile_open(path, &o));
    fprintf(o.f, "new");
    fflush(o.f);
    CHECK_OK(bl_read_file(path, 100, &data, &size));
    CHECK_STR(data, "old"); /* nothing shows before the commit */
    free(data);
    char *tmp = strdup(o.tmp);
    bl_outfile_abort(&o);
    CHECK(!bl_exists(tmp));
    CHECK_OK(bl_outfile_open(path, &o));
    fprintf(o.f, "new");
    CHECK_OK(bl_outfile_commit(&o));
    bl_outfile_abort(&o); /* harmless */
    CHECK(!bl_exists(tmp));
    CHECK_OK(bl_read_file(path, 100, &data, &size));
    CHECK_STR(data, "new");
    free(data);
    CHECK_FAILS(bl_outfile_open("/nonexistent/x", &o), BL_EIO, "/nonexistent/x");
    bl_outfile_abort(&o);
    free(tmp);
    free(path);
}

static void check_content(const char *path, const char *expected) {
    char *data;
    size_t size;
    CHECK_OK(bl_read_file(path, 1000, &data, &size));
    CHECK_STR(data, expected);
    free(data);
}

/* What a link leads to is replaced, whichever way it is written; the link stays. */
static void test_links(void) {
    char *file = at("target"), *link = at("link"), *chain = at("chain"), *dangling = at("dangling");
    char *made = at("made"), *loop = at("loop");
    struct stat st;
    CHECK_OK(bl_write_file(file, "old", 3));
    CHECK(chmod(file, 0640) == 0);
    CHECK(symlink("target", link) == 0 && symlink(link, chain) == 0);
    CHECK(symlink("made", dangling) == 0 && symlink("loop", loop) == 0);
    CHECK_OK(bl_write_file(chain, "new", 3));
    CHECK(lstat(chain, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(lstat(file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0640);
    check_content(file, "new");
    CHECK_OK(bl_write_file(dangling, "there", 5));
    check_content(made, "there");
    bl_outfile o;
    CHECK_FAILS(bl_outfile_open(loop, &o), BL_EIO, "symbolic links");
    CHECK_FAILS(bl_outfile_open(root, &o), BL_EIO, "folder");
    free(file);
    free(link);
    free(chain);
    free(dangling);
    free(made);
    free(loop);
}

/* A device or a pipe is written, not replaced; a descriptor's name is the descriptor. */
static void test_special(void) {
    char *fifo = at("fifo"), *shared = at("shared"), name[64], got[8] = "";
    struct stat st;
    CHECK_OK(bl_write_file("/dev/null", "x", 1));
    CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    CHECK_FAILS(bl_write_file("/dev/full", "x", 1), BL_EIO, "/dev/full");
    CHECK(mkfifo(fifo, 0600) == 0);
    int fd = open(fifo, O_RDWR);
    CHECK(fd >= 0);
    CHECK_OK(bl_write_file(fifo, "pipe", 4));
    CHECK(read(fd, got, 4) == 4 && strcmp(got, "pipe") == 0);
    CHECK(stat(fifo, &st) == 0 && S_ISFIFO(st.st_mode));
    close(fd);
    fd = open(shared, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "before ", 7) == 7);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    CHECK_OK(bl_write_file(name, "after", 5));
    check_content(shared, "before after");
    close(fd);
    CHECK_FAILS(bl_write_file(name, "x", 1), BL_EIO, name);
    free(fifo);
    free(shared);
}

/* A pipe is read like a file; one without a writer is refused instead of waited for. */
static void test_read_pipe(void) {
    char *fifo = at("in"), *data;
    size_t size;
    CHECK(mkfifo(fifo, 0600) == 0);
    CHECK_FAILS(bl_read_file(fifo, 100, &data, &size), BL_EIO, "is a pipe that nobody writes to");
    int keep = open(fifo, O_RDONLY | O_NONBLOCK), to = open(fifo, O_WRONLY);
    CHECK(keep >= 0 && to >= 0 && write(to, "piped", 5) == 5);
    close(to);
    CHECK_OK(bl_read_file(fifo, 100, &data, &size));
    CHECK(size == 5 && strcmp(data, "piped") == 0);
    free(data);
    close(keep);
    free(fifo);
}

/* The name of the temporary file is not longer than file systems allow. */
static void test_long_name(void) {
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    char *path = at(name);
    CHECK_OK(bl_write_file(path, "long", 4));
    check_content(path, "long");
    free(path);
}

/* /dev/full fails every write with ENOSPC, as a full disk does. */
static void test_full_disk(void) {
    char *path = at("full");
    bl_outfile o;
    CHECK_OK(bl_outfile_open(path, &o));
    char *tmp = strdup(o.tmp);
    o.f = freopen("/dev/full", "w", o.f);
    CHECK(o.f);
    for (int i = 0; i < 100000; i++) fputs("0123456789", o.f); /* failures ignored on purpose */
    CHECK_FAILS(bl_outfile_commit(&o), BL_EIO, path);
    CHECK(!bl_exists(path) && !bl_exists(tmp));
    free(tmp);
    free(path);
}

static void test_paths(void) {
    static const char *const joins[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "/b"}, {NULL, "b", "b"}, {"", "b", "b"}};
    static const char *const dirs[][2] = {
        {"a/b", "a"}, {"b", "."}, {"/b", "/"}, {"a//b", "a"}, {"/a/b/c", "/a/b"}};
    for (int i = 0; i < 5; i++) {
        char *p = bl_path_join(joins[i][0], joins[i][1]);
        CHECK_STR(p, joins[i][2]);
        free(p);
        p = bl_path_dir(dirs[i][0]);
        CHECK_STR(p, dirs[i][1]);
        free(p);
    }
    char *deep = at("x/y//z");
    CHECK(!bl_is_dir(deep));
    CHECK_OK(bl_mkdirs(deep));
    CHECK_OK(bl_mkdirs(deep)); /* twice is fine */
    CHECK(bl_is_dir(deep));
    free(deep);
    char *file = at("f"), *below = at("f/g");
    CHECK_OK(bl_write_file(file, "", 0));
    CHECK_FAILS(bl_mkdirs(below), BL_EIO, "f");
    free(file);
    free(below);
}

static void test_sha256(void) {
    /* FIPS 180-2 examples. */
    char hex[65], *path = at("sha");
    bl_sha256("abc", 3, hex);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    bl_sha256(NULL, 0, hex);
    CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_OK(bl_write_file(path, "abc", 3));
    CHECK_OK(bl_sha256_file(path, hex));
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_FAILS(bl_sha256_file("/nonexistent/x", hex), BL_EIO, "/nonexistent/x");
    free(path);
}

static void write_metrics(const char *path, long keep, long from, long to) {
    bl_metrics *m;
    CHECK_OK(bl_metrics_open(path, keep, -1, &m));
    for (long i = from; i <= to; i++) {
        bl_metrics_begin(m);
        bl_metrics_number(m, "iter", (double)i);
        bl_metrics_number(m, "loss", i == 3 ? NAN : 0.1 * (double)i);
        bl_metrics_string(m, "note", "a \"quoted\"\n line");
        bl_metrics_array(m, "v", (double[]){1, 0.5, INFINITY}, 3);
        CHECK_OK(bl_metrics_end(m));
    }
    bl_metrics_close(m);
}

static void test_metrics_resume(void) {
    char *once = at("once.jsonl"), *twice = at("twice.jsonl"), *a, *b;
    size_t na, nb;
    write_metrics(once, -1, 1, 20);
    write_metrics(twice, -1, 1, 13);
    FILE *f = fopen(twice, "a"); /* a crash in the middle of a line */
    fputs("{\"iter\": 14, \"lo", f);
    fclose(f);
    write_metrics(twice, 9, 10, 20);
    CHECK_OK(bl_read_file(once, 1 << 20, &a, &na));
    CHECK_OK(bl_read_file(twice, 1 << 20, &b, &nb));
    CHECK_STR(a, b);
    CHECK(strstr(a, "{\"iter\": 3, \"loss\": null, \"note\": \"a \\\"quoted\\\"\\n line\", "
                    "\"v\": [1, 0.5, null]}\n"));
    free(a);
    free(b);
    /* A number of lines cuts where iterations do not grow: a line about an earlier iteration. */
    bl_metrics *late;
    CHECK_OK(bl_metrics_open(twice, 100, 8, &late));
    CHECK_EQ(bl_metrics_lines(late), 8);
    CHECK_OK(bl_metrics_sync(late));
    bl_metrics_close(late);
    write_metrics(twice, 100, 9, 20);
    CHECK_OK(bl_read_file(once, 1 << 20, &a, &na));
    CHECK_OK(bl_read_file(twice, 1 << 20, &b, &nb));
    CHECK_STR(a, b);
    free(a);
    free(b);
    write_metrics(twice, -1, 1, 2); /* a fresh run empties the file */
    CHECK_OK(bl_read_file(twice, 1 << 20, &b, &nb));
    CHECK(nb < na / 5);
    free(b);
    bl_metrics *m;
    CHECK_FAILS(bl_metrics_open("/nonexistent/x", -1, -1, &m), BL_EIO, "/nonexistent/x");
    free(once);
    free(twice);
}

static void test_log(void) {
    char *path = at("log.txt"), *text;
    size_t n;
    CHECK_OK(bl_log_set_file(path));
    BL_DEBUG("hidden %d", 1);
    BL_INFO("shown %d", 2);
    bl_log_set_level(BL_LOG_WARN);
    BL_INFO("hidden %d", 3);
    BL_WARN("shown %d", 4);
    CHECK_OK(bl_log_set_file(NULL));
    BL_WARN("not in the file");
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &n));
    CHECK(strstr(text, " info   shown 2\n") && strstr(text, " warn   shown 4\n"));
    CHECK(!strstr(text, "hidden") && !strstr(text, "not in"));
    CHECK(text[2] == ':' && text[5] == ':' && text[8] == ' ');
    CHECK_FAILS(bl_log_set_file("/nonexistent/x"), BL_EIO, "/nonexistent/x");
    free(text);
    free(path);
}

/* Two holders exclude each other, also in one process; the name is free again afterwards, and a
 * file left by a process that was killed holds nobody up. */
static void test_lock(void) {
    char *path = at("lock"), part[64];
    bl_lock *a, *b;
    CHECK_OK(bl_lock_take(path, "the folder", &a));
    snprintf(part, sizeof part, "the folder is in use by process %ld on host ", (long)getpid());
    CHECK_FAILS(bl_lock_take(path, "the folder", &b), BL_EIO, part);
    CHECK(!b);
    bl_lock_release(a);
    CHECK(!bl_exists(path));
    CHECK_OK(bl_write_file(path, "process 1\nhost elsewhere\nsince ever\n", 37));
    CHECK_OK(bl_lock_take(path, "the folder", &a));
    bl_lock_release(a);
    bl_lock_release(NULL);
    CHECK_FAILS(bl_lock_take("/nonexistent/x", "the folder", &a), BL_EIO, "/nonexistent/x");
    free(path);
}

int main(void) {
    CHECK(mkdtemp(root));
    test_lock();
    test_round_trip();
    test_map();
    test_atomic();
    test_links();
    test_special();
    test_read_pipe();
    test_long_name();
    test_full_disk();
    test_paths();
    test_sha256();
    test_metrics_resume();
    test_log();
    char cmd[64];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", root);
    return system(cmd);
}
