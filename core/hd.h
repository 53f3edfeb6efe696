/* BL_HD marks an inline function that host code and GPU kernels share. */
#ifndef BALLAST_CORE_HD_H
#define BALLAST_CORE_HD_H

#if defined(__CUDACC__)
#define BL_HD __host__ __device__
#else
#define BL_HD
#endif

#endif
