// SPDX-License-Identifier: MIT
#include "registrar/contacts_fixture.h"

#define PHONES(aor_options)                                               \
    "[alice]\ntype=endpoint\naors=alice\n[alice]\ntype=aor\n" aor_options \
    "[bob]\ntype=endpoint\naors=alice,desk\n"                             \
    "[desk]\ntype=aor\ncontact=sip:desk@192.0.2.9\n"
#define ENABLED "[registrar]\nenabled=yes\n"

#define A "sip:a@192.0.2.7"
#define B "sip:b@192.0.2.7"
#define C "sip:c@192.0.2.7"

static struct fixture *begin(const char *pjsip_conf)
{
    struct fixture *f = fixture_create();

    fixture_configure(f, pjsip_conf, ENABLED);
    buf_reset(&f->told);
    return f;
}

static size_t kept(const struct fixture *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->kept.n; i++)
        n += f->kept.kept[i].record.table == KEEP_CONTACT;
    return n;
}

static void test_life(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=3\n"));

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600"), 0);
    expect_answer(f, A "=600 ");
    expect_told(f, "+" A " PJSIP/alice=NOT_INUSE ");
    assert_int_equal(kept(f), 1);
    /* Others beside it make no difference to the device. */
    fixture_advance(f, 100000);
    assert_int_equal(fixture_register(f, "two", 7, B "=60 " C "=120"), 0);
    expect_answer(f, A "=500 " B "=60 " C "=120 ");
    expect_told(f, "+" B " +" C " ");
    assert_int_equal(fixture_register(f, "one", 2, A "=600"), 0);
    expect_answer(f, A "=600 " B "=60 " C "=120 ");
    expect_told(f, "~" A " ");
    assert_int_equal(fixture_register(f, "three", 1, ""), 0);
    expect_answer(f, A "=600 " B "=60 " C "=120 ");
    assert_int_equal(fixture_register(f, "two", 8, C "=0"), 0);
    expect_answer(f, A "=600 " B "=60 ");
    expect_told(f, "-" C " ");
    /* To the second, and a tick of the wheel. */
    fixture_advance(f, 59990);
    expect_told(f, "");
    fixture_advance(f, 20);
    expect_told(f, "-" B " ");
    assert_int_equal(fixture_register(f, "four", 1, "*"), 0);
    expect_answer(f, "");
    expect_told(f, "-" A " PJSIP/alice=UNAVAILABLE ");
    assert_int_equal(kept(f), 0);
    assert_int_equal(fixture_register(f, "four", 2, A "=0"), 0); /* of nothing */
    assert_int_equal(fixture_register(f, "four", 3, "*"), 0);
    expect_told(f, "");
    fixture_destroy(f);
}

/* RFC 3261 section 10.3, step 7. */
static void test_order(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=3\n"));

    (void)state;
    assert_int_equal(fixture_register(f, "one", 5, A "=600 " B "=600"), 0);
    buf_reset(&f->told);
    /* All or nothing. */
    assert_int_equal(fixture_register(f, "one", 4, A "=60 " C "=60"), REGISTER_OLD);
    assert_int_equal(fixture_register(f, "one", 4, C "=60 " A "=0"), REGISTER_OLD);
    assert_int_equal(fixture_register(f, "one", 5, A "=0"), REGISTER_OLD);
    assert_int_equal(fixture_register(f, "one", 5, "*"), REGISTER_OLD);
    expect_told(f, "");
    /* The answer to this one was lost. */
    assert_int_equal(fixture_register(f, "one", 5, A "=600 " B "=600"), 0);
    expect_answer(f, A "=600 " B "=600 ");
    expect_told(f, "~" A " ~" B " ");
    /* After a reboot the Call-ID is another one. */
    assert_int_equal(fixture_register(f, "two", 1, A "=60"), 0);
    expect_answer(f, A "=60 " B "=600 ");
    assert_int_equal(fixture_register(f, "one", 6, "*"), 0);
    expect_answer(f, "");
    fixture_destroy(f);
}

