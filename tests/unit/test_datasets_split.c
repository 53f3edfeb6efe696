/* Splits: sizes, determinism, guarantees per class, stripped bases, and the checks of files. */
#include <unistd.h>

#include "core/fs.h"
#include "datasets/splits/split_expect.h"
#include "tests/check.h"

enum { IMAGES = 400, CLASSES = 5 };

/* Class 0 in every image, 1 in every 2nd, 2 in every 10th, 3 in every 50th, 4 in one. Every 7th
 * image has a crowd and a degenerate box of class 4 besides, which do not count. Ids descend. */
static bl_dataset *make_source(const char *name) {
    static const int every[CLASSES] = {1, 2, 10, 50, IMAGES};
    static const char *const names[CLASSES] = {"person", "car", "bear", "toaster", "drier"};
    bl_category categories[CLASSES];
    bl_image_info images[IMAGES];
    bl_ann anns[IMAGES * 8];
    char files[IMAGES][16];
    bl_dataset parts = {.name = name,
                        .image_dir = "imgs",
                        .categories = categories,
                        .n_categories = CLASSES,
                        .images = images,
                        .n_images = IMAGES,
                        .anns = anns};
    for (int c = 0; c < CLASSES; c++) categories[c] = (bl_category){.id = c + 1, .name = names[c]};
    for (int i = 0; i < IMAGES; i++) {
        snprintf(files[i], sizeof files[i], "%d.jpg", i);
        images[i] = (bl_image_info){
            .id = 1000 - i, .file = files[i], .width = i == 0 ? 20 : 64, .height = 64};
        for (int c = 0; c < CLASSES + 2; c++) {
            if (c < CLASSES ? i % every[c] != 0 : i % 7 != 0) continue;
            int64_t k = parts.n_anns++;
            anns[k] = (bl_ann){.id = k + 1,
                               .x = 1,
                               .y = 1,
                               .w = 5,
                               .h = 5,
                               .area = 25,
                               .image = i,
                               .category = c < CLASSES ? c : 4};
            if (c == CLASSES) anns[k].iscrowd = 1;
            if (c == CLASSES + 1) anns[k].w = 0;
        }
    }
    bl_dataset *d;
    CHECK_OK(bl_dataset_build(&parts, &d));
    return d;
}

static bool has(const bl_dataset *d, int64_t id) {
    for (int32_t i = 0; i < d->n_images; i++)
        if (d->images[i].id == id) return true;
    return false;
}

static int64_t boxes_of(const bl_dataset *d, int32_t c) {
    int64_t n = 0;
    for (int64_t i = 0; i < d->n_anns; i++)
        n += d->anns[i].category == c && !d->anns[i].iscrowd && !bl_ann_degenerate(&d->anns[i]);
    return n;
}

/* Together the parts hold every image once, in the source's order, and the unlabelled part every
 * box. */
static void partitions(const bl_dataset *d, const bl_split *s) {
    int32_t l = 0, u = 0;
    CHECK_STR(s->labelled->role, "labelled");
    CHECK_STR(s->unlabelled->role, "unlabelled");
    CHECK_EQ(s->labelled->n_images + s->unlabelled->n_images + s->n_dropped, d->n_images);
    CHECK_EQ(s->labelled->n_images + s->n_dropped, s->n_base + s->n_few_shot + s->n_topup);
    for (int32_t i = 0; i < d->n_images; i++) {
        bool in_l = l < s->labelled->n_images && s->labelled->images[l].id == d->images[i].id;
        bool in_u = u < s->unlabelled->n_images && s->unlabelled->images[u].id == d->images[i].id;
        CHECK(!(in_l && in_u));
        CHECK(in_l || in_u || s->n_dropped > 0);
        if (in_u) CHECK_EQ(s->unlabelled->images[u].n_anns, d->images[i].n_anns);
        l += in_l;
        u += in_u;
    }
    CHECK_EQ(l, s->labelled->n_images);
    CHECK_EQ(u, s->unlabelled->n_images);
}

