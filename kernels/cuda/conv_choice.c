#include "kernels/cuda/conv_choice.h"

#include <stdio.h>
#include <string.h>

bool bl_conv_allowed(const bl_conv_rule *rule, uint32_t notes) {
    uint32_t refused = BL_NOTE_NARROW_SUMS;
    if (rule->deterministic) refused |= BL_NOTE_NONDETERMINISTIC;
    if (rule->math == BL_CUDA_FP32) {
        refused |= BL_NOTE_TENSOR_CORE | BL_NOTE_ROUNDS_INPUTS | BL_NOTE_FFT | BL_NOTE_BIG_WINOGRAD;
    }
    /* TF32 rounds inside of the tensor core; a note about inputs means a narrower type still. */
    if (rule->math == BL_CUDA_TF32) refused |= BL_NOTE_ROUNDS_INPUTS;
    return (notes & refused) == 0;
}

int64_t bl_conv_workspace(size_t device_bytes) {
    int64_t share = (int64_t)(device_bytes / 16);
    return share > BL_CONV_WORKSPACE ? share : BL_CONV_WORKSPACE;
}

typedef struct chooser {
    const bl_conv_candidate *list;
    int n;
    const bl_conv_rule *rule;
    const bl_conv_trial *trial;
    int64_t workspace[BL_CONV_CANDIDATES];
    enum { UNTRIED, READY, OUT } state[BL_CONV_CANDIDATES];
} chooser;

/* Whether candidate i is allowed and can be made ready, asking the library only once. */
static bool ready(chooser *c, int i) {
    if (c->state[i] == UNTRIED) {
        bool ok = bl_conv_allowed(c->rule, c->list[i].notes) &&
                  c->trial->prepare(c->trial->arg, i, &c->workspace[i]) == BL_OK;
        c->state[i] = ok ? READY : OUT;
    }
    return c->state[i] == READY;
}

/* The tuning file's choice, when it is still among the candidates. */
static int find_tuned(chooser *c) {
    for (int i = 0; c->rule->tuned && !c->rule->deterministic && i < c->n; i++) {
        if (!strcmp(c->list[i].name, c->rule->tuned) && ready(c, i)) return i;
    }
    return -1;
}

/* The first that is ready and modest; -1 when there is none. */
static int find_first(chooser *c) {
    for (int i = 0; i < c->n; i++) {
        if (ready(c, i) && c->workspace[i] <= c->rule->workspace) return i;
    }
    return -1;
}

/* When all want much memory: the one that wants least. */
static int find_smallest(chooser *c) {
    int best = -1;
    for (int i = 0; i < c->n; i++) {
        if (ready(c, i) && (best < 0 || c->workspace[i] < c->workspace[best])) best = i;
    }
    return best;
}

static int find_fastest(chooser *c, double *best_ms) {
    int best = -1, tried = 0;
    for (int i = 0; i < c->n && tried < BL_CONV_TIMED; i++) {
        double ms;
        if (!ready(c, i) || c->workspace[i] > c->rule->workspace) continue;
        tried++;
        if (c->trial->time(c->trial->arg, i, &ms) != BL_OK) {
            c->state[i] = OUT;
        } else if (best < 0 || ms < *best_ms) {
            best = i;
            *best_ms = ms;
        }
    }
    return best;
}

bl_status bl_conv_choose(const bl_conv_candidate *list, int n, const bl_conv_rule *rule,
                         const bl_conv_trial *trial, bl_conv_verdict *out) {
    if (n > BL_CONV_CANDIDATES) n = BL_CONV_CANDIDATES;
    chooser c = {.list = list, .n = n, .rule = rule, .trial = trial};
    double ms = 0;
    bl_error_clear();
    int pick = find_tuned(&c);
    bool timed = pick < 0 && !rule->deterministic;
    if (timed) pick = find_fastest(&c, &ms);
    if (pick < 0 && rule->deterministic) pick = find_first(&c);
    if (pick < 0) {
        timed = false;
        pick = find_smallest(&c);
    }
    if (pick < 0) {
        char why[256];
        snprintf(why, sizeof why, "%s", *bl_error() ? bl_error() : "none computes in this mode");
        return bl_fail(BL_EUNSUPPORTED, "no engine of %d fits (%s)", n, why);
    }
    *out = (bl_conv_verdict){pick, c.workspace[pick], timed ? ms : 0, timed};
    return BL_OK;
}