static void test_same_uri(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=3\n"));

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, "sip:a@host.example=600"), 0);
    assert_int_equal(fixture_register(f, "one", 2, "sip:%61@HOST.example;x=1=600"), 0);
    assert_int_equal(f->contacts->counters.registered, 1);
    /* Both are equal to what there is, but not to each other. */
    assert_int_equal(
        fixture_register(f, "two", 1, "sip:a@host.example;x=1=0 sip:a@host.example;x=2=60"), 0);
    expect_answer(f, "sip:a@host.example;x=2=60 ");
    fixture_destroy(f);
}

/* Those that there are and those that are sent, likewise: see test_many of bindings_test.c. */
static void test_many(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=15\n"));
    struct buf what;

    (void)state;
    buf_init(&what, 1 << 16);
    for (unsigned i = 0; i < 15; i++) {
        buf_add(&what, STR("sip:a@1.2.3.4"));
        for (unsigned k = 0; k < 480; k++)
            buf_add(&what, STR(";b"));
        buf_printf(&what, "?h=%u=600 ", i);
    }
    buf_add_char(&what, '\0'); /* of a C string */
    assert_int_equal(what.error, 0);
    for (unsigned i = 1; i <= 200; i++)
        assert_int_equal(fixture_register(f, "one", i, what.p), 0);
    assert_int_equal(f->contacts->counters.added, 15);
    buf_fini(&what);
    fixture_destroy(f);
}

static int register_from(struct fixture *f, const char *source, const char *call_id, uint32_t cseq,
                         const char *what)
{
    struct registration *r = fixture_registration("alice", call_id, cseq, what);
    int result;

    r->contacts[0]->rewritten = true;
    assert_int_equal(addr_parse(&r->contacts[0]->flow.remote, str_of(source), 0), 0);
    result = contacts_apply(f->contacts, r);
    assert_int_equal(r->n_bound, result == 0);
    registration_destroy(r);
    return result;
}

/* Two homes in which the telephone has the same address. */
static void test_same_behind_nat(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=2\n"));

    (void)state;
    assert_int_equal(register_from(f, "198.51.100.1:1000", "one", 1, A "=600"), 0);
    assert_int_equal(register_from(f, "203.0.113.1:1000", "two", 1, A "=300"), 0);
    expect_told(f, "+" A " PJSIP/alice=NOT_INUSE +" A " ");
    assert_int_equal(register_from(f, "198.51.100.1:2000", "other", 1, A "=600"), 0);
    assert_int_equal(register_from(f, "192.0.2.99:1000", "two", 2, A "=300"), 0); /* moved */
    expect_told(f, "~" A " ~" A " ");
    assert_int_equal(fixture_register(f, "x", 1, ""), 0);
    expect_answer(f, A "=600 " A "=300 ");
    assert_int_equal(register_from(f, "203.0.113.1:1", "three", 1, A "=60"), REGISTER_FULL);
    fixture_destroy(f);
}

static int register_flow(struct fixture *f, const char *call_id, const char *outbound,
                         const char *what)
{
    struct registration *r = fixture_registration("alice", call_id, 1, what);
    int result;

    r->contacts[0]->outbound = str_of(outbound);
    result = contacts_apply(f->contacts, r);
    registration_destroy(r);
    return result;
}

/* RFC 5626 section 6: the flow tells them apart, and not the URI; after a restart, too. */
static void test_flows(void **state)
{
    static const char one[] = ";+sip.instance=\"<urn:x:1>\";reg-id=1",
                      two[] = ";+sip.instance=\"<urn:x:1>\";reg-id=2";
    struct fixture *f = begin(PHONES("max_contacts=2\n"));

    (void)state;
    assert_int_equal(register_flow(f, "a", one, A "=600"), 0);
    assert_int_equal(register_flow(f, "b", one, B "=600"), 0);
    expect_told(f, "+" A " PJSIP/alice=NOT_INUSE ~" B " ");
    assert_int_equal(register_flow(f, "c", two, B "=300"), 0);
    fixture_restart(f, PHONES("max_contacts=2\n"), ENABLED);
    buf_reset(&f->told);
    assert_int_equal(register_flow(f, "d", two, C "=300"), 0);
    expect_told(f, "~" C " ");
    assert_int_equal(register_flow(f, "e", "", C "=300"), 0); /* it does not say which */
    expect_told(f, "~" C " ");
    assert_int_equal(fixture_register(f, "x", 1, ""), 0);
    expect_answer(f, B "=600 " C "=300 ");
    fixture_destroy(f);
}

