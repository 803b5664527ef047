// SPDX-License-Identifier: MIT
/* nomem.so - an LD_PRELOAD shim: the allocation of the program's own code with the number NOMEM_AT,
 * counted from 0, fails. Those of libraries do not: some of them end the process then. How many
 * there were is written to the file NOMEM_COUNT at the end. */
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);

static uintptr_t from, to; /* the program's code */
static uint64_t at = UINT64_MAX;
static atomic_uint_fast64_t count;

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

static int fails(const void *caller)
{
    uintptr_t a = (uintptr_t)caller;

    return a >= from && a < to && atomic_fetch_add(&count, 1) == at;
}

#define OURS __attribute__((visibility("default")))
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): glibc's names are its own

OURS void *malloc(size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

OURS void *calloc(size_t items, size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(items, n);
}

OURS void *realloc(void *p, size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

OURS void *reallocarray(void *p, size_t items, size_t n)
{
    size_t all;

    if (__builtin_mul_overflow(items, n, &all) || fails(__builtin_return_address(0)))
        return NULL;
    return __libc_realloc(p, all);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
