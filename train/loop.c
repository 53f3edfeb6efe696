/* The training loop. It knows losses by name and weight, never which algorithm made them. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "train/log_line.h"
#include "train/trainer.h"

enum { W_TOTAL = BL_MAX_LOSSES, W_NORM, W_STEPS }; /* extra slots of st.window */

/* The slot of a loss in the window; names keep the order in which they first appear. */
static int loss_slot(bl_trainer *t, const char *name) {
    for (int i = 0; i < t->n_names; i++)
        if (strcmp(t->names[i], name) == 0) return i;
    t->names[t->n_names] = name;
    return t->n_names++;
}

/* A step whose loss or gradient is not finite changes no weights. Too many in a row end the run,
 * naming the first culprit: better than hours of training on NaN. */
static bl_status bad_step(bl_trainer *t, const bl_step_input *in, const char *what) {
    char ids[256];
    t->task->ops->describe_batch(t->task, in, ids, sizeof ids);
    t->st.bad_steps += 1;
    if (t->st.bad_steps > (double)t->cfg->run.max_bad_steps)
        return bl_fail(BL_ENUMERIC,
                       "%s is not finite, %d steps in a row (%s); lower optim.lr or the "
                       "weight of unlabelled losses, or set optim.clip_norm",
                       what, (int)t->st.bad_steps, ids);
    BL_WARN("iteration %lld: %s is not finite, step skipped (%s)", (long long)t->st.iter, what,
            ids);
    return bl_store_zero_grad(t->learner->model[0].store, t->ctx);
}

/* A gradient that overflowed with the losses scaled: the step is left out, the next has a smaller
 * scale. No bad step: finding the scale takes some. */
static bl_status overflow(bl_trainer *t) {
    BL_INFO("iteration %lld: a gradient overflows fp16, step left out, loss scale now %g",
            (long long)t->st.iter, t->st.loss_scale.scale);
    return bl_store_zero_grad(t->learner->model[0].store, t->ctx);
}

/* squares: of the gradients, summed. */
static bl_status optimise(bl_trainer *t, bl_store *store, double squares, double *norm) {
    const bl_optim_config *o = &t->cfg->optim;
    float grad_scale = (float)(1 / bl_loss_scale_factor(&t->st.loss_scale));
    double lr = bl_run_lr(t->cfg, t->st.iter);
    if (o->kind == BL_OPTIM_SGD) {
        bl_sgd sgd = {.lr = (float)lr,
                      .momentum = (float)o->momentum,
                      .decay = (float)o->weight_decay,
                      .nesterov = o->nesterov,
                      .clip_norm = (float)o->clip_norm,
                      .grad_scale = grad_scale,
                      .grad_squares = &squares};
        BL_TRY(bl_store_sgd(store, t->ctx, &sgd, norm));
    } else {
        bl_adam adam = {.lr = (float)lr,
                        .beta1 = (float)o->beta1,
                        .beta2 = (float)o->beta2,
                        .epsilon = (float)o->epsilon,
                        .decay = (float)o->weight_decay,
                        .clip_norm = (float)o->clip_norm,
                        .grad_scale = grad_scale,
                        .step = t->st.iter % bl_run_generation(t->cfg) + 1,
                        .grad_squares = &squares};
        BL_TRY(bl_store_adam(store, t->ctx, &adam, norm));
    }
    return o->shrink > 0 ? bl_store_scale(store, t->ctx, (float)(1 - o->shrink * lr)) : BL_OK;
}

/* What an iteration's batches add up to. */
typedef struct {
    const char *name[BL_MAX_LOSSES];
    double value[BL_MAX_LOSSES]; /* times weight, a mean over the batches */
    int n;
    bool bad; /* some loss is not finite: the step is left out */
} step_sum;

static void add_value(step_sum *sum, const char *name, double v) {
    int i = 0;
    while (i < sum->n && strcmp(sum->name[i], name) != 0) i++;
    if (i == sum->n) {
        sum->name[sum->n++] = name;
        sum->value[i] = 0;
    }
    sum->value[i] += v;
}

