// SPDX-License-Identifier: MIT
/* listeners.h - the sockets of all transports, and what becomes of them at a reload.
 *
 * The main thread opens those that are new, one for each worker, before any other is given up for
 * them: an address that cannot be had is found while the configuration is read. Then a `struct
 * listeners` goes to every worker, says what there is from now on, and hands the new sockets over;
 * struct transports is what a worker makes of that. The same address stays the same sockets,
 * whatever its transport is called now. Private to the daemon folder. */
#pragma once
#include <stdatomic.h>

#include "config/settings.h"
#include "daemon/inherited.h"
#include "net/net.h"
#include "net/tls.h"

struct listener {
    struct str id;
    struct addr bind, local; /* as configured, and as bound */
    enum net_protocol protocol;
    struct net_stream_options options; /* of datagrams only tos and cos */
    uint32_t slot; /* its number in every worker's net; never used again for another */
    /* Worker w takes those at w, w + n_workers and so on; NULL: they have them. Mostly there are as
     * many as workers. More may have been inherited; and where there are fewer, and no more can be
     * bound, those from `n_read` on are the first ones again, to send from. */
    int *fds;
    unsigned n_fds, n_read;
};

struct left_address { /* one that workers may still be reading */
    struct addr local;
    bool stream;
    uint64_t until_ms;
};

struct listeners { /* counted; immutable but for sockets that are taken */
    atomic_uint refs;
    unsigned n_workers;
    uint32_t next_slot;
    struct listener *list;
    size_t n;
    struct left_address *left;
    size_t n_left;
};

struct listeners *listeners_ref(struct listeners *ls);
void listeners_unref(struct listeners *ls); /* closes what nobody took; NULL is fine */
/* The socket at that place, which is the caller's from now on; -1: there is none, or it is taken.
 */
int listener_take(const struct listener *l, unsigned place);

/* What is wanted, collected while a configuration is read. */
struct listeners_draft {
    const struct listeners *former; /* NULL at the start */
    const struct clock *clock;
    unsigned n_workers;
    struct listener *list; /* those of the former ones are without sockets */
    size_t n;
    struct inherited *inherited; /* sockets to be made use of; NULL: none */
    bool rehearsal;              /* where there are inherited ones no others are bound */
};
/* Claim the address of this transport for it; opens sockets unless the former listeners have
 * them. `draft` is a struct listeners_draft: the hook of settings_source. 0 or a negative errno:
 * -EADDRINUSE also for one that has been claimed. */
NODISCARD int listeners_claim(void *draft, const struct transport_settings *t,
                              struct transport_fault *fault);
/* The former listener whose sockets a claimed one has; NULL: its own are new. */
const struct listener *listeners_former(const struct listeners_draft *draft,
                                        const struct listener *claimed);
/* Is there anything wrong with it but that somebody else listens there? The same hook for who only
 * looks at a configuration. */
NODISCARD int listeners_check(void *unused, const struct transport_settings *t,
                              struct transport_fault *fault);
/* The listeners of these settings, whose transports have been claimed or are as they were before.
 * The addresses given up count as read for `linger_ms`. Takes the sockets on 0; -ENOMEM. */
NODISCARD int listeners_make(struct listeners **out, struct listeners_draft *draft,
                             const struct settings *settings, uint64_t linger_ms);
void listeners_draft_fini(struct listeners_draft *draft); /* closes what was not made use of */
