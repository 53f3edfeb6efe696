/* Image files that Pillow wrote, against the pixels that Pillow reads from them: as stored, and
 * upright by EXIF's orientation. scripts/golden/images_pillow.py makes the file. */
#include <stdio.h>

#include "datasets/images/image.h"
#include "tests/check.h"

typedef struct sample {
    char *name, *stored, *upright, *file;
    int worst, width, height, up_width, up_height;
} sample;

static size_t bytes_of(const char *hex, uint8_t **out) {
    size_t n = strlen(hex) / 2;
    *out = malloc(n);
    for (size_t i = 0; i < n; i++) CHECK_EQ(sscanf(hex + 2 * i, "%2hhx", &(*out)[i]), 1);
    return n;
}

static void same_pixels(const sample *s, const uint8_t *data, size_t size, bool exif) {
    bl_image img;
    uint8_t *want;
    int worst = 0;
    CHECK_OK(bl_image_decode(data, size, s->name, exif, &img));
    CHECK_EQ(img.width, exif ? s->up_width : s->width);
    CHECK_EQ(img.height, exif ? s->up_height : s->height);
    size_t n = bytes_of(exif ? s->upright : s->stored, &want);
    CHECK_EQ(n, 3 * (size_t)img.width * (size_t)img.height);
    for (size_t i = 0; i < n; i++) {
        int d = abs(img.rgb[i] - want[i]);
        worst = d > worst ? d : worst;
    }
    if (worst > s->worst) printf("%s: off by %d\n", s->name, worst);
    CHECK(worst <= s->worst);
    free(want);
    bl_image_free(&img);
}

/* No cut of the file may be read beyond its end; that is for the sanitizers to see. */
static void cut_everywhere(const sample *s, const uint8_t *data, size_t size) {
    for (size_t n = 0; n < size; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        bl_image img;
        memcpy(cut, data, n);
        if (bl_image_decode(cut, n, s->name, true, &img) == BL_OK) bl_image_free(&img);
        free(cut);
    }
}

int main(void) {
    FILE *f = fopen(BALLAST_SOURCE_DIR "/tests/golden/images_pillow.txt", "r");
    char *line = NULL;
    size_t room = 0;
    int n = 0;
    CHECK(f);
    while (getline(&line, &room, f) > 0) {
        sample s;
        uint8_t *data;
        if (*line == '#') continue;
        CHECK_EQ(sscanf(line, "%ms %d %d %d %ms %d %d %ms %ms", &s.name, &s.worst, &s.up_width,
                        &s.up_height, &s.upright, &s.width, &s.height, &s.stored, &s.file),
                 9);
        size_t size = bytes_of(s.file, &data);
        bl_image img;
        if (bl_image_decode(data, size, s.name, true, &img) == BL_EUNSUPPORTED) {
            CHECK(strstr(bl_error(), "-dev and build it again")); /* without that library */
            s.worst = -1;
        }
        bl_image_free(&img);
        if (s.worst >= 0) same_pixels(&s, data, size, true);
        if (s.worst >= 0) same_pixels(&s, data, size, false);
        cut_everywhere(&s, data, size);
        free(data);
        free(s.name);
        free(s.stored);
        free(s.upright);
        free(s.file);
        n++;
    }
    CHECK(n >= 52);
    free(line);
    fclose(f);
    return 0;
}
