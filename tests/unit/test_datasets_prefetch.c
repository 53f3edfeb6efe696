/* The ring behind the loaders: order, scratch numbers, what is finished, failures, another course,
 * what is emptied. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "datasets/loading/prefetch.h"
#include "tests/check.h"

enum { PARTS = 7, MAX_PLACES = 8, MAX_THREADS = 8 };

/* Batch k is its number and, part by part, the number again. */
typedef struct counter {
    int64_t plan, next;        /* the number of the batch to plan, to be handed out */
    int64_t plan_fails;        /* from this batch on; -1 = never */
    int64_t part_fails;        /* this batch; -1 = none */
    int64_t finish_fails;      /* this batch; -1 = none */
    int32_t bad_parts[2];      /* ascending */
    int64_t batch[MAX_PLACES]; /* -1 = empty */
    int64_t part[MAX_PLACES][PARTS];
    int64_t finished[MAX_PLACES]; /* -1 = not yet */
    int emptied, planned;
    pthread_mutex_t lock; /* of `busy` */
    bool busy[MAX_THREADS];
} counter;

static bl_status plan(void *owner, int64_t place) {
    counter *c = owner;
    CHECK_EQ(c->batch[place], -1);
    if (c->plan_fails >= 0 && c->plan >= c->plan_fails)
        return bl_fail(BL_EINVAL, "nothing after %lld", (long long)c->plan);
    for (int k = 0; k < PARTS; k++) c->part[place][k] = -1;
    c->batch[place] = c->plan++;
    c->finished[place] = -1;
    c->planned++;
    return BL_OK;
}

/* No two threads have the same number at the same time. */
static void enter(counter *c, int thread, bool in) {
    pthread_mutex_lock(&c->lock);
    CHECK(thread >= 0 && thread < MAX_THREADS && c->busy[thread] != in);
    c->busy[thread] = in;
    pthread_mutex_unlock(&c->lock);
}

static bl_status make(void *owner, int64_t place, int32_t part, int thread) {
    counter *c = owner;
    enter(c, thread, true);
    bool bad =
        c->batch[place] == c->part_fails && (part == c->bad_parts[0] || part == c->bad_parts[1]);
    CHECK_EQ(c->part[place][part], -1); /* every part once */
    c->part[place][part] = c->batch[place];
    enter(c, thread, false);
    return bad ? bl_fail(BL_EIO, "part %d", part) : BL_OK;
}

/* Once, behind all parts. */
static bl_status finish(void *owner, int64_t place) {
    counter *c = owner;
    int64_t batch = c->batch[place];
    CHECK(batch >= 0 && batch != c->part_fails);
    CHECK_EQ(c->finished[place], -1);
    for (int k = 0; k < PARTS; k++) CHECK_EQ(c->part[place][k], batch);
    c->finished[place] = batch;
    return batch == c->finish_fails ? bl_fail(BL_EIO, "the whole of %lld", (long long)batch)
                                    : BL_OK;
}

static void empty(void *owner, int64_t place) {
    counter *c = owner;
    c->emptied += c->batch[place] >= 0;
    c->batch[place] = -1;
}

static bl_prefetch *open_ring(counter *c, int workers, int ahead, int chunk) {
    const bl_prefetch_source source = {.name = "counter",
                                       .parts = PARTS,
                                       .chunk = chunk,
                                       .plan = plan,
                                       .make = make,
                                       .finish = finish,
                                       .empty = empty};
    bl_prefetch *p;
    memset(c, 0, sizeof *c);
    c->plan_fails = c->part_fails = c->finish_fails = -1;
    for (int i = 0; i < MAX_PLACES; i++) c->batch[i] = -1;
    pthread_mutex_init(&c->lock, NULL);
    CHECK_OK(bl_prefetch_create(&source, c, workers, ahead, &p));
    CHECK(bl_prefetch_places(p) == (ahead > 0 ? ahead : 1) + 1);
    return p;
}

static void close_ring(counter *c, bl_prefetch *p) {
    bl_prefetch_destroy(p);
    CHECK_EQ(c->emptied, c->planned);
    pthread_mutex_destroy(&c->lock);
}