static void plain(const bl_dataset *d) {
    bl_split a, b, c, e;
    bl_split_config cfg = {.percent = 29, .seed = 5, .few_shot_boxes = 10};
    CHECK_OK(bl_split_make(&cfg, d, &a));
    CHECK_EQ(a.n_base, 116); /* 0.29 * 400 is 115.99999999999999 in doubles */
    partitions(d, &a);
    CHECK_OK(bl_split_make(&cfg, d, &b)); /* the same again */
    CHECK_EQ(b.labelled->n_images, 116);
    for (int i = 0; i < 116; i++) CHECK_EQ(a.labelled->images[i].id, b.labelled->images[i].id);
    cfg.percent = 10; /* a part of the larger draw */
    CHECK_OK(bl_split_make(&cfg, d, &c));
    CHECK_EQ(c.labelled->n_images, 40);
    for (int i = 0; i < 40; i++) CHECK(has(a.labelled, c.labelled->images[i].id));
    cfg.fold = 1; /* another draw: 40 * 40 / 400 = 4 common images expected */
    CHECK_OK(bl_split_make(&cfg, d, &e));
    int common = 0;
    for (int i = 0; i < 40; i++) common += has(c.labelled, e.labelled->images[i].id);
    CHECK(common < 16);
    bl_split_free(&a);
    bl_split_free(&b);
    bl_split_free(&c);
    bl_split_free(&e);
}

/* Over many folds every image is drawn about equally often. */
static void uniform(const bl_dataset *d) {
    int drawn[1001] = {0};
    for (int fold = 0; fold < 200; fold++) {
        bl_split s;
        bl_split_config cfg = {.percent = 10, .seed = 1, .fold = fold};
        CHECK_OK(bl_split_make(&cfg, d, &s));
        for (int i = 0; i < 40; i++) drawn[s.labelled->images[i].id]++;
        bl_split_free(&s);
    }
    double chi2 = 0; /* 400 counts with mean 20, variance 18 */
    for (int i = 0; i < IMAGES; i++)
        chi2 += (drawn[1000 - i] - 20.0) * (drawn[1000 - i] - 20.0) / 18.0;
    CHECK(chi2 > 300 && chi2 < 510); /* 400 +- 28 */
}

static void guaranteed(const bl_dataset *d) {
    bl_split s;
    bl_split_config cfg = {.percent = 5, .seed = 3, .min_boxes = 4};
    CHECK_OK(bl_split_make(&cfg, d, &s));
    partitions(d, &s);
    for (int c = 0; c < 4; c++) CHECK(boxes_of(s.labelled, c) >= 4);
    CHECK_EQ(boxes_of(s.labelled, 4), 1); /* all there is */
    CHECK_EQ(s.n_short, 1);
    CHECK(s.is_short[4] && !s.is_short[3]);
    CHECK(s.n_topup > 0 && s.n_topup <= 4 + 4 + 1);
    bl_split_free(&s);
}

static void stripped(const bl_dataset *d, int64_t few_shot) {
    static const char *minority[] = {"bear", "toaster"};
    bl_split s;
    bl_split_config cfg = {.percent = 25,
                           .seed = 9,
                           .minority = {2, minority},
                           .few_shot_images = few_shot,
                           .few_shot_boxes = 3};
    CHECK_OK(bl_split_make(&cfg, d, &s));
    partitions(d, &s);
    CHECK_EQ(s.n_base, 100);
    CHECK_EQ(s.n_few_shot, few_shot);
    CHECK_EQ(s.n_short, 0);
    CHECK(s.is_minority[2] && s.is_minority[3] && !s.is_minority[0]);
    CHECK(boxes_of(s.labelled, 2) >= 3 && boxes_of(s.labelled, 3) >= 3);
    /* An image is either stripped of its minority boxes or complete; the numbers of
     * both are known. */
    int bare = 0, complete = 0, minority_images = 0;
    for (int32_t i = 0; i < s.labelled->n_images; i++) {
        const bl_image_info *im = &s.labelled->images[i];
        const bl_image_info *from = &d->images[1000 - im->id];
        CHECK_EQ(from->id, im->id);
        int rare = 0, kept = 0;
        for (int k = 0; k < from->n_anns; k++) {
            int c = d->anns[from->first_ann + k].category;
            rare += c == 2 || c == 3;
        }
        for (int k = 0; k < im->n_anns; k++) {
            int c = s.labelled->anns[im->first_ann + k].category;
            kept += c == 2 || c == 3;
        }
        CHECK(kept == 0 || kept == rare);
        CHECK_EQ(from->n_anns - im->n_anns, rare - kept);
        minority_images += rare > 0;
        bare += rare > 0 && kept == 0;
        complete += kept > 0;
    }
    CHECK_EQ(bare + complete, minority_images);
    CHECK(bare > 0);
    if (few_shot == 0) {
        CHECK_EQ(complete, s.n_topup); /* each was taken for a minority class */
        CHECK(s.n_topup <= 6);
    }
    bl_split_free(&s);
}

