/* The CPU backend's plan cache: oneDNN engine and stream, shared scratch memory, timed choices. */
#ifndef BALLAST_KERNELS_CPU_PLANS_H
#define BALLAST_KERNELS_CPU_PLANS_H

#include "kernels/kernels.h"

struct bl_plans {
    int deterministic;
};

#endif
