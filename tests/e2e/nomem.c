// SPDX-License-Identifier: MIT
/* nomem.so - an LD_PRELOAD shim: the first allocation of the program's own code fails at the place
 * NOMEM_AT, a place being who called whom, and with NOMEM_PLACES each place is told when it is seen
 * first; both on standard error. Those of libraries do not fail: some of them end the process then.
 * Of a program of cmocka's only the test NOMEM_TEST runs. */
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);

enum { CALLERS = 6, PLACES_MAX = 1 << 16 };

static uintptr_t from, to; /* the program's code */
static uint64_t at;        /* 0: nowhere */
static bool tells;
static atomic_bool failed;
static atomic_uint_fast64_t places[PLACES_MAX]; /* those that were told: a hash table */

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
    const char *place = getenv("NOMEM_AT"), *test = getenv("NOMEM_TEST");
    void (*filter)(const char *pattern) = NULL;

    dl_iterate_phdr(on_object, NULL);
    at = place ? strtoull(place, NULL, 16) : 0;
    tells = getenv("NOMEM_PLACES") != NULL;
    if (test)
        *(void **)&filter = dlsym(RTLD_DEFAULT, "cmocka_set_test_filter");
    if (filter)
        filter(test);
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

static void tell(const char *what, uint64_t place)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%s %016llx\n", what, (unsigned long long)place);

    (void)!write(STDERR_FILENO, line, (size_t)n);
}

/* `frame` is that of the function that is called instead of libc's. */
static bool fails(const uintptr_t *frame)
{
    uint64_t place;

    if ((!at && !tells) || !is_ours(frame[1]))
        return false;
    place = place_of(frame);
    if (tells && is_new(place))
        tell("place", place);
    if (place != at || atomic_exchange(&failed, true))
        return false;
    tell("no memory at", place);
    return true;
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
