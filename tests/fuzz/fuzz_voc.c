/* The Pascal VOC annotation parser on arbitrary bytes, strict and lenient. */
#include <math.h>

#include "datasets/annotations/voc_xml.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int lenient = 0; lenient < 2; lenient++) {
        bl_voc_file v;
        int64_t skipped = 0;
        if (bl_voc_parse(data, size, "fuzz", lenient, &skipped, &v) == BL_OK) {
            HOLDS((v.width > 0 && v.height > 0) || (v.width == 0 && v.height == 0));
            for (int32_t i = 0; i < v.n; i++) {
                const bl_voc_object *o = &v.objects[i];
                HOLDS(o->name && o->name[0]);
                HOLDS(isfinite(o->xmin + o->ymin + o->xmax + o->ymax));
            }
        }
        bl_voc_free(&v);
    }
    return 0;
}
