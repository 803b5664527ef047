// SPDX-License-Identifier: MIT
/* Subscriptions, endpoints and lists. */
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- subscriptions ---- */

static struct str upper(struct str text, struct buf *room)
{
    for (size_t i = 0; i < text.n; i++)
        buf_add_char(room, text.p[i] >= 'a' && text.p[i] <= 'z' ? (char)(text.p[i] - ('a' - 'A'))
                                                                : text.p[i]);
    return buf_str(room);
}

static struct str caller_of(const json_t *row, struct buf *room)
{
    struct str name = answer_text(row, "callerid_name"),
               number = answer_text(row, "callerid_number");

    if (!name.n)
        return number.n ? number : STR("Unknown");
    buf_printf(room, "\"%.*s\" <%.*s>", STR_FMT(name), STR_FMT(number));
    return buf_str(room);
}

static void add_kind(struct buf *b, const struct ami_server *a, const json_t *row, struct str state,
                     add_field *add)
{
    struct str package = answer_text(row, "event"), resource = answer_text(row, "resource");
    const struct mailbox_group *group = settings_mailbox_group(a->settings, resource);

    if (str_equal(package, STR("message-summary"))) {
        add(b, STR("SubscriptionType"), STR("mwi"));
        add(b, STR("Mailboxes"), group ? group->mailboxes : resource);
    } else if (str_equal(package, STR("dialog")) || str_equal(package, STR("presence"))) {
        add(b, STR("SubscriptionType"), STR("extension_state"));
        add(b, STR("Extension"), resource);
        add(b, STR("ExtensionStates"), state.n ? state : STR("Unknown"));
    }
}

void subscription_fields(struct buf *b, const struct ami_server *a, const json_t *row,
                         struct str state, add_field *add)
{
    char rooms[2][1024];
    struct buf event_state, caller;

    buf_init_on(&event_state, rooms[0], sizeof(rooms[0]));
    buf_init_on(&caller, rooms[1], sizeof(rooms[1]));
    add(b, STR("Role"), answer_text(row, "role").n ? STR("Subscriber") : STR("Notifier"));
    add(b, STR("Endpoint"), answer_text(row, "endpoint"));
    add(b, STR("Callid"), answer_text(row, "call_id"));
    add(b, STR("State"), upper(answer_text(row, "state"), &event_state));
    add(b, STR("Callerid"), caller_of(row, &caller));
    if (!json_is_true(json_object_get(row, "list")))
        add_kind(b, a, row, state, add);
}

/* Hints by extension and context. */
struct hints {
    json_t **rows;
    size_t n;
};

static int hint_compare(const void *subscription, const void *hint)
{
    const json_t *a = subscription, *b = *(json_t *const *)hint;
    int order = str_compare(answer_text(a, "resource"), answer_text(b, "extension"));

    return order ? order : str_compare(answer_text(a, "context"), answer_text(b, "context"));
}

static struct str hint_state(const json_t *row, const struct hints *hints)
{
    json_t *const *hint =
        hints->n ? bsearch(row, hints->rows, hints->n, sizeof(json_t *), hint_compare) : NULL;

    return hint ? answer_text(*hint, "state") : STR_EMPTY;
}

static void subscription_print(struct ami_session *s, const json_t *row, const struct hints *hints)
{
    struct buf *b = session_list_event(s, "InboundSubscriptionDetail");

    subscription_fields(b, s->server, row, hint_state(row, hints), ami_add);
    ami_end(b);
}

static void answer_states(struct ami_session *s, const struct ami_answer *a)
{
    size_t n = json_array_size(s->kept);
    struct hints hints;

    hints.n = rows_sort(a, ROWS_BY_EXTENSION, &hints.rows);
    if (rows_failed(s, a, hints.rows))
        return;
    session_list_begin(s, "Following are Events for each inbound Subscription");
    for (size_t i = 0; i < n; i++)
        subscription_print(s, json_array_get(s->kept, i), &hints);
    free(hints.rows);
    session_list_end(s, "InboundSubscriptionDetailComplete", n);
}

static void answer_subscriptions(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        return;
    }
    s->kept = json_incref(a->rows);
    session_ask(s, question("hints"), answer_states);
}

void action_subscriptions_inbound(struct ami_session *s, const struct ami_message *m)
{
    (void)m;
    session_ask(s, question("subscriptions"), answer_subscriptions);
}

static void answer_outbound(struct ami_session *s, const struct ami_answer *a)
{
    size_t n = json_array_size(a->rows);

    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        return;
    }
    session_list_begin(s, "Following are Events for each outbound Subscription");
    for (size_t i = 0; i < n; i++) {
        struct buf *b = session_list_event(s, "OutboundSubscriptionDetail");

        subscription_fields(b, s->server, json_array_get(a->rows, i), STR_EMPTY, ami_add);
        ami_end(b);
    }
    session_list_end(s, "OutboundSubscriptionDetailComplete", n);
}

void action_subscriptions_outbound(struct ami_session *s, const struct ami_message *m)
{
    (void)m;
    session_ask(s, question("subscriptions.outbound"), answer_outbound);
}

/* ---- lists ---- */

