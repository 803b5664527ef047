// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_BLOCK_SIZE = 65536, ARRAY_FIRST_ROOM = 4 };

struct arena_block {
    struct arena_block *former;
    size_t size;
    bool lent;
    alignas(max_align_t) char bytes[];
};

void arena_lend(struct arena *a, void *room, size_t size)
{
    struct arena_block *b = room;

    BUG_UNLESS(!a->newest && size > sizeof(*b));
    b->former = NULL;
    b->size = size - sizeof(*b);
    b->lent = true;
    a->newest = b;
    a->left = b->size;
}

void arena_fini(struct arena *a)
{
    while (a->newest) {
        struct arena_block *former = a->newest->former;

        if (!a->newest->lent)
            free(a->newest);
        a->newest = former;
    }
    a->left = 0;
}

static int arena_grow(struct arena *a, size_t size)
{
    size_t least = a->block_size ? a->block_size : ARENA_BLOCK_SIZE;
    struct arena_block *b;

    if (size < least)
        size = least;
    b = malloc(sizeof(*b) + size);
    if (!b)
        return -ENOMEM;
    b->size = size;
    b->lent = false;
    b->former = a->newest;
    a->newest = b;
    a->left = size;
    return 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t step = alignof(max_align_t);
    void *p;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + step - 1) / step * step;
    if (size > a->left && arena_grow(a, size))
        return NULL;
    p = a->newest->bytes + (a->newest->size - a->left);
    a->left -= size;
    return memset(p, 0, size); /* now: most of a block is never used */
}

int arena_str(struct arena *a, struct str *out, struct str text)
{
    char *p = arena_alloc(a, text.n + 1);

    if (!p)
        return -ENOMEM;
    if (text.n)
        memcpy(p, text.p, text.n);
    *out = (struct str){ p, text.n };
    return 0;
}

/* How many elements an array of `n` has to have room for before it gets its next one; 0: it has
 * room. */
static size_t room_wanted(size_t n)
{
    if (n == 0)
        return ARRAY_FIRST_ROOM;
    return n >= ARRAY_FIRST_ROOM && (n & (n - 1)) == 0 ? n * 2 : 0;
}

int array_grow(void **array, size_t n, size_t element_size)
{
    size_t room = room_wanted(n);
    void *p;

    if (!room)
        return 0;
    p = reallocarray(*array, room, element_size);
    if (!p)
        return -ENOMEM;
    *array = p;
    return 0;
}

int array_grow_in(struct arena *a, void **array, size_t n, size_t element_size)
{
    size_t room = room_wanted(n), bytes;
    void *p;

    if (!room)
        return 0;
    if (__builtin_mul_overflow(room, element_size, &bytes))
        return -ENOMEM;
    p = arena_alloc(a, bytes);
    if (!p)
        return -ENOMEM;
    if (n)
        memcpy(p, *array, n * element_size);
    *array = p;
    return 0;
}
