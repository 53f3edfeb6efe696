/* Jobs in processes of their own: all run, never too many at once, failures and signals are
 * reported, cancelling stops. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/jobs.h"
#include "tests/check.h"

static char dir[] = "/tmp/ballast-jobs-XXXXXX";
static int32_t order[16], ended;

static void mark(const char *what, int32_t i) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s%d", dir, what, (int)i);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
    CHECK(fd >= 0);
    close(fd);
}

static bool marked(const char *what, int32_t i) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s%d", dir, what, (int)i);
    return access(path, F_OK) == 0;
}

static bl_status note_end(void *arg, int32_t i, double seconds) {
    (void)arg;
    CHECK(ended < 16 && seconds >= 0);
    order[ended++] = i;
    return BL_OK;
}

/* The first job ends only when the second has begun: both run at once. */
static bl_status meet(void *arg, int32_t i) {
    (void)arg;
    printf("lost\n");
    mark("meet", i);
    while (i == 0 && !marked("meet", 1)) usleep(1000);
    return BL_OK;
}

static void test_all_run(void) {
    for (int at_once = 1; at_once <= 3; at_once++) {
        ended = 0;
        CHECK_OK(bl_jobs_run(&(bl_jobs){.n = 0, .at_once = at_once, .run = meet}));
    }
    CHECK_OK(bl_jobs_run(&(bl_jobs){.n = 5, .at_once = 2, .run = meet, .ended = note_end}));
    CHECK_EQ(ended, 5);
    for (int32_t i = 0, seen; i < 5; i++) {
        seen = 0;
        for (int32_t k = 0; k < 5; k++) seen += order[k] == i;
        CHECK_EQ(seen, 1);
        CHECK(marked("meet", i));
    }
}

static bl_status fail_third(void *arg, int32_t i) {
    (void)arg;
    mark("fail", i);
    return i == 2 ? bl_fail(BL_ECONFIG, "job two: wrong \"key\"") : BL_OK;
}

static bl_status die(void *arg, int32_t i) {
    (void)arg;
    (void)i;
    raise(SIGKILL);
    return BL_OK;
}

static void test_failures(void) {
    ended = 0;
    CHECK_FAILS(
        bl_jobs_run(&(bl_jobs){.n = 100, .at_once = 2, .run = fail_third, .ended = note_end}),
        BL_ECONFIG, "job two: wrong \"key\"");
    CHECK(marked("fail", 2) && !marked("fail", 10)); /* nothing new was started */
    CHECK_FAILS(bl_jobs_run(&(bl_jobs){.n = 1, .at_once = 2, .run = die}), BL_EIO,
                "killed by signal 9");
}

static volatile int cancel, asked;

static void on_alarm(int number) {
    cancel = number;
}

static void on_term(int number) {
    asked = number;
}

/* Runs until it is asked to stop. */
static bl_status endless(void *arg, int32_t i) {
    (void)arg;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    mark("endless", i);
    while (!asked) usleep(1000);
    mark("asked", i);
    return bl_fail(BL_ECANCELLED, "stopped");
}

static void test_cancel(void) {
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    pid_t self = getpid();
    if (fork() == 0) { /* cancels as soon as both run */
        while (!marked("endless", 0) || !marked("endless", 1)) usleep(1000);
        kill(self, SIGALRM);
        _exit(0);
    }
    CHECK_FAILS(bl_jobs_run(&(bl_jobs){.n = 9, .at_once = 2, .run = endless, .cancel = &cancel}),
                BL_ECANCELLED, "goes on from there");
    CHECK(marked("asked", 0) && marked("asked", 1) && !marked("endless", 2));
}

int main(void) {
    CHECK(mkdtemp(dir));
    test_all_run();
    test_failures();
    test_cancel();
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK_EQ(system(command), 0);
    return 0;
}
