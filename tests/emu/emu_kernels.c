/* Runs kernels: the threads of a block are fibers.
 *
 * A fiber carries thread after thread as long as none of them waits; only when one does, another
 * fiber goes on with the next. So a kernel without barriers is an ordinary loop. Fibers are started
 * with ucontext and switched with _setjmp/_longjmp, which need no system call. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/emu/cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define START_SWITCH(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define FINISH_SWITCH(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define START_SWITCH(save, bottom, size) ((void)0)
#define FINISH_SWITCH(save, bottom, size) ((void)0)
#endif

enum { MAX_THREADS = 1024, WARP = 32, MAX_SHARED = 48 << 10, STACK = 256 << 10 };

struct bl_emu_idx threadIdx, blockIdx, blockDim, gridDim;

typedef enum state { UNBORN, RUNNING, READY, AT_BARRIER, IN_WARP, DONE } state;

typedef struct fiber {
    jmp_buf at;
    ucontext_t start;
    void *stack;
    bool started;
    void *sanitizer;
} fiber;

typedef struct thread {
    state state;
    fiber *fiber;
    /* a warp operation under way */
    bl_emu_op op;
    unsigned mask;
    uint64_t value, result;
    int from;
} thread;

static struct {
    const bl_emu_launch *launch;
    thread thread[MAX_THREADS];
    int n, born, live, waiting; /* waiting: at the barrier */
    int current;
    int ready[MAX_THREADS], first, n_ready; /* ring of READY threads */
    fiber *idle[MAX_THREADS];
    int n_idle;
    jmp_buf scheduler;
    const void *bottom; /* the scheduler's own stack, for the address sanitizer */
    size_t bottom_size;
    void *sanitizer;
    uint8_t *shared, *shared_page;
    bool reverse;
    int64_t launches;
} e;

void bl_emu_reverse(bool reverse) {
    e.reverse = reverse;
}

int64_t bl_emu_launches(void) {
    return e.launches;
}

static void die(const char *what) {
    fprintf(stderr, "emulated GPU: kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s\n",
            e.launch->name, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y,
            threadIdx.z, what);
    abort();
}

static void enter(int t) {
    e.current = t;
    unsigned x = e.launch->block[0], y = e.launch->block[1], i = (unsigned)t;
    threadIdx = (struct bl_emu_idx){i % x, i / x % y, i / x / y};
    e.thread[t].state = RUNNING;
}

static void make_ready(int t) {
    e.thread[t].state = READY;
    e.ready[(e.first + e.n_ready++) % MAX_THREADS] = t;
}

static int in_order(int i, int n) {
    return e.reverse ? n - 1 - i : i;
}

/* ---- warp operations ---- */

/* A lane that takes part in t's operation. */
static bool takes_part(const thread *t, const thread *other) {
    return other->state == IN_WARP && other->mask == t->mask;
}

static uint64_t outcome(const thread *t, int warp) {
    if (t->op == BL_EMU_SHUFFLE) {
        const thread *other = &e.thread[warp + t->from];
        bool there = warp + t->from < e.n && t->mask >> t->from & 1 && takes_part(t, other);
        return there ? other->value : ~(uint64_t)0; /* undefined on a GPU: NaN */
    }
    uint64_t ballot = 0;
    for (int l = 0; l < WARP && warp + l < e.n; l++) {
        const thread *other = &e.thread[warp + l];
        if (takes_part(t, other) && other->value) ballot |= (uint64_t)1 << l;
    }
    return ballot;
}

/* Whether every lane named in t's mask has arrived with the same mask, or ended. */
static bool complete(const thread *t, int warp) {
    for (int l = 0; l < WARP && warp + l < e.n; l++) {
        const thread *other = &e.thread[warp + l];
        if (!(t->mask >> l & 1) || other->state == DONE) continue;
        if (other->state != IN_WARP || other->mask != t->mask) return false;
    }
    return true;
}

/* Lets t's group go on when it is complete. */
static void release_group(const thread *t, int warp) {
    int lanes = e.n - warp < WARP ? e.n - warp : WARP;
    unsigned mask = t->mask;
    if (t->state != IN_WARP || !complete(t, warp)) return;
    for (int l = 0; l < lanes; l++) {
        thread *o = &e.thread[warp + l];
        if (takes_part(t, o)) o->result = outcome(o, warp);
    }
    for (int i = 0; i < lanes; i++) {
        int l = in_order(i, lanes);
        thread *o = &e.thread[warp + l];
        if (o->state == IN_WARP && o->mask == mask) make_ready(warp + l);
    }
}

/* A thread ended: its warp waits for it no longer. */
static void release_warp(int member) {
    int warp = member / WARP * WARP;
    for (int l = 0; l < WARP && warp + l < e.n; l++) release_group(&e.thread[warp + l], warp);
}

static void release_barrier(void) {
    if (e.waiting == 0 || e.waiting < e.live) return;
    e.waiting = 0;
    for (int i = 0; i < e.n; i++) {
        int t = in_order(i, e.n);
        if (e.thread[t].state == AT_BARRIER) make_ready(t);
    }
}

/* ---- fibers ---- */

/* Back to the scheduler; returns when this fiber is resumed. */
static void leave(fiber *f) {
    if (_setjmp(f->at) == 0) {
        START_SWITCH(&f->sanitizer, e.bottom, e.bottom_size);
        _longjmp(e.scheduler, 1);
    }
    FINISH_SWITCH(f->sanitizer, &e.bottom, &e.bottom_size);
}

