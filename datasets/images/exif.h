/* The orientation tag of EXIF, which cameras write instead of turning their pixels.
 *
 * Own code, not libexif: one tag of one directory is wanted, of four containers, three of which
 * libexif does not open. */
#ifndef BALLAST_DATASETS_IMAGES_EXIF_H
#define BALLAST_DATASETS_IMAGES_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* Each gives 1 to 8, as EXIF numbers them (orientation.h), and 1, upright, where the tag is absent
 * or damaged: a picture is never refused for it. `data` is the whole file. */
int bl_exif_of_jpeg(const uint8_t *data, size_t size);
int bl_exif_of_png(const uint8_t *data, size_t size);
int bl_exif_of_webp(const uint8_t *data, size_t size);
/* The same of the block itself, which begins with "II" or "MM"; it is a TIFF file. */
int bl_exif_orientation(const uint8_t *data, size_t size);

#endif
