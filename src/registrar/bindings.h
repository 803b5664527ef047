// SPDX-License-Identifier: MIT
/* bindings.h - private to src/registrar: what a REGISTER wants bound. RFC 3261 section 10.3, steps
 * 6 and 7; RFC 3327 section 5.3. Threads: pure functions. */
#pragma once
#include "registrar/registrar.h"

struct bindings_terms { /* borrowed for the call */
    const struct settings *settings;
    const struct endpoint_settings *endpoint;
    const struct aor_settings *aor;
    const struct flow *flow;
    struct str transport; /* id of the flow's */
};

struct bindings_fault {
    unsigned status;
    const char *why;
};

/* The Path, as the value of a Route: every URI of it has to be one. 0; a positive value: see
 * `fault`; -ENOMEM, or -EMSGSIZE of `out`. */
NODISCARD int bindings_read_path(struct buf *out, const struct sip_message *msg,
                                 const struct aor_settings *aor, struct bindings_fault *fault);
/* Its Contacts: r->all, or r->contacts, which are added one by one and the caller's to free
 * whatever the result. `route` is what bindings_read_path has made. 0; a positive value: see
 * `fault`; -ENOMEM. */
NODISCARD int bindings_read(struct registration *r, const struct sip_message *msg, struct str route,
                            const struct bindings_terms *terms, struct bindings_fault *fault);
/* The Contact line of a binding in an answer. */
void bindings_print(struct buf *out, const struct bound *b);