/* By that connection, of TCP; `from` where it came from. */
static int register_by(struct fixture *f, uint32_t connection, const char *from, const char *what)
{
    struct registration *r = fixture_registration("alice", what, 1, what);
    int result;

    for (size_t i = 0; i < r->n; i++) {
        struct contact *c = r->contacts[i];

        c->flow.protocol = NET_TCP;
        c->flow.connection = connection;
        assert_int_equal(addr_parse(&c->flow.remote, str_of(from), 0), 0);
    }
    result = contacts_apply(f->contacts, r);
    registration_destroy(r);
    return result;
}

/* Who cannot be called goes with the connection, the one that it came by last. */
static void test_disconnected(void **state)
{
    static const char own[] = "sip:alice@192.0.2.9:5070=600";
    const uint32_t first[] = { 3, 7 }, second[] = { 8 };
    struct fixture *f = begin(PHONES("max_contacts=4\n"));

    (void)state;
    assert_int_equal(register_by(f, 7, "192.0.2.7:5060", A "=600"), 0);
    assert_int_equal(register_by(f, 7, "192.0.2.1:5060", own), 0);
    expect_told(f, "+" A " PJSIP/alice=NOT_INUSE +sip:alice@192.0.2.9:5070 ");
    contacts_connections_lost(f->contacts, second, 1);
    expect_told(f, "");
    assert_int_equal(fixture_register(f, own, 2, "sip:alice@192.0.2.9:5070=0"), 0);
    assert_int_equal(register_by(f, 8, "192.0.2.7:5060", A "=600"), 0);
    buf_reset(&f->told);
    contacts_connections_lost(f->contacts, first, 2);
    expect_told(f, "");
    contacts_connections_lost(f->contacts, second, 1);
    expect_told(f, "-" A " PJSIP/alice=UNAVAILABLE ");
    assert_int_equal(f->contacts->counters.disconnected, 1);
    assert_int_equal(register_by(f, 9, "192.0.2.1:5060", own), 0); /* it can be called */
    contacts_connections_lost(f->contacts, &(uint32_t){ 9 }, 1);
    assert_int_equal(f->contacts->counters.registered, 1);
    fixture_destroy(f);
}

static void test_full(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=2\n"));

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=600 " C "=600"), REGISTER_FULL);
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=600"), 0);
    assert_int_equal(fixture_register(f, "two", 1, C "=600"), REGISTER_FULL);
    assert_int_equal(fixture_register(f, "two", 1, C "=600 " A "=0"), 0);
    expect_answer(f, B "=600 " C "=600 ");
    /* Where fewer are allowed now those that are there may stay. */
    fixture_configure(f, PHONES("max_contacts=1\n"), ENABLED);
    assert_int_equal(fixture_register(f, "two", 2, C "=600"), 0);
    assert_int_equal(fixture_register(f, "two", 3, A "=600"), REGISTER_FULL);
    /* And when there are to be none they go. */
    buf_reset(&f->told);
    fixture_configure(f, PHONES("max_contacts=0\n"), ENABLED);
    expect_told(f, "-" B " -" C " PJSIP/alice=UNAVAILABLE ");
    assert_int_equal(fixture_register(f, "two", 4, A "=600"), REGISTER_NO_AOR);
    fixture_destroy(f);
}

static void test_displaced(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=2\nremove_existing=yes\n"));

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=60"), 0);
    buf_reset(&f->told);
    assert_int_equal(fixture_register(f, "two", 1, C "=600"), 0);
    expect_answer(f, A "=600 " C "=600 ");
    expect_told(f, "-" B " +" C " ");
    /* What is refreshed with it does not go. */
    assert_int_equal(fixture_register(f, "one", 2, A "=60 " B "=60"), 0);
    expect_answer(f, A "=60 " B "=60 ");
    assert_int_equal(fixture_register(f, "two", 2, A "=60 " B "=60 " C "=60"), REGISTER_FULL);
    assert_int_equal(f->contacts->counters.displaced, 2);
    fixture_destroy(f);
}

