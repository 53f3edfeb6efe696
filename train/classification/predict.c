#include "train/classification/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balance/simplex.h"
#include "core/csv_out.h"
#include "core/fs.h"
#include "core/json_out.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/real_text.h"
#include "datasets/images/image.h"
#include "datasets/images/pil_resize.h"
#include "ssl/classification/pass.h"
#include "train/checkpoint.h"
#include "train/classification/input.h"
#include "train/classification/model.h"
#include "train/progress.h"

/* ---- what is written ---- */

typedef struct {
    FILE *f;
    bool csv, files, all; /* files: not of a set; all: every class's probability */
    char **names;         /* [k] */
    int32_t k;
    double *p; /* [k] scratch */
    int64_t written, known, right;
} writer;

/* What a prediction is of: a file, or image `index` of a set with label `truth`. */
typedef struct {
    const char *file; /* NULL: of a set */
    int32_t index, truth;
} subject;

static void write_head(const writer *w) {
    if (!w->csv) {
        fputs("[", w->f);
        return;
    }
    fputs(w->files ? "file_name" : "image,label", w->f);
    fputs(",class,class_id,probability", w->f);
    for (int32_t c = 0; w->all && c < w->k; c++) {
        char name[300];
        snprintf(name, sizeof name, "p:%s", w->names[c]);
        putc(',', w->f);
        bl_csv_put_text(w->f, name);
    }
    putc('\n', w->f);
}

static void write_csv(writer *w, const subject *s, int32_t best) {
    if (s->file) {
        bl_csv_put_text(w->f, s->file);
    } else {
        fprintf(w->f, "%d,", (int)s->index);
        if (s->truth >= 0) bl_csv_put_text(w->f, w->names[s->truth]);
    }
    putc(',', w->f);
    bl_csv_put_text(w->f, w->names[best]);
    fprintf(w->f, ",%d,%.6g", (int)best, w->p[best]);
    for (int32_t c = 0; w->all && c < w->k; c++) fprintf(w->f, ",%.6g", w->p[c]);
    putc('\n', w->f);
}

static void write_json(writer *w, const subject *s, int32_t best) {
    fputs(w->written ? ",\n  {" : "\n  {", w->f);
    if (s->file) {
        fputs("\"file_name\": ", w->f);
        bl_json_put_string(w->f, s->file);
    } else {
        fprintf(w->f, "\"image\": %d, \"label\": ", (int)s->index);
        if (s->truth >= 0)
            bl_json_put_string(w->f, w->names[s->truth]);
        else
            fputs("null", w->f);
    }
    fputs(", \"class\": ", w->f);
    bl_json_put_string(w->f, w->names[best]);
    fprintf(w->f, ", \"class_id\": %d, \"probability\": %.6g", (int)best, w->p[best]);
    for (int32_t c = 0; w->all && c < w->k; c++) {
        fputs(c ? ", " : ", \"probabilities\": {", w->f);
        bl_json_put_string(w->f, w->names[c]);
        fprintf(w->f, ": %.6g", w->p[c]);
    }
    fputs(w->all ? "}}" : "}", w->f);
}

/* BL_ENUMERIC when a logit is no number: finite weights may still overflow. */
static bl_status write_one(writer *w, const subject *s, const float *logits) {
    int32_t best;
    for (int32_t c = 0; c < w->k; c++) {
        if (logits[c] < INFINITY) continue; /* minus infinity is a class ruled out */
        return bl_fail(BL_ENUMERIC, "%s%s: the model's output for class \"%s\" is not finite",
                       s->file ? "" : "an image of the set", s->file ? s->file : "", w->names[c]);
    }
    double confidence;
    bl_softmax_rows(logits, 1, w->k, NULL, 1, w->p);
    bl_argmax_rows(w->p, 1, w->k, &best, &confidence);
    bl_point format = bl_point_begin();
    if (!w->written) write_head(w);
    (w->csv ? write_csv : write_json)(w, s, best);
    bl_point_end(format);
    w->written++;
    w->known += s->truth >= 0;
    w->right += s->truth == best;
    return BL_OK;
}

/* ---- a model and its writer ---- */

typedef struct {
    const bl_run_config *cfg;
    const bl_predict_options *opt;
    bl_ctx *ctx;
    bl_learner *learner;
    writer w;
    bl_outfile file;
} job;

