/* The kernel table with graphs on: each slot packs its arguments into the thread's list, from which
 * the real slot is called later. How that is done follows from the slot's type, by C++'s templates:
 * a slot is one line at the end of this file, whatever its arguments are. */
#include <string.h>

#include <tuple>
#include <type_traits>

#include "kernels/cuda/deferred.h"
#include "kernels/cuda/maps.h"

/* The slots that do the work; the same in every context. */
static bl_kernels direct;

/* ---- arguments ---- */

/* What an argument points to. A struct of the host that holds for this call is copied; everything
 * else is an address: device memory, and the context. */
template <typename T> struct is_copied { static constexpr bool value = false; };
template <typename T> struct is_address {
    static constexpr bool value = std::is_arithmetic<T>::value || std::is_void<T>::value;
};
#define COPIED(type)                                                                               \
    template <> struct is_copied<type> { static constexpr bool value = true; }
#define ADDRESS(type)                                                                              \
    template <> struct is_address<type> { static constexpr bool value = true; }
COPIED(bl_tensor);
COPIED(bl_conv_shape);
COPIED(bl_softmax_attr);
COPIED(bl_class_gradient_attr);
COPIED(bl_roi_attr);
COPIED(bl_adam_kernel);
COPIED(bl_pixel_scale);
COPIED(bl_input_attr);
ADDRESS(bl_ctx);
ADDRESS(bl_box);
ADDRESS(bl_loc);
ADDRESS(bl_view_plan);
ADDRESS(bl_view_step);
ADDRESS(bl_device_image);

/* The bytes of a copy must not depend on what the host alone uses, or on padding. */
template <typename T> static void copy_of(T *to, const T *from) {
    *to = *from;
#ifdef __has_builtin
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(to);
#endif
#endif
}
static void copy_of(bl_tensor *to, const bl_tensor *from) {
    memset(to, 0, sizeof *to);
    to->data = from->data;
    to->n = from->n;
    to->c = from->c;
    to->h = from->h;
    to->w = from->w;
    to->cb = from->cb;
    to->dtype = from->dtype;
}

/* Writing: put(). Reading: the constructor and get(). `maps`: how many tensors a list of them has.
 * BYTES of zeros are there to write to. */
template <typename T> struct argument {
    static_assert(std::is_arithmetic<T>::value || std::is_enum<T>::value,
                  "a slot takes numbers, and pointers to structs");
    static constexpr size_t BYTES = 8;
    T v;
    static void put(char *at, T v, int maps) {
        memcpy(at, &v, sizeof v);
    }
    explicit argument(const char *at) {
        memcpy(&v, at, sizeof v);
    }
    T get() {
        return v;
    }
};

template <typename T, bool copied> struct pointer {
    static_assert(is_address<typename std::remove_const<T>::type>::value,
                  "record.cu: is this a struct to copy (COPIED) or device memory (ADDRESS)?");
    static constexpr size_t BYTES = 8;
    T *p;
    static void put(char *at, T *p, int maps) {
        memcpy(at, &p, sizeof p);
    }
    explicit pointer(const char *at) {
        memcpy(&p, at, sizeof p);
    }
    T *get() {
        return p;
    }
};
template <typename T> struct pointer<T, true> {
    typedef typename std::remove_const<T>::type plain;
    static constexpr size_t BYTES = 8 + (sizeof(plain) + 7) / 8 * 8; /* a flag: not NULL */
    const char *at;
    static void put(char *at, T *p, int maps) {
        if (!p) return;
        plain copy;
        copy_of(&copy, p);
        at[0] = 1;
        memcpy(at + 8, &copy, sizeof copy);
    }
    explicit pointer(const char *at_) : at(at_) {}
    T *get() {
        return at[0] ? (T *)(at + 8) : NULL;
    }
};
template <typename T>
struct argument<T *> : pointer<T, is_copied<typename std::remove_const<T>::type>::value> {
    using pointer<T, is_copied<typename std::remove_const<T>::type>::value>::pointer;
};

/* Lists of tensors, some of which may be NULL. */
template <typename T> struct tensors {
    typedef argument<const bl_tensor *> one;
    static constexpr size_t BYTES = 8 + BL_CUDA_MAPS * one::BYTES; /* a flag: not NULL */
    T list[BL_CUDA_MAPS];
    bool some;
    static void put(char *at, T const *list, int maps) {
        at[0] = list != NULL;
        for (int i = 0; list && i < maps && i < BL_CUDA_MAPS; i++) {
            one::put(at + 8 + i * one::BYTES, list[i], 0);
        }
    }
    explicit tensors(const char *at) : some(at[0]) {
        for (int i = 0; i < BL_CUDA_MAPS; i++) list[i] = (T)one(at + 8 + i * one::BYTES).get();
    }
    T const *get() {
        return some ? list : NULL;
    }
};
template <> struct argument<const bl_tensor *const *> : tensors<const bl_tensor *> {
    using tensors<const bl_tensor *>::tensors;
};
template <> struct argument<bl_tensor *const *> : tensors<bl_tensor *> {
    using tensors<bl_tensor *>::tensors;
};

