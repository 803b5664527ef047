// SPDX-License-Identifier: MIT
/* The fields of requests. A name means the same in every command, so that they are checked in one
 * place, before the command looks at any. Fields that no command knows are left alone. */
#include "ctl/ctl_internal.h"

/* What Asterisk gives back of a stored presence; a NOTIFY has room for both, however they are
 * escaped. */
#define PRESENCE_TEXT_MAX 1300

enum field_kind { FIELD_TEXT, FIELD_NAME, FIELD_NUMBER, FIELD_BOOL, FIELD_LIST };

static const char *const kind_texts[] = {
    [FIELD_TEXT] = "a string",      [FIELD_NAME] = "a string", [FIELD_NUMBER] = "a whole number",
    [FIELD_BOOL] = "true or false", [FIELD_LIST] = "a list",
};

static const struct field {
    const char *name;
    enum field_kind kind;
    size_t max; /* bytes of a text; 0: whatever fits into a request */
} fields[] = {
    { "id", FIELD_NUMBER, 0 },
    { "command", FIELD_TEXT, 0 },
    { "prefix", FIELD_TEXT, 0 },
    { "device", FIELD_NAME, 0 },
    { "provider", FIELD_NAME, 0 },
    { "mailbox", FIELD_NAME, 0 },
    { "source", FIELD_NAME, 0 },
    { "context", FIELD_NAME, 0 },
    { "extension", FIELD_NAME, 0 },
    { "name", FIELD_NAME, 0 },
    { "hint", FIELD_NAME, 4095 },
    { "replace", FIELD_BOOL, 0 },
    { "include", FIELD_NAME, 400 },
    { "state", FIELD_TEXT, 0 },
    { "subtype", FIELD_TEXT, PRESENCE_TEXT_MAX },
    { "message", FIELD_TEXT, PRESENCE_TEXT_MAX },
    { "level", FIELD_TEXT, 0 },
    { "file", FIELD_NAME, 4000 },
    { "binary", FIELD_NAME, 4000 },
    { "reason", FIELD_TEXT, 0 },
    { "all", FIELD_BOOL, 0 },
    { "exact", FIELD_BOOL, 0 },
    { "changes", FIELD_LIST, 0 },
    { "dry_run", FIELD_BOOL, 0 },
    { "peers", FIELD_LIST, 0 },
    { "keep", FIELD_BOOL, 0 },
    { "clear", FIELD_BOOL, 0 },
    { "packet", FIELD_TEXT, 65535 },
    { "endpoint", FIELD_NAME, 0 },
    { "tag", FIELD_NAME, 128 },
    { "contact", FIELD_NAME, 1024 },
    { "remote", FIELD_NAME, 0 },
    { "local", FIELD_NAME, 0 },
    { "resource", FIELD_NAME, 400 },
    { "at_ms", FIELD_NUMBER, 0 },
    { "since_ms", FIELD_NUMBER, 0 },
    { "until_ms", FIELD_NUMBER, 0 },
    { "limit", FIELD_NUMBER, 0 },
    { "kinds", FIELD_LIST, 0 },
    { "follow", FIELD_NUMBER, 0 },
};

static bool kind_fits(enum field_kind kind, const json_t *value)
{
    switch (kind) {
    case FIELD_TEXT:
    case FIELD_NAME:
        return json_is_string(value);
    case FIELD_NUMBER:
        return json_is_integer(value);
    case FIELD_BOOL:
        return json_is_boolean(value);
    case FIELD_LIST:
        return json_is_array(value);
    }
    return false;
}

/* C0, DEL, and C1 as UTF-8 has it. Names stand in logs, tables and headers. */
static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i], next = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0;

        if (c < ' ' || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
            return true;
    }
    return false;
}

static bool field_check(struct ctl_request *q, const struct field *f, const json_t *value)
{
    struct str text = request_text(q, f->name);

    if (!kind_fits(f->kind, value))
        request_fail(q, "usage", "\"%s\" must be %s", f->name, kind_texts[f->kind]);
    else if (f->kind == FIELD_NAME && has_control(text))
        request_fail(q, "usage", "\"%s\" has a control character in it", f->name);
    else if (f->max && text.n > f->max)
        request_fail(q, "usage", "\"%s\" is longer than %zu bytes", f->name, f->max);
    return !q->error;
}

bool request_check(struct ctl_request *q)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const json_t *value = json_object_get(q->arguments, fields[i].name);

        if (value && !field_check(q, &fields[i], value))
            return false;
    }
    if (!json_object_get(q->arguments, "command"))
        request_fail(q, "usage", "there is no \"command\"");
    return !q->error;
}
