// SPDX-License-Identifier: MIT
/* tally.h - how many objects of a kind are on the heap, and what they take there: counted when they
 * come and go, with what malloc itself adds. Threads: one owner. */
#pragma once
#include "base/str.h"
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

/* Of str_dup. */
static inline uint64_t tally_text(struct str text)
{
    return text.n ? tally_size(text.p) : 0;
}

/* Of an object of many pieces, after any of them has changed: `counted` is what it had before, 0 of
 * a new one, and `now` what it has, 0 when it goes. */
static inline void tally_again(struct tally *t, uint64_t *counted, uint64_t now)
{
    t->objects += now > 0;
    t->objects -= *counted > 0;
    t->bytes += now - *counted;
    *counted = now;
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