/* `env` names the classes; it and the set's class names outlive the job. */
static bl_status open_job(job *j, const bl_classify_env *env, bool files) {
    const bl_predict_options *o = j->opt;
    const bl_classify_set *set = env->labelled.set;
    BL_TRY(bl_classify_model_open(j->cfg, env, o->checkpoint, !o->no_verify, o->model, NULL,
                                  &j->learner));
    j->w = (writer){.f = o->table,
                    .files = files,
                    .all = o->probabilities,
                    .names = set->class_names,
                    .k = set->n_classes};
    j->w.p = malloc((size_t)set->n_classes * sizeof *j->w.p);
    if (!j->w.p) return bl_no_memory(NULL);
    const char *dot = o->out ? strrchr(o->out, '.') : NULL;
    j->w.csv = !o->out || (dot && strcmp(dot, ".csv") == 0);
    if (o->out) {
        BL_TRY(bl_outfile_open(o->out, &j->file));
        j->w.f = j->file.f;
    }
    return BL_OK;
}

static bl_status close_job(job *j, bl_status status) {
    writer *w = &j->w;
    if (status == BL_OK && !w->written) write_head(w);
    if (status == BL_OK && !w->csv) fputs(w->written ? "\n]\n" : "]\n", w->f);
    if (status == BL_OK && j->file.f) status = bl_outfile_commit(&j->file);
    if (status == BL_OK && w->known)
        BL_INFO("%lld images, %.2f %% of %lld known labels predicted", (long long)w->written,
                100 * (double)w->right / (double)w->known, (long long)w->known);
    else if (status == BL_OK)
        BL_INFO("%lld images", (long long)w->written);
    bl_outfile_abort(&j->file);
    if (j->learner) j->learner->ops->destroy(j->learner);
    free(w->p);
    return status;
}

/* ---- files ---- */

typedef struct {
    job *j;
    const char *const *paths; /* of the chunk */
    bl_classify_set *room;
    bl_status *status;
    char (*message)[512]; /* errors are thread-local: carried back to the caller's thread */
    int32_t *row;         /* place in the chunk of each image that could be read */
    int64_t n_skipped;
} chunk;

static bl_status decode(const char *path, bl_pil_resizer *r, const bl_classify_set *room, bool exif,
                        uint8_t *dst) {
    bl_image img;
    BL_TRY(bl_image_load(path, exif, &img));
    bl_status status = bl_pil_resize(r, img.rgb, 3 * (size_t)img.width, img.width, img.height,
                                     BL_PIL_BILINEAR, dst, room->width, room->height);
    bl_image_free(&img);
    return status;
}

static void decode_range(void *arg, int64_t begin, int64_t end) {
    chunk *c = arg;
    bl_pil_resizer r = {0};
    for (int64_t i = begin; i < end; i++) {
        c->status[i] =
            decode(c->paths[i], &r, c->room, c->j->cfg->images.exif, bl_classify_image(c->room, i));
        if (c->status[i] != BL_OK) snprintf(c->message[i], sizeof c->message[i], "%s", bl_error());
    }
    bl_pil_resizer_free(&r);
}

static bl_status take_file(void *arg, int32_t first, int32_t n, const float *logits,
                           const float *features) {
    (void)features;
    chunk *c = arg;
    writer *w = &c->j->w;
    for (int32_t i = 0; i < n; i++) {
        subject s = {.file = c->paths[c->row[first + i]], .truth = BL_CLASSIFY_UNKNOWN};
        BL_TRY(write_one(w, &s, logits + (size_t)i * (size_t)w->k));
    }
    return BL_OK;
}

static bl_status one_chunk(chunk *c, int32_t n) {
    bl_parallel_for(n, 1, decode_range, c);
    int32_t good = 0;
    for (int32_t i = 0; i < n; i++) {
        if (c->status[i] == BL_OK) {
            c->row[good++] = i;
            continue;
        }
        if (!c->j->opt->skip_bad)
            return bl_fail(c->status[i], "%s (--skip-bad leaves it out)", c->message[i]);
        BL_WARN("skipped: %s", c->message[i]);
        c->n_skipped++;
    }
    bl_classify_items items = {.set = c->room, .n = good, .image = c->row};
    return bl_classify_pass(bl_classify_learner_world(c->j->learner), c->j->ctx, 0, &items, n,
                            take_file, c);
}

static bl_status each_chunk(chunk *c) {
    const bl_predict_options *o = c->j->opt;
    bl_progress bar;
    bl_progress_start(&bar, "predicting:", o->n_images);
    for (int32_t at = 0; at < o->n_images; at += c->room->n) {
        int32_t n = o->n_images - at < c->room->n ? o->n_images - at : c->room->n;
        c->paths = o->images + at;
        BL_TRY(one_chunk(c, n));
        bl_progress_update(&bar, at + n);
    }
    bl_progress_finish(&bar);
    return BL_OK;
}

