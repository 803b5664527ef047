// SPDX-License-Identifier: MIT
/* place.h - where the process lives: its directories, its working directory, its descriptors.
 * Private to the daemon folder. Threads: the main thread. */
#pragma once
#include "base/str.h"

/* The directory and all above it that are missing; it is for its owner and group only. 0 or -errno.
 */
NODISCARD int place_directory_make(struct str path);

/* The same path from the root, on the heap (str_free). 0 or -errno. */
NODISCARD int place_path_absolute(struct str *out, struct str path);

/* The path of this program, which was called by that name; likewise. It is where it was found, so
 * that one that is installed in its place is found there, too. */
NODISCARD int place_program(struct str *out, const char *name);

/* Becomes a daemon: a child in a session of its own, in the root directory. Returns in the child
 * only, with the descriptor to which it writes one byte when it is ready; the parent waits for that
 * and exits with 0, or with 1 when the child ends without. */
NODISCARD int place_background(void);

/* Standard error becomes this file, made or continued: the log, and whatever libraries have to say.
 * 0 or -errno, then it is what it was. */
NODISCARD int place_log_to(struct str path);
/* Standard input and output: nobody. */
void place_let_go(void);
