// SPDX-License-Identifier: MIT
/* arena.h - memory that only grows and is freed as a whole. Threads: one owner. */
#pragma once
#include "base/str.h"

struct arena_block;

struct arena { /* begins zeroed */
    struct arena_block *newest;
    size_t left;       /* bytes not yet given away in the newest block */
    size_t block_size; /* what is asked of the heap at a time; 0: 64 KiB */
};

/* Begin with memory of the caller's, aligned as malloc's is, which outlives the arena: for one that
 * mostly needs no more than a stack has. */
void arena_lend(struct arena *a, void *room, size_t size);
void arena_fini(struct arena *a);
/* Zeroed and aligned for anything; NULL without memory. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy with a NUL behind it. 0 or -ENOMEM, then `*out` is untouched. */
NODISCARD int arena_str(struct arena *a, struct str *out, struct str text);

/* Room for one more element in an array of `n` that nothing but this function has grown: it doubles
 * when `n` is a power of two. array_grow is for arrays on the heap, array_grow_in for arrays in an
 * arena (whose old copies stay until its end). 0 or -ENOMEM, then the array is as it was. */
NODISCARD int array_grow(void **array, size_t n, size_t element_size);
NODISCARD int array_grow_in(struct arena *a, void **array, size_t n, size_t element_size);
/* The same for an array of any type; `array` is an lvalue. */
#define ARRAY_GROW(array, n)                                    \
    ({                                                          \
        void *grown_ = (array);                                 \
        int result_ = array_grow(&grown_, n, sizeof(*(array))); \
        (array) = grown_;                                       \
        result_;                                                \
    })
#define ARRAY_GROW_IN(arena, array, n)                                    \
    ({                                                                    \
        void *grown_ = (array);                                           \
        int result_ = array_grow_in(arena, &grown_, n, sizeof(*(array))); \
        (array) = grown_;                                                 \
        result_;                                                          \
    })