/* How many tensors a slot's list has, from the argument that tells it. */
static int maps_told(int n) {
    return n;
}

/* ---- slots ---- */

/* `told`: which argument tells the length of lists of tensors; -1 when there are none. */
template <typename F, F slot, int told> struct deferred;
template <typename R, typename... A, R (*bl_kernels::*slot)(A...), int told>
struct deferred<R (*bl_kernels::*)(A...), slot, told> {
    static constexpr size_t BYTES = (argument<A>::BYTES + ...);

    template <typename T> static argument<T> next(const char **at) {
        const char *here = *at;
        *at += argument<T>::BYTES;
        return argument<T>(here);
    }
    static bl_status run(const void *args) {
        const char *at = (const char *)args;
        std::tuple<argument<A>...> all{next<A>(&at)...};
        auto call = [](argument<A> &...a) { return (direct.*slot)(a.get()...); };
        if constexpr (std::is_void<R>::value) {
            std::apply(call, all);
            return BL_OK;
        } else {
            return std::apply(call, all);
        }
    }
    static R record(A... a) {
        if (!bl_cuda_deferring()) return (direct.*slot)(a...);
        char *at = (char *)bl_cuda_defer(run, BYTES);
        int maps = 0;
        if constexpr (told >= 0) maps = maps_told(std::get<told>(std::tuple<A...>(a...)));
        ((argument<A>::put(at, a, maps), at += argument<A>::BYTES), ...);
        return R();
    }
};

/* A slot that returns a number, or whose arguments change from step to step. */
template <typename F, F slot> struct undeferred;
template <typename R, typename... A, R (*bl_kernels::*slot)(A...)>
struct undeferred<R (*bl_kernels::*)(A...), slot> {
    static R run(A... a) {
        bl_cuda_flush_quietly();
        return (direct.*slot)(a...);
    }
};

#define TYPED(slot) decltype(&bl_kernels::slot), &bl_kernels::slot
#define DEFER(slot) k->slot = deferred<TYPED(slot), -1>::record
#define DEFER_MAPS(slot, told) k->slot = deferred<TYPED(slot), told>::record
#define NOW(slot) k->slot = undeferred<TYPED(slot)>::run

void bl_cuda_record_slots(bl_kernels *k) {
    direct = *k;
    memset(k, 0, sizeof *k); /* a slot that is not listed is missing */
    k->name = direct.name;
    DEFER(conv_fwd);
    DEFER(conv_bwd_data);
    DEFER(conv_bwd_weights);
    DEFER(act_bwd);
    DEFER(bn_stats);
    DEFER(bn_running);
    DEFER(bn_fold);
    DEFER(bn_bwd_fold);
    DEFER(affine_act);
    DEFER(bn_bwd_reduce);
    DEFER(bn_bwd_apply);
    DEFER(gn_fwd);
    DEFER(gn_bwd);
    DEFER(max_pool_fwd);
    DEFER(max_pool_bwd);
    DEFER(avg_pool_fwd);
    DEFER(avg_pool_bwd);
    DEFER(upsample_add_fwd);
    DEFER(upsample_bwd);
    DEFER(shortcut_fwd);
    DEFER(shortcut_bwd);
    DEFER(axpby);
    DEFER(axpby_at);
    DEFER(add);
    DEFER(reorder);
    DEFER(matmul);
    DEFER(bias_act);
    DEFER(col_sum);
    DEFER(l2_normalize);
    DEFER(l2_normalize_bwd);
    DEFER_MAPS(gather, 1);
    DEFER_MAPS(scatter_add, 4);
    DEFER_MAPS(roi_align_fwd, 1);
    DEFER_MAPS(roi_align_bwd, 6);
    DEFER(softmax_loss);
    DEFER(soft_target_loss);
    DEFER(entropy_loss);
    DEFER(info_nce);
    DEFER(sigmoid_bce);
    DEFER(smooth_l1);
    DEFER(softmax);
    DEFER(class_gradients);
    NOW(nms);
    NOW(topk);
    NOW(anchors);
    NOW(candidates);
    NOW(match);
    NOW(sample); /* a stream of its own each step */
    NOW(anchor_targets);
    NOW(roi_targets);
    DEFER(row_weights);
    NOW(map_rows);
    DEFER(scatter_column);
    NOW(levels);
    NOW(decode);
    NOW(kept);
    NOW(sgd); /* learning rate, clipping */
    NOW(adam);
    NOW(ema);
    DEFER(sum_squares);
    DEFER(count_nonfinite);
    DEFER(views);
    DEFER(inputs);
}
