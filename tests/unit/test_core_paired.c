/* The paired t-test against SciPy 1.16 (scipy.stats.ttest_rel and 2 * stats.t.sf). */
#include "core/paired.h"
#include "tests/check.h"

static void test_tail(void) {
    static const struct {
        int32_t freedom;
        double p[4]; /* of t = 0, 0.5, 2, 12 */
    } known[] = {{1, {1, 0.7048327646991335, 0.2951672353008665, 0.052929352119179755}},
                 {2, {1, 0.6666666666666667, 0.18350341907227397, 0.00687293367715846}},
                 {3, {1, 0.651447964848151, 0.13932596855884305, 0.0012450158007893362}},
                 {4, {1, 0.6433299631818633, 0.11611652351681556, 0.000276428548502973}},
                 {7, {1, 0.6324071356892844, 0.08561932856297605, 6.358310378185098e-06}},
                 {10, {1, 0.627893605742973, 0.07338803477074037, 2.921408824769984e-07}},
                 {29, {1, 0.6208480841937812, 0.05494363718296717, 9.060708333137183e-13}}};
    static const double t[] = {0, 0.5, 2, 12};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int k = 0; k < 4; k++) {
            CHECK_NEAR(bl_student_tail(t[k], known[i].freedom), known[i].p[k], 1e-14);
            CHECK_NEAR(bl_student_tail(-t[k], known[i].freedom), known[i].p[k], 1e-14);
        }
}

static void test_pairs(void) {
    static const double a[] = {0.412, 0.38, 0.455, 0.401, 0.43},
                        b[] = {0.40, 0.372, 0.43, 0.399, 0.44};
    bl_paired r = bl_paired_test(a, b, 5);
    CHECK_EQ(r.n, 5);
    CHECK_NEAR(r.t, 1.285063116547296, 1e-12);
    CHECK_NEAR(r.p, 0.26813320654192346, 1e-12);
    CHECK_NEAR(r.mean, 0.0074, 1e-15);
    r = bl_paired_test(a, b, 3);
    CHECK_NEAR(r.p, 0.09981994598199409, 1e-12);
    r = bl_paired_test(a, b, 2);
    CHECK_NEAR(r.p, 0.12566591637800098, 1e-12);
}

static void test_edges(void) {
    const double a[] = {1, NAN, 2}, b[] = {0, 1, 1};
    bl_paired r = bl_paired_test(a, b, 3); /* the second pair does not count; no spread */
    CHECK_EQ(r.n, 2);
    CHECK_NEAR(r.mean, 1, 0);
    CHECK_NEAR(r.std, 0, 0);
    CHECK_NEAR(r.p, 0, 0);
    r = bl_paired_test(a, a, 3);
    CHECK(r.mean == 0 && r.std == 0 && isnan(r.t) && isnan(r.p));
    r = bl_paired_test(a, b, 1);
    CHECK(r.n == 1 && r.mean == 1 && isnan(r.std) && isnan(r.p));
    r = bl_paired_test(a, b, 0);
    CHECK(r.n == 0 && isnan(r.mean));
}

int main(void) {
    test_tail();
    test_pairs();
    test_edges();
    return 0;
}
