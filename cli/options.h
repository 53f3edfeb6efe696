/* The command line of one sub-command: a table of options, positional arguments and settings
 * ("key.path=value").
 *
 * Options are written "--name VALUE" or "--name=VALUE", flags "--name", short forms "-x VALUE". A
 * word "a.b=value" is a setting for the configuration; leading dashes are tolerated there when the
 * key has a dot ("--train.lr=0.1"), so that habits from other tools work. "--" ends options and
 * settings. */
#ifndef BALLAST_CLI_OPTIONS_H
#define BALLAST_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

typedef enum bl_option_type {
    BL_OPTION_FLAG,   /* bool */
    BL_OPTION_STRING, /* const char *, NULL when absent */
    BL_OPTION_MAYBE,  /* const char *: "--name" gives "", "--name=VALUE" its value */
    BL_OPTION_CHOICE, /* const char *, one of `choices` */
    BL_OPTION_INT,    /* int64_t */
    BL_OPTION_REAL    /* double */
} bl_option_type;

typedef struct bl_option {
    const char *name; /* without dashes */
    char letter;      /* short form, 0 = none */
    bl_option_type type;
    size_t offset;     /* in the command's options struct, which the caller fills with defaults */
    const char *value; /* name of the value in the help, e.g. "DIR" */
    const char *const *choices; /* BL_OPTION_CHOICE: NULL-terminated */
    double min, max;            /* numbers; min == max: unchecked */
    bool required;
    const char *doc;
} bl_option;

typedef enum bl_settings {
    BL_SETTINGS_NONE,
    BL_SETTINGS_DOTTED, /* "section.key=value" */
    BL_SETTINGS_PLAIN   /* "key=value" as well: the command has one section */
} bl_settings;

/* What stands on the command line besides options. */
typedef struct bl_words {
    const char **positional, **settings; /* point into argv; the arrays are malloc'd */
    int n_positional, n_settings;
    bool help;
} bl_words;

/* Parses argv[0..argc) (the words after the sub-command). `table` ends with name == NULL; NULL = no
 * options. Typos are BL_ECONFIG with a suggestion. --help or -h stop the parsing with words->help
 * set. */
bl_status bl_options_parse(const bl_option *table, bl_settings settings, int argc, char **argv,
                           void *options, bl_words *words);
void bl_words_free(bl_words *w);

/* The "Options:" part of a help text. */
void bl_options_print(const bl_option *table, FILE *f);

#endif
