#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/real_text.h"
#include "core/schema.h"

static const bl_option help_option = {
    .name = "help", .letter = 'h', .type = BL_OPTION_FLAG, .doc = "Show this help."};

static int count(const bl_option *table) {
    int n = 0;
    while (table && table[n].name) n++;
    return n;
}

static const bl_option *find(const bl_option *table, const char *name, size_t length) {
    for (int i = 0; i < count(table); i++)
        if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
            return &table[i];
    return NULL;
}

static const bl_option *find_letter(const bl_option *table, char letter) {
    for (int i = 0; i < count(table); i++)
        if (letter && table[i].letter == letter) return &table[i];
    return NULL;
}

/* "key=" or "a.b=": lower-case identifiers joined by dots. Returns the length of the key, 0 if
 * none. */
static size_t setting_key(const char *word, bool *dotted) {
    const char *p = word;
    *dotted = false;
    for (;;) {
        if (!islower((unsigned char)*p)) return 0;
        while (islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_') p++;
        if (*p == '=') return (size_t)(p - word);
        if (*p != '.') return 0;
        *dotted = true;
        p++;
    }
}

static bl_status unknown_option(const bl_option *table, bl_settings settings, const char *word) {
    const char *name = word + strspn(word, "-"), *equals = strchr(name, '=');
    char typed[64];
    snprintf(typed, sizeof typed, "%.*s", equals ? (int)(equals - name) : (int)strlen(name), name);
    const char **names = calloc((size_t)count(table) + 2, sizeof *names);
    if (!names) return bl_no_memory("for the command line");
    for (int i = 0; i < count(table); i++) names[i] = table[i].name;
    names[count(table)] = help_option.name;
    const char *close = bl_did_you_mean(typed, names);
    bl_status status;
    if (close)
        status = bl_fail(BL_ECONFIG, "unknown option \"%s\"; did you mean \"--%s\"?", word, close);
    else if (equals && settings == BL_SETTINGS_PLAIN)
        status = bl_fail(BL_ECONFIG, "unknown option \"%s\"; settings have no dashes: \"%s\"", word,
                         name);
    else
        status = bl_fail(BL_ECONFIG, "unknown option \"%s\"; --help lists the options", word);
    free(names);
    return status;
}

static bl_status store_number(const bl_option *o, const char *text, void *target) {
    char *end = NULL;
    double value;
    errno = 0;
    if (o->type == BL_OPTION_INT) {
        long long whole = strtoll(text, &end, 10);
        value = (double)whole;
        if (end != text && !*end && !errno) *(int64_t *)target = whole;
    } else {
        value = bl_real_parse(text, &end);
        if (end != text && !*end && !errno) *(double *)target = value;
    }
    if (end == text || *end || errno || value != value)
        return bl_fail(BL_ECONFIG, "--%s: expected %s, got \"%s\"", o->name,
                       o->type == BL_OPTION_INT ? "an integer" : "a number", text);
    if (o->min != o->max && (value < o->min || value > o->max))
        return bl_fail(BL_ECONFIG, "--%s: %s is outside [%g, %g]", o->name, text, o->min, o->max);
    return BL_OK;
}

static bl_status store(const bl_option *o, const char *text, void *options) {
    void *target = (char *)options + o->offset;
    switch (o->type) {
    case BL_OPTION_FLAG:
        *(bool *)target = true;
        return BL_OK;
    case BL_OPTION_STRING:
        if (!*text) return bl_fail(BL_ECONFIG, "--%s: the %s is empty", o->name, o->value);
        *(const char **)target = text;
        return BL_OK;
    case BL_OPTION_MAYBE:
        *(const char **)target = text ? text : "";
        return BL_OK;
    case BL_OPTION_CHOICE:
        for (int i = 0; o->choices[i]; i++) {
            if (strcmp(o->choices[i], text) != 0) continue;
            *(const char **)target = o->choices[i];
            return BL_OK;
        }
        {
            const char *close = bl_did_you_mean(text, o->choices);
            return bl_fail(BL_ECONFIG, "--%s: unknown value \"%s\"%s%s%s", o->name, text,
                           close ? "; did you mean \"" : "", close ? close : "",
                           close ? "\"?" : "; --help lists the values");
        }
    case BL_OPTION_INT:
    case BL_OPTION_REAL:
        return store_number(o, text, target);
    }
    return bl_fail(BL_EINVAL, "option table: bad type of --%s", o->name);
}

/* Takes the option at argv[*i] and its value; advances *i to its last word. */
static bl_status take_option(const bl_option *table, bl_settings settings, int argc, char **argv,
                             int *i, void *options, bool *given, bl_words *words) {
    const char *word = argv[*i], *value = NULL;
    const bl_option *o;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        words->help = true;
        return BL_OK;
    }
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        o = find(table, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
        if (equals) value = equals + 1;
    } else {
        o = find_letter(table, word[1]);
        if (o && word[2]) { /* "-oDIR" */
            if (o->type == BL_OPTION_FLAG || o->type == BL_OPTION_MAYBE)
                o = NULL;
            else
                value = word + 2 + (word[2] == '=');
        }
    }
    if (!o) return unknown_option(table, settings, word);
    if (o->type == BL_OPTION_FLAG && value)
        return bl_fail(BL_ECONFIG, "--%s takes no value", o->name);
    bool alone = o->type == BL_OPTION_FLAG || o->type == BL_OPTION_MAYBE;
    if (!alone && !value) {
        if (*i + 1 >= argc)
            return bl_fail(BL_ECONFIG, "--%s needs a value: --%s %s", o->name, o->name, o->value);
        value = argv[++*i];
    }
    given[o - table] = true;
    return store(o, value, options);
}

