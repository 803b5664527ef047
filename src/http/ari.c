// SPDX-License-Identifier: MIT
/* /ari: device states and mailboxes as Asterisk's REST Interface has them. Devices that may be set
 * are named Stasis:NAME. Arguments are in the query, or in the body as JSON or as a form. */
#include "http/http_internal.h"

#define SOURCE "ari" /* whoever sets one: there is one state of it, as in Asterisk */

static void answer(struct exchange *x, unsigned status)
{
    x->type = "application/json";
    exchange_answer(x, status);
}

void ari_fail(struct exchange *x, unsigned status, const char *message)
{
    struct json out = json_on(&x->out);

    buf_reset(&x->out);
    json_add_object(&out, NULL);
    json_add_str(&out, "message", str_of(message));
    json_end_object(&out);
    answer(x, status);
}

static json_t *rows_of(const struct commands_answer *a)
{
    struct buf list;
    json_error_t why;
    json_t *rows;

    buf_init(&list, HTTP_ANSWER_MAX);
    buf_add_char(&list, '[');
    buf_add(&list, a->rows);
    buf_add_char(&list, ']');
    rows = list.error ? NULL : json_loadb(list.p, list.n, 0, &why);
    buf_fini(&list);
    return rows;
}

static struct str text_of(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);

    return json_is_string(v) ? (struct str){ json_string_value(v), json_string_length(v) }
                             : STR_EMPTY;
}

static void ask(struct exchange *x, const char *command, struct str name, bool exact,
                void (*then)(struct exchange *x, const struct commands_answer *answer))
{
    json_t *prefix = json_stringn(name.n ? name.p : "", name.n);

    if (prefix)
        exchange_ask(
            x, json_pack("{ss so sb}", "command", command, "prefix", prefix, "exact", exact), then);
    else
        ari_fail(x, 400, "that is no UTF-8");
}

static void answer_done(struct exchange *x, const struct commands_answer *a)
{
    (void)a;
    exchange_answer(x, 204);
}

/* ---- arguments ---- */

static bool hex_digit(char c, unsigned *out)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = memchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c, 16);

    *out = at ? (unsigned)(at - digits) : 0;
    return at != NULL;
}

/* A value of a form: '+' is a blank, %41 is A. */
static void unescape(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned high, low;

        if (s.p[i] == '%' && i + 2 < s.n && hex_digit(s.p[i + 1], &high) &&
            hex_digit(s.p[i + 2], &low)) {
            buf_add_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_add_char(out, s.p[i] == '+' ? ' ' : s.p[i]);
        }
    }
}

static bool form_value(const struct exchange *x, const char *name, struct buf *out)
{
    struct str rest = buf_str(&x->body);

    if (!str_starts_nocase(x->rq.content_type, STR("application/x-www-form-urlencoded")))
        return false;
    while (rest.p && rest.n) {
        struct str part = str_next(&rest, '&');
        size_t equals = str_find_char(part, '=');

        if (!str_equal(str_sub(part, 0, equals), str_of(name)))
            continue;
        unescape(out, str_sub(part, equals + 1, part.n));
        return true;
    }
    return false;
}

/* An argument, wherever it is; false: it is nowhere, or too long. */
bool ari_argument(const struct exchange *x, const char *name, struct buf *out)
{
    const json_t *v = json_object_get(x->object, name);
    struct str value;

    if (exchange_query(x, name, &value))
        buf_add(out, value);
    else if (json_is_string(v))
        buf_add(out, text_of(x->object, name));
    else if (json_is_integer(v))
        buf_printf(out, "%lld", (long long)json_integer_value(v));
    else if (!form_value(x, name, out))
        return false;
    return !out->error;
}

/* ---- device states ---- */

static void print_device(struct json *out, struct str name, struct str state)
{
    json_add_object(out, NULL);
    json_add_str(out, "name", name);
    json_add_str(out, "state", state);
    json_end_object(out);
}

static void answer_devices(struct exchange *x, const struct commands_answer *a)
{
    struct json out = json_on(&x->out);
    json_t *rows = rows_of(a), *row;
    size_t i;

    json_add_array(&out, NULL);
    json_array_foreach(rows, i, row)
    {
        print_device(&out, text_of(row, "device"), text_of(row, "state"));
    }
    json_end_array(&out);
    json_decref(rows);
    answer(x, 200);
}

void ari_devices(struct exchange *x)
{
    ask(x, "devstate.list", STR("Stasis:"), false, answer_devices);
}

/* Of one that nobody has said anything of, Asterisk says what its technology says: of its own kinds
 * that it is not known, of no technology's that there is none. */
static struct str state_of_nothing(struct str name)
{
    return str_starts(name, STR("Stasis:")) || str_starts_nocase(name, STR("Custom:"))
               ? STR("UNKNOWN")
               : STR("INVALID");
}

static void answer_device(struct exchange *x, const struct commands_answer *a)
{
    struct json out = json_on(&x->out);
    json_t *rows = rows_of(a), *row = json_array_get(rows, 0);

    print_device(&out, x->name, row ? text_of(row, "state") : state_of_nothing(x->name));
    json_decref(rows);
    answer(x, 200);
}

