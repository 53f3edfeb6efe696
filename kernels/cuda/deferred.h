/* Commands that wait. With graphs on, what a thread would queue on its stream (kernels, copies,
 * small uploads) is written into a list first, and the list is run as a whole: command by command
 * or, where an equal list has been run before, as one CUDA graph. See docs/cuda.md, "Graphs".
 *
 * A list belongs to a thread, as its stream does. Whoever queues work on the stream by other means
 * than a slot calls bl_cuda_flush() first, or defers it like everybody else. */
#ifndef BALLAST_KERNELS_CUDA_DEFERRED_H
#define BALLAST_KERNELS_CUDA_DEFERRED_H

#include "kernels/cuda/cuda_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Does a command. Its arguments are plain bytes: lists are equal when their bytes are. */
typedef bl_status (*bl_cuda_command)(const void *args);

typedef struct bl_cuda_list bl_cuda_list;
/* The calling thread's list from now on; BL_EINVAL when it has one already. The thread also ends
 * it, which waits for the stream. */
bl_status bl_cuda_list_begin(bl_cuda_list **out);
void bl_cuda_list_end(bl_cuda_list *l); /* NULL is fine */
bl_graph_stats bl_cuda_list_stats(const bl_cuda_list *l);

/* Whether what the calling thread does next has to be deferred: it has a list, which is not being
 * run just now. */
bool bl_cuda_deferring(void);
/* Appends a command to the thread's list: the place for its arguments, zero, 8-byte aligned, valid
 * until the next call. A full list is run first. */
void *bl_cuda_defer(bl_cuda_command run, size_t bytes);
/* Does the command now, or defers it. */
bl_status bl_cuda_queue(bl_cuda_command run, const void *args, size_t bytes);
/* Pinned memory for the source of a deferred upload, at the same place whenever a step takes the
 * same places in the same order; free again after the next wait. NULL: too much for that. */
void *bl_cuda_upload_room(size_t bytes);

/* Runs what was deferred; without a list, or with an empty one, it does nothing. The error of an
 * earlier command is reported once: by this, or else by the next call. */
bl_status bl_cuda_flush(void);
/* The same for who cannot report an error: it is kept for the next flush. */
void bl_cuda_flush_quietly(void);
/* The thread has waited for its stream. */
void bl_cuda_waited(void);
/* Memory or code that graphs may point to is about to go: none of any thread is launched again. */
void bl_cuda_forget_graphs(void);

#ifdef __cplusplus
}
#endif

#endif