static void test_reach(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=2\nremove_unavailable=yes\n"));

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=60"), 0);
    buf_reset(&f->told);
    contacts_reach_set(f->contacts, fixture_contact_id(f, A), CONTACT_UNREACHED, 0);
    expect_told(f, "");
    contacts_reach_set(f->contacts, fixture_contact_id(f, B), CONTACT_UNREACHED, 0);
    expect_told(f, "PJSIP/alice=UNAVAILABLE ");
    assert_int_equal(f->contacts->counters.unreached, 2);
    contacts_reach_set(f->contacts, fixture_contact_id(f, B), CONTACT_REACHED, 0);
    expect_told(f, "PJSIP/alice=NOT_INUSE ");
    contacts_reach_set(f->contacts, 12345, CONTACT_UNREACHED, 0); /* nobody */
    /* The one that does not answer gives way, though it would stay longer. */
    assert_int_equal(fixture_register(f, "two", 1, C "=600"), 0);
    expect_answer(f, B "=60 " C "=600 ");
    assert_int_equal(fixture_register(f, "three", 1, A "=600"), REGISTER_FULL);
    assert_int_equal(f->contacts->counters.unreached, 0);
    /* Both ways of making room: it goes before the one that would expire first. */
    fixture_configure(f, PHONES("max_contacts=2\nremove_unavailable=yes\nremove_existing=yes\n"),
                      ENABLED);
    contacts_reach_set(f->contacts, fixture_contact_id(f, C), CONTACT_UNREACHED, 0);
    assert_int_equal(fixture_register(f, "three", 1, A "=600"), 0);
    expect_answer(f, B "=60 " A "=600 ");
    fixture_destroy(f);
}

/* Whether an endpoint can be reached: by any of its AORs, and whatever a reload makes of them. */
static void test_endpoints(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=2\n"));

    (void)state;
    expect_heard(f, ""); /* how it begins is nothing new */
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=60"), 0);
    expect_heard(f, "alice+ "); /* bob can be reached at his desk */
    contacts_reach_set(f->contacts, fixture_contact_id(f, A), CONTACT_UNREACHED, 5);
    expect_heard(f, A ":gone ");
    contacts_reach_set(f->contacts, fixture_contact_id(f, B), CONTACT_UNREACHED, 0);
    expect_heard(f, "alice- " B ":gone ");
    contacts_reach_set(f->contacts, fixture_contact_id(f, A), CONTACT_REACHED, 12);
    expect_heard(f, "alice+ " A ":12 ");
    contacts_reach_set(f->contacts, fixture_contact_id(f, A), CONTACT_REACHED, 13);
    expect_heard(f, "");
    contacts_reach_set(f->contacts, fixture_contact_id(f, B), CONTACT_NOT_ASKED, 0);
    expect_heard(f, B ":? ");

    fixture_configure(f, PHONES("max_contacts=0\n") "[carol]\ntype=endpoint\naors=desk\n", ENABLED);
    expect_heard(f, "alice- carol+ ");
    fixture_configure(f, PHONES("contact=" C "\n"), "");
    expect_heard(f, "alice+ ");
    fixture_configure(f, PHONES("contact=" C "\n"), ENABLED);
    expect_heard(f, "");
    fixture_destroy(f);
}

static size_t kept_silent(const struct fixture *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->kept.n; i++)
        n += f->kept.kept[i].record.table == KEEP_SILENT_CONTACT;
    return n;
}

