/* Runs files, or all files of folders, through a fuzz target:
 *  fuzz_json_replay FILE_OR_FOLDER... */
#include <dirent.h>
#include <string.h>

#include "core/fs.h"
#include "tests/fuzz/fuzz.h"

static int run_file(const char *path) {
    char *data;
    size_t size;
    if (bl_read_file(path, (size_t)1 << 30, &data, &size) != BL_OK) {
        fprintf(stderr, "%s\n", bl_error());
        exit(1);
    }
    /* An exact copy, so that AddressSanitizer sees a read beyond the end. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) exit(1);
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 1;
}

static int run_folder(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) {
        fprintf(stderr, "%s: cannot list the folder\n", path);
        exit(1);
    }
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        char *file = bl_path_join(path, e->d_name);
        if (file && !bl_is_dir(file)) n += run_file(file);
        free(file);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv) {
    int n = 0;
    for (int i = 1; i < argc; i++)
        n += bl_is_dir(argv[i]) ? run_folder(argv[i]) : run_file(argv[i]);
    printf("%d inputs\n", n);
    return n > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
