/* Any bytes: no crash; what is accepted lies inside the input and tiles its data. */
#include <string.h>

#include "core/safetensors.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_st_file *f;
    if (bl_st_open_memory(data, size, "input", &f) != BL_OK) return 0;
    size_t bytes = 0;
    for (int i = 0; i < bl_st_count(f); i++) {
        const bl_st_tensor *t = bl_st_at(f, i);
        HOLDS(bl_st_find(f, t->name) == t);
        HOLDS(t->ndim >= 0 && t->ndim <= BL_ST_MAX_DIMS);
        const uint8_t *p = t->data;
        HOLDS(p >= data && t->bytes <= size && (size_t)(p - data) <= size - t->bytes);
        /* Written to a volatile, so that the reads happen. */
        volatile uint8_t sink = 0;
        if (t->bytes > 0) sink = (uint8_t)(p[0] ^ p[t->bytes - 1]);
        (void)sink;
        bytes += t->bytes;
    }
    uint64_t header = 0;
    memcpy(&header, data, 8); /* little-endian machines only, as everywhere */
    HOLDS(bytes == size - 8 - header);
    (void)bl_st_metadata(f, "format");
    bl_st_close(f);
    return 0;
}
