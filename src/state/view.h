// SPDX-License-Identifier: MIT
/* view.h - what a watcher is shown of presence: the permissions of RFC 5025 section 3.3, as rules
 * grant them together. A watcher without a view is shown everything.
 *
 * A view is immutable once it is made, and counted. Threads: any may read, ref and unref. */
#pragma once
#include "base/arena.h"
#include <stdatomic.h>

enum view_identifier { /* what a member of a set is known by */
                       VIEW_CLASS,
                       VIEW_OCCURRENCE_ID,
                       VIEW_DEVICE_ID,
                       VIEW_SERVICE_URI,
                       VIEW_SERVICE_URI_SCHEME
};

enum view_attribute { /* a bit each */
                      VIEW_ACTIVITIES = 1,
                      VIEW_CLASSES = 2,
                      VIEW_DEVICE_IDS = 4, /* of services; devices always show theirs */
                      VIEW_MOOD = 8,
                      VIEW_PLACE_IS = 16,
                      VIEW_PLACE_TYPE = 32,
                      VIEW_PRIVACY = 64,
                      VIEW_RELATIONSHIP = 128,
                      VIEW_SPHERE = 256,
                      VIEW_STATUS_ICON = 512,
                      VIEW_TIME_OFFSET = 1024,
                      VIEW_NOTE = 2048,
                      VIEW_ATTRIBUTES = 4095
};

enum view_user_input { /* of its element: nothing, without attributes, idle-threshold alone, all */
                       VIEW_USER_INPUT_FALSE,
                       VIEW_USER_INPUT_BARE,
                       VIEW_USER_INPUT_THRESHOLDS,
                       VIEW_USER_INPUT_FULL
};

struct view_set { /* of devices, persons or services */
    bool all;     /* then no member is named */
    struct view_member {
        enum view_identifier by;
        struct str value;
    } * members;
    size_t n_members;
};

struct view_grants { /* zeroed: nothing */
    struct view_set devices, persons, services;
    unsigned attributes; /* enum view_attribute */
    enum view_user_input user_input;
    bool all_attributes; /* then all of the above, and no other is named */
    struct view_name {
        struct str namespace, name;
    } * others; /* attributes that are known by name alone */
    size_t n_others;
};

/* What both grant: RFC 4745 section 10.2. The texts are copied where they are new. 0 or -ENOMEM,
 * then `to` may have some of it. */
NODISCARD int view_grants_add(struct arena *arena, struct view_grants *to,
                              const struct view_grants *more);
bool view_grants_all(const struct view_grants *g);
/* Do both grant the same, in the same order? */
bool view_grants_same(const struct view_grants *a, const struct view_grants *b);

struct view {
    atomic_uint refs;
    struct view *next; /* of whoever keeps it: see view_intern */
    struct view_grants grants;
    struct arena arena;
};

/* The view in the list that grants the same, or a new one at its head, which then owns a reference;
 * the list is only ever prepended to, by any thread. Borrowed from the list; NULL without memory.
 */
struct view *view_intern(_Atomic(struct view *) *list, const struct view_grants *grants);
void view_list_fini(_Atomic(struct view *) *list);
struct view *view_ref(const struct view *v); /* NULL is fine */
void view_unref(const struct view *v);       /* NULL is fine */
