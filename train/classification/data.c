#include "train/classification/data.h"

#include <stdlib.h>

#include "core/log.h"

static bl_status label_list(const bl_classify_set *set, const int32_t *image, int32_t n,
                            int32_t **out) {
    *out = malloc(sizeof **out * ((size_t)n + 1));
    if (!*out) return bl_no_memory("for %d labels", (int)n);
    for (int32_t i = 0; i < n; i++) (*out)[i] = set->labels[image[i]];
    return BL_OK;
}

static bl_status make_labelled(bl_classify_run_data *d) {
    bl_classify_items *l = &d->labelled;
    *l = (bl_classify_items){
        .set = d->sets.train, .n = d->split->n_labelled, .image = d->split->labelled};
    if (l->n == 0)
        return bl_fail(BL_ECONFIG, "no labelled images: set longtail.labelled_head above 0");
    BL_TRY(label_list(l->set, l->image, l->n, &d->labels));
    l->label = d->labels;
    for (int32_t i = 0; i < l->n; i++) d->labelled_counts[d->labels[i]]++;
    return BL_OK;
}

static bl_status make_unlabelled(bl_classify_run_data *d) {
    bl_classify_items *u = &d->unlabelled;
    *u = (bl_classify_items){.set = d->sets.unlabelled ? d->sets.unlabelled : d->sets.train,
                             .n = d->split->n_unlabelled,
                             .image = d->split->unlabelled};
    BL_TRY(label_list(u->set, u->image, u->n, &d->truth));
    u->label = d->truth;
    for (int32_t i = 0; i < u->n; i++)
        if (d->truth[i] >= 0 && d->truth[i] < d->sets.train->n_classes)
            d->unlabelled_counts[d->truth[i]]++;
    return BL_OK;
}

static bl_status make_validation(bl_classify_run_data *d) {
    bl_classify_items *v = &d->validation;
    *v = (bl_classify_items){
        .set = d->sets.train, .n = d->split->n_validation, .image = d->split->validation};
    BL_TRY(label_list(v->set, v->image, v->n, &d->held));
    v->label = d->held;
    return BL_OK;
}

bl_status bl_classify_run_data_open(const bl_run_config *cfg, bl_classify_run_data *out) {
    *out = (bl_classify_run_data){0};
    bl_status status;
    BL_TRY_DONE(bl_classify_data_load(&cfg->images, &out->sets));
    if (out->sets.n_skipped)
        BL_WARN("%s: left out %lld images that cannot be read", cfg->images.path,
                (long long)out->sets.n_skipped);
    bl_classify_set *train = out->sets.train, *test = out->sets.test;
    BL_TRY_DONE(bl_longtail_make(&cfg->longtail, train, out->sets.unlabelled, &out->split));
    out->labelled_counts = calloc((size_t)train->n_classes, sizeof *out->labelled_counts);
    out->unlabelled_counts = calloc((size_t)train->n_classes, sizeof *out->unlabelled_counts);
    if (!out->labelled_counts || !out->unlabelled_counts) {
        status = bl_no_memory("for class counts");
        goto done;
    }
    BL_TRY_DONE(make_labelled(out));
    BL_TRY_DONE(make_unlabelled(out));
    BL_TRY_DONE(make_validation(out));
    if (test && test->n_classes != train->n_classes)
        status = bl_fail(BL_EFORMAT, "%s has %d classes but %s has %d; class lists must be equal",
                         test->name, (int)test->n_classes, train->name, (int)train->n_classes);
done:
    if (status != BL_OK) bl_classify_run_data_close(out);
    return status;
}

void bl_classify_run_data_close(bl_classify_run_data *d) {
    bl_longtail_free(d->split);
    bl_classify_data_free(&d->sets);
    free(d->labelled_counts);
    free(d->unlabelled_counts);
    free(d->labels);
    free(d->truth);
    free(d->held);
    *d = (bl_classify_run_data){0};
}
