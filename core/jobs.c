#include "core/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 2048 };

typedef struct child {
    pid_t pid;
    int32_t job;
    double start; /* s */
    int pipe;     /* what it says when it fails; its end is the job's end */
    size_t said;
    char message[MESSAGE_BYTES];
} child;

typedef struct pool {
    const bl_jobs *jobs;
    child *v;
    struct pollfd *wait;
    int running;
    bool told; /* to stop */
    bl_status status;
    char message[MESSAGE_BYTES]; /* of the first failure */
} pool;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(pool *p, bl_status status, const char *message) {
    if (p->status != BL_OK) return;
    p->status = status;
    snprintf(p->message, sizeof p->message, "%s", message);
}

/* The child's life. Its own process group: a terminal's Ctrl-C reaches the parent alone, which
 * passes it on once. */
static _Noreturn void live(const bl_jobs *j, int32_t i, int say) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere >= 0)
        for (int fd = 0; fd < 3; fd++) dup2(nowhere, fd);
    bl_status status = j->run(j->arg, i);
    const char *message = bl_error();
    size_t n = strlen(message);
    if (status != BL_OK && write(say, message, n < MESSAGE_BYTES ? n : MESSAGE_BYTES) < 0)
        status = BL_EIO;
    _exit(-status);
}

static void start(pool *p, int32_t i) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail(p, bl_fail(BL_EIO, "cannot make a pipe: %s", strerror(errno)), bl_error());
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        live(p->jobs, i, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        fail(p, bl_fail(BL_EIO, "cannot start a process: %s", strerror(errno)), bl_error());
        return;
    }
    p->v[p->running++] = (child){.pid = pid, .job = i, .start = now(), .pipe = ends[0]};
}

/* A child has closed its pipe. */
static void finish(pool *p, int at) {
    child c = p->v[at];
    int how = 0;
    while (waitpid(c.pid, &how, 0) < 0 && errno == EINTR) continue;
    close(c.pipe);
    p->v[at] = p->v[--p->running];
    c.message[c.said < MESSAGE_BYTES ? c.said : MESSAGE_BYTES - 1] = 0;
    if (WIFSIGNALED(how)) {
        bl_fail(BL_EIO, "job %d was killed by signal %d (%s)", (int)c.job + 1, WTERMSIG(how),
                strsignal(WTERMSIG(how)));
        fail(p, BL_EIO, bl_error());
    } else if (WEXITSTATUS(how) != 0) {
        fail(p, (bl_status)-WEXITSTATUS(how), c.message);
    } else {
        bl_status status =
            p->jobs->ended ? p->jobs->ended(p->jobs->arg, c.job, now() - c.start) : BL_OK;
        if (status != BL_OK) fail(p, status, bl_error());
    }
}

static bool cancelled(const bl_jobs *j) {
    return j->cancel && *j->cancel;
}

static void wait_for_any(pool *p) {
    for (int i = 0; i < p->running; i++)
        p->wait[i] = (struct pollfd){.fd = p->v[i].pipe, .events = POLLIN};
    int ready = poll(p->wait, (nfds_t)p->running, 500); /* a signal ends it early */
    if (cancelled(p->jobs) && !p->told) {
        p->told = true;
        for (int i = 0; i < p->running; i++) kill(p->v[i].pid, SIGTERM);
    }
    for (int i = p->running - 1; ready > 0 && i >= 0; i--) {
        if (!p->wait[i].revents) continue;
        child *c = &p->v[i];
        ssize_t n = read(c->pipe, c->message + c->said, MESSAGE_BYTES - c->said);
        if (n > 0)
            c->said += (size_t)n;
        else if (n == 0 || errno != EINTR)
            finish(p, i);
    }
}

static bl_status in_this_process(const bl_jobs *j) {
    for (int32_t i = 0; i < j->n; i++) {
        double start = now();
        BL_TRY(j->run(j->arg, i));
        if (j->ended) BL_TRY(j->ended(j->arg, i, now() - start));
    }
    return BL_OK;
}

bl_status bl_jobs_run(const bl_jobs *j) {
    if (j->at_once <= 1) return in_this_process(j);
    pool p = {.jobs = j,
              .v = calloc((size_t)j->at_once, sizeof *p.v),
              .wait = calloc((size_t)j->at_once, sizeof *p.wait)};
    if (!p.v || !p.wait) {
        free(p.v);
        free(p.wait);
        return bl_no_memory("for %d jobs", j->at_once);
    }
    int32_t next = 0;
    for (;;) {
        bool more = next < j->n && p.status == BL_OK && !cancelled(j);
        if (more && p.running < j->at_once) {
            start(&p, next++);
            continue;
        }
        if (p.running == 0) break;
        wait_for_any(&p);
    }
    free(p.v);
    free(p.wait);
    if (cancelled(j) && (p.status == BL_OK || p.status == BL_ECANCELLED))
        return bl_fail(BL_ECANCELLED, "stopped; the same command goes on from there");
    return p.status == BL_OK ? BL_OK : bl_fail(p.status, "%s", p.message);
}
