/* The pull reader's numbers, to the last bit, and its limit of depth. */
#include "core/json_pull.h"

#include "core/rng.h"
#include "datasets/annotations/dataset.h"
#include "tests/check.h"

static void deep_nesting_is_refused(void) {
    static const char *const heads[] = {"{\"x\":", ""};
    for (int k = 0; k < 2; k++) {
        char text[5000];
        size_t n = (size_t)snprintf(text, sizeof text, "%s", heads[k]);
        memset(text + n, '[', sizeof text - n);
        bl_dataset *d;
        if (k == 0)
            CHECK_FAILS(bl_coco_read_memory(text, sizeof text, "t.json", "", NULL, &d), BL_EFORMAT,
                        "nested deeper than 64");
        bl_pull *j;
        CHECK_OK(bl_pull_open_memory(text, sizeof text, "t.json", &j));
        if (k == 1) {
            bl_status s = BL_OK;
            for (int depth = 0; s == BL_OK; depth++) {
                CHECK(depth <= BL_PULL_MAX_DEPTH);
                s = bl_pull_array(j);
            }
            CHECK(strstr(bl_error(), "nested deeper"));
        }
        bl_pull_close(j);
    }
}

static void check_number(const char *word) {
    bl_pull *j;
    double v, want = strtod(word, NULL);
    CHECK_OK(bl_pull_open_memory(word, strlen(word), "n", &j));
    CHECK_OK(bl_pull_number(j, &v));
    CHECK_OK(bl_pull_end(j));
    bl_pull_close(j);
    if (memcmp(&v, &want, sizeof v) != 0) printf("%s: %.17g, not %.17g\n", word, v, want);
    CHECK(memcmp(&v, &want, sizeof v) == 0);
}

/* What exporters write, and what is hard: up to 20 digits with the point anywhere, and numbers half
 * way between two doubles. */
static void random_numbers_round_like_strtod(void) {
    static const char *const halves[] = {".5", ".25", ".75", ".125", ".5000000000000000000001"};
    bl_rng rng = bl_rng_make(11, 0);
    char word[64], digits[32];
    for (int i = 0; i < 40000; i++) {
        uint64_t bits = (uint64_t)bl_rng_u32(&rng) << 32 | bl_rng_u32(&rng);
        double x = (double)bits * 0x1p-64;
        int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)bits >> bits % 60);
        switch (i % 4) {
        case 0:
            snprintf(word, sizeof word, "%.17g", x);
            break;
        case 1:
            snprintf(word, sizeof word, "%.*f", (int)(bits % 17), x * 640);
            break;
        case 2: {
            int point = (int)bl_rng_below(&rng, (uint32_t)n + 3);
            if (point >= n)
                snprintf(word, sizeof word, "-0.%.*s%s", point - n, "00", digits);
            else
                snprintf(word, sizeof word, "-%.*s.%s", n - point, digits,
                         point ? digits + n - point : "0");
            break;
        }
        default: /* 2^50 to 2^53 and a half, a quarter, ... */
            snprintf(word, sizeof word, "%llu%s",
                     (unsigned long long)((1ull << (50 + bits % 3)) + (bits >> 14)),
                     halves[i / 4 % 5]);
        }
        check_number(word);
    }
}

static void numbers_round_like_strtod(void) {
    static const char *const words[] = {"0",
                                        "-0.0",
                                        "61.87",
                                        "18234.62355",
                                        "0.1",
                                        "1e22",
                                        "1e23",
                                        "9007199254740993",
                                        "179769313486231570000000000000000000000e270",
                                        "4.9e-324",
                                        "2.2250738585072011e-308",
                                        "123456789012345678901234567890",
                                        "0.000000000000000000000000000000123456789",
                                        "1.00000000000000011102230246251565404236316680908203125",
                                        "7.2057594037927933e16",
                                        "3.141592653589793238462643383279",
                                        "100000000000000000000e-20",
                                        "0.30000000000000000000"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) check_number(words[i]);
    bl_pull *j;
    int64_t v;
    CHECK_OK(bl_pull_open_memory("9223372036854775807", 19, "n", &j));
    CHECK_OK(bl_pull_int(j, &v));
    CHECK_EQ(v, INT64_MAX);
    bl_pull_close(j);
    CHECK_OK(bl_pull_open_memory("9223372036854775808", 19, "n", &j));
    CHECK_FAILS(bl_pull_int(j, &v), BL_EFORMAT, "beyond the 64 bits of a whole one");
    bl_pull_close(j);
}

int main(void) {
    deep_nesting_is_refused();
    numbers_round_like_strtod();
    random_numbers_round_like_strtod();
    return 0;
}