static bl_status predict_files(job *j) {
    const bl_predict_options *o = j->opt;
    int64_t n = o->n_images < j->cfg->run.eval_batch ? o->n_images : j->cfg->run.eval_batch;
    chunk c = {.j = j};
    int32_t *labels = NULL, n_labels, none = BL_CLASSIFY_UNKNOWN;
    char *run = bl_checkpoint_run_dir(o->checkpoint);
    bl_status status;
    if (!run) {
        status = bl_no_memory(NULL);
        goto done;
    }
    BL_TRY_DONE(bl_classify_input_read(run, n, &c.room, &labels, &n_labels));
    c.status = calloc((size_t)n, sizeof *c.status);
    c.row = calloc((size_t)n, sizeof *c.row);
    c.message = calloc((size_t)n, sizeof *c.message);
    if (!c.status || !c.row || !c.message) {
        status = bl_no_memory(NULL);
        goto done;
    }
    /* The lists are there for counts and sizes; nothing is trained on them. */
    bl_classify_env env = bl_classify_env_make(j->cfg, NULL, j->ctx);
    env.labelled = (bl_classify_items){.set = c.room, .n = n_labels, .label = labels};
    env.unlabelled = (bl_classify_items){.set = c.room, .n = 1, .label = &none};
    BL_TRY_DONE(open_job(j, &env, true));
    status = each_chunk(&c);
    if (status == BL_OK && c.n_skipped)
        BL_WARN("left out %lld images that cannot be read", (long long)c.n_skipped);
done:
    status = close_job(j, status);
    bl_classify_set_free(c.room);
    free(labels);
    free(run);
    free(c.status);
    free(c.row);
    free(c.message);
    return status;
}

/* ---- a set of the run ---- */

typedef struct {
    writer *w;
    const bl_classify_items *items;
} set_pass;

static bl_status take_item(void *arg, int32_t first, int32_t n, const float *logits,
                           const float *features) {
    (void)features;
    set_pass *s = arg;
    for (int32_t i = 0; i < n; i++) {
        int32_t at = first + i;
        subject one = {.index = s->items->image ? s->items->image[at] : at,
                       .truth = s->items->label[at]};
        BL_TRY(write_one(s->w, &one, logits + (size_t)i * (size_t)s->w->k));
    }
    return BL_OK;
}

static bl_status predict_set(job *j) {
    const char *name = j->opt->set;
    bl_classify_run_data data = {0};
    bl_status status;
    BL_TRY_DONE(bl_classify_run_data_open(j->cfg, &data));
    const bl_classify_set *test = data.sets.test;
    bl_classify_items items = {0};
    if (strcmp(name, "labelled") == 0) items = data.labelled;
    if (strcmp(name, "unlabelled") == 0) items = data.unlabelled;
    if (strcmp(name, "validation") == 0) items = data.validation;
    if (strcmp(name, "test") == 0 && test)
        items = (bl_classify_items){.set = test, .n = test->n, .label = test->labels};
    if (items.n == 0) {
        status = bl_fail(BL_ECONFIG, "--set %s: the run has no such images", name);
        goto done;
    }
    bl_classify_env env = bl_classify_env_make(j->cfg, &data, j->ctx);
    BL_TRY_DONE(open_job(j, &env, false));
    set_pass pass = {&j->w, &items};
    BL_TRY_DONE(bl_classify_pass(bl_classify_learner_world(j->learner), j->ctx, 0, &items,
                                 j->cfg->run.eval_batch, take_item, &pass));
done:
    status = close_job(j, status);
    bl_classify_run_data_close(&data);
    return status;
}

bl_status bl_classify_predict(const bl_run_config *cfg, const bl_predict_options *opt) {
    if (opt->draw_dir || opt->score_threshold >= 0)
        return bl_fail(BL_ECONFIG, "--draw and --score are for detectors; a classifier gives every "
                                   "image a class");
    if (opt->set && opt->n_images > 0)
        return bl_fail(BL_ECONFIG, "give images or --set %s, not both", opt->set);
    bl_set_threads((int)cfg->run.threads);
    bl_ctx_options co = bl_run_ctx_options(&cfg->run);
    job j = {.cfg = cfg, .opt = opt};
    BL_TRY(bl_ctx_create(&co, &j.ctx));
    bl_status status = opt->set ? predict_set(&j) : predict_files(&j);
    bl_ctx_destroy(j.ctx);
    return status;
}
