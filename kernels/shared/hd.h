/* What per-element maths for host and device starts from: BL_HD, and the rules that keep such a
 * header usable by a C compiler, a C++ compiler and nvcc alike:
 *
 *     static inline BL_HD float bl_leaky(float x, float slope) { ... }
 *
 * plain C that is also C++ (no implicit conversion from void pointers, no narrowing in braces), no
 * memory of its own, float arithmetic in a fixed order, so that the CPU's tests speak for the GPU's
 * kernels. */
#ifndef BALLAST_KERNELS_SHARED_HD_H
#define BALLAST_KERNELS_SHARED_HD_H

#include "core/hd.h"

#endif
