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

void self_choose(const struct transport_settings *by, const struct flow *flow, struct buf *host)
{
    bool outside = by && is_outside(by, &flow->remote);

    if (outside && by->external_address.n)
        sip_host_print(host, by->external_address);
    else
        addr_print_host(host, &flow->local);
    buf_add_char(host, ':');
    buf_add_u64(host, outside && by->external_port ? by->external_port : addr_port(&flow->local));
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
