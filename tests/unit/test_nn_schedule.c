/* Learning-rate schedules against values worked out by hand. */
#include "nn/schedule.h"
#include "tests/check.h"

int main(void) {
    bl_schedule_config c;
    bl_arena *a = bl_arena_create(0);
    CHECK_OK(bl_config_load(&bl_schedule_schema, NULL, NULL, 0, a, &c));
    CHECK_EQ(c.kind, BL_SCHEDULE_STEP);
    /* 90k: steps at 60003 and 80001; 500 iterations of warm-up from 0.001. */
    CHECK_NEAR(bl_schedule_factor(&c, 0, 90000), 0.001, 1e-15);
    CHECK_NEAR(bl_schedule_factor(&c, 250, 90000), 0.001 + 0.999 * 0.5, 1e-15);
    CHECK_NEAR(bl_schedule_factor(&c, 500, 90000), 1, 0);
    CHECK_NEAR(bl_schedule_factor(&c, 60002, 90000), 1, 0);
    CHECK_NEAR(bl_schedule_factor(&c, 60003, 90000), 0.1, 1e-15);
    CHECK_NEAR(bl_schedule_factor(&c, 89999, 90000), 0.01, 1e-15);

    double steps[] = {120000, 160000};
    c = (bl_schedule_config){.kind = BL_SCHEDULE_STEP, .steps = {2, steps}, .gamma = 0.1};
    CHECK_NEAR(bl_schedule_factor(&c, 0, 180000), 1, 0);
    CHECK_NEAR(bl_schedule_factor(&c, 119999, 180000), 1, 0);
    CHECK_NEAR(bl_schedule_factor(&c, 120000, 180000), 0.1, 1e-15);
    CHECK_NEAR(bl_schedule_factor(&c, 160000, 180000), 0.01, 1e-15);

    c = (bl_schedule_config){.kind = BL_SCHEDULE_COSINE, .cycles = 0.4375};
    CHECK_NEAR(bl_schedule_factor(&c, 0, 1000), 1, 0);
    CHECK_NEAR(bl_schedule_factor(&c, 500, 1000), 0.7730104533627370, 1e-14);
    CHECK_NEAR(bl_schedule_factor(&c, 1000, 1000), 0.1950903220161283, 1e-14);
    c.cycles = 0.5;
    CHECK_NEAR(bl_schedule_factor(&c, 2000, 1000), 0, 0);

    c = (bl_schedule_config){.kind = BL_SCHEDULE_CONSTANT, .warmup = 4, .warmup_ratio = 0};
    CHECK_NEAR(bl_schedule_factor(&c, 1, 10), 0.25, 0);
    CHECK_NEAR(bl_schedule_factor(&c, 9, 10), 1, 0);

    c = (bl_schedule_config){.kind = BL_SCHEDULE_COSINE, .cycles = 0.0625};
    CHECK_NEAR(bl_schedule_factor(&c, 1000, 1000), 0.98079, 5e-6);

    /* torch 2.x: CosineAnnealingLR(T_max=10) from lr 1, stepped once an epoch of 97 (cRT, MoCo). */
    static const double annealed[] = {1.0,
                                      0.97552825814757682,
                                      0.90450849718747373,
                                      0.79389262614623668,
                                      0.65450849718747373,
                                      0.50000000000000011,
                                      0.34549150281252639,
                                      0.20610737385376349,
                                      0.095491502812526288,
                                      0.024471741852423234};
    c = (bl_schedule_config){.kind = BL_SCHEDULE_COSINE_ANNEALING, .every = 97};
    for (int e = 0; e < 10; e++) {
        CHECK_NEAR(bl_schedule_factor(&c, 97 * e, 970), annealed[e], 1e-12);
        CHECK_NEAR(bl_schedule_factor(&c, 97 * e + 96, 970), annealed[e], 1e-12);
    }

    /* LDAM's schedule, set once an epoch of 97: e/5 in epochs 1..5, 1 to 160, then 1/100 twice. */
    double at[] = {15520, 17460};
    c = (bl_schedule_config){.kind = BL_SCHEDULE_STEP,
                             .steps = {2, at},
                             .gamma = 0.01,
                             .warmup = 388,
                             .warmup_ratio = 0.2,
                             .every = 97};
    for (int e = 1; e <= 200; e++) {
        double want = e <= 5 ? e / 5.0 : e <= 160 ? 1 : e <= 180 ? 0.01 : 0.0001;
        CHECK_NEAR(bl_schedule_factor(&c, 97 * (e - 1), 19400), want, 1e-12);
        CHECK_NEAR(bl_schedule_factor(&c, 97 * e - 1, 19400), want, 1e-12);
    }
    bl_arena_destroy(a);
    return 0;
}
