/* A GPU on the CPU, for tests: runs the .cu files' kernels one block after another, the threads of
 * a block as fibers, and keeps "device memory" unreadable to the host.
 *
 * What it finds: wrong arithmetic and indexing, accesses outside of allocations (guard pages) or to
 * freed ones, host code that touches device memory, host pointers passed to kernels, barriers that
 * not every thread reaches, shared or global memory read before it was written (NaN), by running a
 * kernel's threads and blocks in the opposite order, missing barriers, and, by doing the copies of
 * another stream as late as its events allow, missing waits between streams. What it cannot find:
 * races within one statement, register and shared memory limits of real chips, timing. */
#ifndef BALLAST_TESTS_EMU_EMULATOR_H
#define BALLAST_TESTS_EMU_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- for tests ---- */

/* true: threads and blocks run last to first. */
void bl_emu_reverse(bool reverse);
/* Devices that the runtime reports (1 unless told). */
void bl_emu_devices(int n);
/* The next synchronisation reports this error (a cudaError_t), as a kernel that failed would. */
void bl_emu_fail(int error);
/* Kernels launched so far. */
int64_t bl_emu_launches(void);
/* How often the host has waited for the stream so far. */
int64_t bl_emu_waits(void);
/* How often it has waited for an event that was recorded. */
int64_t bl_emu_event_waits(void);
/* Bytes that the host has sent to the device so far. */
int64_t bl_emu_bytes_up(void);
/* Bytes of scratch memory that the pool keeps through a wait. */
uint64_t bl_emu_pool_keeps(void);
/* Graphs launched so far, and what they did: kernels, copies and calls of libraries. */
int64_t bl_emu_graphs(void);
int64_t bl_emu_graph_work(void);
/* The next capture fails, as one with a call that cannot be captured. */
void bl_emu_fail_capture(void);
/* Ends the program with a message when bytes outside of a live allocation were written. */
void bl_emu_check(void);

/* ---- device memory ---- */

/* NULL when the device's memory is used up. 64-byte aligned, every byte 0xff. */
void *bl_emu_alloc(size_t bytes);
void bl_emu_release(void *p);
/* Whether p points into device memory (live or not). */
bool bl_emu_owns(const void *p);
/* Work on device memory from host code happens between these two; `what` is named in messages. They
 * do not nest, other threads wait. */
void bl_emu_begin(const char *what);
void bl_emu_end(void);
/* The same for a stream beside the threads' own: not counted as their work. */
void bl_emu_begin_aside(const char *what);
/* Pieces of work (kernels, copies, ...) of the threads' own streams so far, and the number of the
 * last one that touched p's allocation (0: none). */
uint64_t bl_emu_work(void);
uint64_t bl_emu_last_use(const void *p);
/* Does what other streams still have to do. */
void bl_emu_finish_streams(void);
/* Ends the program unless [p, p + bytes) lies in one live allocation. */
void bl_emu_need(const void *p, size_t bytes);

/* ---- kernels ---- */

typedef struct bl_emu_launch {
    const char *name;
    unsigned grid[3], block[3];
    size_t shared;
    void (*body)(void *arg); /* one thread */
    void *arg;
} bl_emu_launch;
/* A cudaError_t: the configuration's; everything else ends the program with a message. */
int bl_emu_run(const bl_emu_launch *l);
/* Ends the program when a word of a kernel's argument is an address of host memory. */
void bl_emu_argument(const char *kernel, int index, const void *value, size_t bytes, bool pointer);

/* ---- graphs: while a thread captures, what its stream would do is kept for the graph ---- */

bool bl_emu_capturing(void);
/* Keeps a call: run(arg) at each launch of the graph, drop(arg) when it goes (NULL: free). */
void bl_emu_keep(void (*run)(void *arg), void (*drop)(void *arg), void *arg);
/* cudaSuccess, or while capturing, which then fails, the error of a call that
 * cannot be captured. */
int bl_emu_refuse(void);
#define BL_EMU_REFUSE()                                                                            \
    do {                                                                                           \
        int refused_ = bl_emu_refuse();                                                            \
        if (refused_) return (cudaError_t)refused_;                                                \
    } while (0)

/* ---- copies: pinned host memory; a check of one side, which is on the device or outside of it ---- */

void bl_emu_pin(const void *p, size_t bytes);
void bl_emu_unpin(const void *p);
void bl_emu_check_side(const void *p, size_t bytes, bool device);

void bl_emu_barrier(void);
typedef enum bl_emu_op { BL_EMU_SHUFFLE, BL_EMU_BALLOT } bl_emu_op;
/* A warp operation among the lanes of `mask`. SHUFFLE: the `value` of lane `from`. BALLOT: bit l
 * set where lane l's value is not 0. */
uint64_t bl_emu_warp(bl_emu_op op, unsigned mask, uint64_t value, int from);
int bl_emu_lane(void);
void *bl_emu_shared(void); /* dynamic shared memory of the block */

#ifdef __cplusplus
}
#endif

#endif
