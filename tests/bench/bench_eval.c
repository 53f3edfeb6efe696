/* Times the evaluator's stages: bench_eval GT [DT [PROTOCOL]]. Reads the ground truth, and the
 * detections if given, evaluates, and prints one line of JSON: seconds of each stage, peak memory,
 * the summary. scripts/bench-eval runs it. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/parallel.h"
#include "eval/protocol/evaluator.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bl_eval_params protocol(const char *name) {
    if (strcmp(name, "coco-segm") == 0) return bl_eval_params_coco_segm();
    if (strcmp(name, "lvis") == 0) return bl_eval_params_lvis(BL_IOU_BBOX);
    if (strcmp(name, "lvis-fixed") == 0) return bl_eval_params_lvis_fixed(BL_IOU_BBOX);
    return bl_eval_params_coco();
}

static bl_status bench(int argc, char **argv) {
    bl_dataset *gt = NULL;
    bl_detections dt = {0};
    bl_eval_result r = {0};
    bl_status status;
    bl_eval_params p = protocol(argc > 3 ? argv[3] : "coco");
    double start = now();
    bl_read_options how = {.masks = p.kind == BL_IOU_SEGM};
    bl_detections_options results = {.masks = p.kind == BL_IOU_SEGM};
    BL_TRY_DONE(bl_coco_read(argv[1], "", &how, &gt));
    double read_gt = now();
    printf("{\"read_gt\": %.4f", read_gt - start);
    if (argc > 2) {
        BL_TRY_DONE(bl_detections_read_with(argv[2], gt, &results, &dt));
        double read_dt = now();
        BL_TRY_DONE(bl_eval_run(gt, &dt, &p, &r));
        double end = now();
        printf(", \"read_dt\": %.4f, \"evaluate\": %.4f", read_dt - read_gt, end - read_dt);
        bl_eval_metric m[BL_EVAL_MAX_METRICS];
        int n = bl_eval_metrics(&r, NULL, m);
        for (int i = 0; i < n; i++) printf(", \"%s\": %.17g", m[i].key, m[i].value);
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
    printf(", \"total\": %.4f, \"cpu\": %.4f, \"peak_mb\": %.1f}\n", now() - start, cpu,
           (double)use.ru_maxrss / 1024);
done:
    bl_eval_result_free(&r);
    bl_detections_free(&dt);
    bl_dataset_free(gt);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_eval GT [DT [coco|coco-segm|lvis|lvis-fixed]]\n");
        return 2;
    }
    if (bench(argc, argv) == BL_OK) return 0;
    fprintf(stderr, "bench_eval: %s\n", bl_error());
    return 1;
}
