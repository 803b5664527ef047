// SPDX-License-Identifier: MIT
/* tally.h - how many objects of a kind are on the heap, and what they take there: counted when they
 * come and go, with what malloc itself adds. Threads: one owner. */
#pragma once
#include <malloc.h>
#include <stdint.h>

struct tally {
    uint64_t objects, bytes;
};

/* GNU malloc has a word of its own before each object. */
static inline uint64_t tally_size(const void *object)
{
    return malloc_usable_size((void *)object) + sizeof(size_t);
}

static inline void tally_add(struct tally *t, const void *object)
{
    t->objects++;
    t->bytes += tally_size(object);
}

/* Before it is freed. */
static inline void tally_remove(struct tally *t, const void *object)
{
    t->objects--;
    t->bytes -= tally_size(object);
}
