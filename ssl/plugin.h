/* Plug-ins: what a method is made of, in either task.
 *
 * A method is a list. The first entry is the base learner (method.name), which runs the network and
 * makes the step's main losses; the others (method.plugins) change or add something. A plug-in is
 * one file: a type, a struct of state, the hooks it needs. Its type says everything that the rest
 * of the program must know of it: its name, its settings with their defaults and documentation,
 * what it builds on and what it claims. The hooks here are those of both tasks; a task's own types
 * (ssl/classification/learner.h, ssl/detection/learner.h) begin with a bl_plugin_type and add what
 * only that task has. */
#ifndef BALLAST_SSL_PLUGIN_H
#define BALLAST_SSL_PLUGIN_H

#include "core/log.h"
#include "core/schema.h"
#include "kernels/ctx.h"
#include "ssl/state.h"

enum { BL_MAX_PLUGINS = 16, BL_MAX_PLUGIN_TYPES = 64 };

typedef struct bl_plugin bl_plugin;

/* What only one plug-in of a list can decide. */
typedef enum bl_claim {
    BL_CLAIM_THRESHOLD = 1 << 0,  /* which pseudo-labels teach */
    BL_CLAIM_LABELS = 1 << 1,     /* what pseudo-labels are */
    BL_CLAIM_PREDICTION = 1 << 2, /* how the method predicts */
    BL_CLAIM_SAMPLING = 1 << 3,   /* how often an unlabelled image is drawn */
    BL_CLAIM_LOSS = 1 << 4,       /* the classification loss */
    BL_CLAIM_WEIGHTS = 1 << 5     /* class weights in the classification loss */
} bl_claim;

/* Hooks are NULL where there is nothing to do. */
typedef struct bl_plugin_type {
    const char *name;  /* in method.name or method.plugins */
    bool base;         /* a base learner */
    const char *after; /* a plug-in whose work it uses, which must stand before it; or NULL */
    unsigned claims;   /* of bl_claim */
    unsigned refuses;  /* claims of others that it cannot stand beside: it needs the usual */
    const bl_schema *section; /* of its settings, named "method.<key>"; NULL: it has none */
    /* Whether it claims and refuses anything with these settings; NULL: always. */
    bool (*active)(const void *settings);

    /* Between steps, no step is open: sampling, passes over whole sets. changed[0] labelled,
     * changed[1] unlabelled: the repeat list is a new one. */
    bl_status (*prepare)(bl_plugin *p, bl_ctx *ctx, int64_t t, bool changed[2]);
    /* Copies of each image of a group in force during iteration t; false = one each. */
    bool (*copies)(bl_plugin *p, int64_t t, bool labelled, int32_t *copies);
    /* Inside of iteration t's step, before its losses. */
    bl_status (*before_step)(bl_plugin *p, bl_ctx *ctx, int64_t t);
    /* After the optimiser; the step's tensors and arena are gone. */
    bl_status (*after_step)(bl_plugin *p, bl_ctx *ctx, int64_t t);
    /* Whether the window holds anything to report; NULL: always. */
    bool (*says)(const bl_plugin *p);
    /* Keys of its own in the window's "class" line, which is open; clears the window. */
    bl_status (*report)(bl_plugin *p, int64_t t, bl_metrics *line);
    /* Everything a resumed run needs, in both directions (ssl/state.h). */
    bl_status (*state)(bl_plugin *p, bl_state_io *io);
    void (*destroy)(bl_plugin *p);
} bl_plugin_type;

/* First member of a plug-in's own struct; the list sets it. */
struct bl_plugin {
    const bl_plugin_type *type;
};

/* The plug-ins of a run, in the order of the list, which is the order in which hooks run. */
typedef struct bl_plugin_list {
    bl_plugin *v[BL_MAX_PLUGINS];
    int n;
} bl_plugin_list;

/* Takes p over. */
void bl_plugins_add(bl_plugin_list *l, const bl_plugin_type *type, bl_plugin *p);
void bl_plugins_destroy(bl_plugin_list *l);
/* Each hook of every plug-in that has it. */
bl_status bl_plugins_prepare(const bl_plugin_list *l, bl_ctx *ctx, int64_t t, bool changed[2]);
bl_status bl_plugins_before_step(const bl_plugin_list *l, bl_ctx *ctx, int64_t t);
bl_status bl_plugins_after_step(const bl_plugin_list *l, bl_ctx *ctx, int64_t t);
bl_status bl_plugins_report(const bl_plugin_list *l, int64_t t, bl_metrics *line);
bl_status bl_plugins_state(const bl_plugin_list *l, bl_state_io *io);
/* The first plug-in that has a list decides. */
bool bl_plugins_copies(const bl_plugin_list *l, int64_t t, bool labelled, int32_t *copies);
bool bl_plugins_report_something(const bl_plugin_list *l);

/* ---- the types there are ---- */

/* Settings of all types, in a method's configuration: of each by its place in the registry. */
typedef struct bl_plugin_settings {
    const void *section[BL_MAX_PLUGIN_TYPES];
} bl_plugin_settings;

typedef struct bl_registry {
    const bl_plugin_type *type[BL_MAX_PLUGIN_TYPES];
    int n;
    bl_field *rows;  /* of the schema "method": those of its own, room for the types', an end */
    size_t settings; /* offset of the bl_plugin_settings in the method's struct */
} bl_registry;

/* Adds a type and its section to the schema. BL_EINVAL when the name is taken or there is no room.
 * To be called before a configuration is loaded, and not from several threads. */
bl_status bl_registry_add(bl_registry *r, const bl_plugin_type *type);
/* The settings in section method.<key>; NULL when there is none. */
const void *bl_registry_settings(const bl_registry *r, const bl_plugin_settings *s,
                                 const char *key);

typedef struct bl_type_list {
    const bl_plugin_type *v[BL_MAX_PLUGINS];
    int n;
} bl_type_list;
/* The types of a method's list, base first. BL_ECONFIG for names that do not exist (with a
 * suggestion), stand in the wrong key or twice, for a type without the one it builds on, for two
 * that claim the same, and for one that claims what another refuses. */
bl_status bl_registry_resolve(const bl_registry *r, const bl_plugin_settings *settings,
                              const char *base, const bl_strings *plugins, bl_type_list *out);

#endif
