/* Device memory of the emulator: one reserved range, allocations between guard pages. It is
 * accessible only between bl_emu_begin and bl_emu_end, and opened on first touch by the fault
 * handler, so the cost follows what a kernel uses. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/emu/emulator.h"

enum { ALIGN = 64, SLACK = 0xcb, FRESH = 0xff, MAX_OPEN = 1 << 14 };
#define RANGE ((size_t)64 << 30)
#define LIMIT ((size_t)4 << 30) /* live bytes */

typedef struct block {
    uint8_t *page, *data; /* first page; data ends (padded to ALIGN) where the pages end */
    size_t bytes, mapped;
    uint64_t last; /* work that touched it */
    bool live, open;
} block;

static struct {
    pthread_once_t once;
    pthread_mutex_t work; /* one worker at a time; also guards the list */
    uint8_t *base, *top;
    size_t page, live;
    block *block; /* ascending addresses */
    int n, cap;
    const char *what; /* the work that is going on; NULL: the device is closed */
    uint64_t number;  /* of the last work that was not aside */
    bool aside;
    int opened[MAX_OPEN], n_opened;
    volatile int spin;
} g = {.once = PTHREAD_ONCE_INIT, .work = PTHREAD_MUTEX_INITIALIZER};

static void die(const char *what, const void *p) {
    fprintf(stderr, "emulated GPU: %s (address %p%s%s)\n", what, p, g.what ? ", in " : "",
            g.what ? g.what : "");
    abort();
}

static block *find(const void *p) {
    int lo = 0, hi = g.n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (g.block[mid].page + g.block[mid].mapped <= (const uint8_t *)p) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < g.n && g.block[lo].page <= (const uint8_t *)p ? &g.block[lo] : NULL;
}

static void fault(int sig, siginfo_t *info, void *context) {
    const void *p = info->si_addr;
    if (!g.base || !bl_emu_owns(p)) { /* not ours: die of it where it happened */
        signal(sig, SIG_DFL);
        return;
    }
    if (!g.what) die("host code touched device memory", p);
    while (__sync_lock_test_and_set(&g.spin, 1)) continue;
    block *b = find(p);
    if (!b) die("access outside of every allocation", p);
    if (!b->live) die("access to freed memory", p);
    if (!b->open) { /* else another thread was faster */
        if (g.n_opened == MAX_OPEN) die("more allocations touched than the emulator can track", p);
        b->open = true;
        g.opened[g.n_opened++] = (int)(b - g.block);
        mprotect(b->page, b->mapped, PROT_READ | PROT_WRITE);
    }
    __sync_lock_release(&g.spin);
}

static void start(void) {
    g.page = (size_t)sysconf(_SC_PAGESIZE);
    g.base = mmap(NULL, RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (g.base == MAP_FAILED) die("no address space for device memory", NULL);
    g.top = g.base + g.page;
    struct sigaction act = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &act, NULL);
}

bool bl_emu_owns(const void *p) {
    return g.base && (const uint8_t *)p >= g.base && (const uint8_t *)p < g.base + RANGE;
}

void *bl_emu_alloc(size_t bytes) {
    pthread_once(&g.once, start);
    size_t padded = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    size_t mapped = (padded + g.page - 1) / g.page * g.page;
    if (bytes > LIMIT || g.live + bytes > LIMIT) return NULL;
    if (mapped == 0) mapped = g.page;
    pthread_mutex_lock(&g.work); /* the handler must not see the list move */
    bool room = g.top + mapped + g.page < g.base + RANGE;
    if (room && g.n == g.cap) {
        g.cap = g.cap ? 2 * g.cap : 256;
        g.block = realloc(g.block, (size_t)g.cap * sizeof *g.block);
        if (!g.block) die("no memory for the list of allocations", NULL);
    }
    uint8_t *data = NULL;
    if (room) {
        block b = {g.top, g.top + mapped - padded, bytes, mapped, 0, true, false};
        g.top += mapped + g.page;
        g.live += bytes;
        g.block[g.n++] = b;
        mprotect(b.page, mapped, PROT_READ | PROT_WRITE);
        memset(b.page, SLACK, mapped);
        memset(b.data, FRESH, bytes);
        mprotect(b.page, mapped, PROT_NONE);
        data = b.data;
    }
    pthread_mutex_unlock(&g.work);
    return data;
}

