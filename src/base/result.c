// SPDX-License-Identifier: MIT
#include "base/result.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void bug_abort(const char *condition, const char *file, int line)
{
    /* Not stdio: its buffers and locks may belong to what is broken. */
    dprintf(STDERR_FILENO, "bug: %s:%d: %s\n", file, line, condition);
    abort();
}
