#include "core/paired.h"

#include <math.h>

/* Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4: with whole degrees
 * of freedom the probability of |T| < t is a finite sum in the angle atan(t / sqrt(freedom)). */
double bl_student_tail(double t, int32_t freedom) {
    double angle = atan(fabs(t) / sqrt(freedom)), c = cos(angle), s = sin(angle), term, sum;
    if (freedom % 2 == 0) {
        term = sum = 1;
        for (int32_t k = 2; k < freedom; k += 2) sum += term *= c * c * (k - 1) / k;
        return 1 - s * sum;
    }
    term = c;
    sum = 0;
    for (int32_t k = 1; k < freedom; k += 2) {
        sum += term;
        term *= c * c * (k + 1) / (k + 2);
    }
    return 1 - M_2_PI * (angle + s * sum);
}

bl_paired bl_paired_test(const double *a, const double *b, int32_t n) {
    bl_paired r = {0, NAN, NAN, NAN, NAN};
    double mean = 0, squares = 0;
    for (int32_t i = 0; i < n; i++) {
        double d = a[i] - b[i];
        if (isnan(d)) continue;
        double before = d - mean;
        mean += before / ++r.n;
        squares += before * (d - mean);
    }
    if (r.n > 0) r.mean = mean;
    if (r.n < 2) return r;
    r.std = sqrt(squares / (r.n - 1));
    if (r.std == 0 && mean == 0) return r;
    r.t = mean / (r.std / sqrt(r.n));
    r.p = bl_student_tail(r.t, r.n - 1);
    return r;
}
