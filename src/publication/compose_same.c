// SPDX-License-Identifier: MIT
/* Do two states say the same? Field by field, in order: arrays that differ in nothing but their
 * order differ, because for many phones the first one is the only one. */
#include "publication/compose_internal.h"

typedef bool (*same_fn)(const void *a, const void *b, bool timestamps);

int es_text_compare(struct es_text a, struct es_text b)
{
    return str_compare(es_str(a), es_str(b));
}

bool es_text_same(struct es_text a, struct es_text b)
{
    return str_equal(es_str(a), es_str(b));
}

static bool array_same(const void *a, size_t n_a, const void *b, size_t n_b, size_t size,
                       same_fn same, bool timestamps)
{
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (!same((const char *)a + i * size, (const char *)b + i * size, timestamps))
            return false;
    return true;
}
#define ARRAY_SAME(a, b, array, count, same, timestamps)                                    \
    array_same((a)->array, (a)->count, (b)->array, (b)->count, sizeof(*(a)->array), (same), \
               (timestamps))

static bool timestamp_same(struct es_text a, struct es_text b, bool timestamps)
{
    return !timestamps || es_text_same(a, b);
}

static bool note_same(const void *x, const void *y, bool timestamps)
{
    const struct es_note *a = x, *b = y;

    (void)timestamps;
    return es_text_same(a->language, b->language) && es_text_same(a->text, b->text);
}

static bool element_same(const void *x, const void *y, bool timestamps)
{
    const struct es_element *a = x, *b = y;

    (void)timestamps;
    return es_text_same(a->namespace, b->namespace) && es_text_same(a->name, b->name) &&
           es_text_same(a->xml, b->xml);
}

static bool param_same(const void *x, const void *y, bool timestamps)
{
    const struct es_param *a = x, *b = y;

    (void)timestamps;
    return es_text_same(a->name, b->name) && es_text_same(a->value, b->value);
}

static bool party_same(const struct es_dialog_party *a, const struct es_dialog_party *b)
{
    return es_text_same(a->identity, b->identity) && es_text_same(a->display, b->display) &&
           es_text_same(a->target, b->target) &&
           ARRAY_SAME(a, b, params, n_params, param_same, false) &&
           es_text_same(a->session_type, b->session_type) && es_text_same(a->session, b->session);
}

static bool dialog_same(const void *x, const void *y, bool timestamps)
{
    const struct es_dialog *a = x, *b = y;

    (void)timestamps;
    return a->state == b->state && a->direction == b->direction && a->code == b->code &&
           a->held == b->held && es_text_same(a->id, b->id) &&
           es_text_same(a->call_id, b->call_id) && es_text_same(a->local_tag, b->local_tag) &&
           es_text_same(a->remote_tag, b->remote_tag) && es_text_same(a->event, b->event) &&
           es_text_same(a->details, b->details) && party_same(&a->local, &b->local) &&
           party_same(&a->remote, &b->remote) && es_text_same(a->extensions, b->extensions);
}

static bool tuple_same(const void *x, const void *y, bool timestamps)
{
    const struct es_tuple *a = x, *b = y;

    return a->basic == b->basic && es_text_same(a->id, b->id) &&
           es_text_same(a->status, b->status) && es_text_same(a->extensions, b->extensions) &&
           es_text_same(a->contact, b->contact) && es_text_same(a->priority, b->priority) &&
           ARRAY_SAME(a, b, notes, n_notes, note_same, timestamps) &&
           timestamp_same(a->timestamp, b->timestamp, timestamps);
}

static bool person_same(const void *x, const void *y, bool timestamps)
{
    const struct es_person *a = x, *b = y;

    return es_text_same(a->id, b->id) &&
           ARRAY_SAME(a, b, activities, n_activities, element_same, timestamps) &&
           ARRAY_SAME(a, b, elements, n_elements, element_same, timestamps) &&
           ARRAY_SAME(a, b, notes, n_notes, note_same, timestamps) &&
           timestamp_same(a->timestamp, b->timestamp, timestamps);
}

static bool timed_same(const void *x, const void *y, bool timestamps)
{
    const struct timed_part *a = x, *b = y;

    return a->kind == b->kind && a->person == b->person && a->from_ms == b->from_ms &&
           a->until_ms == b->until_ms && element_same(&a->element, &b->element, timestamps) &&
           note_same(&a->note, &b->note, timestamps);
}

static bool device_same(const void *x, const void *y, bool timestamps)
{
    const struct es_device *a = x, *b = y;

    return es_text_same(a->id, b->id) && es_text_same(a->device_id, b->device_id) &&
           ARRAY_SAME(a, b, elements, n_elements, element_same, timestamps) &&
           ARRAY_SAME(a, b, notes, n_notes, note_same, timestamps) &&
           timestamp_same(a->timestamp, b->timestamp, timestamps);
}

static bool presence_same(const struct es_presence *a, const struct es_presence *b, bool timestamps)
{
    return ARRAY_SAME(a, b, tuples, n_tuples, tuple_same, timestamps) &&
           ARRAY_SAME(a, b, notes, n_notes, note_same, timestamps) &&
           ARRAY_SAME(a, b, persons, n_persons, person_same, timestamps) &&
           ARRAY_SAME(a, b, devices, n_devices, device_same, timestamps) &&
           es_text_same(a->extensions, b->extensions);
}

static bool count_same(const struct es_message_count *a, const struct es_message_count *b)
{
    return a->given == b->given && a->new_count == b->new_count && a->old_count == b->old_count &&
           a->urgent_new == b->urgent_new && a->urgent_old == b->urgent_old;
}

static bool messages_same(const struct es_messages *a, const struct es_messages *b)
{
    for (size_t i = 0; i < ES_MESSAGE_CLASSES; i++)
        if (!count_same(&a->counts[i], &b->counts[i]))
            return false;
    return a->waiting == b->waiting && es_text_same(a->account, b->account);
}

static bool opaque_same(const struct opaque_state *a, const struct opaque_state *b)
{
    return str_equal(a->content_type, b->content_type) && str_equal(a->body, b->body);
}

static bool facets_same(const struct event_state *a, const struct event_state *b, bool timestamps)
{
    if (a == b)
        return true;
    return a->device == b->device && a->has_dialogs == b->has_dialogs &&
           a->has_presence == b->has_presence && a->has_messages == b->has_messages &&
           a->has_opaque == b->has_opaque &&
           (!a->has_dialogs || ARRAY_SAME(a, b, dialogs, n_dialogs, dialog_same, timestamps)) &&
           a->spheres_differ == b->spheres_differ &&
           (!a->has_presence || (presence_same(&a->presence, &b->presence, timestamps) &&
                                 ARRAY_SAME(a, b, timed, n_timed, timed_same, timestamps))) &&
           (!a->has_messages || messages_same(&a->messages, &b->messages)) &&
           (!a->has_opaque || opaque_same(&a->opaque, &b->opaque));
}

bool composite_same(const struct event_state *a, const struct event_state *b)
{
    return facets_same(a, b, false);
}

bool event_state_same(const struct event_state *a, const struct event_state *b)
{
    return facets_same(a, b, true);
}