static void empty_ones_go(void) {
    bl_category cat[] = {{.id = 1, .name = "a"}, {.id = 2, .name = "b"}};
    static const char *const files[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    bl_image_info im[8];
    bl_ann an[7];
    for (int i = 0; i < 8; i++)
        im[i] = (bl_image_info){.id = i, .file = files[i], .width = i == 0 ? 31 : 32, .height = 40};
    for (int i = 0; i < 7; i++)
        an[i] = (bl_ann){.id = i + 1, .w = 2, .h = 2, .image = i, .category = i == 1};
    bl_dataset parts = {.name = "n",
                        .categories = cat,
                        .n_categories = 2,
                        .images = im,
                        .n_images = 8,
                        .anns = an,
                        .n_anns = 7},
               *d;
    CHECK_OK(bl_dataset_build(&parts, &d));
    static const char *minority[] = {"b"};
    int dropped = 0;
    for (int fold = 0; fold < 20; fold++) {
        bl_split s;
        bl_split_config cfg = {
            .percent = 75, .fold = fold, .minority = {1, minority}, .drop_empty = true};
        CHECK_OK(bl_split_make(&cfg, d, &s));
        CHECK_EQ(s.n_base, 6);
        for (int i = 0; i < s.labelled->n_images; i++) {
            CHECK(s.labelled->images[i].id != 0 && s.labelled->images[i].id != 7);
            CHECK(s.labelled->images[i].n_anns == 1);
        }
        CHECK_EQ(s.labelled->n_images + s.n_dropped, 6);
        CHECK_EQ(s.unlabelled->n_images, 2);
        dropped += s.n_dropped;
        bl_split_free(&s);
    }
    CHECK(dropped > 20);
    bl_dataset_free(d);
}

static void refuses(const bl_dataset *d) {
    static const char *typo[] = {"beer"}, *bear[] = {"bear"};
    static const struct {
        bl_split_config cfg;
        const char *part;
    } cases[] = {
        {{.percent = 0}, "split.percent is 0"},
        {{.percent = 100}, "split.percent is 100"},
        {{.percent = NAN}, "split.percent is nan"},
        {{.percent = 0.1}, "less than one image"},
        {{.percent = 10, .minority = {1, typo}}, "no class \"beer\"; did you mean \"bear\"?"},
        {{.percent = 10, .minority = {1, bear}, .few_shot_images = 360},
         "leave nothing unlabelled"},
        {{.percent = 10, .min_boxes = 100000}, "all 400 images"},
        {{.percent = 10, .minority = {1, bear}, .min_boxes = 1}, "few_shot_boxes instead"},
        {{.percent = 10, .min_boxes = -1}, "must not be negative"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_split s;
        CHECK_FAILS(bl_split_make(&cases[i].cfg, d, &s), BL_ECONFIG, cases[i].part);
        CHECK(s.labelled == NULL);
    }
}

/* Replaces the first `from` in a file of the folder. */
static void edit(const char *dir, const char *file, const char *from, const char *to) {
    char *path = bl_path_join(dir, file), *text, *at;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 24, &text, &size));
    at = strstr(text, from);
    CHECK(at && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
    CHECK_OK(bl_write_file(path, text, size));
    free(text);
    free(path);
}

static void files(const char *dir) {
    char source[128];
    snprintf(source, sizeof source, "%s/source.json", dir);
    bl_dataset *made = make_source("made"), *d;
    CHECK_OK(bl_mkdirs(dir));
    CHECK_OK(bl_coco_write(made, source));
    CHECK_OK(bl_coco_read(source, "imgs", NULL, &d));
    bl_split s;
    bl_split_check check;
    bl_split_config cfg = {.percent = 10, .seed = 77, .min_boxes = 2};
    CHECK_OK(bl_split_make(&cfg, d, &s));
    CHECK_OK(bl_split_write(&s, dir));
    CHECK_OK(bl_split_verify(dir, &check));
    CHECK_EQ(check.n_labelled, s.labelled->n_images);
    CHECK_EQ(check.n_unlabelled, s.unlabelled->n_images);
    CHECK(check.source_found && !check.source_changed);

    edit(dir, "source.json", "\"width\": 64", "\"width\": 65");
    CHECK_OK(bl_split_verify(dir, &check));
    CHECK(check.source_changed);
    CHECK(unlink(source) == 0);
    CHECK_OK(bl_split_verify(dir, &check));
    CHECK(!check.source_found);

    edit(dir, "labelled.json", "\"width\": 64", "\"width\": 65");
    CHECK_FAILS(bl_split_verify(dir, NULL), BL_EFORMAT, "labelled.json: has changed since");
    edit(dir, "labelled.json", "\"width\": 65", "\"width\": 64");
    CHECK_OK(bl_split_verify(dir, NULL));
    edit(dir, "split.json", "ballast-split-1", "ballast-split-9");
    CHECK_FAILS(bl_split_verify(dir, NULL), BL_EFORMAT, "format is \"ballast-split-9\"");
    edit(dir, "split.json", "ballast-split-9", "ballast-split-1");
    edit(dir, "split.json", "\"image_ids\"", "\"image_idz\"");
    CHECK_FAILS(bl_split_verify(dir, NULL), BL_EFORMAT, "\"image_ids\" is missing");
    CHECK_FAILS(bl_split_verify("/nonexistent", NULL), BL_EIO, "/nonexistent/split.json");

    /* A split with one image on both sides, written by the same functions. */
    bl_dataset *both;
    int32_t *all = malloc(sizeof *all * IMAGES);
    for (int i = 0; i < IMAGES; i++) all[i] = i;
    CHECK_OK(bl_dataset_subset(d, all, IMAGES, &both));
    both->role = "unlabelled";
    bl_split leaky = s;
    leaky.unlabelled = both;
    CHECK_OK(bl_split_write(&leaky, dir));
    CHECK_FAILS(bl_split_verify(dir, NULL), BL_EFORMAT,
                "is in both the labelled and the unlabelled part");
    free(all);
    bl_dataset_free(both);
    bl_split_free(&s);
    bl_dataset_free(d);
    bl_dataset_free(made);
}

/* Reads a text file whole. */
static char *slurp(const char *dir, const char *file) {
    char *path = bl_path_join(dir, file), *text;
    size_t size;
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &size));
    free(path);
    return text;
}

