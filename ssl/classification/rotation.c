/* Self-supervised pre-training by rotation (Gidaris et al., ICLR 2018; for imbalanced learning:
 * Yang and Xu, NeurIPS 2020): which quarter turn was each image of the labelled list given? Labels
 * are not used. A later run takes the backbone by run.init_from with run.init_skip = ["head."]. */

#include <stdlib.h>

#include "ssl/classification/method.h"

enum { TURNS = 4, SEEN = 0, RIGHT = 1 };
static const char HEAD[] = "rotation";

typedef struct {
    bl_plugin base;
    int head;
    double window[2]; /* images seen and right since the last log line */
} rotation;

static bl_status learn(bl_plugin *p, bl_classify_step *s) {
    rotation *r = (rotation *)p;
    int32_t n = s->x.n;
    int32_t *turn = BL_NEW_ARRAY(s->ctx->arena, int32_t, n);
    if (!turn) return BL_ENOMEM;
    for (int32_t i = 0; i < n; i++) turn[i] = s->labelled->turn[i]; /* of view 0 */
    BL_TRY(bl_classify_extract(s, 0, true, BL_CLASSIFY_LABELLED, 0, &s->x.z));
    bl_tensor *logits, *loss;
    const float *host;
    BL_TRY(bl_classify_logits(s, &s->x, r->head, &logits));
    BL_TRY(bl_classify_host_logits(s, &s->x, r->head, &host));
    for (int32_t i = 0; i < n; i++) {
        int best = 0;
        for (int c = 1; c < TURNS; c++)
            if (host[TURNS * i + c] > host[TURNS * i + best]) best = c;
        r->window[SEEN] += 1;
        r->window[RIGHT] += best == turn[i];
    }
    BL_TRY(bl_softmax_loss(s->ctx, logits, turn, NULL, 0, 1.0f / (float)n, &loss));
    bl_add_loss(s->out, HEAD, loss, 1);
    return BL_OK;
}

static bl_status report(bl_plugin *p, int64_t t, bl_metrics *line) {
    (void)t;
    rotation *r = (rotation *)p;
    if (r->window[SEEN] > 0)
        bl_metrics_number(line, "rotation_accuracy", r->window[RIGHT] / r->window[SEEN]);
    r->window[SEEN] = r->window[RIGHT] = 0;
    return BL_OK;
}

static bl_status state(bl_plugin *p, bl_state_io *io) {
    return bl_state_numbers(io, "rotation.window", ((rotation *)p)->window, 2);
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status needs(const bl_classify_method_config *cfg, int32_t classes,
                       bl_classify_needs *n) {
    (void)cfg;
    (void)classes;
    n->pretext = true;
    n->labelled_view[0] = BL_CLASSIFY_ROTATION;
    return bl_classify_need_head(
        n, &(bl_head_spec){.name = HEAD, .kind = BL_HEAD_LINEAR, .out = TURNS});
}

static bl_status create(const bl_classify_method_config *cfg, bl_classify_world *w,
                        bl_plugin **out) {
    (void)cfg;
    rotation *r = calloc(1, sizeof *r);
    if (!r) return bl_no_memory("for the learner");
    r->head = bl_classifier_find(w->model[0], HEAD);
    *out = &r->base;
    return BL_OK;
}

const bl_classify_plugin_type bl_rotation_plugin = {.plugin = {.name = "rotation",
                                                               .base = true,
                                                               .report = report,
                                                               .state = state,
                                                               .destroy = destroy},
                                                    .needs = needs,
                                                    .create = create,
                                                    .learn = learn};
