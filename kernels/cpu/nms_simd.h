/* Greedy non-maximum suppression: a candidate meets VW kept boxes of its group at a time. Included
 * once per instruction set after simd_*.h.
 *
 * Candidates are sorted by score, then (stably) by group, so that a group is one contiguous segment
 * with its own kept list; threads own segments. The overlap test repeats bl_iou() operation by
 * operation, division included: the decisions are those of the reference kernel, bit for bit. */

typedef struct nms_job {
    const bl_box *box;
    const bl_ranked *order;          /* by group, then rank; key = group, index = rank */
    const int32_t *by_rank;          /* rank -> candidate */
    const int64_t *segment;          /* first entry of each group's segment, and the end */
    float *x1, *y1, *x2, *y2, *area; /* kept boxes, from a segment's first entry on */
    uint8_t *kept;                   /* by rank */
    float thr;
    int64_t max_out;
} nms_job;

/* Kept entries [at, at + left); lanes beyond read as zero, they belong to another segment. */
static inline vf kept_load(const float *p, int64_t left) {
    return left >= VW ? v_load(p) : v_load_n(p, left);
}

static bool suppressed(const nms_job *j, int64_t first, int64_t n, bl_box b, float area) {
    vf x1 = v_set(b.x1), y1 = v_set(b.y1), x2 = v_set(b.x2), y2 = v_set(b.y2), a = v_set(area);
    vf zero = v_zero(), thr = v_set(j->thr);
    for (int64_t i = 0; i < n; i += VW) {
        int64_t at = first + i, rest = n - i;
        vf left = v_max(kept_load(j->x1 + at, rest), x1),
           right = v_min(kept_load(j->x2 + at, rest), x2);
        vf top = v_max(kept_load(j->y1 + at, rest), y1),
           bottom = v_min(kept_load(j->y2 + at, rest), y2);
        vf w = v_select(v_gt(right, left), v_sub(right, left), zero);
        vf h = v_select(v_gt(bottom, top), v_sub(bottom, top), zero);
        vf inter = v_mul(w, h), all = v_sub(v_add(kept_load(j->area + at, rest), a), inter);
        vf iou = v_select(v_gt(all, zero), v_div(inter, all), zero);
        unsigned hit = v_bits(v_gt(iou, thr));
        if (rest < VW) hit &= (1u << rest) - 1;
        if (hit) return true;
    }
    return false;
}

/* Index = segment. */
static void nms_range(void *arg, int64_t begin, int64_t end) {
    const nms_job *j = arg;
    for (int64_t s = begin; s < end; s++) {
        int64_t first = j->segment[s], kept = 0;
        for (int64_t i = first; i < j->segment[s + 1] && kept < j->max_out; i++) {
            int32_t rank = j->order[i].index;
            bl_box b = j->box[j->by_rank[rank]];
            float area = (b.x2 - b.x1) * (b.y2 - b.y1);
            if (suppressed(j, first, kept, b, area)) continue;
            int64_t at = first + kept++;
            j->x1[at] = b.x1;
            j->y1[at] = b.y1;
            j->x2[at] = b.x2;
            j->y2[at] = b.y2;
            j->area[at] = area;
            j->kept[rank] = 1;
        }
    }
}

static bl_status nms(const bl_box *box, const float *score, const int32_t *group, int64_t n,
                     float thr, int64_t max_out, int32_t *keep, int32_t *n_keep) {
    *n_keep = 0;
    if (n <= 0 || max_out <= 0) return BL_OK;
    /* One allocation: two rank lists, ranks, segments, five kept arrays, flags. */
    size_t room = (size_t)n, bytes = 2 * (size_t)n * sizeof(bl_ranked) +
                                     ((size_t)n + 1) * sizeof(int64_t) + 5 * room * sizeof(float) +
                                     (size_t)n * sizeof(int32_t) + (size_t)n;
    int64_t *segment = calloc(1, bytes);
    if (!segment) return bl_no_memory("for nms of %lld boxes", (long long)n);
    bl_ranked *order = (bl_ranked *)(segment + n + 1), *tmp = order + n;
    float *f = (float *)(tmp + n);
    int32_t *by_rank = (int32_t *)(f + 5 * room);
    nms_job j = {.box = box,
                 .order = order,
                 .by_rank = by_rank,
                 .segment = segment,
                 .x1 = f,
                 .y1 = f + room,
                 .x2 = f + 2 * room,
                 .y2 = f + 3 * room,
                 .area = f + 4 * room,
                 .kept = (uint8_t *)(by_rank + n),
                 .thr = thr,
                 .max_out = max_out};
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        if (group[i] != BL_NMS_OUT) order[used++] = (bl_ranked){bl_rank_key(score[i]), (int32_t)i};
    }
    n = used;
    bl_rank_sort(order, tmp, n);
    for (int64_t r = 0; r < n; r++) {
        by_rank[r] = order[r].index;
        order[r] = (bl_ranked){(uint32_t)group[by_rank[r]], (int32_t)r};
    }
    bl_rank_sort(order, tmp, n);
    int64_t segments = 0, found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || order[i].key != order[i - 1].key) segment[segments++] = i;
    }
    segment[segments] = n;
    bl_parallel_for(segments, n > 0 ? 1024 * segments / n + 1 : 1, nms_range, &j);
    for (int64_t r = 0; r < n && found < max_out; r++) {
        if (j.kept[r]) keep[found++] = by_rank[r];
    }
    free(segment);
    *n_keep = (int32_t)found;
    return BL_OK;
}

static void init_nms(bl_kernels *k) {
    k->nms = nms;
}
