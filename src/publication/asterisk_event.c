// SPDX-License-Identifier: MIT
#include "publication/asterisk_event.h"

#include <jansson.h>

#include "base/json.h"

/* ---- reading ---- */

static int refuse(struct buf *why, const char *what)
{
    buf_printf(why, "the JSON object %s", what);
    return ASTERISK_EVENT_REFUSED;
}

/* Empty when it is absent or no text. */
static struct str text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value)
               ? (struct str){ json_string_value(value), json_string_length(value) }
               : STR_EMPTY;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int eid_parse(char out[static ASTERISK_EID_LEN + 1], struct str eid)
{
    if (eid.n != ASTERISK_EID_LEN)
        return -EINVAL;
    for (size_t i = 0; i < eid.n; i++) {
        char c = eid.p[i];

        if (i % 3 == 2 ? c != ':' : !is_hex(c))
            return -EINVAL;
        out[i] = c >= 'A' && c <= 'F' ? (char)(c + ('a' - 'A')) : c;
    }
    out[eid.n] = '\0';
    return 0;
}

static int name_parse(struct asterisk_event *e, struct str name)
{
    if (name.n == 0 || name.n > ASTERISK_NAME_MAX || memchr(name.p, '\0', name.n))
        return -EINVAL;
    memcpy(e->name, name.p, name.n);
    e->name[name.n] = '\0';
    e->name_n = name.n;
    return 0;
}

/* A count that is missing or negative is none. */
static uint32_t count_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    json_int_t count = json_is_integer(value) ? json_integer_value(value) : 0;

    if (count < 0)
        return 0;
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

static bool is_true(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_true(value) || (json_is_integer(value) && json_integer_value(value) != 0);
}

static int device_parse(struct asterisk_event *e, const json_t *object, struct buf *why)
{
    struct str state = text_of(object, "state");

    if (name_parse(e, text_of(object, "device")))
        return refuse(why, "has no device, or one of more than 79 bytes");
    if (!state.n)
        return refuse(why, "has no state");
    if (device_state_parse(&e->state, state)) /* a state we do not know is one nobody knows */
        e->state = DEVICE_UNKNOWN;
    e->type = ASTERISK_DEVICE_STATE;
    e->cachable = is_true(object, "cachable");
    return 0;
}

static int mailbox_parse(struct asterisk_event *e, const json_t *object, struct buf *why)
{
    if (name_parse(e, text_of(object, "uniqueid")))
        return refuse(why, "has no uniqueid, or one of more than 79 bytes");
    e->type = ASTERISK_MAILBOX_STATE;
    e->new_count = count_of(object, "new");
    e->old_count = count_of(object, "old");
    return 0;
}

static int object_parse(struct asterisk_event *e, struct str package, const json_t *object,
                        struct buf *why)
{
    struct str type = text_of(object, "type");

    if (!json_is_object(object))
        return refuse(why, "is something else");
    if (eid_parse(e->eid, text_of(object, "eid")))
        return refuse(why, "has no eid like 00:11:22:aa:bb:cc");
    if (str_equal(type, STR("refresh"))) {
        e->type = ASTERISK_REFRESH;
        return 0;
    }
    if (str_equal(type, STR("devicestate")) && str_equal(package, ASTERISK_DEVICES))
        return device_parse(e, object, why);
    if (str_equal(type, STR("mailboxstate")) && str_equal(package, ASTERISK_MAILBOXES))
        return mailbox_parse(e, object, why);
    return refuse(why, "has no type of this event package");
}

int asterisk_event_parse(struct asterisk_event *out, struct str package, struct str body,
                         struct buf *why)
{
    struct asterisk_event e = { 0 };
    json_error_t error;
    json_t *object = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &error);
    int r;

    if (!object) {
        if (json_error_code(&error) == json_error_out_of_memory)
            return -ENOMEM;
        buf_printf(why, "the body is not JSON: line %d: %s", error.line, error.text);
        return ASTERISK_EVENT_REFUSED;
    }
    r = object_parse(&e, package, object, why);
    if (!r)
        *out = e;
    json_decref(object);
    return r;
}

/* ---- writing ---- */

static void add_text(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, "\"%s\":\"", name);
    buf_add_json(out, value);
    buf_add_char(out, '"');
}

void asterisk_event_print(const struct asterisk_event *e, struct buf *out)
{
    struct str name = { e->name, e->name_n };

    buf_add_char(out, '{');
    switch (e->type) {
    case ASTERISK_DEVICE_STATE:
        buf_add(out, STR("\"type\":\"devicestate\","));
        add_text(out, "device", name);
        buf_add_char(out, ',');
        add_text(out, "state", device_state_name(e->state));
        buf_printf(out, ",\"cachable\":%d", e->cachable);
        break;
    case ASTERISK_MAILBOX_STATE:
        buf_add(out, STR("\"type\":\"mailboxstate\","));
        add_text(out, "uniqueid", name);
        buf_printf(out, ",\"old\":%u,\"new\":%u", e->old_count, e->new_count);
        break;
    case ASTERISK_REFRESH:
        buf_add(out, STR("\"type\":\"refresh\""));
        break;
    }
    buf_add_char(out, ',');
    add_text(out, "eid", str_of(e->eid));
    buf_add_char(out, '}');
}

bool asterisk_event_wanted(const struct asterisk_publication_settings *s,
                           enum asterisk_event_type type, struct str name)
{
    const struct regex *filter = NULL;

    switch (type) {
    case ASTERISK_REFRESH:
        return true;
    case ASTERISK_DEVICE_STATE:
        filter = s->device_filter;
        if (!s->device_state)
            return false;
        break;
    case ASTERISK_MAILBOX_STATE:
        filter = s->mailbox_filter;
        if (!s->mailbox_state)
            return false;
        break;
    }
    return !filter || regex_matches(filter, name, NULL);
}