/* After the last batch's backward; squares: of the gradients, summed. */
static bl_status finish_step(bl_trainer *t, const bl_step_input *batch, const step_sum *sum,
                             double squares) {
    bl_store *store = t->learner->model[0].store;
    double norm = 0, total = 0;
    bl_status status = optimise(t, store, squares, &norm);
    if (status == BL_ENUMERIC) {
        if (bl_loss_scale_overflow(&t->st.loss_scale, &t->cfg->optim.loss_scale))
            return overflow(t);
        const char *name = bl_store_first_nonfinite(store, t->ctx, true);
        char what[256];
        snprintf(what, sizeof what, "the gradient of %s", name ? name : "a parameter");
        return bad_step(t, batch, what);
    }
    BL_TRY(status);
    t->st.bad_steps = 0;
    bl_loss_scale_good(&t->st.loss_scale, &t->cfg->optim.loss_scale);
    for (int i = 0; i < sum->n; i++) {
        t->st.window[loss_slot(t, sum->name[i])] += sum->value[i];
        total += sum->value[i];
    }
    t->st.window[W_TOTAL] += total;
    t->st.window[W_NORM] += norm;
    t->st.window[W_STEPS] += 1;
    return BL_OK;
}

/* Gradients of one batch are added to those of the iteration's others, and the last makes the step.
 * Losses and the gradients' squares come back together, after backward: the step waits once for the
 * device, and what a loss that is not finite leaves in the gradients is cleared. */
static bl_status update(bl_trainer *t, const bl_step_input *batch, const bl_step_losses *l,
                        step_sum *sum) {
    bl_store *store = t->learner->model[0].store;
    bl_tensor *roots[BL_MAX_LOSSES];
    bl_part part[BL_MAX_LOSSES + 1];
    float seeds[BL_MAX_LOSSES], v[BL_MAX_LOSSES];
    const double *squared;
    double squares, scale = bl_loss_scale_factor(&t->st.loss_scale);
    bool last = batch->part == batch->parts - 1;
    int n = l->n;
    for (int i = 0; i < n; i++) {
        roots[i] = l->loss[i].value;
        seeds[i] = (float)(l->loss[i].weight * scale / batch->parts);
        part[i] = (bl_part){&v[i], roots[i]->data, sizeof v[i]};
    }
    BL_TRY(bl_backward(t->ctx, roots, seeds, n));
    if (last) {
        BL_TRY(bl_store_grad_squares(store, t->ctx, &squared));
        part[n++] = (bl_part){&squares, squared, sizeof squares};
    }
    BL_TRY(bl_to_host_parts(t->ctx, part, n));
    for (int i = 0; i < l->n; i++) {
        if (!isfinite(v[i])) {
            sum->bad = true;
            return bad_step(t, batch, l->loss[i].name);
        }
        add_value(sum, l->loss[i].name, (double)v[i] * l->loss[i].weight / batch->parts);
    }
    return last ? finish_step(t, batch, sum, squares) : BL_OK;
}

/* Batch `part` of the iteration's. */
static bl_status one_batch(bl_trainer *t, int32_t part, step_sum *sum) {
    const bl_learner_ops *ops = t->learner->ops;
    const bl_task_ops *task = t->task->ops;
    bl_step_input in;
    double before = bl_now();
    BL_TRY(task->next(t->task, &in));
    t->data_time += bl_now() - before;
    in.part = part;
    in.parts = (int32_t)t->cfg->run.accumulate;
    bl_step_losses l = {0};
    bl_step_begin(t->ctx, true);
    bl_status status = part == 0 ? ops->before_step(t->learner, t->ctx, t->st.iter) : BL_OK;
    if (status == BL_OK) status = ops->losses(t->learner, t->ctx, &in, t->st.iter, &l);
    if (status == BL_OK) status = update(t, &in, &l, sum);
    bl_step_end(t->ctx);
    /* before the batch goes: it may still be on its way to the device */
    if (status == BL_OK && (sum->bad || part == in.parts - 1))
        status = ops->after_step(t->learner, t->ctx, t->st.iter);
    task->release(t->task, &in);
    return status;
}

