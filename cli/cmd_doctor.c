#include <expat.h>
#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h before it */

#include <json-c/json.h>
#include <spng.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "cli/command.h"
#include "core/parallel.h"
#include "kernels/backend.h"
#include "kernels/tape.h"
#include "nn/layers.h"
#include "train/version.h"

typedef struct options {
    const char *device, *backend;
    int64_t threads;
    bool quick;
} options;

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {BL_CLI_TEXT("device", AT(device), "NAME", "As run.device; default: auto.")},
    {BL_CLI_TEXT("backend", AT(backend), "NAME", "As run.backend; default: auto.")},
    {BL_CLI_THREADS(AT(threads), "Threads; default: all cores.")},
    {BL_CLI_FLAG("quick", AT(quick), "Skip the benchmark.")},
    {0}};

static const options defaults = {.device = "auto", .backend = "auto"};

#define QUOTE_TOKENS(x) #x
#define QUOTE(x) QUOTE_TOKENS(x)

static void print_libraries(void) {
    char kernels[32];
    bl_cpu_library(kernels, sizeof kernels);
    printf("libraries   %s, libjpeg-turbo " QUOTE(
               LIBJPEG_TURBO_VERSION) ", libspng %s, json-c %s, %s, zlib %s\n",
           kernels, spng_version_string(), json_c_version(), XML_ExpatVersion(), zlibVersion());
}

/* "model name" of /proc/cpuinfo; empty where there is none. */
static void read_cpu_model(char *out, size_t size) {
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[512];
    *out = 0;
    while (f && !*out && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    if (f) fclose(f);
}

static void print_line(void *name, const char *text) {
    printf("%-11s %s\n", (const char *)name, text);
}

static void print_cuda(void) {
    const bl_backend *cuda = bl_cuda_backend();
    if (cuda) {
        cuda->describe(print_line, "cuda");
    } else {
        printf("cuda        not built in: %s\n", bl_cuda_absent());
    }
}

static void print_machine(const bl_ctx *ctx) {
    char model[256];
    read_cpu_model(model, sizeof model);
    printf("processor   %s\n", *model ? model : "unknown model");
    printf("features    %s\n", bl_cpu_features());
    printf("device      %s; kernels %s; channel block %d\n", ctx->dev->name, ctx->k->name, ctx->cb);
    print_cuda();
    printf("threads     %d\n", bl_threads());
    const char *wait = getenv("OMP_WAIT_POLICY"), *spin = getenv("GOMP_SPINCOUNT");
    printf("waiting     OMP_WAIT_POLICY=%s%s%s\n", wait ? wait : "(unset)",
           spin ? ", GOMP_SPINCOUNT=" : "", spin ? spin : "");
    if (wait && strcasecmp(wait, "active") == 0)
        printf("            hint: active waiting takes cores from the loader's threads;\n"
               "            unset it and ballast chooses brief spinning\n");
}

/* One convolution of a detector, forward and backward. */
typedef struct shape {
    const char *where;
    int32_t n, in, out, size, kernel;
} shape;

static const shape shapes[] = {
    {"small backbone, first stage", 4, 32, 32, 32, 3},
    {"ResNet-50, stage 2 (3x3)", 2, 64, 64, 128, 3},
    {"ResNet-50, stage 4 (1x1)", 2, 256, 1024, 32, 1},
    {"FPN output, stride 8", 2, 256, 256, 64, 3},
};

static bl_status conv_step(bl_ctx *ctx, const bl_conv_layer *layer, const shape *s) {
    bl_tensor *x, *y, *mean, *loss;
    int32_t first[4] = {0};
    float target[4] = {0}, one = 1;
    BL_TRY(bl_tensor_new(ctx, s->n, s->in, s->size, s->size, 0, BL_F32, &x));
    BL_TRY(bl_tensor_zero(ctx, x));
    x->needs_grad = true; /* so that the input's gradient is computed, as inside a network */
    BL_TRY(bl_conv_layer_apply(ctx, layer, true, x, NULL, &y));
    BL_TRY(bl_avg_pool_global(ctx, y, &mean));
    BL_TRY(bl_smooth_l1_loss(ctx, mean, first, target, NULL, 1, 0, 1, &loss));
    return bl_backward(ctx, &loss, &one, 1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static bl_status time_shape(bl_ctx *ctx, const shape *s) {
    bl_status status = BL_OK;
    bl_store *store = NULL;
    bl_conv_layer layer;
    bl_conv_spec spec = {.conv_name = "conv",
                         .norm_name = "bn",
                         .in = s->in,
                         .out = s->out,
                         .kernel = s->kernel,
                         .stride = 1,
                         .pad = s->kernel / 2,
                         .dilation = 1,
                         .bias = true,
                         .norm = BL_NORMTYPE_NONE,
                         .act = BL_ACT_RELU,
                         .init = BL_INIT_KAIMING_FAN_OUT,
                         .trainable = true};
    double best = 0;
    BL_TRY_DONE(bl_store_create(&store));
    BL_TRY_DONE(bl_conv_layer_declare(store, &spec, &layer));
    BL_TRY_DONE(bl_store_finish(store, ctx, 1, true));
    for (int i = 0; i < 6; i++) { /* the first one chooses plans */
        double start = now_ms();
        bl_step_begin(ctx, true);
        status = conv_step(ctx, &layer, s);
        bl_step_end(ctx);
        if (status != BL_OK) goto done;
        double spent = now_ms() - start;
        if (i > 0 && (best == 0 || spent < best)) best = spent;
    }
    double flops = 6.0 * s->n * s->in * s->out * s->kernel * s->kernel * s->size * s->size;
    printf("  %-30s %dx%dx%dx%d -> %d, %dx%d: %7.2f ms, %6.1f GFLOP/s\n", s->where, s->n, s->in,
           s->size, s->size, s->out, s->kernel, s->kernel, best, flops / best * 1e-6);
done:
    bl_store_destroy(store);
    return status;
}

static void print_plan(void *arg, const char *text) {
    (void)arg;
    printf("  %s\n", text);
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    bl_ctx *ctx = NULL;
    printf("ballast     " BALLAST_VERSION ", commit %s, compiled with " BALLAST_COMPILER "\n",
           bl_commit);
    print_libraries();
    if (o->threads > 0) bl_set_threads((int)o->threads);
    BL_TRY(bl_ctx_create(&(bl_ctx_options){.device = o->device, .backend = o->backend}, &ctx));
    print_machine(ctx);
    bl_status status = BL_OK;
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    if (!o->quick) {
        puts("\nforward and backward of a few convolutions (best of 5):");
        for (int i = 0; i < SHAPES && status == BL_OK; i++) status = time_shape(ctx, &shapes[i]);
        if (status == BL_OK && ctx->plans) {
            puts("\nkernels chosen:");
            bl_ctx_describe_plans(ctx, print_plan, NULL);
        }
    }
    bl_ctx_destroy(ctx);
    return status;
}

const bl_command bl_doctor_command = {
    .name = "doctor",
    .summary = "Show versions, processor features and the kernels chosen on this machine.",
    .synopsis = "[OPTIONS]",
    .details = "Include its output in a bug report. The benchmark times the plans that training\n"
               "would choose for a few convolutions.\n",
    .examples = "  ballast doctor\n"
                "  ballast doctor --threads 1\n"
                "  ballast doctor --backend ref --quick\n",
    .options = table,
    .min_words = 0,
    .max_words = 0,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .run = run,
};
