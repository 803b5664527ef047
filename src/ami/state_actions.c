// SPDX-License-Identifier: MIT
/* Extensions, devices and presence. */
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- one extension ---- */

static void answer_extension(struct ami_session *s, const struct ami_answer *a)
{
    const json_t *row = json_array_get(a->rows, 0);
    struct buf *b;

    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        return;
    }
    b = session_respond(s, "Success");
    ami_add(b, STR("Message"), STR("Extension Status"));
    event_extension_fields(b, s->argument[0], s->argument[1], answer_text(row, "hint"),
                           row ? extension_state_of_text(answer_text(row, "state"))
                               : EXTENSION_DEACTIVATED);
    ami_end(b);
    session_done(s);
}

void action_extension_state(struct ami_session *s, const struct ami_message *m)
{
    struct str name[2] = { ami_get(m, STR("Exten")), ami_get(m, STR("Context")) };
    json_t *q;

    if (!name[0].n) {
        session_fail(s, "Extension not specified");
        return;
    }
    if (!name[1].n)
        name[1] = STR("default");
    session_remember(s, name, 2);
    q = question("hint.get");
    question_text(q, "extension", name[0]);
    question_text(q, "context", name[1]);
    session_ask(s, q, answer_extension);
}

/* ---- all of them ---- */

static int by_text(const void *a, const void *b, const char *const *keys)
{
    json_t *const *x = a, *const *y = b;
    int order = 0;

    for (; *keys && !order; keys++)
        order = str_compare(answer_text(*x, *keys), answer_text(*y, *keys));
    return order;
}

static int by_extension(const void *a, const void *b)
{
    static const char *const keys[] = { "extension", "context", NULL };

    return by_text(a, b, keys);
}

static int by_device(const void *a, const void *b)
{
    static const char *const keys[] = { "device", NULL };

    return by_text(a, b, keys);
}

static int by_provider(const void *a, const void *b)
{
    static const char *const keys[] = { "provider", NULL };

    return by_text(a, b, keys);
}

static int by_context(const void *a, const void *b)
{
    static const char *const keys[] = { "context", "extension", NULL };

    return by_text(a, b, keys);
}

size_t rows_sort(const struct ami_answer *a, enum rows_order order, json_t ***out)
{
    static int (*const orders[])(const void *, const void *) = {
        [ROWS_BY_EXTENSION] = by_extension,
        [ROWS_BY_CONTEXT] = by_context,
        [ROWS_BY_DEVICE] = by_device,
        [ROWS_BY_PROVIDER] = by_provider,
    };
    size_t n = json_array_size(a->rows);
    json_t **rows = malloc((n + 1) * sizeof(*rows));

    *out = rows;
    if (!rows)
        return 0;
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(a->rows, i);
    qsort(rows, n, sizeof(json_t *), orders[order]);
    return n;
}

bool rows_failed(struct ami_session *s, const struct ami_answer *a, json_t **rows)
{
    if (a->error)
        session_fail(s, "%.*s", STR_FMT(a->message));
    else if (!rows)
        session_fail(s, "Memory allocation failure");
    else
        return false;
    free(rows);
    return true;
}

bool hint_is_listed(const json_t *row)
{
    return !json_is_true(json_object_get(row, "pattern")) && answer_text(row, "hint").n;
}

static void answer_extensions(struct ami_session *s, const struct ami_answer *a)
{
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_EXTENSION, &rows);
    uint64_t told = 0;

    if (rows_failed(s, a, rows))
        return;
    for (size_t i = 0; i < n; i++)
        told += hint_is_listed(rows[i]);
    if (!told) {
        free(rows);
        session_fail(s, "No dialplan hints are available");
        return;
    }
    session_list_begin(s, "Extension Statuses will follow");
    for (size_t i = 0; i < n; i++) {
        struct buf *b;

        if (!hint_is_listed(rows[i]))
            continue;
        b = session_list_event(s, "ExtensionStatus");
        event_extension_fields(b, answer_text(rows[i], "extension"),
                               answer_text(rows[i], "context"), answer_text(rows[i], "hint"),
                               extension_state_of_text(answer_text(rows[i], "state")));
        ami_end(b);
    }
    free(rows);
    session_list_end(s, "ExtensionStateListComplete", told);
}

void action_extension_state_list(struct ami_session *s, const struct ami_message *m)
{
    (void)m;
    session_ask(s, question("hints"), answer_extensions);
}

/* ---- devices ---- */

static void answer_devices(struct ami_session *s, const struct ami_answer *a)
{
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_DEVICE, &rows);

    if (rows_failed(s, a, rows))
        return;
    session_list_begin(s, "Device State Changes will follow");
    for (size_t i = 0; i < n; i++) {
        struct buf *b = session_list_event(s, "DeviceStateChange");

        ami_add(b, STR("Device"), answer_text(rows[i], "device"));
        ami_add(b, STR("State"), answer_text(rows[i], "state"));
        ami_end(b);
    }
    free(rows);
    session_list_end(s, "DeviceStateListComplete", n);
}

void action_device_state_list(struct ami_session *s, const struct ami_message *m)
{
    (void)m;
    session_ask(s, question("devstate.list"), answer_devices);
}

/* ---- presence ---- */

static void answer_presence(struct ami_session *s, const struct ami_answer *a)
{
    const json_t *row = presence_row(a, s->argument[0]);
    struct str subtype = answer_text(row, "subtype"), message = answer_text(row, "message");
    struct buf *b;

    if (!row) {
        session_fail(s, "Invalid provider %.*s or provider in invalid state",
                     STR_FMT(s->argument[0]));
        return;
    }
    b = session_respond(s, "Success");
    ami_add(b, STR("Message"), STR("Presence State"));
    ami_add(b, STR("State"), answer_text(row, "state"));
    if (subtype.n)
        ami_add(b, STR("Subtype"), subtype);
    if (message.n) {
        ami_add(b, STR("Message"), message);
        ami_add(b, STR("PresenceMessage"), message);
    }
    ami_end(b);
    session_done(s);
}

void action_presence_state(struct ami_session *s, const struct ami_message *m)
{
    struct str provider = ami_get(m, STR("Provider"));

    if (!provider.n) {
        session_fail(s, "No provider specified");
        return;
    }
    session_remember(s, &provider, 1);
    session_ask(s, presence_question(provider), answer_presence);
}

static void answer_presences(struct ami_session *s, const struct ami_answer *a)
{
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_PROVIDER, &rows);

    if (rows_failed(s, a, rows))
        return;
    session_list_begin(s, "Presence State Changes will follow");
    for (size_t i = 0; i < n; i++) {
        struct buf *b = session_list_event(s, "PresenceStateChange");

        event_presence_fields(b, answer_text(rows[i], "provider"), answer_text(rows[i], "state"),
                              answer_text(rows[i], "subtype"), answer_text(rows[i], "message"));
        ami_end(b);
    }
    free(rows);
    session_list_end(s, "PresenceStateListComplete", n);
}

void action_presence_state_list(struct ami_session *s, const struct ami_message *m)
{
    (void)m;
    session_ask(s, question("presence.list"), answer_presences);
}