static bl_status one_iteration(bl_trainer *t) {
    const bl_learner_ops *ops = t->learner->ops;
    const bl_task_ops *task = t->task->ops;
    int64_t iter = t->st.iter;
    bool changed[2] = {false, false};
    step_sum sum = {0};
    if (iter > 0 && iter % bl_run_generation(t->cfg) == 0) BL_TRY(bl_trainer_next_generation(t));
    BL_TRY(ops->prepare(t->learner, t->ctx, iter, changed));
    for (int group = 0; group < 2; group++)
        if (changed[group] && ops->copies(t->learner, iter, group == 0, t->copies))
            BL_TRY(task->set_repeats(t->task, group == 0, t->copies));
    bl_status status = BL_OK;
    for (int32_t part = 0; part < t->cfg->run.accumulate && status == BL_OK && !sum.bad; part++)
        status = one_batch(t, part, &sum);
    return status == BL_OK ? BL_OK : bl_fail_context(status, "iteration %lld", (long long)iter);
}

/* One console line and one metrics line for the window that ends now. */
static bl_status log_window(bl_trainer *t) {
    double now = bl_now(), steps = fmax(t->st.window[W_STEPS], 1);
    double done = (double)(t->st.iter - t->window_first);
    double time = (now - t->window_start) / fmax(done, 1), data = t->data_time / fmax(done, 1);
    double rate = (double)(t->st.iter - t->first) / fmax(now - t->started, 1e-9);
    double pseudo = -1;
    char eta[32], head[128], wait[32] = "", tail[64] = "", line[256];
    bl_log_part part[BL_MAX_LOSSES];
    bl_format_duration((double)(t->cfg->run.iterations - t->st.iter) / fmax(rate, 1e-9), eta,
                       sizeof eta);
    BL_TRY(t->learner->ops->report(t->learner, t->st.iter, t->metrics, &pseudo));

    bl_metrics_begin(t->metrics);
    bl_metrics_number(t->metrics, "iter", (double)t->st.iter);
    bl_metrics_string(t->metrics, "kind", "train");
    double lr = bl_run_lr(t->cfg, t->st.iter - 1);
    bl_metrics_number(t->metrics, "lr", lr);
    bl_metrics_number(t->metrics, "loss", t->st.window[W_TOTAL] / steps);
    for (int i = 0; i < t->n_names; i++) {
        bl_metrics_number(t->metrics, t->names[i], t->st.window[i] / steps);
        part[i] = (bl_log_part){t->names[i], t->st.window[i] / steps};
    }
    bl_metrics_number(t->metrics, "grad_norm", t->st.window[W_NORM] / steps);
    if (t->st.loss_scale.scale > 0)
        bl_metrics_number(t->metrics, "loss_scale", t->st.loss_scale.scale);
    if (pseudo >= 0) {
        bl_metrics_number(t->metrics, "pseudo_per_image", pseudo);
        snprintf(tail, sizeof tail, "  pseudo/img %.2f", pseudo);
    }
    bl_metrics_number(t->metrics, "time", time);
    bl_metrics_number(t->metrics, "data_time", data);
    bl_metrics_number(t->metrics, "pool_mb",
                      (double)bl_pool_get_stats(t->ctx->pool).peak / (1 << 20));
    bl_resources_report(&t->resources, t->metrics, done);
    BL_TRY(bl_metrics_end(t->metrics));
    if (data > 0.1 * time) /* the loader does not keep up */
        snprintf(wait, sizeof wait, "  data %.0f %%", 100 * data / time);
    bool giga = t->resources.peak >= 1 << 30;
    snprintf(head, sizeof head,
             "iter %lld/%lld  eta %s  %.2f it/s%s  lr %.3g  mem %.*f%c  loss %.3f",
             (long long)t->st.iter, (long long)t->cfg->run.iterations, eta, 1 / fmax(time, 1e-9),
             wait, lr, giga ? 1 : 0, t->resources.peak / (giga ? 1 << 30 : 1 << 20),
             giga ? 'G' : 'M', t->st.window[W_TOTAL] / steps);
    bl_log_line(head, part, t->n_names, tail, line, sizeof line);
    BL_INFO("%s", line);
    memset(t->st.window, 0, sizeof t->st.window);
    t->window_start = now;
    t->window_first = t->st.iter;
    t->data_time = 0;
    return BL_OK;
}

static bool due(int64_t iter, int64_t every) {
    return every > 0 && iter % every == 0;
}

static bool cancelled(const bl_trainer *t) {
    return t->opt->cancel && *t->opt->cancel;
}

static const char *to_continue(const bl_trainer *t) {
    return t->opt->to_continue ? t->opt->to_continue : "continue with --resume";
}