static void add_list(struct buf *b, const char *name, const struct str *list, size_t n)
{
    buf_printf(b, "%s: ", name);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%.*s", i ? "," : "", STR_FMT(list[i]));
    buf_add(b, STR("\r\n"));
}

static void add_yes_no(struct buf *b, const char *name, bool value)
{
    ami_add(b, str_of(name), value ? STR("true") : STR("false"));
}

static void resource_list_print(struct buf *b, const struct resource_list_settings *l)
{
    ami_add(b, STR("ObjectType"), STR("resource_list"));
    ami_add(b, STR("ObjectName"), l->id);
    ami_add(b, STR("Event"), l->event);
    add_yes_no(b, "ResourceDisplayName", l->display_name);
    ami_add_u64(b, STR("NotificationBatchInterval"), l->batch_ms);
    add_list(b, "ListItem", l->items, l->n_items);
    add_yes_no(b, "FullState", l->full_state);
    ami_end(b);
}

void action_resource_lists(struct ami_session *s, const struct ami_message *m)
{
    const struct settings *settings = s->server->settings;

    (void)m;
    if (!settings->n_resource_lists) {
        session_fail(s, "No resource lists found");
        return;
    }
    session_list_begin(
        s, "A listing of resource lists follows, presented as ResourceListDetail events");
    for (size_t i = 0; i < settings->n_resource_lists; i++)
        resource_list_print(session_list_event(s, "ResourceListDetail"),
                            &settings->resource_lists[i]);
    session_list_end(s, "ResourceListDetailComplete", settings->n_resource_lists);
}

/* ---- endpoints ---- */

static int by_id(const void *a, const void *b)
{
    const struct str *const *x = a, *const *y = b;

    return str_compare(**x, **y);
}

const void **objects_sorted(const void *objects, size_t n, size_t size)
{
    const void **list = malloc((n + 1) * sizeof(void *));

    for (size_t i = 0; list && i < n; i++)
        list[i] = (const char *)objects + i * size;
    if (list)
        qsort(list, n, sizeof(void *), by_id);
    return list;
}

static void add_contacts(struct buf *b, const struct endpoint_settings *e,
                         const struct contact_rows *contacts)
{
    buf_add(b, STR("Contacts: "));
    for (size_t i = 0; i < e->n_aors; i++) {
        json_t *const *rows;
        size_t n = contacts_of(contacts, e->aors[i], &rows);

        for (size_t c = 0; c < n; c++)
            buf_printf(b, "%.*s/%.*s,", STR_FMT(e->aors[i]),
                       STR_FMT(answer_text(rows[c], "contact")));
    }
    buf_add(b, STR("\r\n"));
}

struct str endpoint_state(const json_t *devices, struct str id)
{
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *row = json_array_get(devices, i);
        struct str device = answer_text(row, "device");

        if (str_starts(device, STR("PJSIP/")) &&
            str_equal(str_sub(device, sizeof("PJSIP/") - 1, device.n), id))
            return answer_text(row, "text");
    }
    return device_state_text(DEVICE_UNAVAILABLE);
}

/* The devices are s->kept. */
static void endpoints_print(struct ami_session *s, const void **list,
                            const struct contact_rows *contacts)
{
    const struct settings *settings = s->server->settings;

    session_list_begin(s, "A listing of Endpoints follows, presented as EndpointList events");
    for (size_t i = 0; i < settings->n_endpoints; i++) {
        const struct endpoint_settings *e = list[i];
        struct buf *b = session_list_event(s, "EndpointList");

        ami_add(b, STR("ObjectType"), STR("endpoint"));
        ami_add(b, STR("ObjectName"), e->id);
        ami_add(b, STR("Transport"), e->transport);
        add_list(b, "Aor", e->aors, e->n_aors);
        add_list(b, "Auths", e->auths, e->n_auths);
        ami_add(b, STR("OutboundAuths"), STR_EMPTY);
        add_contacts(b, e, contacts);
        ami_add(b, STR("DeviceState"), endpoint_state(s->kept, e->id));
        ami_add(b, STR("ActiveChannels"), STR("0"));
        ami_end(b);
    }
    session_list_end(s, "EndpointListComplete", settings->n_endpoints);
}

static void answer_contacts(struct ami_session *s, const struct ami_answer *a)
{
    const struct settings *settings = s->server->settings;
    struct contact_rows contacts;
    const void **list;

    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        return;
    }
    if (!settings->n_endpoints) {
        session_fail(s, "No endpoints found");
        return;
    }
    list =
        objects_sorted(settings->endpoints, settings->n_endpoints, sizeof(settings->endpoints[0]));
    if (!list || contacts_begin(&contacts, s->server, a->rows)) {
        session_fail(s, "Memory allocation failure");
    } else {
        endpoints_print(s, list, &contacts);
        contacts_end(&contacts);
    }
    free(list);
}

static void answer_endpoints(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        return;
    }
    s->kept = json_incref(a->rows);
    session_ask(s, question("contacts"), answer_contacts);
}

void action_endpoints(struct ami_session *s, const struct ami_message *m)
{
    json_t *q = question("devstate.list");

    (void)m;
    question_text(q, "prefix", STR("PJSIP/"));
    session_ask(s, q, answer_endpoints);
}
