/* EQL (Tan et al., "Equalization Loss for Long-Tailed Object Recognition", CVPR 2020): the RoI
 * classifier as K sigmoids, without an output for the background, in which foreground rows of other
 * classes do not push rare classes down:
 *
 *   w_ij = 1 - [row i is foreground] [f_j < lambda] (1 - t_ij)
 *   loss = sum_ij w_ij BCE(z_ij, t_ij) / rows
 *
 * f_j is the share of annotated images that hold class j. A background row is no t at all; the score
 * of the background is 1 - the largest of the others. */
#include <stdlib.h>

#include "core/rows.h"
#include "ssl/detection/host_rows.h"
#include "ssl/detection/image_classes.h"

typedef struct bl_eql_v1_config {
    double lambda, prior;
} bl_eql_v1_config;

static const bl_field fields[] = {
    BL_ROW_REAL(
        bl_eql_v1_config, lambda, "0.00177", 0, 1, NULL,
        "Classes in a smaller share of the annotated images are rare; 0.00177 was chosen for "
        "LVIS v0.5, 0.0011 for v1."),
    BL_ROW_REAL(bl_eql_v1_config, prior, "0.001", 1e-9, 0.5, NULL,
                "Score of every class at the start, by the classifier's bias."),
    BL_ROWS_END};
static const bl_schema section = {"method.eql_v1",
                                  "Equalization loss of 2020 (plug-in \"eql_v1\").",
                                  sizeof(bl_eql_v1_config), fields};

typedef struct {
    bl_plugin base;
    int32_t classes;
    bool rare[]; /* [K] */
} eql_v1;

static bl_status roi_loss(bl_plugin *p, bl_detection_step *s, const bl_roi_rows *r,
                          bl_tensor **loss) {
    const eql_v1 *e = (const eql_v1 *)p;
    int32_t k = e->classes;
    bl_host_rows h;
    BL_TRY(bl_host_rows_read(s, r, k, &h));
    double value = 0;
    for (int64_t i = 0; i < h.n; i++)
        for (int32_t j = 0; j < k; j++) {
            double z = h.z[i * k + j], target = h.label[i] == j;
            if (h.label[i] < k && e->rare[j] && !target) continue;
            value += h.weight[i] * bl_sigmoid_loss(z, target);
            h.gradient[i * k + j] = (float)(h.weight[i] * (bl_sigmoid(z) - target));
        }
    return bl_host_rows_loss(s, r, &h, value, loss);
}

static void classifier(const bl_method_config *cfg, int32_t classes, bl_roi_classifier *c) {
    c->outputs = classes;
    c->prior = ((const bl_eql_v1_config *)bl_method_settings(cfg, "eql_v1"))->prior;
    c->scores = bl_scores_of_sigmoids;
}

static void destroy(bl_plugin *p) {
    free(p);
}

static bl_status find_rare(eql_v1 *e, const bl_dataset *d, double lambda) {
    bl_image_classes lists;
    void *memory;
    int64_t *images = calloc((size_t)e->classes, sizeof *images);
    if (!images) return bl_no_memory("for the equalization loss");
    bl_status status = bl_image_classes_of(d, &lists, &memory);
    if (status == BL_OK) {
        status = bl_classify_image_counts(&lists, e->classes, images);
        free(memory);
    }
    int64_t annotated = 0;
    for (int32_t i = 0; i < d->n_images; i++) annotated += d->images[i].n_anns > 0;
    for (int32_t j = 0; j < e->classes; j++)
        e->rare[j] = (double)images[j] < lambda * (double)annotated;
    free(images);
    return status;
}

static bl_status create(const bl_method_config *cfg, bl_detection_world *w, bl_plugin **out) {
    const bl_eql_v1_config *c = bl_method_settings(cfg, "eql_v1");
    eql_v1 *e = calloc(1, sizeof *e + sizeof *e->rare * (size_t)w->classes);
    if (!e) return bl_no_memory("for the equalization loss");
    e->classes = w->classes;
    bl_status status = find_rare(e, w->labelled, c->lambda);
    if (status == BL_OK) {
        *out = &e->base;
    } else {
        free(e);
    }
    return status;
}

const bl_detection_plugin_type bl_eql_v1_plugin = {
    .plugin = {.name = "eql_v1",
               .claims = BL_CLAIM_LOSS | BL_CLAIM_PREDICTION,
               .section = &section,
               .destroy = destroy},
    .classifier = classifier,
    .create = create,
    .roi_loss = roi_loss};
