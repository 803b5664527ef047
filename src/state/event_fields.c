// SPDX-License-Identifier: MIT
/* The order is that of the fields in records that are kept (event_record.h). Elements of arrays
 * have no length of their own there: what they get one day has to be behind all of this, in arrays
 * of its own. */
#include "state/event_fields.h"

_Static_assert(sizeof(struct str) == sizeof(struct es_text) &&
                   offsetof(struct str, n) == offsetof(struct es_text, n),
               "one kind of field for both");

#define NUMBER(type, field, least, most)                                          \
    {                                                                             \
        .kind = FIELD_NUMBER, .at = offsetof(struct type, field),                 \
        .bytes = sizeof(((struct type *)0)->field), .min = (least), .max = (most) \
    }
#define BOOL(type, field) NUMBER(type, field, 0, 1)
#define TEXT(type, field)                                      \
    {                                                          \
        .kind = FIELD_TEXT, .at = offsetof(struct type, field) \
    }
#define TIMESTAMP(type)                                                 \
    {                                                                   \
        .kind = FIELD_TIMESTAMP, .at = offsetof(struct type, timestamp) \
    }
#define ARRAY(type, field, count, of)                            \
    {                                                            \
        .kind = FIELD_ARRAY, .at = offsetof(struct type, field), \
        .n_at = offsetof(struct type, count), .elements = &(of)  \
    }
#define FIELDS(type, rows)                           \
    {                                                \
        sizeof(struct type), (rows), ARRAY_LEN(rows) \
    }

static const struct event_field note_rows[] = {
    TEXT(es_note, language),
    TEXT(es_note, text),
};
static const struct event_fields notes = FIELDS(es_note, note_rows);

static const struct event_field element_rows[] = {
    TEXT(es_element, namespace),
    TEXT(es_element, name),
    TEXT(es_element, xml),
};
static const struct event_fields elements = FIELDS(es_element, element_rows);

/* ---- dialogs ---- */

static const struct event_field param_rows[] = {
    TEXT(es_param, name),
    TEXT(es_param, value),
};
static const struct event_fields params = FIELDS(es_param, param_rows);

#define PARTY(party)                                                                           \
    TEXT(es_dialog, party.identity), TEXT(es_dialog, party.display),                           \
        TEXT(es_dialog, party.target), ARRAY(es_dialog, party.params, party.n_params, params), \
        TEXT(es_dialog, party.session_type), TEXT(es_dialog, party.session)
static const struct event_field dialog_rows[] = {
    TEXT(es_dialog, id),
    TEXT(es_dialog, call_id),
    TEXT(es_dialog, local_tag),
    TEXT(es_dialog, remote_tag),
    NUMBER(es_dialog, direction, 0, ES_DIRECTION_RECIPIENT),
    NUMBER(es_dialog, state, ES_DIALOG_TRYING, ES_DIALOG_TERMINATED),
    TEXT(es_dialog, event),
    NUMBER(es_dialog, code, 0, UINT32_MAX),
    BOOL(es_dialog, held),
    TEXT(es_dialog, details),
    PARTY(local),
    PARTY(remote),
    TEXT(es_dialog, extensions),
};
static const struct event_fields dialogs = FIELDS(es_dialog, dialog_rows);
static const struct event_field dialogs_rows[] = {
    ARRAY(event_state, dialogs, n_dialogs, dialogs),
};

/* ---- presence ---- */

static const struct event_field tuple_rows[] = {
    TEXT(es_tuple, id),
    NUMBER(es_tuple, basic, 0, ES_BASIC_CLOSED),
    TEXT(es_tuple, status),
    TEXT(es_tuple, extensions),
    TEXT(es_tuple, contact),
    TEXT(es_tuple, priority),
    ARRAY(es_tuple, notes, n_notes, notes),
    TIMESTAMP(es_tuple),
};
static const struct event_fields tuples = FIELDS(es_tuple, tuple_rows);

static const struct event_field person_rows[] = {
    TEXT(es_person, id),
    ARRAY(es_person, activities, n_activities, elements),
    ARRAY(es_person, elements, n_elements, elements),
    ARRAY(es_person, notes, n_notes, notes),
    TIMESTAMP(es_person),
};
static const struct event_fields persons = FIELDS(es_person, person_rows);

static const struct event_field device_rows[] = {
    TEXT(es_device, id),
    TEXT(es_device, device_id),
    ARRAY(es_device, elements, n_elements, elements),
    ARRAY(es_device, notes, n_notes, notes),
    TIMESTAMP(es_device),
};
static const struct event_fields devices = FIELDS(es_device, device_rows);

static const struct event_field timed_rows[] = {
    NUMBER(timed_part, kind, 0, TIMED_NOTE),
    NUMBER(timed_part, person, 0, UINT64_MAX),
    NUMBER(timed_part, from_ms, 0, UINT64_MAX),
    NUMBER(timed_part, until_ms, 0, UINT64_MAX),
    TEXT(timed_part, element.namespace),
    TEXT(timed_part, element.name),
    TEXT(timed_part, element.xml),
    TEXT(timed_part, note.language),
    TEXT(timed_part, note.text),
};
static const struct event_fields timed = FIELDS(timed_part, timed_rows);

static const struct event_field presence_rows[] = {
    ARRAY(event_state, presence.tuples, presence.n_tuples, tuples),
    ARRAY(event_state, presence.notes, presence.n_notes, notes),
    ARRAY(event_state, presence.persons, presence.n_persons, persons),
    ARRAY(event_state, presence.devices, presence.n_devices, devices),
    TEXT(event_state, presence.extensions),
    ARRAY(event_state, timed, n_timed, timed),
};

/* ---- messages, and what is not understood ---- */

#define COUNT(class)                                                           \
    BOOL(event_state, messages.counts[class].given),                           \
        NUMBER(event_state, messages.counts[class].new_count, 0, UINT32_MAX),  \
        NUMBER(event_state, messages.counts[class].old_count, 0, UINT32_MAX),  \
        NUMBER(event_state, messages.counts[class].urgent_new, 0, UINT32_MAX), \
        NUMBER(event_state, messages.counts[class].urgent_old, 0, UINT32_MAX)
static const struct event_field messages_rows[] = {
    BOOL(event_state, messages.waiting),
    TEXT(event_state, messages.account),
    COUNT(ES_MESSAGES_VOICE),
    COUNT(ES_MESSAGES_FAX),
    COUNT(ES_MESSAGES_PAGER),
    COUNT(ES_MESSAGES_MULTIMEDIA),
    COUNT(ES_MESSAGES_TEXT),
    COUNT(ES_MESSAGES_NONE),
};

static const struct event_field opaque_rows[] = {
    TEXT(event_state, opaque.content_type),
    TEXT(event_state, opaque.body),
};

const struct event_facet event_facets[EVENT_FACETS] = {
    { offsetof(struct event_state, has_dialogs), FIELDS(event_state, dialogs_rows) },
    { offsetof(struct event_state, has_presence), FIELDS(event_state, presence_rows) },
    { offsetof(struct event_state, has_messages), FIELDS(event_state, messages_rows) },
    { offsetof(struct event_state, has_opaque), FIELDS(event_state, opaque_rows) },
};