void ari_device(struct exchange *x)
{
    ask(x, "devstate.list", x->name, true, answer_device);
}

static bool is_settable(struct exchange *x)
{
    if (str_starts(x->name, STR("Stasis:")) && x->name.n > sizeof("Stasis:") - 1)
        return true;
    ari_fail(x, 409, "Uncontrolled device specified");
    return false;
}

void ari_device_put(struct exchange *x)
{
    enum device_state state;
    struct buf value;
    char room[64];
    json_t *name;

    if (!is_settable(x))
        return;
    buf_init_on(&value, room, sizeof(room));
    if (!ari_argument(x, "deviceState", &value) || device_state_parse(&state, buf_str(&value)) ||
        state == DEVICE_UNKNOWN) {
        ari_fail(x, x->http->settings->compatibility.ari_bad_state_is_500 ? 500 : 400,
                 "deviceState is NOT_INUSE, INUSE, BUSY, INVALID, UNAVAILABLE, RINGING, "
                 "RINGINUSE or ONHOLD");
        return;
    }
    name = json_stringn(x->name.p, x->name.n);
    if (name)
        exchange_ask(x,
                     json_pack("{ss so ss ss}", "command", "devstate.set", "device", name, "state",
                               device_state_name(state).p, "source", SOURCE),
                     answer_done);
    else
        ari_fail(x, 400, "that is no UTF-8");
}

/* What others say of it, PBXs and people, only they take back: then it is a conflict. */
static void forget(struct exchange *x, const char *command, const char *key)
{
    json_t *name = json_stringn(x->name.p, x->name.n);

    x->unfound = 409;
    if (name)
        exchange_ask(x, json_pack("{ss so ss}", "command", command, key, name, "source", SOURCE),
                     answer_done);
    else
        ari_fail(x, 400, "that is no UTF-8");
}

static void device_found(struct exchange *x, const struct commands_answer *a)
{
    json_t *rows = rows_of(a), *row = json_array_get(rows, 0);

    if (json_array_size(json_object_get(row, "sources")))
        forget(x, "devstate.forget", "device");
    else
        ari_fail(x, 404, "Device not found");
    json_decref(rows);
}

void ari_device_delete(struct exchange *x)
{
    if (is_settable(x))
        ask(x, "devstate.list", x->name, true, device_found);
}

/* ---- mailboxes ---- */

static void print_mailbox(struct json *out, const json_t *row)
{
    json_add_object(out, NULL);
    json_add_str(out, "name", text_of(row, "mailbox"));
    json_add_i64(out, "old_messages", json_integer_value(json_object_get(row, "old")));
    json_add_i64(out, "new_messages", json_integer_value(json_object_get(row, "new")));
    json_end_object(out);
}

static void answer_mailboxes(struct exchange *x, const struct commands_answer *a)
{
    struct json out = json_on(&x->out);
    json_t *rows = rows_of(a);

    json_add_array(&out, NULL);
    for (size_t i = 0; i < json_array_size(rows); i++)
        print_mailbox(&out, json_array_get(rows, i));
    json_end_array(&out);
    json_decref(rows);
    answer(x, 200);
}

void ari_mailboxes(struct exchange *x)
{
    ask(x, "mailbox.list", STR_EMPTY, false, answer_mailboxes);
}

static void answer_mailbox(struct exchange *x, const struct commands_answer *a)
{
    struct json out = json_on(&x->out);
    json_t *rows = rows_of(a), *row = json_array_get(rows, 0);

    if (row)
        print_mailbox(&out, row);
    json_decref(rows);
    if (row)
        answer(x, 200);
    else
        ari_fail(x, 404, "Mailbox not found");
}

void ari_mailbox(struct exchange *x)
{
    ask(x, "mailbox.list", x->name, true, answer_mailbox);
}

static bool argument_count(const struct exchange *x, const char *name, uint32_t *out)
{
    struct buf value;
    char room[16];

    buf_init_on(&value, room, sizeof(room));
    return ari_argument(x, name, &value) && str_to_u32(out, buf_str(&value)) == 0;
}

void ari_mailbox_put(struct exchange *x)
{
    uint32_t old_count, new_count;
    json_t *name = json_stringn(x->name.p, x->name.n);

    if (!name || !argument_count(x, "oldMessages", &old_count) ||
        !argument_count(x, "newMessages", &new_count)) {
        json_decref(name);
        ari_fail(x, 400, "oldMessages and newMessages are numbers of messages");
        return;
    }
    exchange_ask(x,
                 json_pack("{ss so sI sI ss}", "command", "mailbox.set", "mailbox", name, "old",
                           (json_int_t)old_count, "new", (json_int_t)new_count, "source", SOURCE),
                 answer_done);
}

static void mailbox_found(struct exchange *x, const struct commands_answer *a)
{
    json_t *rows = rows_of(a), *row = json_array_get(rows, 0);

    if (json_integer_value(json_object_get(row, "sources")))
        forget(x, "mailbox.forget", "mailbox");
    else
        ari_fail(x, 404, "Mailbox not found");
    json_decref(rows);
}

void ari_mailbox_delete(struct exchange *x)
{
    ask(x, "mailbox.list", x->name, true, mailbox_found);
}
