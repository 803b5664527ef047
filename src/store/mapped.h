// SPDX-License-Identifier: MIT
/* mapped.h - memory of a file, which stays memory when the disk fails.
 *
 * Where a file system takes a page no more (XFS ends all access after an error of the disk), or the
 * file has become shorter, whoever writes into the mapping gets SIGBUS. Such a page goes on without
 * the file, with what was in it as far as that can be read. Threads: any. */
#pragma once
#include "base/result.h"

#include <stddef.h>

/* From now on; for the mappings of others (SQLite's) where all of the page can be read. */
void mapped_guard(void);
/* The file from its beginning, to read and write, shared. When a page is lost, the file is old from
 * then on: its first bytes are overwritten with zeros if that is possible. NULL: errno says why. */
NODISCARD void *mapped_open(int fd, size_t bytes);
void mapped_close(void *map, size_t bytes); /* before the descriptor; NULL is fine */
