/* Batches whose pixels go to the device while it still computes an earlier step: one staging block
 * for each batch that the loader can have. */
#ifndef BALLAST_TRAIN_SEND_AHEAD_H
#define BALLAST_TRAIN_SEND_AHEAD_H

#include <stdint.h>

#include "kernels/ctx.h"
#include "kernels/staging.h"

typedef struct bl_send_ahead bl_send_ahead;

/* `places` batches of at most `parcels` parcels. Destroyed after the loader, before the context. */
bl_status bl_send_ahead_create(bl_ctx *ctx, int64_t places, int32_t parcels, bl_send_ahead **out);
void bl_send_ahead_destroy(bl_send_ahead *a); /* NULL: nothing happens */

/* The parcels of a place, emptied, to be filled in; then they are sent. By any one thread. */
bl_parcel *bl_send_ahead_parcels(bl_send_ahead *a, int64_t place);
bl_status bl_send_ahead_go(bl_send_ahead *a, int64_t place);

/* By the training thread: its next work finds what was sent; its work so far was the last that
 * needs it. */
bl_status bl_send_ahead_take(bl_send_ahead *a, int64_t place, const bl_parcel **sent);
void bl_send_ahead_release(bl_send_ahead *a, int64_t place);

#endif
