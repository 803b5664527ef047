// SPDX-License-Identifier: MIT
/* manager.h - manager.conf as typed settings: who may log in to the manager interface, from where,
 * and what they may see and do. Immutable and counted: one that a reload refuses goes on in the
 * next settings. Threads: any reads. */
#pragma once
#include "config/settings.h"

/* Classes of events and of actions; the numbers are those that an EventMask may be given as. */
enum manager_class {
    MANAGER_SYSTEM = 1 << 0,
    MANAGER_CALL = 1 << 1,
    MANAGER_LOG = 1 << 2,
    MANAGER_VERBOSE = 1 << 3,
    MANAGER_COMMAND = 1 << 4,
    MANAGER_AGENT = 1 << 5,
    MANAGER_USER = 1 << 6,
    MANAGER_CONFIG = 1 << 7,
    MANAGER_DTMF = 1 << 8,
    MANAGER_REPORTING = 1 << 9,
    MANAGER_CDR = 1 << 10,
    MANAGER_DIALPLAN = 1 << 11,
    MANAGER_ORIGINATE = 1 << 12,
    MANAGER_AGI = 1 << 13,
    MANAGER_HOOKRESPONSE = 1 << 14,
    MANAGER_CC = 1 << 15,
    MANAGER_AOC = 1 << 16,
    MANAGER_TEST = 1 << 17,
    MANAGER_SECURITY = 1 << 18,
    MANAGER_MESSAGE = 1 << 30,
};
#define MANAGER_ALL UINT32_C(0x7fffffff)
/* As an EventMask names them: "on", "all", "off", "none", a number, "system,call"; in any case.
 * Words that are none do not count. 0; -EINVAL: all of them are. */
NODISCARD int manager_classes_parse(uint32_t *out, struct str text);
/* "call,reporting,all", as the Privilege of an event or action says it. */
void manager_classes_print(struct buf *out, uint32_t classes);

/* ---- which events are shown ---- */

struct manager_filter; /* opaque: see manager_filter.c */

/* `criteria` is what stands in the parentheses of eventfilter(...)
 * ("action(exclude),name(Newexten)", empty: none), `text` the value behind it. 0; -EINVAL with
 * `why` (may be NULL); -ENOMEM. */
NODISCARD int manager_filter_create(struct manager_filter **out, struct str criteria,
                                    struct str text, struct buf *why);
void manager_filter_destroy(struct manager_filter *f); /* NULL is fine */
/* Does a list of them let an event pass, of this name and with these lines ("Event:
 * Reload\r\n...")? It has to match one that includes, if there are such, and none that excludes. */
bool manager_filters_pass(struct manager_filter *const *filters, size_t n, struct str event,
                          struct str lines);

/* ---- settings ---- */

struct manager_user {
    struct str name, secret;         /* without a secret nobody can log in by that name */
    uint32_t read, write;            /* bits of enum manager_class */
    struct address_rules source;     /* from where */
    struct manager_filter **filters; /* which events */
    size_t n_filters;
    uint32_t write_timeout_ms; /* a client that takes nothing for so long is cut off */
    bool display_connects, allow_multiple_login;
};

struct manager_settings {
    atomic_uint refs;
    bool enabled, tls; /* whether it listens at `bind`; and at `tls_bind` */
    struct addr bind, tls_bind;
    struct diag_place bind_at, tls_at; /* where that is said */
    struct str cert_file, key_file, cipher;
    bool display_connects, timestamp_events, allow_multiple_login;
    uint32_t auth_timeout_s; /* to log in */
    uint32_t auth_limit;     /* connections that have not */
    struct str *disabled_events;
    size_t n_disabled_events;
    struct manager_user *users;
    size_t n_users;
    uint64_t fingerprint; /* of its lines */
    struct arena arena;
};

struct manager_settings *manager_settings_ref(struct manager_settings *m);
void manager_settings_unref(struct manager_settings *m); /* NULL is fine */
/* NULL: there is none of that name. */
const struct manager_user *manager_user_find(const struct manager_settings *m, struct str name);
