// SPDX-License-Identifier: MIT
/* One question, and what its answer says. */
#include "registrar/qualifier_internal.h"

static struct qualified *qualified_of(const struct contact_request *r)
{
    return CONTAINER_OF(r, struct qualified, request);
}

static void on_print(const struct contact_request *r, struct buf *out)
{
    (void)r;
    buf_add(out, STR("Accept: application/sdp\r\n"));
}

static void on_sent(struct contact_request *r)
{
    qualified_of(r)->qualifier->counters.sent++;
}

static bool on_authenticates(const struct contact_request *r)
{
    return settings_aor(r->all->settings, r->contact->aor)->authenticate_qualify;
}

static void on_done(struct contact_request *r, unsigned status, const struct sip_message *response)
{
    struct qualified *c = qualified_of(r);
    uint64_t now_ms = clock_monotonic_ms(c->qualifier->cfg.clock);

    (void)response;
    if (status == 408 || status == 503)
        qualified_unanswered(c, status);
    else
        qualified_answered(c, status, (uint32_t)(now_ms - r->txn.started_ms));
}

static void on_put_off(struct contact_request *r)
{
    qualified_put_off(qualified_of(r));
}

const struct contact_request_ops qualify_ops = { .method = SIP_OPTIONS,
                                                 .print = on_print,
                                                 .sent = on_sent,
                                                 .authenticates = on_authenticates,
                                                 .done = on_done,
                                                 .put_off = on_put_off,
                                                 .success_suffices = true };
