#include <stdlib.h>
#include <string.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/schema.h"
#include "tests/check.h"

typedef struct optim {
    double lr;
    int64_t steps;
    bl_ints milestones;
    bl_reals betas;
} optim;

typedef struct config {
    const char *name;
    int32_t mode;
    bool flip;
    bl_strings classes;
    optim train;
} config;

static const char *const modes[] = {"fixed", "w-only", "code", NULL};
static const bl_field optim_fields[] = {
    {"lr", BL_T_REAL, offsetof(optim, lr), "0.01", 0, INFINITY, NULL, "1/iteration",
     "Learning rate.", NULL},
    {"steps", BL_T_INT, offsetof(optim, steps), NULL, 1, 1000, NULL, "iterations", "Length.", NULL},
    {"milestones", BL_T_INTS, offsetof(optim, milestones), "[8, 11]", 0, 100, NULL, NULL, "Decays.",
     NULL},
    {"betas", BL_T_REALS, offsetof(optim, betas), "[0.9, 1]", 0, 1, NULL, NULL, "Momenta.", NULL},
    {0}};
static const bl_schema optim_schema = {"optimiser", "How weights move.", sizeof(optim),
                                       optim_fields};
static const bl_field fields[] = {
    {"name", BL_T_STRING, offsetof(config, name), "\"\"", 0, 0, NULL, NULL, "A | name.", NULL},
    {"mode", BL_T_ENUM, offsetof(config, mode), "\"code\"", 0, 0, modes, NULL, "Mode.", NULL},
    {"flip", BL_T_BOOL, offsetof(config, flip), "true", 0, 0, NULL, NULL, "Flip.", NULL},
    {"classes", BL_T_STRINGS, offsetof(config, classes), "[]", 0, 0, NULL, NULL, "Names.", NULL},
    {"train", BL_T_SECTION, offsetof(config, train), NULL, 0, 0, NULL, NULL, "Training.",
     &optim_schema},
    {0}};
static const bl_schema schema = {"test", "All of it.", sizeof(config), fields};

static char root[] = "/tmp/ballast-cfg-XXXXXX";
static bl_arena *arena;

static const char *put(const char *name, const char *text) {
    char *path = bl_path_join(root, name);
    const char *kept = bl_arena_strdup(arena, path);
    CHECK_OK(bl_write_file(path, text, strlen(text)));
    free(path);
    return kept;
}

static bl_status load(const char *path, config *c, int n, const char *const *overrides) {
    return bl_config_load(&schema, path, overrides, n, arena, c);
}

static void test_defaults(void) {
    config c;
    CHECK_OK(load(NULL, &c, 1, (const char *[]){"train.steps=7"}));
    CHECK_STR(c.name, "");
    CHECK_EQ(c.mode, 2);
    CHECK(c.flip);
    CHECK_EQ(c.classes.n, 0);
    CHECK_NEAR(c.train.lr, 0.01, 0);
    CHECK_EQ(c.train.steps, 7);
    CHECK(c.train.milestones.n == 2 && c.train.milestones.v[1] == 11);
    CHECK(c.train.betas.n == 2 && c.train.betas.v[0] == 0.9 && c.train.betas.v[1] == 1);
    CHECK_FAILS(load(NULL, &c, 0, NULL), BL_ECONFIG, "train.steps: a value is required");
}

static void test_extends(void) {
    config c;
    put("base.json",
        "{\"name\": \"base\", \"train\": {\"lr\": 0.5, \"steps\": 10, \"milestones\": [1, 2, 3]}}");
    put("fast.json", "{\"mode\": \"fixed\", \"train\": {\"lr\": 2}}");
    const char *leaf =
        put("leaf.json", "{\"extends\": [\"base.json\", \"fast.json\"], \"name\": null,\n"
                         " \"train\": {\"milestones\": [9]}, \"classes\": [\"a\", \"b\"]}");
    CHECK_OK(load(leaf, &c, 2, (const char *[]){"train.betas=[0.5]", "flip=false"}));
    CHECK_STR(c.name, ""); /* null: back to the default */
    CHECK_EQ(c.mode, 0);
    CHECK(!c.flip);
    CHECK_NEAR(c.train.lr, 2, 0);
    CHECK_EQ(c.train.steps, 10);
    CHECK(c.train.milestones.n == 1 && c.train.milestones.v[0] == 9); /* arrays replace */
    CHECK(c.train.betas.n == 1 && c.train.betas.v[0] == 0.5);
    CHECK(c.classes.n == 2 && strcmp(c.classes.v[1], "b") == 0);
}

