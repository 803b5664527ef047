// SPDX-License-Identifier: MIT
/* contact.h - where an AOR can be reached: a binding that REGISTER made, or a `contact` that the
 * configuration has.
 *
 * Immutable and counted, like a snapshot: a refresh makes another one with the same id, and whoever
 * holds the former one goes on with that. All texts are without folds, and in one block with it.
 * Threads: any; made by the owner of the table (contacts.h), or by the registrar for it. */
#pragma once
#include <stdatomic.h>

#include "base/keep.h"
#include "base/str.h"
#include "net/net.h"

enum {
    CONTACT_URI_MAX = 1024,
    CONTACT_ROUTE_MAX = 2048,
    CONTACT_CALL_ID_MAX = 255,
    CONTACT_AGENT_MAX = 255, /* a longer User-Agent is cut */
    CONTACT_OUTBOUND_MAX = 300,
};
#define CONTACT_NO_Q UINT16_MAX
#define CONTACT_NO_TRANSPORT UINT32_MAX

struct contact {
    atomic_uint refs;
    uint64_t id;       /* for as long as it is bound, over refreshes and restarts; a static one has
                          another after each start. Nobody else has it ever again */
    bool is_static;    /* of the configuration: it has nothing but `aor`, `uri`, `target` and
                          `endpoint` */
    struct str aor;    /* id of its section */
    struct str uri;    /* as it was registered, and as it is listed; parses as a SIP URI */
    struct str target; /* the Request-URI of requests to it: `uri` without headers, or with
                          rewrite_contact the address that it came from in the place of its own */
    struct str route;  /* the value of Route of requests to it: its Path (RFC 3327), topmost first;
                          empty: there is none, and the aor's, or endpoint's, outbound_proxy is the
                          reader's to find */
    struct str endpoint;   /* who registered it, by id; of a static one the first of pjsip.conf
                              that has its AOR, or empty */
    struct str user_agent; /* of the REGISTER; may be empty */
    struct str call_id;    /* likewise, with its CSeq: RFC 3261 section 10.3, step 7 */
    struct str outbound; /* ";+sip.instance=...;reg-id=..." as it is listed: which telephone's flow
                            it is (RFC 5626), whatever its URI; empty: it does not say both */
    uint32_t cseq;
    uint16_t q;         /* thousandths; CONTACT_NO_Q: not said, which means 1 */
    uint32_t expires_s; /* granted */
    uint64_t expires_wall_ms;
    uint64_t registered_wall_ms; /* the last REGISTER */
    /* How that came. A connection may have ended since, and has if it was one of a former process
     * (NET_NO_CONNECTION). `transport` is the id of the section; the number is of this process, or
     * CONTACT_NO_TRANSPORT. Without `route`, a connection that is still there is the way to the
     * contact, and so is the remote address where `target` has that. */
    struct flow flow;
    struct str transport;
    bool rewritten; /* `target` is the address that it came from */
    char text[];
};

/* A copy, with one reference. 0 or -ENOMEM. */
NODISCARD int contact_create(struct contact **out, const struct contact *what);
/* One of the configuration. 0, -EBADMSG (it is no SIP URI, or too long) or -ENOMEM. */
NODISCARD int contact_create_static(struct contact **out, uint64_t id, struct str aor,
                                    struct str uri, struct str endpoint);
static inline const struct contact *contact_ref(const struct contact *c)
{
    atomic_fetch_add_explicit(&((struct contact *)c)->refs, 1, memory_order_relaxed);
    return c;
}
void contact_unref(const struct contact *c); /* NULL is fine */

/* Is it there only as long as the connection that it was registered by? Then it is the address that
 * this came from, to which no other one leads, or a browser; and nothing of a Path is between. */
bool contact_is_tied(const struct contact *c);

/* Do requests go to both of them by the same way, and say the same? */
bool contact_same_way(const struct contact *a, const struct contact *b);

struct settings;
/* Does the configuration have it, or take registrations for its AOR? */
bool contact_is_configured(const struct contact *c, const struct settings *s);

/* ---- private to src/registrar ---- */

/* No control characters but tabs: what a record may hold. */
bool contact_text_is_line(struct str s);

size_t contact_record_size(const struct contact *c); /* at most */
void contact_record_print(const struct contact *c, struct buf *out);
/* `*out` borrows the bytes. 0, or -EBADMSG when it is not what contact_record_print writes. */
NODISCARD int contact_record_parse(struct contact *out, struct str bytes);
