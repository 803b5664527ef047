// SPDX-License-Identifier: MIT
#include "txn/self.h"

#include "config/settings.h"
#include "txn/txn.h"

/* Without any local_net everybody is outside. */
static bool is_outside(const struct transport_settings *by, const struct addr *remote)
{
    for (size_t i = 0; i < by->n_local_nets; i++)
        if (addr_net_contains(&by->local_nets[i], remote))
            return false;
    return true;
}

void self_choose(const struct transport_settings *by, const struct flow *flow, struct addr *sent_by,
                 struct buf *host)
{
    bool outside = by && is_outside(by, &flow->remote);
    struct str shown = outside ? by->external_address : STR_EMPTY;
    struct addr a = flow->local;
    uint16_t port = outside && by->external_port ? by->external_port : addr_port(&flow->local);

    addr_port_set(&a, port);
    if (shown.n && addr_parse(sent_by, shown, port) == 0) {
        a = *sent_by;
        addr_port_set(&a, port);
        shown = STR_EMPTY;
    }
    *sent_by = a; /* a name stands in Contact only: a Via is answered by rport */
    if (shown.n) {
        buf_add(host, shown);
        buf_add_char(host, ':');
        buf_add_u64(host, port);
    } else {
        addr_print(host, &a);
    }
}

void self_print_contact(struct buf *out, bool secure, struct str user, struct str host,
                        enum net_protocol protocol)
{
    buf_add(out, secure ? STR("<sips:") : STR("<sip:"));
    if (user.n) {
        buf_add(out, user);
        buf_add_char(out, '@');
    }
    buf_add(out, host);
    buf_add(out, txn_transport_param(protocol));
    buf_add_char(out, '>');
}