/* Records go into the parts as they stand: fields nobody here knows, big numbers, odd spacing. */
static void keeps_records(const char *dir) {
    char *path = bl_path_join(dir, "rich.json"), *out = bl_path_join(dir, "rich");
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fputs("{\"annotations\": [", f);
    for (int i = 0; i < 40; i++)
        fprintf(
            f,
            "%s{ \"segmentation\": [[1,2,3.50,4,5,6e0]],\n \"id\": %d, \"image_id\": \"im %d\", "
            "\"category_id\": 1,\"bbox\":[1,2,3,4], \"keypoints\":[1,2,2], \"attributes\": "
            "{\"x\": [%d, null, \"\\u00e9]}\"]}, \"score\": NaN}",
            i ? "," : "", i == 39 ? 1 : i + 1, i / 2, i);
    fputs("], \"licenses\": [{\"id\": 3, \"name\": \"x\"}], \"images\": [", f);
    for (int i = 0; i < 20; i++)
        fprintf(f,
                "%s{\"id\": \"im %d\", \"file_name\": \"%d.jpg\", \"width\": 40, \"height\": 30, "
                "\"license\": 3, \"coco_url\": \"http://x/%d.jpg\", \"n\": 123456789012345678901}",
                i ? "," : "", i, i < 18 ? i : 0, i);
    fputs("], \"info\": {\"year\": 2017, \"note\": \"old\", \"ballast_role\": \"test\"}, "
          "\"categories\": [{\"id\": 1, \"name\": \"c\", \"skeleton\": [[1, 2]]}]}",
          f);
    CHECK(fclose(f) == 0);

    bl_read_options opt = {.skip_bad = true};
    bl_dataset *d, *part[2];
    bl_split s;
    CHECK_OK(bl_coco_read(path, "", &opt, &d));
    CHECK_EQ(opt.n_renumbered, 1);
    CHECK_OK(bl_split_make(&(bl_split_config){.percent = 50, .seed = 3}, d, &s));
    CHECK_EQ(s.n_twins, 2); /* three entries of 0.jpg */
    CHECK_OK(bl_split_write(&s, out));
    CHECK_OK(bl_split_verify(out, NULL));
    int64_t anns = 0, zeros[2] = {0};
    for (int k = 0; k < 2; k++) {
        const char *name = k ? "unlabelled.json" : "labelled.json";
        char *text = slurp(out, name), *file = bl_path_join(out, name);
        CHECK_OK(bl_coco_read(file, "", &(bl_read_options){.masks = true}, &part[k]));
        CHECK_STR(part[k]->role, k ? "unlabelled" : "labelled");
        anns += part[k]->n_anns;
        for (int32_t i = 0; i < part[k]->n_images; i++) {
            char want[120];
            zeros[k] += strcmp(part[k]->images[i].file, "0.jpg") == 0;
            snprintf(want, sizeof want,
                     "\"coco_url\": \"http://x/%s.jpg\", \"n\": 123456789012345678901}",
                     part[k]->images[i].id_text + 3);
            CHECK(strstr(text, want) != NULL);
        }
        CHECK(strstr(text, "\"licenses\": [{\"id\": 3, \"name\": \"x\"}]") != NULL);
        CHECK(strstr(text, "\"year\": 2017") != NULL && !strstr(text, "\"old\""));
        CHECK(strstr(text, "\"skeleton\": [[1, 2]]") != NULL);
        CHECK(strstr(text, "null, \"\\u00e9]}\"]}, \"score\": NaN}") != NULL);
        CHECK(part[k]->masks[0].text != NULL);
        free(text);
        free(file);
    }
    CHECK_EQ(anns, 40);
    CHECK(zeros[0] + zeros[1] == 3 && (zeros[0] == 0 || zeros[1] == 0));
    for (int k = 0; k < 2; k++) bl_dataset_free(part[k]);
    bl_split_free(&s);
    bl_dataset_free(d);
    free(path);
    free(out);
}

