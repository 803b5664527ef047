// SPDX-License-Identifier: MIT
/* compositor.h - one worker's side of the event state compositor: it answers PUBLISH, and the
 * NOTIFYs that tell a mailbox.
 *
 * A request is checked in the order of RFC 3903 section 6, its body is read here, and what is left
 * to decide is asked of the store behind a port; requests for one resource are asked in the order
 * they came in. What is wrong behind the precondition (an expiry that is too brief, the body) is
 * found here, but told by the store, because 412 goes first. Threads: the worker that owns it. */
#pragma once
#include "body/inbound.h"
#include "config/settings.h"
#include "publication/publication.h"
#include "txn/uas.h"

struct compositor; /* opaque: see compositor.c */

enum { COMPOSITOR_PENDING_MAX = 10000 }; /* requests that wait for the store; more get 503 */

struct compositor_port {
    void *ctx;
    /* Apply this in the store's thread. Everything in `rq` is borrowed for the call (a reference to
     * the document may be taken). The answer comes by compositor_answer with the same cookie, in
     * order, never from inside. Negative: nothing was asked, the publisher gets 503. */
    int (*apply)(void *ctx, const struct publication_request *rq, uint64_t cookie);
    /* An endpoint reports its incoming_mwi_mailbox. Borrowed. Negative: nothing came of it. */
    int (*mailbox)(void *ctx, struct str mailbox, uint32_t new_count, uint32_t old_count);
};

struct compositor_config {
    struct rng *rng;
    struct log *log;
    const struct settings *settings; /* a reference is taken */
    struct compositor_port port;
};
NODISCARD int compositor_create(struct compositor **out, const struct compositor_config *cfg);
/* NULL is fine. Requests that still wait are not answered. */
void compositor_destroy(struct compositor *c);

/* The handler of PUBLISH: register with uas_method_set, ctx the struct compositor. */
void compositor_publish(void *compositor, const struct uas_request *rq);
/* The handler of NOTIFY: one outside a dialog with a message-summary sets the incoming_mwi_mailbox
 * of its endpoint, 200; 404 when there is none, or the body says nothing about voice messages. */
void compositor_notify(void *compositor, const struct uas_request *rq);
/* May this be published, whoever does it: as far as the sections of the settings say? */
bool compositor_serves(const struct settings *settings, const struct publication_place *place);
/* What publication_apply returned, and its answer (borrowed; NULL when result is negative). */
void compositor_answer(struct compositor *c, uint64_t cookie, int result,
                       const struct publication_answer *answer);
void compositor_settings_set(struct compositor *c, const struct settings *settings);
/* From now on every new PUBLISH is answered 503: the server is about to stop. */
void compositor_stop(struct compositor *c);
/* Requests that wait for the store: it may have done already what they ask. */
size_t compositor_unanswered(const struct compositor *c);

struct compositor_counters {
    uint64_t requests, accepted, pending;
    uint64_t refused_400, refused_403, refused_404, refused_412, refused_413, refused_415,
        refused_423, refused_489, refused_503, refused_other;
    uint64_t mailboxes_reported, mailboxes_refused; /* NOTIFYs */
};
void compositor_counters_get(const struct compositor *c, struct compositor_counters *out);
