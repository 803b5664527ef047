// SPDX-License-Identifier: MIT
/* json.h - writing JSON into a bounded buffer. Commas are placed by the writer; errors stay in the
 * buffer. */
#pragma once
#include "base/buf.h"

struct json {
    struct buf *out;
    bool first; /* nothing yet at this level */
};

static inline struct json json_on(struct buf *out)
{
    return (struct json){ out, true };
}

/* Inside an object give a key; inside an array, or at the top, pass NULL. */
void json_add_object(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_add_array(struct json *j, const char *key);
void json_end_array(struct json *j);
void json_add_str(struct json *j, const char *key, struct str value);
/* The same without the passwords of SIP URIs. */
void json_add_masked(struct json *j, const char *key, struct str value);
void json_add_u64(struct json *j, const char *key, uint64_t value);
void json_add_i64(struct json *j, const char *key, int64_t value);
void json_add_bool(struct json *j, const char *key, bool value);
void json_add_null(struct json *j, const char *key);
