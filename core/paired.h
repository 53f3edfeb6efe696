/* Student's t-test of paired differences (Student, "The probable error of a mean", Biometrika 1908):
 * whether two methods differ, from runs that share their seeds. */
#ifndef BALLAST_CORE_PAIRED_H
#define BALLAST_CORE_PAIRED_H

#include <stdint.h>

typedef struct bl_paired {
    int32_t n;   /* pairs in which both numbers are there */
    double mean; /* of a_i - b_i; NaN without a pair */
    double std;  /* their sample standard deviation; NaN below two pairs */
    double t;    /* mean / (std / sqrt(n)); NaN below two pairs or when all differences are 0 */
    double p;    /* probability of |t| or more where the means are equal, two-sided; NaN with t */
} bl_paired;

/* Pairs with a NaN are left out. */
bl_paired bl_paired_test(const double *a, const double *b, int32_t n);

/* P(|T| >= |t|) of Student's distribution with `freedom` >= 1 degrees of freedom. */
double bl_student_tail(double t, int32_t freedom);

#endif