static void test_extends_limits(void) {
    config c;
    const char *a = put("a.json", "{\"extends\": \"b.json\"}");
    put("b.json", "{\"extends\": \"./a.json\"}");
    CHECK_FAILS(load(a, &c, 0, NULL), BL_ECONFIG, "goes in a circle");
    char name[32], text[64];
    put("d0.json", "{\"train\": {\"steps\": 1}}");
    const char *last = NULL;
    for (int i = 1; i <= 9; i++) {
        snprintf(name, sizeof name, "d%d.json", i);
        snprintf(text, sizeof text, "{\"extends\": \"d%d.json\"}", i - 1);
        last = put(name, text);
        if (i == 8) CHECK_OK(load(last, &c, 0, NULL));
    }
    CHECK_FAILS(load(last, &c, 0, NULL), BL_ECONFIG, "nested deeper than 8");
    CHECK_FAILS(load(put("m.json", "{\n\"extends\": \"nope.json\"}"), &c, 0, NULL), BL_EIO,
                "m.json:2: extends");
    CHECK_FAILS(load(put("n.json", "{\"extends\": 3}"), &c, 0, NULL), BL_ECONFIG,
                "n.json:1: extends");
    CHECK_FAILS(load(put("o.json", "[]"), &c, 0, NULL), BL_ECONFIG, "top level must be an object");
    CHECK_FAILS(load(put("p.json", "{\"name\": \"a\", \"name\": \"b\"}"), &c, 0, NULL), BL_ECONFIG,
                "p.json:1: duplicate key");
}

static void test_all_mistakes_together(void) {
    config c;
    const char *path =
        put("bad.json", "{\"nmae\": \"x\",\n\"flip\": 1,\n\"mode\": \"w_only\",\n"
                        "\"train\": {\"lr\": -1,\n\"steps\": 1.5,\n\"milestones\": [3, 200],\n"
                        "\"betas\": [0.5, \"a\"]},\n\"milestones\": [],\n\"zzzzzz\": 1,\n"
                        "\"classes\": {}}");
    CHECK_FAILS(load(path, &c, 1, (const char *[]){"train.step=3"}), BL_ECONFIG, "");
    static const char *const parts[] = {
        "bad.json:1: nmae: unknown key, did you mean \"name\"?",
        "bad.json:2: flip: expected a boolean, got 1",
        "bad.json:3: mode: \"w_only\" is not one of fixed, w-only, code (did you mean \"w-only\"?)",
        "bad.json:4: train.lr: -1 is out of range: must be in [0, inf]",
        "bad.json:5: train.steps: expected an integer, got 1.5",
        "bad.json:6: train.milestones: element 1: 200 is out of range",
        "bad.json:7: train.betas: element 1: expected a number, got \"a\"",
        "bad.json:8: milestones: unknown key here, did you mean \"train.milestones\"?",
        "bad.json:9: zzzzzz: unknown key",
        "bad.json:10: classes: expected an array of strings, got {",
        "override \"train.step=3\": train.step: unknown key, did you mean \"steps\"?",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(bl_error(), parts[i]))
            fprintf(stderr, "missing: %s\nin: %s\n", parts[i], bl_error());
        CHECK(strstr(bl_error(), parts[i]));
    }
    CHECK(!strstr(bl_error(), "is required")); /* steps was given, only wrongly */
}