static int64_t take(counter *c, bl_prefetch *p) {
    int64_t place;
    CHECK_OK(bl_prefetch_next(p, &place));
    CHECK_EQ(c->batch[place], c->next);
    CHECK_EQ(c->finished[place], c->next);
    c->next++;
    for (int k = 0; k < PARTS; k++) CHECK_EQ(c->part[place][k], c->batch[place]);
    return place;
}

static void go_to(counter *c, bl_prefetch *p, int64_t batch) {
    bl_prefetch_pause(p);
    c->plan = c->next = batch;
    bl_prefetch_restart(p);
}

static void test_order(int workers, int ahead, int chunk) {
    counter c;
    bl_prefetch *p = open_ring(&c, workers, ahead, chunk);
    CHECK_EQ(c.planned, 0); /* nothing before the first call */
    for (int k = 0; k < 200; k++) {
        if (k % 50 == 49) go_to(&c, p, 1000 * k);
        bl_prefetch_release(p, take(&c, p));
    }
    int64_t held = take(&c, p); /* stays while others come and go, and over a restart */
    for (int k = 1; k < bl_prefetch_places(p); k++) bl_prefetch_release(p, take(&c, p));
    int64_t number = c.batch[held];
    go_to(&c, p, 3);
    CHECK_EQ(c.batch[held], number);
    bl_prefetch_release(p, held);
    bl_prefetch_release(p, held); /* is not held any more */
    close_ring(&c, p);
}

static void test_held(int workers) {
    counter c;
    bl_prefetch *p = open_ring(&c, workers, 3, 2);
    int64_t held[4], none;
    for (int i = 0; i < 4; i++) held[i] = take(&c, p);
    CHECK_FAILS(bl_prefetch_next(p, &none), BL_EINVAL,
                "counter: the batch of 4 calls ago is still held");
    bl_prefetch_release(p, held[0]);
    take(&c, p);
    close_ring(&c, p); /* with batches in the caller's hands */
}

static void test_failures(int workers, int chunk) {
    counter c;
    int64_t place;
    bl_prefetch *p = open_ring(&c, workers, 2, chunk);
    c.part_fails = 4;
    c.bad_parts[0] = 2;
    c.bad_parts[1] = 5;
    for (int k = 0; k < 4; k++) bl_prefetch_release(p, take(&c, p));
    for (int k = 0; k < 3; k++) CHECK_FAILS(bl_prefetch_next(p, &place), BL_EIO, "part 2");
    bl_prefetch_pause(p);
    c.plan = c.next = 5;
    c.plan_fails = 8;
    bl_prefetch_restart(p);
    for (int k = 0; k < 3; k++) bl_prefetch_release(p, take(&c, p)); /* those before it come */
    for (int k = 0; k < 3; k++)
        CHECK_FAILS(bl_prefetch_next(p, &place), BL_EINVAL, "nothing after 8");
    bl_prefetch_pause(p);
    c.plan_fails = -1;
    c.plan = c.next;
    bl_prefetch_restart(p);
    for (int k = 0; k < 9; k++) bl_prefetch_release(p, take(&c, p));
    bl_prefetch_pause(p);
    c.plan = c.next = 20;
    c.finish_fails = 22;
    bl_prefetch_restart(p);
    for (int k = 0; k < 2; k++) bl_prefetch_release(p, take(&c, p));
    for (int k = 0; k < 2; k++) CHECK_FAILS(bl_prefetch_next(p, &place), BL_EIO, "whole of 22");
    go_to(&c, p, 23);
    for (int k = 0; k < 4; k++) bl_prefetch_release(p, take(&c, p));
    close_ring(&c, p);
}

int main(void) {
    for (int workers = 0; workers <= 4; workers += 2) {
        test_order(workers, 0, 1);
        test_order(workers, 4, 3);
        test_order(workers, 2, 100); /* a chunk larger than a batch */
        test_held(workers);
        test_failures(workers, 1);
        test_failures(workers, PARTS);
    }
    bl_prefetch_destroy(NULL);
    return 0;
}
