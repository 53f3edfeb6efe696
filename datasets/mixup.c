#include "datasets/mixup.h"

static double uniform(bl_rng *rng) { /* in (0, 1) */
    return ((double)bl_rng_u32(rng) + 0.5) * 0x1p-32;
}

static double normal(bl_rng *rng) {
    return sqrt(-2 * log(uniform(rng))) * cos(2 * M_PI * uniform(rng));
}

/* log of a Gamma(shape, 1) variate: small shapes give values that underflow. */
static double log_gamma_variate(double shape, bl_rng *rng) {
    double boost = 0; /* Gamma(a) = Gamma(a + 1) U^(1/a) */
    if (shape < 1) {
        boost = log(uniform(rng)) / shape;
        shape += 1;
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = normal(rng), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (log(uniform(rng)) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v) + boost;
    }
}

float bl_mixup_lambda(double alpha, bl_rng *rng) {
    double a = log_gamma_variate(alpha, rng), b = log_gamma_variate(alpha, rng);
    return (float)(1 / (1 + exp(b - a)));
}

void bl_mixup(const float *a, const float *b, float lambda, int64_t n, float *dst) {
    float rest = 1 - lambda;
    for (int64_t i = 0; i < n; i++) dst[i] = lambda * a[i] + rest * b[i];
}
