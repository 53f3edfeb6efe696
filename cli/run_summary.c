#include "cli/run_summary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"

static double number(struct json_object *line, const char *key) {
    struct json_object *value;
    if (!json_object_object_get_ex(line, key, &value) || !value) return -1;
    return json_object_get_double(value);
}

static const char *text(struct json_object *line, const char *key) {
    struct json_object *value;
    if (!json_object_object_get_ex(line, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return "";
    return json_object_get_string(value);
}

/* Later evaluations win; of the same iteration, the teacher's. */
static void take(struct json_object *line, bl_run_summary *s) {
    if (strcmp(text(line, "kind"), "eval") != 0) return;
    int64_t iter = (int64_t)number(line, "iter");
    const char *model = text(line, "model");
    if (iter < s->iter || (iter == s->iter && strcmp(model, "teacher") != 0)) return;
    s->iter = iter;
    snprintf(s->model, sizeof s->model, "%s", model);
    s->ap = number(line, "AP"), s->ap50 = number(line, "AP50");
    s->majority = number(line, "AP_majority"), s->minority = number(line, "AP_minority");
}

bl_status bl_run_summary_read(const char *run_dir, bl_run_summary *out) {
    bl_status status = BL_OK;
    char *path = bl_path_join(run_dir, "metrics.jsonl"), *data = NULL;
    size_t size = 0;
    *out = (bl_run_summary){.iter = -1};
    if (!path) return bl_fail(BL_ENOMEM, "no memory for a path");
    BL_TRY_DONE(bl_read_file(path, (size_t)1 << 30, &data, &size));
    int number_of_line = 1;
    for (char *p = data, *end; p < data + size; p = end + 1, number_of_line++) {
        end = memchr(p, '\n', (size_t)(data + size - p));
        if (!end) break; /* a line that is still being written */
        bl_json line = {0};
        status = bl_json_parse(p, (size_t)(end - p), path, &line);
        if (status != BL_OK) {
            bl_fail_context(status, "line %d", number_of_line);
            goto done;
        }
        take(line.root, out);
        bl_json_free(&line);
    }
    if (out->iter < 0)
        status = bl_fail(BL_EFORMAT,
                         "%s: no evaluation in it yet; let the run finish, or set "
                         "run.eval_every",
                         path);
done:
    free(data);
    free(path);
    return status;
}

static void print_percent(double fraction, FILE *f) {
    if (fraction < 0)
        fprintf(f, " %9s", "-");
    else
        fprintf(f, " %9.1f", 100 * fraction);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Runs are usually neighbours: the last part of the path tells them apart, or else all of it. */
static bool base_names_differ(const char *const *dirs, int n) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (strcmp(base_name(dirs[i]), base_name(dirs[j])) == 0) return false;
    return true;
}

void bl_run_summary_print(const char *const *run_dirs, const bl_run_summary *runs, int n, FILE *f) {
    bool brief = base_names_differ(run_dirs, n);
    int width = 3;
    for (int i = 0; i < n; i++) {
        const char *name = brief ? base_name(run_dirs[i]) : run_dirs[i];
        if ((int)strlen(name) > width) width = (int)strlen(name);
    }
    fprintf(f, "%-*s  %-8s %9s %9s %9s %9s %9s\n", width, "run", "model", "iteration", "AP", "AP50",
            "majority", "minority");
    for (int i = 0; i < n; i++) {
        fprintf(f, "%-*s  %-8s %9lld", width, brief ? base_name(run_dirs[i]) : run_dirs[i],
                runs[i].model, (long long)runs[i].iter);
        print_percent(runs[i].ap, f);
        print_percent(runs[i].ap50, f);
        print_percent(runs[i].majority, f);
        print_percent(runs[i].minority, f);
        fputc('\n', f);
    }
}
