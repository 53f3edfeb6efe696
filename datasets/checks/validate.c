#include "datasets/checks/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/checks/validate_checks.h"

#define FIELD(member, type) #member, type, offsetof(bl_validate_config, member)
static const bl_field fields[] = {
    {FIELD(files, BL_T_BOOL), "true", 0, 0, NULL, NULL,
     "Open every image file and compare its size with the annotations.", NULL},
    {FIELD(decode, BL_T_BOOL), "false", 0, 0, NULL, NULL, "Decode every image to the end.", NULL},
    {FIELD(checksums, BL_T_BOOL), "false", 0, 0, NULL, NULL,
     "Find files of equal content, in one set and across sets.", NULL},
    {FIELD(masks, BL_T_BOOL), "true", 0, 0, NULL, NULL, "Check the masks of COCO files.", NULL},
    {FIELD(examples, BL_T_INT), "5", 0, 1000, NULL, NULL, "Examples kept of each finding.", NULL},
    {0}};
const bl_schema bl_validate_schema = {"validate", "Checks of data sets before training.",
                                      sizeof(bl_validate_config), fields};

static bl_status check_all(const bl_validate_config *cfg, const bl_dataset *const *sets,
                           const char *const *labels, int n, bl_findings *f,
                           bl_file_result **files) {
    for (int i = 0; i < n; i++) {
        const char *label = bl_arena_strdup(f->arena, labels[i]);
        if (!label) return BL_ENOMEM;
        bl_validate_set(f, sets[i], label);
        if (cfg->masks) BL_TRY(bl_validate_masks(f, sets[i], label));
        if (!cfg->files && !cfg->decode && !cfg->checksums) continue;
        files[i] = calloc((size_t)sets[i]->n_images + 1, sizeof *files[i]);
        if (!files[i]) return bl_no_memory("to check %d images", sets[i]->n_images);
        bl_validate_files(f, cfg, sets[i], label, files[i]);
    }
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++) {
            const char *label = bl_arena_printf(f->arena, "%s / %s", labels[i], labels[k]);
            if (!label) return BL_ENOMEM;
            bl_validate_pair(f, sets[i], sets[k], files[i], files[k], label);
        }
    return f->status;
}

/* Takes the findings over in order: by set as met, errors first within one. */
static bl_status collect(const bl_findings *f, bl_validation *out) {
    out->findings = BL_NEW_ARRAY(f->arena, bl_finding, f->n);
    if (!out->findings) return BL_ENOMEM;
    for (int32_t i = 0; i < f->n; i++) {
        bool first = true; /* of its set */
        for (int32_t k = 0; k < i; k++) first = first && f->v[k].set != f->v[i].set;
        if (!first) continue;
        for (int severity = BL_SEVERITY_ERROR; severity >= BL_SEVERITY_NOTE; severity--)
            for (int32_t k = i; k < f->n; k++)
                if (f->v[k].set == f->v[i].set && (int)f->v[k].severity == severity)
                    out->findings[out->n_findings++] = f->v[k];
    }
    for (int32_t i = 0; i < f->n; i++) {
        out->n_errors += f->v[i].severity == BL_SEVERITY_ERROR;
        out->n_warnings += f->v[i].severity == BL_SEVERITY_WARNING;
    }
    return BL_OK;
}

bl_status bl_validate(const bl_validate_config *cfg, const bl_dataset *const *sets,
                      const char *const *labels, int n_sets, bl_validation *out) {
    *out = (bl_validation){0};
    if (n_sets < 1 || n_sets > BL_VALIDATE_MAX_SETS || cfg->examples < 0)
        return bl_fail(BL_EINVAL, "validate takes 1 to %d data sets, got %d (and %lld examples)",
                       BL_VALIDATE_MAX_SETS, n_sets, (long long)cfg->examples);
    bl_file_result *files[BL_VALIDATE_MAX_SETS] = {NULL};
    out->arena = bl_arena_create(0);
    if (!out->arena) return bl_no_memory("for findings");
    bl_findings f = {.arena = out->arena, .max_examples = cfg->examples};
    bl_status status = check_all(cfg, sets, labels, n_sets, &f, files);
    if (status == BL_OK) status = collect(&f, out);
    for (int i = 0; i < n_sets; i++) {
        for (int32_t k = 0; files[i] && k < sets[i]->n_images; k++) free(files[i][k].message);
        free(files[i]);
    }
    free(f.v);
    if (status != BL_OK) bl_validation_free(out);
    return status;
}

void bl_validation_free(bl_validation *v) {
    bl_arena_destroy(v->arena);
    *v = (bl_validation){0};
}

char *bl_validation_text(const bl_validation *v) {
    static const char *const names[] = {"note   ", "warning", "error  "};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    for (int32_t i = 0; i < v->n_findings; i++) {
        const bl_finding *x = &v->findings[i];
        fprintf(f, "%s  %s: %s: %lld %s\n", names[x->severity], x->set, x->code,
                (long long)x->count, x->what);
        for (int32_t k = 0; k < x->n_examples; k++) fprintf(f, "           %s\n", x->examples[k]);
        if (x->count > x->n_examples && x->n_examples > 0)
            fprintf(f, "           ... and %lld more\n", (long long)(x->count - x->n_examples));
        if (*x->fix) fprintf(f, "           -> %s\n", x->fix);
    }
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
