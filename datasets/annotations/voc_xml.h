/* One Pascal VOC annotation file (Everingham et al., "The Pascal Visual Object Classes Challenge",
 * IJCV 2010): annotation/{filename, size/{width,height}, object/{name, difficult,
 * bndbox/{xmin,ymin,xmax,ymax}}}; everything else, body parts included, is ignored.
 *
 * Files are hostile until shown otherwise: entity declarations are refused, nothing external is
 * loaded, depth and text length are bounded. */
#ifndef BALLAST_DATASETS_ANNOTATIONS_VOC_XML_H
#define BALLAST_DATASETS_ANNOTATIONS_VOC_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct bl_voc_object {
    char *name;
    double xmin, ymin, xmax, ymax; /* as written */
    bool difficult;
} bl_voc_object;

typedef struct bl_voc_file {
    char *filename;        /* "" when absent */
    int32_t width, height; /* 0: absent, or not both whole numbers of pixels from 1 */
    bl_voc_object *objects;
    int32_t n, cap;
} bl_voc_file;

/* Parses; messages read "<name>:<line>: ...". With `skip_bad` an incomplete object is left out and
 * counted in *n_skipped; broken XML always fails. An empty <difficult/> is 0. Encodings other than
 * Expat's go through iconv (xml_encoding.h). bl_voc_free() frees the result, also after failure. */
bl_status bl_voc_parse(const void *data, size_t size, const char *name, bool skip_bad,
                       int64_t *n_skipped, bl_voc_file *out);
void bl_voc_free(bl_voc_file *v);

#endif
