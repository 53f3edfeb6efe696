#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "core/fs.h"
#include "interop/names.h"
#include "interop/weight_file.h"
#include "train/checkpoint.h"

typedef struct options {
    const char *model, *as;
    bool list;
} options;

static const char *const models[] = {"student", "teacher", NULL};
static const char *const frameworks[] = {"torchvision", "detectron2", "mmdet", NULL};

#define AT(field) offsetof(options, field)
static const bl_option table[] = {
    {.name = "model",
     .letter = 'm',
     .type = BL_OPTION_CHOICE,
     .offset = AT(model),
     .value = "NAME",
     .choices = models,
     .doc = "Which of a file with two models. Default: teacher where there is one."},
    {.name = "as",
     .type = BL_OPTION_CHOICE,
     .offset = AT(as),
     .value = "NAME",
     .choices = frameworks,
     .doc = "Write the names of that framework (of a detector) instead of Ballast's."},
    {BL_CLI_FLAG("list", AT(list), "Only print names, types and shapes as the file has them.")},
    {0}};
#undef AT

static const char *type_name(bl_st_dtype t) {
    static const char *const name[] = {"F32", "F16", "BF16", "F64", "I32", "I64", "U8", "other"};
    return name[t];
}

static bl_status list(const char *path) {
    bl_st_file *f;
    bl_weight_file_kind kind;
    BL_TRY(bl_weight_file_open(path, &f, &kind));
    printf("%s: %s, %d tensors\n", path, bl_weight_file_kind_name(kind), bl_st_count(f));
    for (int i = 0; i < bl_st_count(f); i++) {
        const bl_st_tensor *t = bl_st_at(f, i);
        printf("%-60s %-5s", t->name, type_name(t->dtype));
        for (int k = 0; k < t->ndim; k++) printf("%s%lld", k ? "x" : " ", (long long)t->shape[k]);
        printf("\n");
    }
    bl_st_close(f);
    return BL_OK;
}

static bool has_part(const bl_st_file *f, const char *part) {
    for (int i = 0; i < bl_st_count(f); i++)
        if (strncmp(bl_st_at(f, i)->name, part, strlen(part)) == 0) return true;
    return false;
}

/* Tensors that a model has: not optimiser state, counters, or elements of other types. */
static bool is_weight(const bl_st_tensor *t, const char *part) {
    return t->dtype <= BL_ST_F64 && strncmp(t->name, part, strlen(part)) == 0;
}

static bl_status write(const bl_st_file *f, const char *part, const char *source, const char *out,
                       int *n) {
    int count = bl_st_count(f);
    bl_st_tensor *t = malloc(((size_t)count + 1) * sizeof *t);
    if (!t) return bl_no_memory("for %s (%d tensors)", out, count);
    *n = 0;
    for (int i = 0; i < count; i++) {
        if (!is_weight(bl_st_at(f, i), part)) continue;
        t[*n] = *bl_st_at(f, i);
        t[(*n)++].name += strlen(part);
    }
    const char *meta[] = {"format", "pt", "source", source};
    bl_status status = *n ? bl_st_write(out, t, *n, meta, 2)
                          : bl_fail(BL_EFORMAT, "%s: there is nothing to write", out);
    free(t);
    return status;
}

static const bl_name_table *table_of(const char *framework) {
    for (int i = 0; framework && bl_name_tables[i]; i++)
        if (strncmp(bl_name_tables[i]->framework, framework, strlen(framework)) == 0)
            return bl_name_tables[i];
    return NULL;
}

/* The file in our names, and what stands before them of the model that is wanted. */
static bl_status open_ours(const char *path, const options *o, bl_st_file **out,
                           bl_translation *names, const char **part) {
    bl_st_file *file;
    bl_weight_file_kind kind;
    bool student = o->model && strcmp(o->model, "student") == 0;
    BL_TRY(bl_weight_file_open(path, &file, &kind));
    BL_TRY(bl_names_translate(file, path, !student, out, names));
    const char *wanted = student ? "student." : "teacher.";
    *part = has_part(*out, wanted) ? wanted : has_part(*out, "student.") ? "student." : "";
    printf("%s: %s%s%s%s%s\n", path, bl_weight_file_kind_name(kind), names->table ? " of a " : "",
           names->table ? names->table->framework : "", *names->part ? ", weights below " : "",
           names->part);
    return BL_OK;
}

static bl_status convert(const char *in, const char *to, const options *o) {
    bl_st_file *f = NULL;
    bl_translation names;
    const char *part = "";
    int n = 0, left = 0;
    BL_TRY(open_ours(in, o, &f, &names, &part));
    bl_status status = BL_OK;
    if (o->as && strcmp(o->as, "mmdet") != 0) {
        bl_st_file *ours = f;
        f = NULL;
        status = bl_names_export(ours, in, part, table_of(o->as), &f, &left);
        part = "";
    }
    if (status == BL_OK)
        status = write(f, part, names.table ? names.table->framework : "ballast", to, &n);
    bl_st_close(f);
    if (status != BL_OK) return status;
    printf("%s: %d tensors written", to, n);
    if (left) printf("; %d have no name there and were left out", left);
    printf("\n");
    if (names.table && *names.table->settings)
        printf("Such weights are usually made with detector settings: %s\n", names.table->settings);
    return BL_OK;
}

static bl_status run(const bl_invocation *in) {
    const options *o = in->options;
    const char *path = in->words.positional[0];
    char *last = bl_is_dir(path) ? bl_checkpoint_named(path, "last_checkpoint") : strdup(path);
    if (!last) return bl_fail(BL_EIO, "%s has no checkpoint", path);
    bl_status status;
    if (o->list)
        status = list(last);
    else if (in->words.n_positional < 2)
        status = bl_fail(BL_ECONFIG, "the file to write is missing: ballast convert %s OUT", path);
    else
        status = convert(last, in->words.positional[1], o);
    free(last);
    return status;
}

const bl_command bl_convert_command = {
    .name = "convert",
    .summary = "Turn weights of other frameworks into Ballast's, and back.",
    .synopsis = "IN [OUT] [--model NAME] [--as NAME]",
    .details =
        "Reads weights that PyTorch, torchvision, detectron2, mmdetection, MoCo, USB or Ballast "
        "wrote\n"
        "(.pth, .pkl, .safetensors, also in shards, or a run folder) and writes safetensors under\n"
        "Ballast's names, or with --as under those of another framework. Nothing in a pickle is\n"
        "executed. run.init_from reads such files directly; converting shows what is found and "
        "makes\n"
        "the file smaller (no optimiser state, one model of two).\n",
    .examples = "  ballast convert model_final.pkl r50.safetensors\n"
                "  ballast convert faster_rcnn.pth --list\n"
                "  ballast convert runs/bccd out.safetensors --as torchvision\n",
    .options = table,
    .settings = BL_SETTINGS_NONE,
    .min_words = 1,
    .max_words = 2,
    .options_size = sizeof(options),
    .run = run};
