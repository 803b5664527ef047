// SPDX-License-Identifier: MIT
/* self.h - what we call ourselves to a peer: in Via, From and Contact. The local address of its
 * flow, or what the transport shows to those outside its networks. Threads: pure functions. */
#pragma once
#include "base/buf.h"
#include "net/net.h"

struct transport_settings;

/* `by` NULL: its section is gone. `host` gets "host:port"; its error says whether that fits. */
void self_choose(const struct transport_settings *by, const struct flow *flow, struct buf *host);
/* A Contact, with <>; `user` may be empty. */
void self_print_contact(struct buf *out, bool secure, struct str user, struct str host,
                        enum net_protocol protocol);
