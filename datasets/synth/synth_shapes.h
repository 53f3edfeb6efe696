/* The shapes of the generated data set, as signed distance functions in a unit frame.
 *
 * Shapes come in look-alike families of two (disc / notched disc, star with 5 / 6 points, ...), so
 * that a rare class has a common one to be confused with. Every instance varies its proportions a
 * little. A shape fits the circle of radius 1; distances are Euclidean, negative inside, which
 * gives anti-aliased edges and outlines from one evaluation a pixel. */
#ifndef BALLAST_DATASETS_SYNTH_SYNTH_SHAPES_H
#define BALLAST_DATASETS_SYNTH_SYNTH_SHAPES_H

#include "core/rng.h"

enum { BL_SYNTH_MAX_CLASSES = 32, BL_SYNTH_MAX_VERTICES = 16 };

typedef enum bl_synth_kind {
    BL_SYNTH_DISC,
    BL_SYNTH_NOTCHED_DISC,
    BL_SYNTH_RING,
    BL_SYNTH_BROKEN_RING,
    BL_SYNTH_SQUARE,
    BL_SYNTH_CLIPPED_SQUARE,
    BL_SYNTH_TRIANGLE,
    BL_SYNTH_ARROWHEAD,
    BL_SYNTH_STAR5,
    BL_SYNTH_STAR6,
    BL_SYNTH_PLUS,
    BL_SYNTH_TEE,
    BL_SYNTH_FRAME,
    BL_SYNTH_OPEN_FRAME,
    BL_SYNTH_CRESCENT,
    BL_SYNTH_HALF_DISC,
    BL_SYNTH_BOLT, /* from here on shapes without a look-alike */
    BL_SYNTH_HOURGLASS,
    BL_SYNTH_AITCH,
    BL_SYNTH_ARROW,
    BL_SYNTH_EX,
    BL_SYNTH_ELL,
    BL_SYNTH_ZED,
    BL_SYNTH_WYE,
    BL_SYNTH_VEE,
    BL_SYNTH_COMB,
    BL_SYNTH_HOUSE,
    BL_SYNTH_HEART,
    BL_SYNTH_EYE,
    BL_SYNTH_DUMBBELL,
    BL_SYNTH_KITE,
    BL_SYNTH_STAIRS,
    BL_SYNTH_KINDS
} bl_synth_kind;

/* One instance's proportions. */
typedef struct bl_synth_shape {
    bl_synth_kind kind;
    int n; /* vertices; 0 for round shapes */
    float v[BL_SYNTH_MAX_VERTICES][2];
    float stroke;               /* half width of a ring's band */
    float notch_cos, notch_sin; /* half opening angle of a notch or gap */
    float shift;                /* crescent: offset of the cut-out disc */
} bl_synth_shape;

/* "disc", "notched_disc", ... and the family, "round", "ring", "square", ... */
const char *bl_synth_shape_name(int kind);
const char *bl_synth_shape_family(int kind);

/* The kind of class c when the first `pairs` families take part with both shapes (classes 2f and
 * 2f + 1) and the other classes stand alone: shapes whose look-alike is not there. */
bl_synth_kind bl_synth_shape_kind(int c, int pairs);

bl_synth_shape bl_synth_shape_make(bl_synth_kind kind, bl_rng *rng);

/* Signed distance of (x, y), in units of the shape's radius. */
float bl_synth_shape_distance(const bl_synth_shape *s, float x, float y);

#endif
