// SPDX-License-Identifier: MIT
/* told.h - the words of keep_words in files that are mapped: told.0, told.1, ... in the state
 * directory, one for each worker there was.
 *
 * A word that is set is in the kernel's memory at once, so that the end of the process loses
 * nothing and setting one costs as much as any store. What the machine loses with its power is
 * known by its boot id: then every word is 0, as it is when the files are not those of the last
 * start of this store. Numbers are TOLD_CLASSES * place + the worker that took them, so that they
 * stay unique when the number of workers changes. Threads: one owner. */
#pragma once
#include "base/keep.h"
#include "base/log.h"

enum { TOLD_CLASSES = 64 }; /* of numbers: more than there can be workers */

/* The highest incarnation of a store that files in this directory are of; 0: none is. Identity 0 is
 * any store. */
uint64_t told_incarnation(struct str directory, uint64_t identity);

struct told; /* opaque: see told.c */

struct told_config {
    struct str directory;
    uint64_t identity, incarnation; /* of the store, as it was opened now */
    unsigned worker, workers; /* ours are the words of all workers that leave this remainder */
    struct log *log;
};
/* Before the store commits this incarnation. 0 or a negative errno. */
NODISCARD int told_open(struct told **out, const struct told_config *cfg);
/* From now on the files are of this start. One that has not come so far has changed no word, and
 * the next one goes on with them, whether or not the store knows of it. */
void told_begin(struct told *t);
void told_close(struct told *t); /* NULL is fine */
struct keep_words told_words(struct told *t);
/* Which worker of `workers` has this number. */
unsigned told_worker(uint64_t number, unsigned workers);
