// SPDX-License-Identifier: MIT
/* memory_testing.h - memory that runs out when a test wants it to. A program that has
 * memory_testing_dep among its dependencies allocates through us: the linker puts our functions
 * before the C library's (--wrap). For one thread. */
#pragma once
#include <stdbool.h>

/* The C library's functions have no context to carry this. */
struct memory_testing {
    bool armed;  /* it is the subject's code that runs now, and not the test's */
    bool failed; /* one did; to be set back by the test */
    long left;   /* allocations until one fails, once; negative: plenty */
};
extern struct memory_testing memory; /* not armed, plenty */

void memory_guard(bool subject); /* armed = subject: for fixtures that call back */
