// SPDX-License-Identifier: MIT
/* carried.h - memory in a mapped file: what stands in it survives the process, but not the machine.
 *
 * For a table that changes too often to be written and is worth nothing if a part of it is missing.
 * Threads: open and close whoever owns it; the memory is nobody's business here. */
#pragma once
#include "base/str.h"

enum { BOOT_ID_BYTES = 36 };
/* Zeroes when the kernel does not tell. */
void boot_id_read(char out[BOOT_ID_BYTES]);

struct carried; /* opaque: see carried.c */

struct carried_config {
    struct str directory; /* exists; nobody else uses it */
    struct str name;      /* of the file, which only its owner may read */
    uint64_t identity;    /* of the store it belongs to */
    size_t bytes;
};
/* Zeroed, unless the file is of this store, this size, and this boot of the machine. 0 or a
 * negative errno. */
NODISCARD int carried_open(struct carried **out, const struct carried_config *cfg);
void carried_close(struct carried *c); /* NULL is fine */
void *carried_memory(const struct carried *c);
