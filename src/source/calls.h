// SPDX-License-Identifier: MIT
/* calls.h - the calls of a PBX and the devices that they are of, whatever protocol tells them; and
 * what dialog-info then tells: who is in a call with whom. Private to src/source. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "source/source_internal.h"

struct calls; /* opaque: see calls.c */

enum call_state {
    CALL_DOWN,    /* not yet anything, or nothing of interest */
    CALL_CALLING, /* the device calls somebody */
    CALL_RINGING, /* it is called */
    CALL_UP,
};

enum call_text {
    CALL_NAME,   /* of the channel */
    CALL_NUMBER, /* its own */
    CALL_DISPLAY,
    CALL_CONNECTED, /* whom it talks to */
    CALL_CONNECTED_DISPLAY,
    CALL_DIALLED,
    CALL_ID,
    CALL_LOCAL_TAG, /* the PBX's side */
    CALL_REMOTE_TAG,
    CALL_PEER, /* id of the call that has dialled this one, or that this one has dialled */
    CALL_TEXTS
};

struct call {
    struct map_node node;
    struct list of_device;
    struct calls_device *device; /* NULL: of none that is taken */
    uint64_t generation;         /* of the reading that it was in last */
    enum call_state state;
    enum es_direction direction;
    bool held;
    bool over;                    /* it has ended, and is only remembered: see calls_over */
    bool listed;                  /* it may have begun before anybody listened */
    struct str texts[CALL_TEXTS]; /* on the heap; by call_text_set */
    struct str id;
    bool asked;         /* the protocol's: for what is not told by itself, */
    struct list asking; /* and where it waits for that; */
    bool sure;          /* since all began to be told anew it has been told, not only listed */
    char room[];
};

struct calls_device {
    struct map_node node;
    struct list calls; /* call.of_device */
    struct list dirty;
    struct timer linger;
    struct calls *owner;
    bool told;               /* that it has some */
    enum device_state state; /* as it was told last; DEVICE_UNKNOWN: not yet */
    /* Of a protocol that makes its states: */
    struct list registrations;
    bool has_registered; /* once */
    bool is_told;        /* in that state, */
    uint64_t generation; /* in that session */
    struct str name;
    char room[];
};

struct calls_port {
    void *ctx;
    /* Report the state that the device is in now. NULL: the PBX does it. */
    void (*device)(void *ctx, struct calls_device *d);
    /* For the state of the device, where it comes after the end of its call. */
    uint32_t linger_ms;
};
NODISCARD int calls_create(struct calls **out, struct source *s, const struct calls_port *port);
/* Their registrations have been taken off. NULL is fine. */
void calls_destroy(struct calls *c);

struct call *calls_find(const struct calls *c, struct str id);
/* Made when it is new. 0, also when there are too many: then `*out` is NULL; -ENOMEM. */
NODISCARD int calls_get(struct calls *c, struct str id, struct call **out);
void call_end(struct calls *c, struct call *call);
/* The call of that id has ended. While all are told anew that is remembered, so that a list which
 * was made before, and has it still, does not bring it back. 0 or -ENOMEM. */
NODISCARD int calls_over(struct calls *c, struct str id);
/* It is of that device, if that is taken. 0 or -ENOMEM. */
NODISCARD int call_enter(struct calls *c, struct call *call, struct str device);
NODISCARD int call_text_set(struct call *call, enum call_text which, struct str value);
void call_state_set(struct call *call, enum call_state state, bool held);

struct calls_device *calls_device_find(const struct calls *c, struct str name);
/* NULL: there is no memory. */
struct calls_device *calls_device_get(struct calls *c, struct str name);
/* It is to be looked at by the next calls_flush; without anything it goes then. */
void calls_device_touch(struct calls_device *d);
void calls_devices_touch(struct calls *c);                                      /* all */
void calls_devices_each(struct calls *c, void (*each)(struct calls_device *d)); /* none goes */

/* All are told anew from here on; and were. `whole`: those that were not among them are gone. */
void calls_begin(struct calls *c);
void calls_end(struct calls *c, bool whole);
/* All have ended, as far as anybody knows. */
void calls_drop(struct calls *c);
/* Report what has changed. 0 or -ENOMEM. */
NODISCARD int calls_flush(struct calls *c);