static void test_overrides(void) {
    config c;
    static const char *const good[] = {"train={\"steps\": 3, \"lr\": 1}", "name=coco split 1",
                                       "mode=fixed", "train.lr=null"};
    CHECK_OK(load(NULL, &c, 4, good));
    CHECK_STR(c.name, "coco split 1");
    CHECK_EQ(c.mode, 0);
    CHECK_NEAR(c.train.lr, 0.01, 0);
    CHECK_OK(load(NULL, &c, 2, (const char *[]){"train.steps=3", "name=12"}));
    CHECK_STR(c.name, "12");
    CHECK_OK(load(NULL, &c, 2, (const char *[]){"train.steps=3", "name=\"a=b\""}));
    CHECK_STR(c.name, "a=b");
    CHECK_FAILS(load(NULL, &c, 1, (const char *[]){"train.steps"}), BL_ECONFIG, "key=value");
    CHECK_FAILS(load(NULL, &c, 1, (const char *[]){"train.steps=abc"}), BL_ECONFIG,
                "not valid JSON");
    CHECK_FAILS(load(NULL, &c, 1, (const char *[]){"train=3"}), BL_ECONFIG, "expected a section");
    CHECK_FAILS(load(NULL, &c, 1, (const char *[]){"train.steps.x=3"}), BL_ECONFIG, "train.steps");
    CHECK_FAILS(load(NULL, &c, 1, (const char *[]){"extends=3"}), BL_ECONFIG, "unknown key");
    char deep[200];
    memset(deep, '.', 100);
    strcpy(deep + 100, "=1");
    CHECK_FAILS(load(NULL, &c, 1, (const char *[]){deep}), BL_ECONFIG, "levels");
}

/* A dump is itself a configuration, and loading it changes nothing. */
static void test_dump_round_trip(void) {
    config c, d;
    CHECK_OK(
        load(NULL, &c, 3, (const char *[]){"train.steps=3", "train.lr=0.1", "classes=[\"x\"]"}));
    char *path = bl_path_join(root, "dump.json");
    struct json_object *o = bl_config_dump(&schema, &c), *p;
    CHECK_OK(bl_json_save(o, path));
    CHECK_OK(load(path, &d, 0, NULL));
    p = bl_config_dump(&schema, &d);
    CHECK(json_object_equal(o, p));
    CHECK_STR(json_object_get_string(json_object_object_get(o, "mode")), "code");
    json_object_put(o);
    json_object_put(p);
    free(path);
}

static void test_doc(void) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    CHECK_OK(bl_config_doc(&schema, f));
    fclose(f);
    CHECK(strstr(text, "## train\n\nHow weights move.\n"));
    CHECK(strstr(text, "| `lr` | number | `0.01` | 0 to inf | 1/iteration | Learning rate. |\n"));
    CHECK(strstr(text, "| `steps` | integer | required | 1 to 1000 | iterations | Length. |\n"));
    CHECK(strstr(text, "`fixed`, `w-only`, `code`"));
    CHECK(strstr(text, "A \\| name."));
    free(text);
}

static void test_broken_schema(void) {
    static const bl_field broken[] = {
        {"lr", BL_T_REAL, 0, "7", 0, 1, NULL, NULL, "Default out of range.", NULL}, {0}};
    static const bl_schema s = {"broken", "", sizeof(double), broken};
    double v;
    CHECK_FAILS(bl_config_load(&s, NULL, NULL, 0, arena, &v), BL_EINVAL, "default of lr");
}

static void test_did_you_mean(void) {
    static const char *const names[] = {"learning_rate", "momentum", "weight_decay", "lr", NULL};
    CHECK_STR(bl_did_you_mean("momentun", names), "momentum");
    CHECK_STR(bl_did_you_mean("wieght_decay", names), "weight_decay"); /* a swap is one edit */
    CHECK_STR(bl_did_you_mean("learning", names), "learning_rate");    /* common prefix */
    CHECK_STR(bl_did_you_mean("rl", names), "lr");
    CHECK(!bl_did_you_mean("zebra", names));
    CHECK(!bl_did_you_mean("x", names));
    CHECK(!bl_did_you_mean("", names));
}