static char *write_text(const char *dir, const char *name, const char *text) {
    char *path = bl_path_join(dir, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

/* Images 0 and 50 hold toasters, 0 the only drier. */
static void lists(const bl_dataset *d, const char *dir) {
    bl_split s;
    const char *rare[] = {"toaster", "drier"};
    char *base = write_text(dir, "base.txt",
                            "# a comment\n0.jpg\n 50.jpg\r\nimgs/7.jpg\n\n7.jpg\n"
                            "997\n0000996\n");
    char *few = write_text(dir, "few.json", "[\"50.jpg\", 900]");
    bl_split_config cfg = {.percent = 10,
                           .base = base,
                           .few = few,
                           .minority = {.n = 2, .v = rare},
                           .few_shot_boxes = 3,
                           .few_shot_images = 11};
    CHECK_OK(bl_split_make(&cfg, d, &s));
    CHECK_EQ(s.n_base, 4);     /* 0, 7, and ids 997 and 996: 3 and 4 */
    CHECK_EQ(s.n_few_shot, 2); /* 50, and id 900: 100 */
    CHECK_EQ(s.n_both, 1);
    CHECK_EQ(s.n_topup, 0); /* nothing is drawn beside lists */
    partitions(d, &s);
    static const int64_t labelled[] = {1000, 997, 996, 993, 950, 900};
    for (int i = 0; i < 6; i++) CHECK_EQ(s.labelled->images[i].id, labelled[i]);
    CHECK_EQ(boxes_of(s.labelled, 3), 2); /* of 50 and 100, not of 0 */
    CHECK_EQ(boxes_of(s.labelled, 4), 0);
    CHECK(s.is_short[3] && s.is_short[4]);
    CHECK_OK(bl_split_write(&s, dir));
    CHECK_OK(bl_split_verify(dir, NULL));
    /* counts beside published ones */
    bl_split_distance far;
    char *table = write_text(dir, "table.csv",
                             "name,images,boxes\nperson,6,6\ncar,4,8\nbear,2,3\n"
                             "toaster,2,2\ndrier,1,0\n");
    CHECK_OK(bl_split_expect(&s, table, NULL, &far));
    CHECK_EQ(far.n_equal, 2);                  /* person and toaster */
    CHECK_NEAR(far.boxes[0], 4.0 / 17, 1e-12); /* |4 - 8| of 6 + 8 + 3 */
    CHECK_NEAR(far.images[0], 1.0 / 12, 1e-12);
    CHECK_NEAR(far.images[1], 1.0 / 3, 1e-12);
    CHECK_NEAR(far.boxes[1], 0, 0);
    free(table);
    table = write_text(dir, "table.csv", "name,images,boxes\nperson,6,6\ncat,4,8\n");
    CHECK_FAILS(bl_split_expect(&s, table, NULL, &far), BL_EFORMAT,
                "table.csv, line 3: class \"cat\", but source has \"car\"");
    free(table);
    table = write_text(dir, "table.csv", "name,images,boxes\nperson,6,6\n");
    CHECK_FAILS(bl_split_expect(&s, table, NULL, &far), BL_EFORMAT, "has 1 classes");
    bl_split_free(&s);
    /* Without a list of few-shot images they are drawn. */
    cfg.few = "";
    CHECK_OK(bl_split_make(&cfg, d, &s));
    CHECK_EQ(s.n_base, 5);
    CHECK_EQ(s.n_few_shot, 11);
    CHECK(s.n_topup > 0 && boxes_of(s.labelled, 3) >= 3);
    partitions(d, &s);
    bl_split_free(&s);
    static const struct {
        const char *text, *message;
    } bad[] = {{"0.jpg\nx.jpg\n", "base.txt, line 2: source has no image with the file name or id"},
               {"[5]", "entry 0"},
               {"\n#\n", "names no image"},
               {"{\"10.0\": {\"3\": [1]}}", "no draw for percent = 10 and seed = 0"},
               {"{\"10.0\": {\"0\": [1]}}", "the draw has 1 images, but 10 %"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        free(write_text(dir, "base.txt", bad[i].text));
        CHECK_FAILS(bl_split_make(&cfg, d, &s),
                    strstr(bad[i].message, "no draw") ? BL_ECONFIG : BL_EFORMAT, bad[i].message);
    }
    /* Places count images with boxes by ascending id: here the last image is the first. */
    free(write_text(dir, "base.txt", "{\"1.0\": {\"0\": [0, 1, 2, 399]}, \"0.5\": {\"0\": [3]}}"));
    cfg.percent = 1;
    cfg.minority.n = 0;
    CHECK_OK(bl_split_make(&cfg, d, &s));
    CHECK_EQ(s.n_base, 4);
    CHECK_EQ(s.labelled->images[0].id, 1000);
    CHECK_EQ(s.labelled->images[3].id, 601);
    bl_split_free(&s);
    free(base);
    free(few);
    free(table);
}

int main(void) {
    char dir[64], command[96];
    bl_dataset *d = make_source("source");
    plain(d);
    uniform(d);
    guaranteed(d);
    stripped(d, 0);
    stripped(d, 30);
    empty_ones_go();
    refuses(d);
    snprintf(dir, sizeof dir, "/tmp/ballast_split_%d", (int)getpid());
    files(dir);
    keeps_records(dir);
    lists(d, dir);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
    bl_dataset_free(d);
    return 0;
}
