#include "core/json_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/real_text.h"

/* Appends a digit while 19 of them fit; false when it had to be left out. */
static inline bool append(bl_number *s, int *digits, uint8_t c) {
    if (*digits >= 19) return false;
    s->mantissa = s->mantissa * 10 + (uint64_t)(c - '0');
    *digits += s->mantissa != 0;
    return true;
}

const uint8_t *bl_number_scan(const uint8_t *p, const uint8_t *end, bl_number *s) {
    *s = (bl_number){.exact = true, .whole = true};
    int digits = 0;
    if (p < end && *p == '-') {
        s->neg = true;
        p++;
    }
    if (p == end || !bl_digit(*p)) return NULL;
    if (*p == '0' && p + 1 < end && bl_digit(p[1])) return NULL;
    for (; p < end && bl_digit(*p); p++)
        if (!append(s, &digits, *p)) s->exact = false;
    if (p < end && *p == '.') {
        s->whole = false;
        p++;
        if (p == end || !bl_digit(*p)) return NULL;
        for (; p < end && bl_digit(*p); p++) {
            if (append(s, &digits, *p))
                s->exp10--;
            else if (*p != '0')
                s->exact = false;
        }
    }
    if (p < end && (*p | 0x20) == 'e') {
        s->whole = false;
        bool neg = false;
        int e = 0;
        p++;
        if (p < end && (*p == '+' || *p == '-')) neg = *p++ == '-';
        if (p == end || !bl_digit(*p)) return NULL;
        for (; p < end && bl_digit(*p); p++)
            if (e < 100000) e = e * 10 + (*p - '0');
        s->exp10 += neg ? -e : e;
    }
    return p;
}

typedef unsigned __int128 uint128;

/* mantissa / 10^k for k = 1..19, rounded to nearest even: 65 or more bits of the quotient decide,
 * and whether anything is left. What exporters write (17 digits) is of this kind. */
static double divide(uint64_t mantissa, int k) {
    static const uint64_t powers[] = {1ull,
                                      10ull,
                                      100ull,
                                      1000ull,
                                      10000ull,
                                      100000ull,
                                      1000000ull,
                                      10000000ull,
                                      100000000ull,
                                      1000000000ull,
                                      10000000000ull,
                                      100000000000ull,
                                      1000000000000ull,
                                      10000000000000ull,
                                      100000000000000ull,
                                      1000000000000000ull,
                                      10000000000000000ull,
                                      100000000000000000ull,
                                      1000000000000000000ull,
                                      10000000000000000000ull};
    int up = __builtin_clzll(mantissa), down = __builtin_clzll(powers[k]);
    /* both with their top bit set, the quotient of 2^62 times one by the other has 62 or 63 bits */
    uint128 n = (uint128)(mantissa << up) << 62;
    uint64_t d = powers[k] << down, q = (uint64_t)(n / d), left = (uint64_t)(n % d);
    int extra = 64 - __builtin_clzll(q) - 53; /* bits to round away */
    uint64_t kept = q >> extra, rest = q & ((1ull << extra) - 1), half = 1ull << (extra - 1);
    kept += rest > half || (rest == half && (left || (kept & 1)));
    return ldexp((double)kept, extra - 62 - up + down);
}

/* Mantissas up to 2^53 and powers up to 10^22 are exact doubles, so one operation rounds correctly
 * (Clinger, "How to read floating point numbers accurately", PLDI 1990); the rest
 * goes to strtod. */
double bl_number_value(const bl_number *s, const uint8_t *p, const uint8_t *end) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (s->exact && s->mantissa <= (1ull << 53) && s->exp10 >= -22 && s->exp10 <= 22) {
        double v = (double)s->mantissa;
        v = s->exp10 < 0 ? v / powers[-s->exp10] : v * powers[s->exp10];
        return s->neg ? -v : v;
    }
    if (s->exact && s->mantissa && s->exp10 < 0 && s->exp10 >= -19) {
        double v = divide(s->mantissa, -s->exp10);
        return s->neg ? -v : v;
    }
    char buf[BL_NUMBER_MAX + 1];
    size_t n = (size_t)(end - p);
    memcpy(buf, p, n);
    buf[n] = 0;
    return bl_real_parse(buf, NULL);
}

int bl_hex4(const uint8_t *p) {
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], l = c | 0x20;
        int d = bl_digit((uint8_t)c) ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
        if (d < 0) return -1;
        v = v * 16 + d;
    }
    return v;
}

size_t bl_utf8_put(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 63));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Unicode 15, table 3-7. */
size_t bl_utf8_length(const uint8_t *p, const uint8_t *end) {
    uint8_t a = p[0], lo = 0x80, hi = 0xBF;
    size_t n = a < 0xC2 ? 0 : a <= 0xDF ? 2 : a <= 0xEF ? 3 : a <= 0xF4 ? 4 : 0;
    if (n == 0 || (size_t)(end - p) < n) return 0;
    if (a == 0xE0) lo = 0xA0; /* overlong */
    if (a == 0xED) hi = 0x9F; /* surrogates */
    if (a == 0xF0) lo = 0x90; /* overlong */
    if (a == 0xF4) hi = 0x8F; /* above U+10FFFF */
    if (p[1] < lo || p[1] > hi) return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return n;
}