/* One that did not answer does not count after a restart, until it does. */
static void test_silent(void **state)
{
    const char *asked = PHONES("max_contacts=2\nqualify_frequency=60\ncontact=" C "\n");
    struct fixture *f = begin(asked);

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600"), 0);
    contacts_reach_set(f->contacts, fixture_contact_id(f, A), CONTACT_UNREACHED, 0);
    contacts_reach_set(f->contacts, fixture_contact_id(f, C), CONTACT_UNREACHED, 0);
    assert_int_equal(kept_silent(f), 2);
    fixture_restart(f, asked, ENABLED);
    expect_told(f, "+" A " +" C " +sip:desk@192.0.2.9 PJSIP/alice=UNAVAILABLE "
                   "PJSIP/bob=NOT_INUSE ");
    assert_int_equal(f->contacts->counters.unreached, 2);
    contacts_reach_set(f->contacts, fixture_contact_id(f, C), CONTACT_REACHED, 0);
    expect_told(f, "PJSIP/alice=NOT_INUSE ");
    assert_int_equal(kept_silent(f), 1);

    /* All of it put again. */
    memset(&f->kept, 0, sizeof(f->kept));
    contacts_keep_all(f->contacts);
    assert_int_equal(kept_silent(f), 1);

    /* One that goes leaves nothing behind. */
    assert_int_equal(fixture_register(f, "one", 2, A "=0"), 0);
    assert_int_equal(kept_silent(f), 0);

    /* Nobody asks any more, or there is no such contact: they count as there. */
    contacts_reach_set(f->contacts, fixture_contact_id(f, C), CONTACT_UNREACHED, 0);
    assert_int_equal(kept_silent(f), 1);
    fixture_restart(f, PHONES("contact=" C "\n"), ENABLED);
    expect_told(f, "+" C " +sip:desk@192.0.2.9 PJSIP/alice=NOT_INUSE PJSIP/bob=NOT_INUSE ");
    assert_int_equal(kept_silent(f), 0);
    fixture_restart(f, asked, ENABLED);
    contacts_reach_set(f->contacts, fixture_contact_id(f, C), CONTACT_UNREACHED, 0);
    fixture_restart(f, PHONES("qualify_frequency=60\ncontact=" B "\n"), ENABLED);
    assert_int_equal(kept_silent(f), 0);
    assert_int_equal(f->contacts->counters.unreached, 0);
    fixture_destroy(f);
}

static void register_at(struct fixture *f, const char *call_id, uint32_t cseq, struct str target)
{
    struct registration *r = fixture_registration("alice", call_id, cseq, A "=600");
    struct contact *c = r->contacts[0];

    c->target = target;
    c->rewritten = true;
    assert_int_equal(addr_parse(&c->flow.remote, str_sub(target, 6, target.n), 5060), 0);
    assert_int_equal(contacts_apply(f->contacts, r), 0);
    registration_destroy(r);
}

/* Two that call themselves the same, behind two NATs; one of them moves. */
static void test_silent_namesakes(void **state)
{
    const char *asked = PHONES("max_contacts=2\nqualify_frequency=60\n");
    struct fixture *f = begin(asked);

    (void)state;
    register_at(f, "one", 1, STR("sip:a@198.51.100.1:5060"));
    register_at(f, "two", 1, STR("sip:a@198.51.100.2:5060"));
    LIST_FOREACH (it, &aor_find(f->contacts, STR("alice"))->entries)
        contacts_reach_set(f->contacts, entry_at(it)->contact->id, CONTACT_UNREACHED, 0);
    assert_int_equal(kept_silent(f), 2);
    register_at(f, "two", 2, STR("sip:a@198.51.100.3:5060"));
    assert_int_equal(kept_silent(f), 2);
    fixture_restart(f, asked, ENABLED);
    assert_int_equal(f->contacts->counters.unreached, 2);
    assert_int_equal(contacts_device_default(f->contacts, &f->settings->endpoints[0]),
                     DEVICE_UNAVAILABLE);
    fixture_destroy(f);
}

