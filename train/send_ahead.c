#include "train/send_ahead.h"

#include <stdlib.h>
#include <string.h>

struct bl_send_ahead {
    int64_t places;
    int32_t parcels;
    bl_staging **block; /* [places] */
    bl_parcel *parcel;  /* [places][parcels] */
};

bl_status bl_send_ahead_create(bl_ctx *ctx, int64_t places, int32_t parcels, bl_send_ahead **out) {
    bl_send_ahead *a = calloc(1, sizeof *a);
    if (!a) return bl_no_memory("for sending batches ahead");
    a->parcels = parcels;
    a->block = calloc((size_t)places, sizeof(bl_staging *));
    a->parcel = calloc((size_t)places * (size_t)parcels, sizeof *a->parcel);
    bl_status status = a->block && a->parcel ? BL_OK : bl_no_memory("for sending batches ahead");
    for (; status == BL_OK && a->places < places; a->places++)
        status = bl_staging_open(ctx->dev, &a->block[a->places]);
    if (status != BL_OK) {
        bl_send_ahead_destroy(a);
        return bl_fail_context(status, "run.prefetch_device");
    }
    *out = a;
    return BL_OK;
}

void bl_send_ahead_destroy(bl_send_ahead *a) {
    if (!a) return;
    for (int64_t i = 0; i < a->places; i++) bl_staging_close(a->block[i]);
    free(a->block);
    free(a->parcel);
    free(a);
}

bl_parcel *bl_send_ahead_parcels(bl_send_ahead *a, int64_t place) {
    bl_parcel *p = a->parcel + place * a->parcels;
    memset(p, 0, sizeof *p * (size_t)a->parcels);
    return p;
}

bl_status bl_send_ahead_go(bl_send_ahead *a, int64_t place) {
    return bl_staging_load(a->block[place], a->parcel + place * a->parcels, a->parcels);
}

bl_status bl_send_ahead_take(bl_send_ahead *a, int64_t place, const bl_parcel **sent) {
    BL_TRY(bl_staging_await(a->block[place]));
    *sent = a->parcel + place * a->parcels;
    return BL_OK;
}

void bl_send_ahead_release(bl_send_ahead *a, int64_t place) {
    (void)bl_staging_release(a->block[place]); /* a failure is the next call's too */
}