/* "lr=0.1" is a setting without its section, unless a file is called so; what is wrong with it the
 * configuration says best. */
static bool is_file(const char *word) {
    return access(word, F_OK) == 0;
}

static bl_status parse_words(const bl_option *table, bl_settings settings, int argc, char **argv,
                             void *options, bool *given, bl_words *words) {
    bool only_positional = false;
    for (int i = 0; i < argc && !words->help; i++) {
        char *word = argv[i];
        bool dotted = false;
        if (!only_positional && settings != BL_SETTINGS_NONE) {
            char *bare = word + strspn(word, "-");
            size_t key = setting_key(bare, &dotted);
            bool plain = bare == word && (settings == BL_SETTINGS_PLAIN || !is_file(word));
            if (key && (dotted || plain)) {
                words->settings[words->n_settings++] = bare;
                continue;
            }
        }
        if (only_positional || word[0] != '-' || !word[1])
            words->positional[words->n_positional++] = word;
        else if (strcmp(word, "--") == 0)
            only_positional = true;
        else
            BL_TRY(take_option(table, settings, argc, argv, &i, options, given, words));
    }
    for (int i = 0; i < count(table) && !words->help; i++)
        if (table[i].required && !given[i])
            return bl_fail(BL_ECONFIG, "--%s %s is required", table[i].name, table[i].value);
    return BL_OK;
}

bl_status bl_options_parse(const bl_option *table, bl_settings settings, int argc, char **argv,
                           void *options, bl_words *words) {
    *words = (bl_words){0};
    words->positional = calloc((size_t)argc + 1, sizeof *words->positional);
    words->settings = calloc((size_t)argc + 1, sizeof *words->settings);
    bool *given = calloc((size_t)count(table) + 1, sizeof *given);
    bl_status status = words->positional && words->settings && given
                           ? parse_words(table, settings, argc, argv, options, given, words)
                           : bl_no_memory("for the command line");
    free(given);
    if (status != BL_OK) bl_words_free(words);
    return status;
}

void bl_words_free(bl_words *w) {
    free(w->positional);
    free(w->settings);
    *w = (bl_words){0};
}

static void print_one(const bl_option *o, FILE *f) {
    char left[64], values[256] = "";
    if (o->letter)
        snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name, o->value ? " " : "",
                 o->value ? o->value : "");
    else
        snprintf(left, sizeof left, "    --%s%s%s", o->name,
                 !o->value                    ? ""
                 : o->type == BL_OPTION_MAYBE ? "[="
                                              : " ",
                 o->value ? o->value : "");
    for (int i = 0; o->choices && o->choices[i]; i++) {
        size_t used = strlen(values);
        snprintf(values + used, sizeof values - used, "%s%s",
                 i ? ", " : " One of: ", o->choices[i]);
    }
    fprintf(f, "  %-26s %s%s%s%s\n", left, o->doc, values, values[0] ? "." : "",
            o->required ? " Required." : "");
}

void bl_options_print(const bl_option *table, FILE *f) {
    fputs("\nOptions:\n", f);
    for (int i = 0; i < count(table); i++) print_one(&table[i], f);
    print_one(&help_option, f);
}
