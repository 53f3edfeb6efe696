/* A plug-in of classification: a pseudo-label teaches when it leads the next class by a margin.
 *
 *     margin CONFIG OUT [KEY=VALUE]...      e.g. method.plugins=["margin"] method.margin.lead=0.3 */
#include <stdlib.h>

#include "ballast/plugin.h"

typedef struct {
    double lead;
} settings;

static const bl_field rows[] = {BL_ROW_REAL(settings, lead, "0.5", 0, 1, NULL,
                                            "Least distance of the two greatest probabilities."),
                                BL_ROWS_END};
static const bl_schema section = {"method.margin", "Pseudo-labels by their lead.", sizeof(settings),
                                  rows};

typedef struct {
    bl_plugin base;
    const settings *cfg;
    double kept, seen; /* since the last report */
} margin;

static bl_status choose(bl_plugin *p, bl_classify_step *s, bl_classify_pseudo *q) {
    (void)s;
    margin *m = (margin *)p;
    for (int32_t i = 0; i < q->n; i++) {
        double second = 0;
        for (int32_t c = 0; c < q->classes; c++)
            if (c != q->label[i] && q->p[i * q->classes + c] > second)
                second = q->p[i * q->classes + c];
        q->weight[i] = q->confidence[i] - second >= m->cfg->lead;
        m->kept += q->weight[i];
    }
    m->seen += q->n;
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    margin *m = (margin *)p;
    if (m->seen > 0) bl_metrics_number(line, "margin_kept", m->kept / m->seen);
    m->kept = m->seen = 0;
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    margin *m = (margin *)p;
    BL_TRY(bl_state_numbers(io, "margin.kept", &m->kept, 1));
    return bl_state_numbers(io, "margin.seen", &m->seen, 1);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    (void)w;
    margin *m = calloc(1, sizeof *m);
    if (!m) return bl_no_memory("for margin");
    m->cfg = bl_classify_settings(cfg, "margin");
    *out = &m->base;
    return BL_OK;
}

static const bl_classify_plugin_type type = {.plugin = {"margin", .claims = BL_CLAIM_THRESHOLD,
                                                        .section = &section, .report = report,
                                                        .state = state, .destroy = destroy},
                                             .unlabelled = true,
                                             .create = create,
                                             .select = choose};

int main(int argc, char **argv) {
    bl_run_config cfg;
    bl_arena *arena = bl_arena_create(0);
    bl_status status = argc < 3 ? bl_fail(BL_EINVAL, "margin CONFIG OUT [KEY=VALUE]...")
                                : bl_add_classification_plugin(&type);
    const char *const *settings_of = (const char *const *)argv + 3;
    if (status == BL_OK) status = bl_run_config_load(argv[1], settings_of, argc - 3, arena, &cfg);
    if (status == BL_OK)
        status = bl_train(&cfg, &(bl_train_options){.out_dir = argv[2], .command_line = argv[0]});
    if (status != BL_OK) fprintf(stderr, "margin: %s\n", bl_error());
    bl_arena_destroy(arena);
    return status != BL_OK;
}
