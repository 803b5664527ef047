// SPDX-License-Identifier: MIT
/* query.h - SQL asked of what is no database: a table astdb(key, value) in memory, made for one
 * statement, which may change it; what that has changed is told.
 *
 * A statement sees nothing but that table, and ends when it takes too long. Threads: pure
 * functions, but for the memory. */
#pragma once
#include "base/clock.h"
#include "base/str.h"

struct query; /* opaque: see query.c */

NODISCARD int query_create(struct query **out); /* 0 or -ENOMEM */
void query_destroy(struct query *q);            /* NULL is fine */
/* One entry of the table; a key that is there already gets another value. 0 or -ENOMEM. */
NODISCARD int query_put(struct query *q, struct str key, struct str value);

struct query_sink { /* borrowed for the call */
    void *ctx;
    /* A column of a row, in order; a NULL is empty. `last`: the row ends. */
    void (*column)(void *ctx, struct str name, struct str value, bool last);
};
enum query_outcome {
    QUERY_REFUSED = 1, /* it is none, or may not do that, or failed: query_why */
};
/* Once, behind all query_put: every statement of `sql`. 0, QUERY_REFUSED or -ENOMEM; unless 0, what
 * has changed is of no interest. */
NODISCARD int query_run(struct query *q, struct str sql, const struct clock *clock,
                        const struct query_sink *sink);
const char *query_why(const struct query *q);
/* What has changed: another value, or (`value` is NULL) an entry that is gone. 0 or -ENOMEM. */
NODISCARD int query_changes(struct query *q,
                            void (*each)(void *ctx, struct str key, const struct str *value),
                            void *ctx);
