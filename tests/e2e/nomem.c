// SPDX-License-Identifier: MIT
/* nomem.so - an LD_PRELOAD shim: the allocation of the program's own code with the number NOMEM_AT,
 * counted from 0, fails. Those of libraries do not: some of them end the process then. With
 * NOMEM_PLACES only the first allocation of each place in the program counts, a place being who
 * called whom. How many there were is written to the file NOMEM_COUNT at the end. */
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);

enum { CALLERS = 6, PLACES_MAX = 1 << 16 };

static uintptr_t from, to; /* the program's code */
static uint64_t at = UINT64_MAX;
static bool by_place;
static atomic_uint_fast64_t count;
static atomic_uint_fast64_t places[PLACES_MAX]; /* those that were seen: a hash table */

static int on_object(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];

        if (h->p_type != PT_LOAD || !(h->p_flags & PF_X))
            continue;
        from = info->dlpi_addr + h->p_vaddr;
        to = from + h->p_memsz;
    }
    return 1; /* the first is the program */
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("NOMEM_AT");

    if (text)
        at = strtoull(text, NULL, 10);
    by_place = getenv("NOMEM_PLACES") != NULL;
    dl_iterate_phdr(on_object, NULL);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("NOMEM_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "%llu\n", (unsigned long long)atomic_load(&count));
    fclose(f);
}

static bool is_ours(uintptr_t code)
{
    return code >= from && code < to;
}

/* Who called whom, as far as it is the program's own code, which keeps frame pointers. */
static uint64_t place_of(const uintptr_t *frame)
{
    uint64_t hash = 0;

    for (int i = 0; i < CALLERS && is_ours(frame[1]); i++) {
        hash = (hash ^ (frame[1] - from)) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
        if (frame[0] <= (uintptr_t)frame)
            break;
        frame = (const uintptr_t *)frame[0]; // NOLINT(performance-no-int-to-ptr): it is the stack
    }
    return hash | 1;
}

static bool is_new(uint64_t place)
{
    for (uint64_t i = place >> 32; i < (place >> 32) + PLACES_MAX; i++) {
        uint_fast64_t there = 0;

        if (atomic_compare_exchange_strong(&places[i % PLACES_MAX], &there, place))
            return true;
        if (there == place)
            return false;
    }
    return false;
}

/* `frame` is that of the function that is called instead of libc's. */
static bool fails(const uintptr_t *frame)
{
    return is_ours(frame[1]) && (!by_place || is_new(place_of(frame))) &&
           atomic_fetch_add(&count, 1) == at;
}

#define OURS __attribute__((visibility("default")))
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): glibc's names are its own

OURS void *malloc(size_t n)
{
    return fails(__builtin_frame_address(0)) ? NULL : __libc_malloc(n);
}

OURS void *calloc(size_t items, size_t n)
{
    return fails(__builtin_frame_address(0)) ? NULL : __libc_calloc(items, n);
}

OURS void *realloc(void *p, size_t n)
{
    return fails(__builtin_frame_address(0)) ? NULL : __libc_realloc(p, n);
}

OURS void *reallocarray(void *p, size_t items, size_t n)
{
    size_t all;

    if (__builtin_mul_overflow(items, n, &all) || fails(__builtin_frame_address(0)))
        return NULL;
    return __libc_realloc(p, all);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