/* ---- parts of the run's length ---- */

typedef struct part {
    int64_t warmup, every;
} part;
typedef struct whole {
    part method;
    int64_t iterations;
} whole;
static const bl_field part_fields[] = {
    {"warmup", BL_T_START, offsetof(part, warmup), "500", -1, 1e9, NULL, NULL, "Warm-up.", NULL},
    {"every", BL_T_PERIOD, offsetof(part, every), "0.25", 2, 1e9, NULL, NULL, "Period.", NULL},
    {0}};
static const bl_schema part_schema = {"part", "", sizeof(part), part_fields};
static const bl_field whole_fields[] = {
    {"method", BL_T_SECTION, offsetof(whole, method), NULL, 0, 0, NULL, NULL, "", &part_schema},
    {"iterations", BL_T_LENGTH, offsetof(whole, iterations), "1000", 1, 1e9, NULL, NULL, "", NULL},
    {0}};
static const bl_schema whole_schema = {"whole", "", sizeof(whole), whole_fields};

static int64_t warmup_of(const char *warmup, const char *length) {
    const char *over[] = {warmup, length};
    whole w;
    CHECK_OK(bl_config_load(&whole_schema, NULL, over, length ? 2 : 1, arena, &w));
    return w.method.warmup;
}

static void test_fractions(void) {
    whole w;
    part p;
    CHECK_OK(bl_config_load(&whole_schema, NULL, NULL, 0, arena, &w));
    CHECK_EQ(w.method.warmup, 500);
    CHECK_EQ(w.method.every, 250); /* a default may be a fraction */
    /* Whole numbers are iterations, whatever the length. */
    CHECK_EQ(warmup_of("method.warmup=0", NULL), 0);
    CHECK_EQ(warmup_of("method.warmup=1", NULL), 1);
    CHECK_EQ(warmup_of("method.warmup=-1", NULL), -1);
    CHECK_EQ(warmup_of("method.warmup=700", "iterations=10"), 700);
    /* Below 1: of the length, wherever that was set; rounded; never nothing. */
    CHECK_EQ(warmup_of("method.warmup=0.1", NULL), 100);
    CHECK_EQ(warmup_of("method.warmup=0.1", "iterations=64"), 6);
    CHECK_EQ(warmup_of("method.warmup=0.3333", "iterations=3000"), 1000);
    CHECK_EQ(warmup_of("method.warmup=1e-9", NULL), 1);
    const char *little[] = {"method.every=0.001"};
    CHECK_OK(bl_config_load(&whole_schema, NULL, little, 1, arena, &w));
    CHECK_EQ(w.method.every, 2); /* the lowest that the field allows */
    /* What is loaded dumps as iterations. */
    struct json_object *dump = bl_config_dump(&whole_schema, &w);
    CHECK(strstr(json_object_to_json_string(dump), "\"every\": 2") != NULL);
    json_object_put(dump);

    const char *wrong[] = {"method.warmup=1.5"}, *below[] = {"method.warmup=-0.5"};
    CHECK_FAILS(bl_config_load(&whole_schema, NULL, wrong, 1, arena, &w), BL_ECONFIG,
                "method.warmup: expected an integer or fraction of the run, got 1.5");
    CHECK_FAILS(bl_config_load(&whole_schema, NULL, below, 1, arena, &w), BL_ECONFIG, "-0.5");
    const char *lone[] = {"warmup=0.5"};
    CHECK_FAILS(bl_config_load(&part_schema, NULL, lone, 1, arena, &p), BL_ECONFIG,
                "no run to take it of");
}

int main(void) {
    CHECK(mkdtemp(root));
    arena = bl_arena_create(0);
    test_fractions();
    test_defaults();
    test_extends();
    test_extends_limits();
    test_all_mistakes_together();
    test_overrides();
    test_dump_round_trip();
    test_doc();
    test_broken_schema();
    test_did_you_mean();
    bl_arena_destroy(arena);
    char cmd[64];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", root);
    return system(cmd);
}