static void test_silent_nonsense(void **state)
{
    static const struct keep_record bad[] = {
        { KEEP_SILENT_CONTACT, 0, STR_INIT("alice"), STR_INIT("\1") },
        { KEEP_SILENT_CONTACT, 0, STR_INIT("alice\t"), STR_INIT("\1") },
        { KEEP_SILENT_CONTACT, 0, STR_INIT("\tsip:a@b"), STR_INIT("\1") },
        { KEEP_SILENT_CONTACT, 0, STR_INIT(""), STR_INIT("\1") },
        { KEEP_SILENT_CONTACT, 0, STR_INIT("alice\tsip:a@b"), STR_INIT("\2") },
        { KEEP_SILENT_CONTACT, 0, STR_INIT("alice\tsip:a@b"), STR_INIT("") },
    };
    const struct keep_record good = { KEEP_SILENT_CONTACT, 0, STR_INIT("alice\tsip:a@b"),
                                      STR_INIT("\1") };
    struct fixture *f = fixture_create();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(contact_record_check(&bad[i]), -EBADMSG);
        assert_int_equal(contacts_restore(f->contacts, &bad[i]), -EBADMSG);
    }
    assert_int_equal(contact_record_check(&good), 0);
    assert_int_equal(contacts_restore(f->contacts, &good), 0);
    fixture_destroy(f); /* before any configuration */
}

static void test_static(void **state)
{
    struct fixture *f = fixture_create();

    (void)state;
    fixture_configure(f, PHONES("max_contacts=1\ncontact=" A "\n"), ENABLED);
    expect_told(f, "+" A " +sip:desk@192.0.2.9 PJSIP/alice=NOT_INUSE PJSIP/bob=NOT_INUSE ");
    /* It is neither listed nor removed, and does not count. */
    assert_int_equal(fixture_register(f, "one", 1, B "=600"), 0);
    expect_answer(f, B "=600 ");
    assert_int_equal(fixture_register(f, "one", 2, "*"), 0);
    expect_told(f, "+" B " -" B " ");
    assert_int_equal(kept(f), 0);
    /* Another configuration: one stays, one goes, one has another endpoint. */
    fixture_configure(f,
                      "[bob]\ntype=endpoint\naors=desk,alice\n[alice]\ntype=aor\ncontact=" A
                      "\ncontact=" C "\n",
                      ENABLED);
    expect_told(f, "-sip:desk@192.0.2.9 ~" A " +" C " PJSIP/alice=INVALID ");
    fixture_configure(
        f, "[bob]\ntype=endpoint\naors=desk,alice\n[alice]\ntype=aor\ncontact=" A "\n", "");
    expect_told(f, "-" A " -" C " ");
    fixture_destroy(f);
}

static void test_disabled(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=1\n"));

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600"), 0);
    buf_reset(&f->told);
    fixture_configure(f, PHONES("max_contacts=1\n"), "");
    expect_told(f, "-sip:desk@192.0.2.9 -" A " PJSIP/alice=UNAVAILABLE ");
    assert_int_equal(fixture_register(f, "one", 2, A "=600"), REGISTER_NO_AOR);
    fixture_destroy(f);
}

/* What a source says counts more. */
static void test_source(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=1\n"));

    (void)state;
    assert_int_equal(state_device_set(f->core, STR("pbx"), STR("PJSIP/alice"), DEVICE_INUSE), 0);
    buf_reset(&f->told);
    assert_int_equal(fixture_register(f, "one", 1, A "=600"), 0);
    expect_told(f, "+" A " ");
    assert_int_equal(state_device_forget(f->core, STR("pbx"), STR("PJSIP/alice")), 0);
    expect_told(f, "PJSIP/alice=NOT_INUSE ");
    fixture_destroy(f);
}

