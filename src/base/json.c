// SPDX-License-Identifier: MIT
#include "base/json.h"

/* What stands before every value: a comma unless it is the first here, and its key. */
static void json_begin(struct json *j, const char *key)
{
    if (!j->first)
        buf_add_char(j->out, ',');
    j->first = false;
    if (!key)
        return;
    buf_add_char(j->out, '"');
    buf_add_json(j->out, str_of(key));
    buf_add(j->out, STR("\":"));
}

static void json_open(struct json *j, const char *key, char bracket)
{
    json_begin(j, key);
    buf_add_char(j->out, bracket);
    j->first = true;
}

/* The level above holds at least what ends here, so no memory of it is needed. */
static void json_close(struct json *j, char bracket)
{
    buf_add_char(j->out, bracket);
    j->first = false;
}

void json_add_object(struct json *j, const char *key)
{
    json_open(j, key, '{');
}

void json_end_object(struct json *j)
{
    json_close(j, '}');
}

void json_add_array(struct json *j, const char *key)
{
    json_open(j, key, '[');
}

void json_end_array(struct json *j)
{
    json_close(j, ']');
}

void json_add_str(struct json *j, const char *key, struct str value)
{
    json_begin(j, key);
    buf_add_char(j->out, '"');
    buf_add_json(j->out, value);
    buf_add_char(j->out, '"');
}

void json_add_masked(struct json *j, const char *key, struct str value)
{
    json_begin(j, key);
    buf_add_char(j->out, '"');
    buf_add_masked_by(j->out, value, buf_add_json);
    buf_add_char(j->out, '"');
}

void json_add_u64(struct json *j, const char *key, uint64_t value)
{
    json_begin(j, key);
    buf_add_u64(j->out, value);
}

void json_add_i64(struct json *j, const char *key, int64_t value)
{
    json_begin(j, key);
    if (value < 0)
        buf_add_char(j->out, '-');
    buf_add_u64(j->out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_add_bool(struct json *j, const char *key, bool value)
{
    json_begin(j, key);
    buf_add(j->out, value ? STR("true") : STR("false"));
}

void json_add_null(struct json *j, const char *key)
{
    json_begin(j, key);
    buf_add(j->out, STR("null"));
}
