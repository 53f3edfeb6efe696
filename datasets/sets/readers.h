/* Readers of the usual image classification sets into memory.
 *
 * Every file may also be there in xz compression, under its name with ".xz" added: it is looked for
 * when the plain one is missing. Messages name the file and, where it applies, the byte offset. */
#ifndef BALLAST_DATASETS_SETS_READERS_H
#define BALLAST_DATASETS_SETS_READERS_H

#include <stdbool.h>

#include "datasets/sets/image_set.h"

/* CIFAR-10: data_batch_1..5.bin or test_batch.bin in `dir`, records of 1 label byte and 3 planes of
 * 32x32, with class names from batches.meta.txt when it is there; or the Python version, the same
 * names without .bin (datasets/sets/cifar_python.h). `dir` may also be the folder that holds the
 * archive's own, cifar-10-batches-bin or cifar-10-batches-py. */
bl_status bl_cifar10_read(const char *dir, bool test, bl_classify_set **out);

/* CIFAR-100, binary version: train.bin or test.bin, records of a coarse label, a fine label and the
 * planes; names from coarse_label_names.txt / fine_label_names.txt. coarse:
 * the 20 super-classes. */
bl_status bl_cifar100_read(const char *dir, bool test, bool coarse, bl_classify_set **out);

/* The records of one such file in memory, appended to nothing: label_bytes 1 (CIFAR-10) or 2
 * (CIFAR-100, of which label number `use` counts). Any number of whole records. For tests, fuzzing
 * and files with other names. */
bl_status bl_cifar_parse(const uint8_t *data, size_t size, const char *name, int label_bytes,
                         int use, int32_t n_classes, bl_classify_set **out);

/* STL-10, binary version: train_X.bin + train_y.bin, test_X.bin + test_y.bin, or unlabeled_X.bin
 * (labels unknown); 96x96, planes column-major, labels 1..10. Resized to size x size while reading
 * (Pillow's bilinear filter, the usual 32) when size > 0: the unlabelled part is 2.8 GB at 96. */
typedef enum bl_stl_part { BL_STL_TRAIN, BL_STL_TEST, BL_STL_UNLABELLED } bl_stl_part;
bl_status bl_stl10_read(const char *dir, bl_stl_part part, int32_t size, bl_classify_set **out);
/* X and y of one part in memory; `y` may be NULL. */
bl_status bl_stl_parse(const uint8_t *x, size_t x_size, const uint8_t *y, size_t y_size,
                       const char *name, int32_t size, bl_classify_set **out);

/* SVHN, cropped digits: train_32x32.mat, test_32x32.mat, extra_32x32.mat in `dir`. Label 10 of the
 * files is the digit 0. digits_from_one: class 0..9 = digits 1,2,...,9,0, the usual order of its
 * long tail; otherwise class k = digit k. */
typedef enum bl_svhn_part { BL_SVHN_TRAIN, BL_SVHN_TEST, BL_SVHN_EXTRA } bl_svhn_part;
bl_status bl_svhn_read(const char *dir, bl_svhn_part part, bool digits_from_one,
                       bl_classify_set **out);

/* A pair of NumPy files: uint8 images [n][h][w][3] (or [n][3][h][w], told apart by the 3; or
 * [n][3*h*w] planar with h = w, as "Downsampled ImageNet" stores them) and integer labels [n];
 * `labels` may be NULL: unknown. n_classes 0: labels run from the smallest to the largest there
 * (which *first, if not NULL, then receives); else n_classes of them from *first, or from 0, on. */
bl_status bl_classify_npy_read(const char *images, const char *labels, int32_t n_classes,
                               int64_t *first, bl_classify_set **out);
/* The same from memory; `labels` may be NULL. */
bl_status bl_classify_npy_parse(const uint8_t *images, size_t images_size, const char *images_name,
                                const uint8_t *labels, size_t labels_size, const char *labels_name,
                                int32_t n_classes, int64_t *first, bl_classify_set **out);

/* A folder with one sub-folder a class, in byte order of their names, JPEG or PNG files in each, in
 * byte order too; each whole image (`exif`: as in bl_image_load) is resized to size x size by Pillow's bilinear filter. A folder
 * without sub-folders is a set with unknown labels and one class. Hidden files and what systems leave
 * in folders (Thumbs.db, desktop.ini, __MACOSX) are passed over; any other file that is no image is an
 * error, or, with n_skipped, left out and counted there. */
bl_status bl_classify_folder_read(const char *dir, int32_t size, bool exif, int64_t *n_skipped,
                                  bl_classify_set **out);

#endif