static void test_restart(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=2\n"));
    uint64_t id;

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=60"), 0);
    id = fixture_contact_id(f, A);
    fixture_advance(f, 70000);
    fixture_restart(f, PHONES("max_contacts=2\n"), ENABLED);
    expect_told(f, "+" A " +sip:desk@192.0.2.9 PJSIP/alice=NOT_INUSE PJSIP/bob=NOT_INUSE ");
    assert_int_equal(fixture_contact_id(f, A), id);
    assert_int_equal(fixture_register(f, "one", 1, A "=600"), 0); /* its answer was lost */
    assert_int_equal(fixture_register(f, "one", 0, A "=600"), REGISTER_OLD);
    assert_int_equal(fixture_register(f, "two", 1, C "=60"), 0);
    expect_answer(f, A "=600 " C "=60 ");
    assert_true(fixture_contact_id(f, C) > id);
    /* A wall clock that was set back makes nothing longer; one set forward makes it shorter. */
    f->wall_shift_ms = -86400000;
    fixture_restart(f, PHONES("max_contacts=2\n"), ENABLED);
    assert_int_equal(fixture_register(f, "x", 1, ""), 0);
    expect_answer(f, A "=600 " C "=60 ");
    f->wall_shift_ms = 0;
    fixture_advance(f, 30000);
    fixture_restart(f, PHONES("max_contacts=2\n"), ENABLED);
    assert_int_equal(fixture_register(f, "x", 1, ""), 0);
    expect_answer(f, A "=570 " C "=30 ");
    /* Its AOR has gone meanwhile: it is forgotten. */
    fixture_restart(f, "[alice]\ntype=endpoint\n", ENABLED);
    expect_told(f, "PJSIP/alice=UNAVAILABLE ");
    fixture_restart(f, PHONES("max_contacts=2\n"), ENABLED);
    assert_int_equal(fixture_register(f, "x", 1, ""), 0);
    expect_answer(f, "");
    fixture_destroy(f);
}

static void test_not_kept(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=3\n"));
    struct registration *r, *later;

    (void)state;
    r = fixture_registration("alice", "one", 1, A "=600 " B "=600");
    assert_int_equal(contacts_apply(f->contacts, r), 0);
    later = fixture_registration("alice", "one", 2, B "=60");
    assert_int_equal(contacts_apply(f->contacts, later), 0);
    assert_true(r->change && !later->change);
    buf_reset(&f->told);
    contacts_withdraw(f->contacts, r);
    expect_told(f, "-" A " ");
    contacts_withdraw(f->contacts, later);
    expect_told(f, "");
    registration_destroy(r);
    registration_destroy(later);
    f->kept.fails = true;
    assert_int_equal(fixture_register(f, "two", 1, C "=600"), REGISTER_UNKEPT);
    assert_int_equal(fixture_register(f, "two", 1, B "=600"), 0); /* from memory */
    assert_int_equal(fixture_register(f, "two", 2, "*"), 0);
    fixture_destroy(f);
}

/* An answer has to fit into a message. */
static void test_listed(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=1000\n"));
    char what[CONTACT_URI_MAX + 16];
    unsigned n = 0;
    int r;

    (void)state;
    do {
        int at = snprintf(what, sizeof(what), "sip:%u@192.0.2.7;x=%0900d=60", n++, 0);

        assert_in_range(at, 900, sizeof(what) - 1);
        r = fixture_register(f, "one", n, what);
        buf_reset(&f->told);
    } while (!r);
    assert_int_equal(r, REGISTER_FULL);
    assert_in_range(n, 20, 40);
    fixture_destroy(f);
}

static void test_nonsense_records(void **state)
{
    struct fixture *f = begin(PHONES("max_contacts=1\n"));
    struct keep_record record;
    char bytes[3000];

    (void)state;
    assert_int_equal(fixture_register(f, "one", 1, A "=600"), 0);
    record = f->kept.kept[0].record;
    assert_int_equal(contact_record_check(&record), 0);
    assert_int_equal(contacts_restore(f->contacts, &record), -EBADMSG); /* it is there */
    memcpy(bytes, record.bytes.p, record.bytes.n);
    record.bytes.p = bytes;
    record.number++;
    for (size_t n = 0; n + 1 < record.bytes.n; n++) {
        struct keep_record cut = record;

        cut.bytes.n = n;
        assert_int_equal(contact_record_check(&cut), -EBADMSG);
        assert_int_equal(contacts_restore(f->contacts, &cut), -EBADMSG);
    }
    bytes[0]++; /* another format */
    assert_int_equal(contact_record_check(&record), -EBADMSG);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_same_uri),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_same_behind_nat),
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_disconnected),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_displaced),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_silent_namesakes),
        cmocka_unit_test(test_silent_nonsense),
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_disabled),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_not_kept),
        cmocka_unit_test(test_listed),
        cmocka_unit_test(test_nonsense_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
