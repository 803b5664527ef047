// SPDX-License-Identifier: MIT
/* result.h - how functions answer, and the asserts that stay on in release builds.
 *
 * 0 is success. A negative value is a negated errno: a failure nobody planned for, passed up
 * unchanged and logged once, where it is dropped. A positive value is a named answer of that one
 * function: its direct caller handles it and never passes it on. */
#pragma once
#include <errno.h>
#include <stddef.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_arg, first_arg) __attribute__((format(printf, format_arg, first_arg)))
#define BIT(n) (1u << (n))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* For our own mistakes only: input from a peer, a file, a plugin or the network never reaches one.
 * Prints where and aborts, in every build. */
#define BUG_UNLESS(condition) ((condition) ? (void)0 : bug_abort(#condition, __FILE__, __LINE__))
_Noreturn void bug_abort(const char *condition, const char *file, int line);
