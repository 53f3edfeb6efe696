/* Every base learner and plug-in of the registry trains, stops, resumes and ends bit for bit where
 * an unbroken run ends; the list comes from the registry, so that a new one is covered unasked.
 * What each of them computes is tested elsewhere. */
#include <string.h>

#include "ssl/classification/method.h"
#include "tests/class_fixture.h"

/* Values for fields of these names in any section of "method", so that a plug-in acts within a few
 * iterations, whatever it is. */
static const struct {
    const char *key, *value;
} early[] = {{"tau", "0.2"},         {"base", "0.2"},       {"label", "0.2"},  {"reliable", "0.2"},
             {"start", "0.2"},       {"warmup", "1"},       {"pretrain", "2"}, {"every", "2"},
             {"decay_every", "2"},   {"window", "3"},       {"queue", "20"},   {"slots", "3"},
             {"projection", "4"},    {"dim", "4"},          {"top", "2"},      {"strong", "2"},
             {"generations", "2"},   {"enabled", "true"},   {"hard", "true"},  {"mode", "code"},
             {"reweight_from", "2"}, {"resample_from", "3"}};
enum { N_EARLY = sizeof early / sizeof *early };

/* Settings of a section and of those within it; those of the wrong type for a field are passed
 * over. */
static int make_early(bl_arena *arena, const char *path, const bl_schema *s, const char **out) {
    int n = 0;
    for (const bl_field *f = s->fields; f->key; f++) {
        const char *own = bl_arena_printf(arena, "%s.%s", path, f->key);
        if (bl_is_section(f)) n += make_early(arena, own, f->section, out + n);
        for (int i = 0; i < N_EARLY; i++) {
            bool flag = strcmp(early[i].value, "true") == 0,
                 name = strcmp(early[i].key, "mode") == 0;
            if (strcmp(f->key, early[i].key) == 0 && flag == (f->type == BL_T_BOOL) &&
                name == (f->type == BL_T_ENUM))
                out[n++] = bl_arena_printf(arena, "%s=%s", own, early[i].value);
        }
        CHECK(n < MAX_SETTINGS / 2);
    }
    return n;
}

/* A plug-in stands on FixMatch, behind what it builds on. */
static const char *list_of(bl_arena *arena, const bl_plugin_type *type) {
    return type->after
               ? bl_arena_printf(arena, "method.plugins=[\"%s\", \"%s\"]", type->after, type->name)
               : bl_arena_printf(arena, "method.plugins=[\"%s\"]", type->name);
}

static void check(const bl_plugin_type *type) {
    bl_arena *arena = bl_arena_create(0);
    const char *settings[MAX_SETTINGS];
    int n = make_early(arena, "method", &bl_classify_method_schema, settings);
    settings[n++] = "run.iterations=8";
    settings[n++] = "run.eval_every=0";
    settings[n++] = "longtail.validation=0.1";
    settings[n++] = "images.synthetic.test=20";
    settings[n++] = bl_arena_printf(arena, "method.name=%s", type->base ? type->name : "fixmatch");
    settings[n++] = type->base ? "method.plugins=[]" : list_of(arena, type);
    settings[n] = NULL;
    bl_run_config c = config(arena, settings);
    const char *whole = in(type->name), *parts = in(bl_arena_printf(arena, "%s_parts", type->name));
    CHECK_OK(train(&c, whole, false, 0));
    CHECK_OK(train(&c, parts, false, 4)); /* between generations, if there are two */
    CHECK_OK(train(&c, parts, true, 6));
    CHECK_OK(train(&c, parts, true, 0));
    char *a = bl_checkpoint_path(whole, 8), *b = bl_checkpoint_path(parts, 8);
    check_same_checkpoint(a, b);
    check_same_metrics(whole, parts);
    free(a);
    free(b);
    bl_arena_destroy(arena);
}

int main(void) {
    bl_log_set_level(BL_LOG_ERROR);
    root = scratch_folder();
    int n = 0;
    for (; n < bl_classify_registry()->n; n++) {
        printf("%s\n", bl_classify_registry()->type[n]->name);
        check(bl_classify_registry()->type[n]);
    }
    CHECK(n >= 15);
    remove_tree(root);
    return 0;
}