static void fiber_main(void) {
    FINISH_SWITCH(NULL, &e.bottom, &e.bottom_size);
    fiber *self = e.thread[e.current].fiber;
    for (;;) {
        for (;;) {
            e.launch->body(e.launch->arg);
            thread *t = &e.thread[e.current];
            t->state = DONE;
            t->fiber = NULL;
            e.live--;
            release_warp(e.current);
            release_barrier();
            if (e.born == e.n) break;
            int next = in_order(e.born++, e.n);
            e.thread[next].fiber = self;
            enter(next);
        }
        e.idle[e.n_idle++] = self;
        leave(self);
    }
}

/* A new fiber that will run fiber_main. */
static void fiber_start(fiber *f) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *stack = mmap(NULL, STACK + page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) die("no memory for another thread's stack");
    mprotect(stack, page, PROT_NONE);
    f->stack = stack + page;
    getcontext(&f->start);
    f->start.uc_stack.ss_sp = f->stack;
    f->start.uc_stack.ss_size = STACK;
    makecontext(&f->start, fiber_main, 0);
}

static fiber *fiber_take(void) {
    if (e.n_idle > 0) return e.idle[--e.n_idle];
    fiber *f = calloc(1, sizeof *f);
    if (!f) die("no memory for another thread");
    fiber_start(f);
    return f;
}

/* Runs thread t's fiber until it waits or has nothing more to do. */
static void resume(int t) {
    fiber *f = e.thread[t].fiber;
    if (_setjmp(e.scheduler) == 0) {
        START_SWITCH(&e.sanitizer, f->stack, STACK);
        if (f->started) _longjmp(f->at, 1);
        f->started = true;
        setcontext(&f->start);
    }
    FINISH_SWITCH(e.sanitizer, NULL, NULL);
}

/* ---- what kernels call ---- */

static fiber *here(void) {
    return e.thread[e.current].fiber;
}

void bl_emu_barrier(void) {
    int t = e.current;
    e.thread[t].state = AT_BARRIER;
    e.waiting++;
    release_barrier();
    leave(here());
}

int bl_emu_lane(void) {
    return e.current % WARP;
}

uint64_t bl_emu_warp(bl_emu_op op, unsigned mask, uint64_t value, int from) {
    int t = e.current;
    if (!(mask >> bl_emu_lane() & 1)) die("a warp operation whose mask does not name the caller");
    thread *self = &e.thread[t];
    self->op = op;
    self->mask = mask;
    self->value = value;
    self->from = from;
    self->state = IN_WARP;
    release_group(self, t / WARP * WARP);
    leave(self->fiber);
    return self->result;
}

void *bl_emu_shared(void) {
    return e.shared;
}

/* ---- blocks ---- */

/* All static shared variables of the .cu files stand in this section. */
extern char __start_bl_emu_static[] __attribute__((weak));
extern char __stop_bl_emu_static[] __attribute__((weak));

static void run_block(void) {
    if (__start_bl_emu_static) {
        memset(__start_bl_emu_static, 0xff, (size_t)(__stop_bl_emu_static - __start_bl_emu_static));
    }
    e.shared = e.shared_page + MAX_SHARED - (e.launch->shared + 15) / 16 * 16;
    memset(e.shared, 0xff, (size_t)(e.shared_page + MAX_SHARED - e.shared));
    e.born = 0;
    e.live = e.n;
    e.waiting = 0;
    e.first = 0;
    e.n_ready = 0;
    for (int i = 0; i < e.n; i++) e.thread[i] = (thread){.state = UNBORN};
    while (e.live > 0) {
        int t;
        if (e.born < e.n) {
            t = in_order(e.born++, e.n);
            e.thread[t].fiber = fiber_take();
        } else if (e.n_ready > 0) {
            t = e.ready[e.first];
            e.first = (e.first + 1) % MAX_THREADS;
            e.n_ready--;
        } else {
            die("deadlock: the threads wait at different barriers");
        }
        enter(t);
        resume(t);
    }
}

static void prepare(void) {
    if (e.shared_page) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    e.shared_page =
        mmap(NULL, MAX_SHARED + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (e.shared_page == MAP_FAILED) die("no memory for shared memory");
    e.shared_page += page; /* guard pages before and after */
    mprotect(e.shared_page, MAX_SHARED, PROT_READ | PROT_WRITE);
}

int bl_emu_run(const bl_emu_launch *l) {
    uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];
    uint64_t blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
    if (threads == 0 || threads > MAX_THREADS || l->block[2] > 64 || blocks == 0 ||
        l->grid[0] > 0x7fffffff || l->grid[1] > 65535 || l->grid[2] > 65535 ||
        l->shared > MAX_SHARED) {
        return cudaErrorInvalidConfiguration;
    }
    bl_emu_begin(l->name);
    e.launch = l;
    e.n = (int)threads;
    prepare();
    e.launches++;
    blockDim = (struct bl_emu_idx){l->block[0], l->block[1], l->block[2]};
    gridDim = (struct bl_emu_idx){l->grid[0], l->grid[1], l->grid[2]};
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t b = e.reverse ? blocks - 1 - i : i;
        blockIdx =
            (struct bl_emu_idx){(unsigned)(b % gridDim.x), (unsigned)(b / gridDim.x % gridDim.y),
                                (unsigned)(b / gridDim.x / gridDim.y)};
        run_block();
    }
    bl_emu_end();
    return cudaSuccess;
}
