#include <stdlib.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/json.h"
#include "core/json_scan.h"
#include "tests/check.h"

static bl_status parse(const char *text) {
    bl_json doc;
    bl_status s = bl_json_parse(text, strlen(text), "x.json", &doc);
    bl_json_free(&doc);
    return s;
}

static void test_accepts(void) {
    static const char *const good[] = {"{}",
                                       "[]",
                                       "0",
                                       "-0",
                                       "\"\"",
                                       "null",
                                       " true\n",
                                       "[1, -2.5e-3]",
                                       "{\"a\": {\"b\": [{}, []]}, \"b\": 1}",
                                       "\"\\u00e4\\ud83d\\ude00\\/\\\\ \xc3\xa4\"",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "1e-400"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK_OK(parse(good[i]));
}

static void test_refuses(void) {
    static const char *const bad[][2] = {
        {"", "empty"},
        {"  \n ", "empty"},
        {"{", "key must be a string"},
        {"{\"a\": 1", "end of the file"},
        {"{\"a\": 1,}", "key must be a string"},
        {"[1,]", "expected a value"},
        {"[1 2]", "expected ','"},
        {"{'a': 1}", "double quotes"},
        {"{a: 1}", "double quotes"},
        {"{\"a\": 1, \"b\": 2, \"a\": 3}", "duplicate key \"a\""},
        {"{\"a\": 1, \"\\u0061\": 3}", "duplicate key \"a\""},
        {"NaN", "expected a value"},
        {"Infinity", "expected a value"},
        {"-Infinity", "expected a value"},
        {"nul", "expected a value"},
        {"truex", "end of the file"},
        {"01", "starts with 0"},
        {"-01", "starts with 0"},
        {"1.", "digits after"},
        {".5", "expected a value"},
        {"1e", "exponent"},
        {"+1", "expected a value"},
        {"1e999", "too large"},
        {"9223372036854775808", "64 bits"},
        {"-9223372036854775809", "64 bits"},
        {"\"a", "not closed"},
        {"\"a\nb\"", "not closed on its line"},
        {"\"\x01\"", "control character"},
        {"\"\\x41\"", "unknown escape"},
        {"\"\\u12g4\"", "hexadecimal"},
        {"\"\\u0000\"", "u0000"},
        {"\"\\ud800\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\\ud800\\u0041\"", "surrogate"},
        {"\"\xff\"", "UTF-8"},
        {"\"\xc0\x80\"", "UTF-8"},
        {"\"\xed\xa0\x80\"", "UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "UTF-8"},
        {"\"\xe2\x82\"", "UTF-8"},
        {"\xef\xbb\xbf{}", "expected a value"},
        {"{} {}", "end of the file"},
        {"// c\n1", "expected a value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_FAILS(parse(bad[i][0]), BL_EFORMAT, bad[i][1]);
        CHECK(strstr(bl_error(), "x.json:"));
    }
}

static void test_depth(void) {
    char text[2 * BL_JSON_MAX_DEPTH + 8];
    for (int depth = BL_JSON_MAX_DEPTH; depth <= BL_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        if (depth == BL_JSON_MAX_DEPTH) {
            CHECK_OK(parse(text));
        } else {
            CHECK_FAILS(parse(text), BL_EFORMAT, "nested deeper");
        }
    }
}

static void test_lines(void) {
    const char *text =
        "{\n \"a\": {\n  \"b\": 1,\n  \"c\": [1,\n   {\"d\":\n    2}]},\n \"e\": \"x\"}";
    bl_json doc;
    CHECK_OK(bl_json_parse(text, strlen(text), "x.json", &doc));
    CHECK_EQ(bl_json_line(&doc, ""), 1);
    CHECK_EQ(bl_json_line(&doc, "a"), 2);
    CHECK_EQ(bl_json_line(&doc, "a.b"), 3);
    CHECK_EQ(bl_json_line(&doc, "a.c"), 4);
    CHECK_EQ(bl_json_line(&doc, "a.c[0]"), 4);
    CHECK_EQ(bl_json_line(&doc, "a.c[1]"), 5);
    CHECK_EQ(bl_json_line(&doc, "a.c[1].d"), 6);
    CHECK_EQ(bl_json_line(&doc, "e"), 7);
    static const char *const unknown[] = {"x",   "a.c[2]", "a.b.c", "a.c[x]",
                                          "[0]", "a..b",   "[",     "a.c["};
    for (int i = 0; i < 8; i++) CHECK_EQ(bl_json_line(&doc, unknown[i]), 0);
    CHECK_STR(json_object_get_string(json_object_object_get(doc.root, "e")), "x");
    bl_json_free(&doc);
}

/* Doubles survive a save and a load bit for bit; the text is as short as that allows. */
static void test_save(void) {
    char root[] = "/tmp/ballast-json-XXXXXX";
    CHECK(mkdtemp(root));
    char *path = bl_path_join(root, "a.json"), *text;
    static const double v[] = {0.1,    1.0 / 3,           1,           -0.0, 1e300,
                               5e-324, 3.141592653589793, 123456789012};
    struct json_object *o = json_object_new_object(), *a = json_object_new_array();
    for (int i = 0; i < 8; i++) json_object_array_add(a, json_object_new_double(v[i]));
    json_object_object_add(o, "values", a);
    json_object_object_add(o, "na\"me", json_object_new_string("a/b \"c\"\n"));
    json_object_object_add(o, "nan", json_object_new_double(NAN));
    json_object_object_add(o, "none", NULL);
    json_object_object_add(o, "empty", json_object_new_object());
    CHECK_OK(bl_json_save(o, path));
    json_object_put(o);
    size_t n;
    CHECK_OK(bl_read_file(path, 1 << 20, &text, &n));
    CHECK_STR(
        text,
        "{\n  \"values\": [0.1, 0.3333333333333333, 1.0, -0.0, 1e+300, 4.94065645841247e-324, "
        "3.141592653589793, 123456789012.0],\n  \"na\\\"me\": \"a/b \\\"c\\\"\\n\",\n"
        "  \"nan\": null,\n  \"none\": null,\n  \"empty\": {}\n}\n");
    free(text);
    bl_json doc;
    CHECK_OK(bl_json_load(path, &doc));
    a = json_object_object_get(doc.root, "values");
    for (int i = 0; i < 8; i++) {
        double got = json_object_get_double(json_object_array_get_idx(a, (size_t)i));
        CHECK(memcmp(&got, &v[i], 8) == 0);
    }
    bl_json_free(&doc);
    CHECK_FAILS(bl_json_load("/nonexistent/x", &doc), BL_EIO, "/nonexistent/x");
    bl_json_free(&doc); /* harmless */
    unlink(path);
    rmdir(root);
    free(path);
}

/* json-c returns NULL when it has no memory; nothing with a hole in it is written. */
static void failed_values_spoil(void) {
    struct json_object *root = json_object_new_object(), *list = json_object_new_array();
    bl_json_append(&list, json_object_new_int(1));
    bl_json_append(&list, NULL);
    CHECK(list == NULL);
    bl_json_append(&list, json_object_new_int(2));
    CHECK(list == NULL);
    bl_json_add(&root, "whole", json_object_new_int(3));
    bl_json_add(&root, "list", list);
    CHECK(root == NULL);
    bl_json_add(&root, "more", json_object_new_string("x"));
    CHECK(root == NULL);
    CHECK_FAILS(bl_json_save(root, "/nonexistent/x.json"), BL_ENOMEM,
                "out of memory for /nonexistent/x.json");
}

int main(void) {
    failed_values_spoil();
    test_accepts();
    test_refuses();
    test_depth();
    test_lines();
    test_save();
    return 0;
}
