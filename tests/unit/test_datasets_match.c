/* Categories matched by name: other ids, other orders, spellings, lists of federated sets. */
#include "datasets/annotations/match.h"
#include "tests/check.h"

static bl_dataset *build(const bl_category *c, int nc, const bl_ann *a, int na,
                         const bl_federated *f) {
    static const bl_image_info im[] = {{.id = 1, .file = "a.jpg", .width = 20, .height = 10}};
    bl_dataset parts = {.name = "set.json",
                        .categories = (bl_category *)c,
                        .n_categories = nc,
                        .images = (bl_image_info *)im,
                        .n_images = 1,
                        .federated = (bl_federated *)f,
                        .anns = (bl_ann *)a,
                        .n_anns = na},
               *d;
    CHECK_OK(bl_dataset_build(&parts, &d));
    return d;
}

static const bl_category base[] = {
    {.id = 1, .name = "cat"}, {.id = 2, .name = "dog"}, {.id = 3, .name = "emu"}};

static void other_order(void) {
    const bl_category swapped[] = {{.id = 1, .name = "dog"}, {.id = 7, .name = "cat"}};
    const int32_t negative[] = {0, 1}, rest[] = {0};
    const bl_federated f = {negative, rest, 2, 1, true};
    const bl_ann an[] = {{.id = 1, .w = 3, .h = 3, .category = 0},
                         {.id = 2, .w = 4, .h = 4, .category = 1}};
    bl_dataset *like = build(base, 3, NULL, 0, NULL), *d = build(swapped, 2, an, 2, &f);
    bl_match m;
    CHECK_OK(bl_dataset_match(&d, like, false, &m));
    CHECK_EQ(d->n_categories, 3);
    CHECK_EQ(d->categories[0].id, 7); /* the file's own */
    CHECK_STR(d->categories[0].name, "cat");
    CHECK_EQ(d->categories[1].id, 1);
    CHECK_EQ(d->categories[2].id, 3); /* absent here */
    CHECK_EQ(d->anns[0].category, 1);
    CHECK_EQ(d->anns[1].category, 0);
    CHECK_EQ(d->federated[0].n_negative, 2);
    CHECK_EQ(d->federated[0].negative[0], 0);
    CHECK_EQ(d->federated[0].negative[1], 1);
    CHECK_EQ(d->federated[0].not_exhaustive[0], 1);
    CHECK_EQ(m.n_moved, 2);
    CHECK_STR(m.moved, "\"cat\" (id 7 for 1), \"dog\" (id 1 for 2)");
    CHECK_EQ(m.n_absent, 1);
    CHECK_STR(m.absent, "\"emu\"");
    bl_dataset_free(d);
    /* the id of an absent category may be taken */
    const bl_category taken[] = {{.id = 3, .name = "dog"}};
    d = build(taken, 1, NULL, 0, NULL);
    CHECK_OK(bl_dataset_match(&d, like, false, &m));
    CHECK_EQ(d->categories[1].id, 3);
    CHECK_EQ(d->categories[2].id, 4);
    bl_dataset_free(d);
    bl_dataset_free(like);
}

static void spellings(void) {
    const bl_category loose[] = {
        {.id = 1, .name = "Cat "}, {.id = 2, .name = "dog"}, {.id = 3, .name = "EMU"}};
    bl_dataset *like = build(base, 3, NULL, 0, NULL), *d = build(loose, 3, NULL, 0, NULL);
    bl_match m;
    CHECK_OK(bl_dataset_match(&d, like, false, &m));
    CHECK_EQ(m.n_loose, 2);
    CHECK_STR(m.loose, "\"Cat \" as \"cat\", \"EMU\" as \"emu\"");
    CHECK_STR(d->categories[0].name, "cat");
    CHECK_EQ(d->categories[0].id, 1);
    bl_dataset_free(d);
    /* which of the two is meant, nobody knows */
    const bl_category two[] = {{.id = 1, .name = "CAT"}, {.id = 2, .name = "Cat"}};
    const bl_ann an[] = {{.id = 1, .w = 3, .h = 3}};
    d = build(two, 2, an, 1, NULL);
    CHECK_FAILS(bl_dataset_match(&d, like, false, &m), BL_EFORMAT,
                "category \"CAT\" has 1 boxes, but set.json has no category of that name");
    bl_dataset_free(d);
    const bl_category same[] = {{.id = 1, .name = "cat"}, {.id = 2, .name = "cat"}};
    d = build(same, 2, NULL, 0, NULL);
    CHECK_FAILS(bl_dataset_match(&d, like, false, &m), BL_EFORMAT, "two categories");
    bl_dataset_free(d);
    bl_dataset_free(like);
}

static void extra_ones(void) {
    const bl_category more[] = {{.id = 0, .name = "object"}, {.id = 1, .name = "doge"}};
    const bl_ann an[] = {{.id = 1, .w = 3, .h = 3, .category = 1}};
    bl_dataset *like = build(base, 3, NULL, 0, NULL), *d = build(more, 2, an, 1, NULL);
    bl_match m;
    CHECK_FAILS(bl_dataset_match(&d, like, false, &m), BL_EFORMAT, "is it \"dog\" there?");
    CHECK_OK(bl_dataset_match(&d, like, true, &m)); /* unlabelled: the boxes go */
    CHECK_EQ(m.n_extra, 2);
    CHECK_EQ(m.n_boxes, 1);
    CHECK_EQ(d->n_anns, 0);
    CHECK_EQ(d->n_categories, 3);
    bl_dataset_free(d);
    bl_dataset_free(like);
}

static void root_category(void) {
    bl_category c[] = {{.id = 0, .name = "pets", .supercategory = "none"},
                       {.id = 1, .name = "cat", .supercategory = "pets"},
                       {.id = 2, .name = "dog", .supercategory = "pets"}};
    const bl_ann an[] = {{.id = 1, .w = 3, .h = 3, .category = 1},
                         {.id = 2, .w = 3, .h = 3, .category = 0}};
    char *name;
    bl_dataset *d = build(c, 3, an, 1, NULL);
    CHECK_OK(bl_dataset_drop_root(&d, &name));
    CHECK_STR(name, "pets");
    CHECK_EQ(d->n_categories, 2);
    CHECK_EQ(d->anns[0].category, 0);
    CHECK_STR(d->categories[0].name, "cat");
    bl_dataset_free(d);
    free(name);
    d = build(c, 3, an, 2, NULL); /* with an object it is a class */
    CHECK_OK(bl_dataset_drop_root(&d, &name));
    CHECK(!name);
    CHECK_EQ(d->n_categories, 3);
    bl_dataset_free(d);
    c[2].supercategory = "none"; /* not above all others */
    d = build(c, 3, an, 1, NULL);
    CHECK_OK(bl_dataset_drop_root(&d, &name));
    CHECK(!name);
    bl_dataset_free(d);
}

int main(void) {
    other_order();
    spellings();
    extra_ones();
    root_category();
    return 0;
}
