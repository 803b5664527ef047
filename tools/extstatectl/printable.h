// SPDX-License-Identifier: MIT
/* printable.h - what strangers have sent, on its way to a terminal. Rows and answers of the daemon
 * come through client.h, which does this to all of them; the rest is for whoever prints it. See
 * buf_add_printable, also for `kept`. */
#pragma once
#include <jansson.h>
#include <stdio.h>

#include "base/str.h"

void printable_print(FILE *out, struct str text, const char *kept);
/* All strings within, in place. */
void printable_make(json_t *value, const char *kept);
