/* The image decoders and EXIF's orientation on arbitrary bytes. */
#include "datasets/images/image.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_image img;
    if (bl_image_decode(data, size, "fuzz", true, &img) != BL_OK) return 0;
    int64_t n = (int64_t)img.width * img.height * 3;
    uint64_t sum = 0; /* touches every byte that was promised */
    for (int64_t i = 0; i < n; i++) sum += img.rgb[i];
    HOLDS(sum <= 255 * (uint64_t)n && n <= 3LL * BL_IMAGE_MAX_PIXELS);
    bl_image_free(&img);
    return 0;
}
