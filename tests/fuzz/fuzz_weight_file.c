/* PyTorch files, pickles and safetensors: opened from memory, every byte of every tensor read. */
#include <stddef.h>
#include <stdint.h>

#include "interop/weight_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_st_file *f;
    if (bl_weight_file_open_memory(data, size, "fuzz", &f, NULL) != BL_OK) return 0;
    volatile uint8_t sum = 0;
    for (int i = 0; i < bl_st_count(f); i++) {
        const bl_st_tensor *t = bl_st_at(f, i);
        for (size_t j = 0; j < t->bytes; j++) sum += ((const uint8_t *)t->data)[j];
    }
    bl_st_close(f);
    return 0;
}
