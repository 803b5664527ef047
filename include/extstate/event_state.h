// SPDX-License-Identifier: MIT
/* extstate/event_state.h - event state as publishers tell it: the dialogs of RFC 4235, the presence
 * of RFC 3863, 4479 and 4480, the messages of RFC 3842; and who watches, as RFC 3857 tells it.
 *
 * The same shapes serve for one publisher's document and for what the compositor makes of several.
 * Everything is immutable and borrowed from whoever hands it out. Texts are decoded (no XML
 * entities). A field called `xml` or described as XML is well-formed markup, an element or several,
 * which declares every namespace prefix it uses, so that it may stand anywhere in a document.
 *
 * Elements of arrays do not grow within one ABI. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct es_text { /* borrowed bytes, no NUL promised */
    const char *p;
    size_t n;
};

/* ---- dialogs: RFC 4235 section 4.1 ---- */

enum es_dialog_state { /* in the order of the state machine of RFC 4235 section 3.7.1 */
                       ES_DIALOG_TRYING = 1,
                       ES_DIALOG_PROCEEDING,
                       ES_DIALOG_EARLY,
                       ES_DIALOG_CONFIRMED,
                       ES_DIALOG_TERMINATED
};

enum es_direction { ES_DIRECTION_NONE, ES_DIRECTION_INITIATOR, ES_DIRECTION_RECIPIENT };

struct es_param { /* of a target: "+sip.rendering", "no" */
    struct es_text name, value;
};

struct es_dialog_party {
    struct es_text identity, display; /* a URI, and a name for people; both may be empty */
    struct es_text target;            /* a URI, or empty */
    const struct es_param *params;    /* of the target */
    size_t n_params;
    struct es_text session_type, session; /* session-description */
};

struct es_dialog {
    struct es_text id;
    struct es_text call_id, local_tag, remote_tag; /* empty: not told */
    enum es_direction direction;
    enum es_dialog_state state;
    struct es_text event;   /* why: "cancelled", "remote-bye"; or empty */
    unsigned code;          /* SIP status that did it, 0: none */
    bool held;              /* nobody renders the media: the local target has +sip.rendering=no */
    struct es_text details; /* XML: replaces, referred-by, route-set */
    struct es_dialog_party local, remote;
    struct es_text extensions; /* XML: elements that RFC 4235 does not know */
};

/* ---- presence: RFC 3863, RFC 4479, RFC 4480 ---- */

enum es_basic { ES_BASIC_NONE, ES_BASIC_OPEN, ES_BASIC_CLOSED };

struct es_note {
    struct es_text language, text; /* xml:lang, or empty */
};

struct es_element { /* any element: its namespace, its local name, and itself as XML */
    struct es_text namespace, name, xml;
};

struct es_tuple {
    struct es_text id;
    enum es_basic basic;
    struct es_text status;            /* XML: what else stands in status */
    struct es_text extensions;        /* XML: what stands between status and contact */
    struct es_text contact, priority; /* "0.8"; each may be empty */
    const struct es_note *notes;
    size_t n_notes;
    struct es_text timestamp; /* RFC 3339, as published; or empty */
};

struct es_person {
    struct es_text id;
    /* What is told for a time only (`from`, `until`: RFC 4480 section 3.1) is here while it holds.
     */
    const struct es_element *activities; /* children of rpid:activities, notes not among them */
    size_t n_activities;
    const struct es_element *elements; /* the others, activities and timestamp not among them */
    size_t n_elements;
    const struct es_note *notes;
    size_t n_notes;
    struct es_text timestamp;
};

struct es_device {
    struct es_text id, device_id;
    const struct es_element *elements;
    size_t n_elements;
    const struct es_note *notes;
    size_t n_notes;
    struct es_text timestamp;
};

struct es_presence {
    const struct es_tuple *tuples;
    size_t n_tuples;
    const struct es_note *notes;
    size_t n_notes;
    const struct es_person *persons; /* at most one in a composed state */
    size_t n_persons;
    const struct es_device *devices;
    size_t n_devices;
    struct es_text extensions; /* XML: other elements below presence */
};

/* ---- messages: RFC 3842 section 5.2 ---- */

enum es_message_class {
    ES_MESSAGES_VOICE,
    ES_MESSAGES_FAX,
    ES_MESSAGES_PAGER,
    ES_MESSAGES_MULTIMEDIA,
    ES_MESSAGES_TEXT,
    ES_MESSAGES_NONE,
    ES_MESSAGE_CLASSES
};

struct es_messages {
    bool waiting;
    struct es_text
        account; /* Message-Account: a URI, the user of one in the domain asked, or empty */
    struct es_message_count {
        bool given;
        uint32_t new_count, old_count, urgent_new, urgent_old;
    } counts[ES_MESSAGE_CLASSES];
};

/* ---- watchers: RFC 3857 section 4.7.1, RFC 3858 section 3 ---- */

enum es_watcher_status {
    ES_WATCHER_PENDING,
    ES_WATCHER_ACTIVE,
    ES_WATCHER_WAITING, /* its subscription has ended before anybody decided about it */
    ES_WATCHER_TERMINATED
};

enum es_watcher_event { /* what brought it there */
                        ES_WATCHER_SUBSCRIBE,
                        ES_WATCHER_APPROVED,
                        ES_WATCHER_DEACTIVATED,
                        ES_WATCHER_PROBATION,
                        ES_WATCHER_REJECTED,
                        ES_WATCHER_TIMEOUT,
                        ES_WATCHER_GIVEUP,
                        ES_WATCHER_NORESOURCE
};

struct es_watcher {
    struct es_text id;           /* of its subscription, a token */
    struct es_text uri, display; /* who it is, and a name for people, or empty */
    enum es_watcher_status status;
    enum es_watcher_event event;
    bool changed; /* it was another, or was not there, in the state before */
};
