// SPDX-License-Identifier: MIT
/* The header fields of a REGISTER: its Contacts and Path are read, applied to a table, listed,
 * kept, and taken back. */
#include "registrar/bindings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "registrar/contacts_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char conf[] = "[phone]\ntype=endpoint\naors=alice\n[nat]\ntype=endpoint\naors=alice\n"
                           "rewrite_contact=yes\n[alice]\ntype=aor\nmax_contacts=5\n"
                           "remove_existing=yes\nsupport_path=yes\n";

static void looks_right(const struct contact *c)
{
    struct sip_uri uri;
    struct contact again;
    struct buf record;

    BUG_UNLESS(sip_uri_parse(&uri, c->uri) == 0 && uri.sip);
    BUG_UNLESS(sip_uri_parse(&uri, c->target) == 0 && uri.sip && !uri.headers.n);
    if (!c->expires_s)
        return;
    buf_init(&record, contact_record_size(c));
    contact_record_print(c, &record);
    BUG_UNLESS(record.error == 0 && contact_record_parse(&again, buf_str(&record)) == 0);
    BUG_UNLESS(str_equal(again.uri, c->uri) && str_equal(again.route, c->route));
    BUG_UNLESS(str_equal(again.outbound, c->outbound));
    buf_fini(&record);
}

static void apply(struct fixture *f, struct registration *r)
{
    struct buf listed;

    buf_init(&listed, SIP_MESSAGE_MAX);
    (void)contacts_apply(f->contacts, r);
    for (size_t i = 0; i < r->n_bound; i++) {
        looks_right(r->bound[i].contact);
        BUG_UNLESS(r->bound[i].left_s && r->bound[i].left_s <= r->bound[i].contact->expires_s);
        bindings_print(&listed, &r->bound[i]);
    }
    BUG_UNLESS(listed.error == 0);
    buf_fini(&listed);
    BUG_UNLESS(r->result || r->n_bound <= 5);
}

static void apply_and_remove(struct fixture *f, struct registration *r)
{
    for (size_t i = 0; i < r->n; i++)
        looks_right(r->contacts[i]);
    apply(f, r);
    BUG_UNLESS(fixture_register(f, "another", 1, "*") == 0);
    BUG_UNLESS(f->contacts->counters.registered == 0);
}

static void read_one(struct fixture *f, const struct sip_message *msg, const char *endpoint)
{
    const struct endpoint_settings *e = settings_endpoint(f->settings, str_of(endpoint));
    struct flow flow = { .protocol = NET_WSS };
    const struct bindings_terms terms = { .settings = f->settings,
                                          .endpoint = e,
                                          .aor = settings_aor(f->settings, STR("alice")),
                                          .flow = &flow,
                                          .transport = STR("wss") };
    struct registration *r = calloc(1, sizeof(*r));
    struct bindings_fault fault;
    struct buf route;

    BUG_UNLESS(r && addr_parse(&flow.remote, STR("[2001:db8::1]:6000"), 0) == 0);
    BUG_UNLESS(addr_parse(&flow.local, STR("[2001:db8::2]:5060"), 0) == 0);
    buf_init(&route, CONTACT_ROUTE_MAX);
    *r = (struct registration){
        .aor = STR("alice"), .endpoint = e->id, .call_id = STR("one"), .cseq = msg->cseq
    };
    if (bindings_read_path(&route, msg, terms.aor, &fault) == 0 &&
        bindings_read(r, msg, buf_str(&route), &terms, &fault) == 0)
        apply_and_remove(f, r);
    registration_destroy(r);
    buf_fini(&route);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] =
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
        "To: <sip:a@h>\r\nCall-ID: one\r\nCSeq: 1 REGISTER\r\n";
    static struct fixture *f;
    struct sip_message msg;
    struct buf text;

    if (!f) {
        f = fixture_create();
        f->contacts->cfg.keep = (struct keep){ .ctx = NULL };
        fixture_configure(f, conf, "[registrar]\nenabled=yes\n");
    }
    buf_reset(&f->told);
    buf_init(&text, SIP_MESSAGE_MAX);
    buf_add(&text, str_of(head));
    buf_add(&text, (struct str){ (const char *)data, size });
    buf_add(&text, STR("\r\n\r\n"));
    if (!text.error && sip_message_parse(&msg, buf_str(&text), NULL) == 0) {
        read_one(f, &msg, "phone");
        read_one(f, &msg, "nat");
    }
    buf_fini(&text);
    return 0;
}
