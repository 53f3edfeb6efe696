/* A plug-in of detection: pseudo boxes below a least side do not teach classification.
 *
 *     least_box CONFIG OUT [KEY=VALUE]...      e.g. method.plugins=["least_box"] method.least_box.side=8 */
#include <stdlib.h>

#include "ballast/plugin.h"

typedef struct {
    double side;
} settings;

static const bl_field rows[] = {
    BL_ROW_REAL(settings, side, "8", 0, 10000, "px", "Least width and height of a pseudo box."),
    BL_ROWS_END};
static const bl_schema section = {"method.least_box", "Small pseudo boxes do not teach.",
                                  sizeof(settings), rows};

typedef struct {
    bl_plugin base;
    const settings *cfg;
    double seen[2]; /* let through and refused since the last report */
} least_box;

static bool keep(const bl_plugin *p, const bl_pseudo *c, int32_t i, bl_pseudo_use use) {
    least_box *l = (least_box *)p;
    double w = (double)c->box[i].x2 - c->box[i].x1, h = (double)c->box[i].y2 - c->box[i].y1;
    bool small = use == BL_TEACHES_CLASS && (w < l->cfg->side || h < l->cfg->side);
    l->seen[small] += 1;
    return !small;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    double *seen = ((least_box *)p)->seen;
    bl_metrics_number(line, "least_box_refused", seen[1]);
    seen[0] = seen[1] = 0;
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    return bl_state_numbers(io, "least_box.seen", ((least_box *)p)->seen, 2);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    (void)w;
    least_box *l = calloc(1, sizeof *l);
    if (!l) return bl_no_memory("for least_box");
    l->cfg = bl_method_settings(cfg, "least_box");
    *out = &l->base;
    return BL_OK;
}

static const bl_detection_plugin_type type = {.plugin = {"least_box", .section = &section,
                                                         .report = report, .state = state,
                                                         .destroy = destroy},
                                              .create = create,
                                              .keep = keep};

int main(int argc, char **argv) {
    bl_run_config cfg;
    bl_arena *arena = bl_arena_create(0);
    bl_status status = argc < 3 ? bl_fail(BL_EINVAL, "least_box CONFIG OUT [KEY=VALUE]...")
                                : bl_add_detection_plugin(&type);
    const char *const *settings_of = (const char *const *)argv + 3;
    if (status == BL_OK) status = bl_run_config_load(argv[1], settings_of, argc - 3, arena, &cfg);
    if (status == BL_OK)
        status = bl_train(&cfg, &(bl_train_options){.out_dir = argv[2], .command_line = argv[0]});
    if (status != BL_OK) fprintf(stderr, "least_box: %s\n", bl_error());
    bl_arena_destroy(arena);
    return status != BL_OK;
}
