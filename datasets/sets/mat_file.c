#include "datasets/sets/mat_file.h"

#ifdef BALLAST_MATIO_LIBRARY /* its name for the loader; set by the build where the headers are */

#include <dlfcn.h>
#include <matio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fs.h"

enum { MAX_VARIABLES = 4 };

struct bl_mat_file {
    void *library;
    mat_t *(*open)(const char *, int);
    int (*close)(mat_t *);
    matvar_t *(*read_info)(mat_t *, const char *);
    matvar_t *(*read)(mat_t *, const char *);
    void (*free)(matvar_t *);
    mat_t *mat;
    char *path;
    matvar_t *held[MAX_VARIABLES];
    int n_held;
};

static bool find(void *library, const char *name, void *function) {
    void *f = dlsym(library, name);
    memcpy(function, &f, sizeof f);
    return f != NULL;
}

static bl_status load(bl_mat_file *f) {
    f->library = dlopen(BALLAST_MATIO_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (f->library && find(f->library, "Mat_Open", &f->open) &&
        find(f->library, "Mat_Close", &f->close) &&
        find(f->library, "Mat_VarReadInfo", &f->read_info) &&
        find(f->library, "Mat_VarRead", &f->read) && find(f->library, "Mat_VarFree", &f->free))
        return BL_OK;
    return bl_fail(BL_EBACKEND,
                   "%s: MATLAB files are read by %s, which cannot be loaded (%s); install %s",
                   f->path, BALLAST_MATIO_LIBRARY, dlerror(), BALLAST_MATIO_PACKAGE);
}

bl_status bl_mat_open(const char *path, bl_mat_file **out) {
    if (!bl_exists(path)) return bl_fail(BL_EIO, "%s: does not exist", path);
    bl_mat_file *f = calloc(1, sizeof *f);
    if (f) f->path = strdup(path);
    bl_status status = f && f->path ? load(f) : bl_no_memory("for %s", path);
    if (status == BL_OK && !(f->mat = f->open(path, MAT_ACC_RDONLY)))
        status = bl_fail(BL_EFORMAT, "%s: is not a MATLAB file, or damaged", path);
    if (status != BL_OK) {
        bl_mat_close(f);
        return status;
    }
    *out = f;
    return BL_OK;
}

/* The library stays: what it brought registers itself with the process and cannot be unloaded. */
void bl_mat_close(bl_mat_file *f) {
    if (!f) return;
    for (int i = 0; i < f->n_held; i++) f->free(f->held[i]);
    if (f->mat) f->close(f->mat);
    free(f->path);
    free(f);
}

/* What the header of the variable says, before its data is read. */
static bl_status check_header(bl_mat_file *f, const char *name, int rank, double most) {
    matvar_t *v = f->read_info(f->mat, name);
    if (!v) return bl_fail(BL_EFORMAT, "%s: has no variable \"%s\"", f->path, name);
    double elements = 1;
    for (int k = 0; k < v->rank; k++) elements *= (double)v->dims[k];
    bool fits = v->rank == rank && elements <= most;
    f->free(v);
    if (!fits)
        return bl_fail(BL_EFORMAT, "%s: variable \"%s\" does not have the %d dimensions expected",
                       f->path, name, rank);
    return BL_OK;
}

bl_status bl_mat_read(bl_mat_file *f, const char *name, int rank, double most, bl_mat_array *out) {
    if (rank < 1 || rank > BL_MAT_MAX_RANK || f->n_held == MAX_VARIABLES)
        return bl_fail(BL_EINVAL, "%s: cannot hold variable \"%s\"", f->path, name);
    BL_TRY(check_header(f, name, rank, most));
    matvar_t *v = f->read(f->mat, name);
    if (v) f->held[f->n_held++] = v;
    if (!v || !v->data)
        return bl_fail(BL_EFORMAT, "%s: variable \"%s\" is damaged or cut off", f->path, name);
    *out = (bl_mat_array){.elements = 1, .data = v->data};
    for (int k = 0; k < rank; k++) out->elements *= out->dims[k] = v->dims[k];
    size_t size = v->data_size > 0 ? (size_t)v->data_size : 0;
    bool complete = v->nbytes == out->elements * size;
    out->bytes =
        complete && size == 1 && v->class_type == MAT_C_UINT8 && v->data_type == MAT_T_UINT8;
    out->doubles = complete && size == sizeof(double) && v->class_type == MAT_C_DOUBLE &&
                   v->data_type == MAT_T_DOUBLE;
    return BL_OK;
}

#else

bl_status bl_mat_open(const char *path, bl_mat_file **out) {
    return bl_fail(BL_EBACKEND,
                   "%s: this build cannot read MATLAB files; install libmatio-dev (Debian, Ubuntu) "
                   "and build again",
                   path);
}

void bl_mat_close(bl_mat_file *f) {
    (void)f;
}

bl_status bl_mat_read(bl_mat_file *f, const char *name, int rank, double most, bl_mat_array *out) {
    return bl_fail(BL_EBACKEND, "variable \"%s\": this build cannot read MATLAB files", name);
}

#endif