static void say_best(const bl_trainer *t) {
    const char *set = t->task->ops->validation(t->task) > 0 ? "validation" : "test";
    if (t->st.iter < t->cfg->run.iterations)
        BL_INFO("ended at iteration %lld: none of the last %lld evaluations was better",
                (long long)t->st.iter, (long long)t->cfg->run.patience);
    if (t->st.best_iter > 0)
        BL_INFO("best checkpoint: iteration %.0f, %s %.4f on the %s images (--checkpoint best)",
                t->st.best_iter, t->task->ops->measure, t->st.best_score, set);
}

/* What is due after iteration st.iter: the log line, the evaluation, a checkpoint. When resumed,
 * the line is there already and the evaluation is due if st.evaluate says so. */
static bl_status milestones(bl_trainer *t, bool resumed, bool *stop) {
    const bl_run_section *r = &t->cfg->run;
    int64_t iter = t->st.iter;
    bool last = iter == r->iterations, best = false;
    *stop = t->opt->stop_after > 0 && iter >= t->opt->stop_after;
    if (resumed && !t->st.evaluate) {
        *stop |= bl_trainer_out_of_patience(t);
        return last ? t->task->ops->finish(t->task, t->opt->out_dir) : BL_OK;
    }
    if (!resumed && (last || due(iter, r->log_every))) BL_TRY(log_window(t));
    bool measured = t->task->ops->has_test(t->task) || t->task->ops->validation(t->task) > 0;
    if (measured && (t->st.evaluate || (!resumed && (last || due(iter, r->eval_every))))) {
        double before = bl_now();
        bl_status status = bl_trainer_evaluate(t, &last, &best);
        if (status == BL_ECANCELLED)
            return bl_fail(status, "stopped in the evaluation after iteration %lld; %s",
                           (long long)iter, to_continue(t));
        BL_TRY(status);
        t->window_start += bl_now() - before;
        t->started += bl_now() - before;
    }
    if (last) say_best(t);
    if (last) BL_TRY(t->task->ops->finish(t->task, t->opt->out_dir));
    *stop |= last || cancelled(t);
    if (last || best || *stop || due(iter, r->checkpoint_every)) BL_TRY(bl_trainer_checkpoint(t));
    return BL_OK;
}

static bl_status run(bl_trainer *t) {
    const bl_run_section *r = &t->cfg->run;
    bool stop = false;
    t->started = t->window_start = bl_now();
    t->first = t->window_first = t->st.iter;
    bl_resources_start(&t->resources, r->adapt_threads);
    if (t->st.iter > 0) BL_TRY(milestones(t, true, &stop));
    while (!stop && t->st.iter < r->iterations) {
        bl_resources_begin_step(&t->resources);
        BL_TRY(one_iteration(t));
        bl_resources_end_step(&t->resources);
        t->st.iter++;
        BL_TRY(milestones(t, false, &stop));
    }
    if (cancelled(t) && t->st.iter < r->iterations)
        return bl_fail(BL_ECANCELLED, "stopped at iteration %lld; %s", (long long)t->st.iter,
                       to_continue(t));
    return BL_OK;
}

static void log_graphs(const bl_ctx *ctx) {
    bl_graph_stats g = bl_ctx_graph_stats(ctx);
    double all = (double)(g.replayed_commands + g.direct_commands);
    if (all > 0) {
        BL_INFO(
            "graphs    %lld kept; %lld lists of commands replayed, %lld run directly; %.1f %% of "
            "the commands replayed",
            (long long)g.graphs, (long long)g.replayed, (long long)g.direct,
            100 * (double)g.replayed_commands / all);
    }
}

bl_status bl_train(const bl_run_config *cfg, const bl_train_options *opt) {
    bl_trainer t;
    BL_TRY(bl_trainer_open(&t, cfg, opt));
    bl_status status = run(&t);
    int64_t skipped = t.task->ops->skipped(t.task);
    if (skipped) BL_WARN("%lld unreadable images were skipped", (long long)skipped);
    log_graphs(t.ctx);
    if (status == BL_OK) BL_INFO("done: %s", opt->out_dir);
    if (status != BL_OK && t.started_new && t.st.iter == 0) bl_trainer_discard(&t);
    bl_trainer_close(&t);
    return status;
}
