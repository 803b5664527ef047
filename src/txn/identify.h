// SPDX-License-Identifier: MIT
/* identify.h - finding the endpoint of a source address quickly. Private to src/txn.
 *
 * A walk over all identify sections is fine for a few hundred of them. With thousands (a provider
 * has one per customer) most name single hosts: those are sorted here and found by bisection; only
 * sections with networks are still tried one by one. Threads: immutable once made. */
#pragma once
#include "txn/uas.h"

struct identify_index; /* opaque: see identify_index.c */

/* Borrows `s`. 0 or -ENOMEM. */
NODISCARD int identify_index_create(struct identify_index **out, const struct settings *s);
void identify_index_destroy(struct identify_index *ix);

/* The first identify section, in the order of the file, that `source` matches and whose endpoint
 * there is. `ix` may be NULL: all sections are tried. */
const struct endpoint_settings *identify_by_address(const struct settings *s,
                                                    const struct identify_index *ix,
                                                    const struct addr *source);

/* endpoint_identify with an index. */
const struct endpoint_settings *identify_with(const struct settings *s,
                                              const struct identify_index *ix,
                                              const struct sip_message *msg,
                                              const struct flow *from, struct str transport);

/* User and host of the From header; false unless it is a SIP URI. */
bool identify_from(const struct sip_message *msg, struct str *user, struct str *host);
