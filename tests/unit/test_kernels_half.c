/* The 16-bit formats against their definition: every value, and the floats around every border
 * between two of them. */
#include <math.h>

#include "kernels/shared/half.h"
#include "tests/check.h"

typedef struct format {
    const char *name;
    int exponent_bits, mantissa_bits;
    float (*value)(uint16_t);
    uint16_t (*of)(float);
} format;

/* What the bits of a finite number mean. */
static double meaning(const format *f, uint16_t h) {
    int bias = (1 << (f->exponent_bits - 1)) - 1, e = (h & 0x7fff) >> f->mantissa_bits;
    int m = h & ((1 << f->mantissa_bits) - 1);
    double v = e == 0 ? ldexp(m, 1 - bias - f->mantissa_bits)
                      : ldexp(m + (1 << f->mantissa_bits), e - bias - f->mantissa_bits);
    return h & 0x8000 ? -v : v;
}

static uint16_t infinity_of(const format *f) {
    return (uint16_t)(0x7fff & ~((1 << f->mantissa_bits) - 1));
}

static void every_value(const format *f) {
    uint16_t inf = infinity_of(f);
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i, size = h & 0x7fff;
        float v = f->value(h);
        if (size > inf) {
            CHECK(isnan(v));
            CHECK_EQ(f->of(v), 0x7fff);
            continue;
        }
        if (size == inf) {
            CHECK(isinf(v));
        } else {
            CHECK(v == (float)meaning(f, h) && (double)v == meaning(f, h));
        }
        CHECK_EQ(signbit(v) != 0, h >> 15);
        CHECK_EQ(f->of(v), h);
    }
}

/* Rounding is monotonic, so what happens at each border decides about every float. */
static void every_border(const format *f) {
    uint16_t inf = infinity_of(f);
    for (uint16_t h = 0; h < inf; h++) {
        /* Beyond the largest number stands what would come next if exponents went on. */
        double above = h + 1 < inf ? meaning(f, (uint16_t)(h + 1))
                                   : 2 * meaning(f, h) - meaning(f, (uint16_t)(h - 1));
        float border = (float)((meaning(f, h) + above) / 2);
        CHECK((double)border == (meaning(f, h) + above) / 2);
        for (int s = 0; s < 2; s++) {
            float sign = s ? -1.0f : 1.0f;
            uint16_t low = (uint16_t)(h | s << 15), high = (uint16_t)(low + 1);
            CHECK_EQ(f->of(sign * border), h & 1 ? high : low);
            CHECK_EQ(f->of(sign * nextafterf(border, 0)), low);
            CHECK_EQ(f->of(sign * nextafterf(border, INFINITY)), high);
        }
    }
    CHECK_EQ(f->of(3.4028235e38f), inf);
    CHECK_EQ(f->of(-3.4028235e38f), 0x8000 | inf);
    CHECK_EQ(f->of(-1e-45f), 0x8000); /* the smallest float is below half of either's denormals */
}

int main(void) {
    const format formats[] = {{"bf16", 8, 7, bl_bf16_value, bl_bf16_of},
                              {"fp16", 5, 10, bl_f16_value, bl_f16_of}};
    for (int i = 0; i < 2; i++) {
        every_value(&formats[i]);
        every_border(&formats[i]);
        printf("%s: ok\n", formats[i].name);
    }
    return 0;
}
