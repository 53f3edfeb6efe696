/* Which of a library's convolution engines runs a problem. Plain C: no CUDA header, so that the
 * rules are tested without a device.
 *
 * A timing context runs the first few engines that are allowed and keeps the fastest; a
 * deterministic one takes the first allowed engine in the library's own order, which depends on the
 * problem, the device and the library's version only. */
#ifndef BALLAST_KERNELS_CUDA_CONV_CHOICE_H
#define BALLAST_KERNELS_CUDA_CONV_CHOICE_H

#include "kernels/cuda/conv_key.h"

/* What an engine says about its arithmetic. */
enum {
    BL_NOTE_TENSOR_CORE = 1,
    BL_NOTE_ROUNDS_INPUTS = 2,    /* to a narrower type than theirs */
    BL_NOTE_NARROW_SUMS = 4,      /* sums in less than fp32 */
    BL_NOTE_FFT = 8,              /* loses digits to the transform */
    BL_NOTE_BIG_WINOGRAD = 16,    /* output tiles of 4x4 and more: likewise */
    BL_NOTE_NONDETERMINISTIC = 32 /* sums in an order that changes from run to run */
};

typedef struct bl_conv_candidate {
    char name[160]; /* engine and its knobs: "67 2=5 13=0" */
    uint32_t notes;
} bl_conv_candidate;

enum { BL_CONV_CANDIDATES = 64, BL_CONV_TIMED = 8 };
/* Scratch memory that an engine may take, on a device with so many bytes, while another one needs
 * less: a sixteenth, and 1 GiB at least. All plans share one buffer. Engines without tensor cores
 * transpose whole maps: 1052 MiB for 8 images of 256 x 200 x 336. */
#define BL_CONV_WORKSPACE ((int64_t)1 << 30)
int64_t bl_conv_workspace(size_t device_bytes);

typedef struct bl_conv_rule {
    bl_cuda_math math;
    bool deterministic;
    const char *tuned; /* the tuning file's choice; NULL when there is none */
    int64_t workspace; /* of bl_conv_workspace() */
} bl_conv_rule;

/* How candidates are tried out. */
typedef struct bl_conv_trial {
    void *arg;
    /* Makes candidate i ready to run and tells its scratch memory in bytes. A failure passes it
     * over. Called once per candidate. */
    bl_status (*prepare)(void *arg, int i, int64_t *workspace);
    /* Runs a prepared candidate and tells its time. A failure passes it over. */
    bl_status (*time)(void *arg, int i, double *ms);
} bl_conv_trial;

typedef struct bl_conv_verdict {
    int pick;
    int64_t workspace;
    double ms;  /* 0 when nothing was timed */
    bool timed; /* chosen by timing: worth remembering */
} bl_conv_verdict;

/* Whether this arithmetic is what the rule's context asked for. */
bool bl_conv_allowed(const bl_conv_rule *rule, uint32_t notes);
/* BL_EUNSUPPORTED when no candidate is allowed and ready; the message holds the last refusal. */
bl_status bl_conv_choose(const bl_conv_candidate *list, int n, const bl_conv_rule *rule,
                         const bl_conv_trial *trial, bl_conv_verdict *out);

#endif