/* Bytes around the data are as they were. The block must be readable. */
static bool intact(const block *b) {
    for (const uint8_t *p = b->page; p < b->page + b->mapped; p++) {
        if (p == b->data) p += b->bytes;
        if (p < b->page + b->mapped && *p != SLACK) return false;
    }
    return true;
}

static void check_block(const block *b) {
    mprotect(b->page, b->mapped, PROT_READ);
    if (!intact(b)) die("bytes next to an allocation were written", b->data);
    mprotect(b->page, b->mapped, PROT_NONE);
}

void bl_emu_release(void *p) {
    if (!p) return;
    pthread_mutex_lock(&g.work);
    block *b = bl_emu_owns(p) ? find(p) : NULL;
    if (!b || b->data != p || !b->live) die("freed what is no live allocation", p);
    check_block(b);
    madvise(b->page, b->mapped, MADV_DONTNEED);
    b->live = false;
    g.live -= b->bytes;
    pthread_mutex_unlock(&g.work);
}

void bl_emu_check(void) {
    pthread_mutex_lock(&g.work);
    for (int i = 0; i < g.n; i++) {
        if (g.block[i].live) check_block(&g.block[i]);
    }
    pthread_mutex_unlock(&g.work);
}

static void begin(const char *what, bool aside) {
    pthread_once(&g.once, start);
    pthread_mutex_lock(&g.work);
    g.what = what;
    g.aside = aside;
    g.number += !aside;
}

void bl_emu_begin(const char *what) {
    begin(what, false);
}

void bl_emu_begin_aside(const char *what) {
    begin(what, true);
}

uint64_t bl_emu_work(void) {
    pthread_mutex_lock(&g.work);
    uint64_t n = g.number;
    pthread_mutex_unlock(&g.work);
    return n;
}

uint64_t bl_emu_last_use(const void *p) {
    pthread_mutex_lock(&g.work);
    const block *b = bl_emu_owns(p) ? find(p) : NULL;
    uint64_t n = b ? b->last : 0;
    pthread_mutex_unlock(&g.work);
    return n;
}

void bl_emu_end(void) {
    for (int i = 0; i < g.n_opened; i++) {
        block *b = &g.block[g.opened[i]];
        mprotect(b->page, b->mapped, PROT_NONE);
        b->open = false;
        if (!g.aside) b->last = g.number;
    }
    g.n_opened = 0;
    g.what = NULL;
    pthread_mutex_unlock(&g.work);
}

void bl_emu_need(const void *p, size_t bytes) {
    if (bytes == 0) return;
    const block *b = bl_emu_owns(p) ? find(p) : NULL;
    if (!b || !b->live) die("expected a device pointer", p);
    if ((const uint8_t *)p < b->data || bytes > (size_t)(b->data + b->bytes - (const uint8_t *)p)) {
        die("a range reaches beyond its allocation", p);
    }
}

void bl_emu_argument(const char *kernel, int index, const void *value, size_t bytes, bool pointer) {
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
        uintptr_t word;
        memcpy(&word, (const char *)value + at, sizeof word);
        if (word == 0 || bl_emu_owns((void *)word)) continue;
        /* In a struct only what is mapped is an address; other words are data, even where a
         * sanitizer keeps its shadow memory (below 2^45). */
        bool high = word > (uintptr_t)1 << 45 && word < (uintptr_t)1 << 47;
        uintptr_t page = word & ~(uintptr_t)(g.page - 1);
        if (!pointer && (!high || msync((void *)page, g.page, MS_ASYNC) != 0)) continue;
        fprintf(stderr, "emulated GPU: kernel %s: argument %d holds the host address %p\n", kernel,
                index, (void *)word);
        abort();
    }
}
