// SPDX-License-Identifier: MIT
/* What a REGISTER wants bound, a row for each kind of it. */
#include "registrar/bindings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "registrar/contacts_fixture.h"

static const char conf[] =
    "[alice]\ntype=endpoint\naors=alice\n[alice]\ntype=aor\nmax_contacts=5\nsupport_path=yes\n"
    "maximum_expiration=7200\n"
    "[nat]\ntype=endpoint\naors=plain\nrewrite_contact=yes\n"
    "[plain]\ntype=aor\nmax_contacts=5\nminimum_expiration=4000\n"
    "[fence]\ntype=endpoint\naors=alice\ncontact_deny=0.0.0.0/0\ncontact_permit=192.0.2.0/24\n";

#define A "sip:a@192.0.2.7"

/* "uri>target=seconds;q " of each, "*", or "status why". */
static void read_into(struct buf *out, const struct settings *s, const char *endpoint,
                      const char *headers)
{
    const struct endpoint_settings *e = settings_endpoint(s, str_of(endpoint));
    struct flow flow = { .protocol = NET_TCP };
    const struct bindings_terms terms = { .settings = s,
                                          .endpoint = e,
                                          .aor = settings_aor(s, e->aors[0]),
                                          .flow = &flow,
                                          .transport = STR("udp") };
    struct registration *r = calloc(1, sizeof(*r));
    struct bindings_fault fault = { 0 };
    struct sip_message msg;
    struct buf route;
    char text[70000];
    int n = snprintf(
        text, sizeof(text),
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
        "To: <sip:a@h>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\nUser-Agent: telephone\\\4/1\r\n "
        "x\r\n%s\r\n",
        headers);
    int result;

    assert_non_null(r);
    assert_true(n > 0 && (size_t)n < sizeof(text));
    assert_int_equal(addr_parse(&flow.remote, STR("198.51.100.1:6000"), 0), 0);
    assert_int_equal(addr_parse(&flow.local, STR("192.0.2.1:5060"), 0), 0);
    assert_int_equal(sip_message_parse(&msg, (struct str){ text, (size_t)n }, NULL), 0);
    *r = (struct registration){
        .aor = terms.aor->id, .endpoint = e->id, .call_id = msg.call_id, .cseq = msg.cseq
    };
    buf_init(&route, CONTACT_ROUTE_MAX);
    buf_reset(out);
    result = bindings_read_path(&route, &msg, terms.aor, &fault);
    if (!result)
        result = bindings_read(r, &msg, buf_str(&route), &terms, &fault);
    if (result > 0)
        buf_printf(out, "%u %s", fault.status, fault.why);
    else if (result < 0)
        buf_printf(out, "%d", result);
    else if (r->all)
        buf_add_char(out, '*');
    for (size_t i = 0; i < r->n && !result; i++) {
        const struct contact *c = r->contacts[i];

        buf_printf(out, "%.*s>%.*s=%u;%u%s%.*s ", STR_FMT(c->uri), STR_FMT(c->target), c->expires_s,
                   c->q == CONTACT_NO_Q ? 1001u : c->q, c->rewritten ? "!" : "",
                   STR_FMT(c->outbound));
        assert_true(str_equal(c->route, buf_str(&route)));
        assert_true(str_equal(c->user_agent, STR("telephone\\?/1 x")));
    }
    if (route.n && !result)
        buf_printf(out, "by %.*s", STR_FMT(buf_str(&route)));
    buf_fini(&route);
    registration_destroy(r);
}

static void test_rows(void **state)
{
    static const struct {
        const char *endpoint, *headers, *want;
    } rows[] = {
        { "alice", "", "" },
        { "alice", "Contact: <" A ">\r\n", A ">" A "=3600;1001 " },
        { "alice", "Contact: " A ";expires=60;q=0.5\r\nExpires: 300\r\n", A ">" A "=60;500 " },
        { "alice", "Contact: <" A ">\r\nExpires: 300\r\n", A ">" A "=300;1001 " },
        { "alice", "m: \"A, B\" <" A ";x=1?y=2>;q=1.000, <sip:b@h>;expires=0\r\nExpires: 99999\r\n",
          A ";x=1?y=2>" A ";x=1=7200;1000 sip:b@h>sip:b@h=0;1001 " },
        { "alice", "Contact: <" A ">;expires=60\r\nContact: <" A ">;expires=90\r\n",
          A ">" A "=90;1001 " },
        { "alice", "Contact: <" A ">;q=0\r\n", A ">" A "=3600;0 " },
        { "alice", "Contact: <" A ">;q=.5\r\n", "400 q of a Contact is not a number from 0 to 1" },
        { "alice", "Contact: <" A ">;q=1.001\r\n",
          "400 q of a Contact is not a number from 0 to 1" },
        { "alice", "Contact: <" A ">;q=0.1234\r\n",
          "400 q of a Contact is not a number from 0 to 1" },
        { "alice", "Contact: <" A ">;q\r\n", "400 q of a Contact is not a number from 0 to 1" },
        /* RFC 5626 */
        { "alice", "Contact: <" A ">;Reg-ID=1;+sip.instance=\"<urn:x:1>\";expires=60\r\n",
          A ">" A "=60;1001;+sip.instance=\"<urn:x:1>\";reg-id=1 " },
        { "alice", "Contact: <" A ">;+sip.instance=\"<urn:x:1>\"\r\n", A ">" A "=3600;1001 " },
        { "alice", "Contact: <" A ">;+sip.instance=\"<urn:x:1>\";reg-id=0\r\n",
          A ">" A "=3600;1001 " },
        { "alice", "Contact: <" A ">;+sip.instance=\"\\\1\";reg-id=1\r\n", A ">" A "=3600;1001 " },
        /* RFC 3261 sections 20.10 and 20.19. */
        { "alice", "Contact: <" A ">;expires=soon\r\n", A ">" A "=3600;1001 " },
        { "alice", "Contact: <" A ">\r\nExpires: Thu, 01 Dec 1994 16:00:00 GMT\r\n",
          A ">" A "=3600;1001 " },
        { "alice", "Contact: <" A ">;expires=99999999999\r\n", A ">" A "=7200;1001 " },
        { "alice", "Contact: <" A ">;expires=59\r\n", "423 the expiry is below the minimum" },
        { "alice", "Contact: <sip:b@h>;expires=60, <" A ">;expires=1\r\n",
          "423 the expiry is below the minimum" },
        { "nat", "Contact: <sip:a@h>;expires=3599\r\n", "423 the expiry is below the minimum" },
        /* An hour is never too brief. */
        { "nat", "Contact: <sip:a@10.0.0.1:5062;transport=tcp;ob>;expires=3600\r\n",
          "sip:a@10.0.0.1:5062;transport=tcp;ob>sip:a@198.51.100.1:6000;ob;transport=TCP=4000;1001!"
          " " },
        { "alice", "Contact: *\r\nExpires: 0\r\n", "*" },
        { "alice", "Contact: *\r\n", "400 Contact: * goes with nothing but Expires: 0" },
        { "alice", "Contact: *\r\nExpires: 60\r\n",
          "400 Contact: * goes with nothing but Expires: 0" },
        { "alice", "Contact: *\r\nExpires: x\r\n",
          "400 Contact: * goes with nothing but Expires: 0" },
        { "alice", "Contact: *, <" A ">\r\nExpires: 0\r\n",
          "400 Contact: * goes with nothing but Expires: 0" },
        { "alice", "Contact: <" A ">\r\nContact: *\r\nExpires: 0\r\n",
          "400 Contact: * goes with nothing but Expires: 0" },
        { "alice", "Contact: <mailto:a@h>\r\n", "400 a Contact is not a SIP URI" },
        { "alice", "Contact: <sip:a@h\r\n", "400 a Contact cannot be read" },
        { "alice", "Contact: <nonsense>\r\n", "400 a Contact cannot be read" },
        { "alice", "Contact: <sip:b@h>, <nonsense>\r\n", "400 a Contact cannot be read" },
        { "fence", "Contact: <" A ">\r\n", A ">" A "=3600;1001 " },
        { "fence", "Contact: <" A ">, <sip:a@198.51.100.7>\r\n", "403 this contact is denied" },
        { "fence", "Contact: <sip:a@host.example>\r\n", "403 this contact is denied" },
        { "fence", "Contact: <sip:a@host.example>;expires=0\r\n",
          "sip:a@host.example>sip:a@host.example=0;1001 " },
        /* RFC 3327 section 5.3. */
        { "alice",
          "Contact: <" A
          ">\r\nSupported: gruu, path\r\nPath: <sip:p2.example;lr>,\r\n <sip:p1.example;lr>\r\n",
          A ">" A "=3600;1001 by <sip:p2.example;lr>, <sip:p1.example;lr>" },
        { "alice",
          "Contact: <" A
          ">\r\nRequire: path\r\nPath: <sip:p2.example;lr>\r\nPath: <sip:p1.example;lr>\r\n",
          A ">" A "=3600;1001 by <sip:p2.example;lr>, <sip:p1.example;lr>" },
        { "alice", "Supported: path\r\nContact: <" A ">\r\n", A ">" A "=3600;1001 " },
        { "alice", "Path: <sip:p.example;lr>\r\n",
          "420 a proxy has added a Path, which the client does not support" },
        { "alice", "Supported: path\r\nPath: sip p\r\n", "400 the Path cannot be read" },
        { "nat", "Supported: path\r\nPath: <sip:p.example;lr>\r\n",
          "420 this AOR does not support Path" },
        { "nat", "Require: path\r\n", "420 this AOR does not support Path" },
        { "alice", "Supported: path\r\nPath: \"\\\4\" <sip:p.example;lr>\r\n",
          "400 the Path cannot be read" },
    };
    struct settings *s = settings_fixture(conf);
    struct buf got;

    (void)state;
    buf_init(&got, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        read_into(&got, s, rows[i].endpoint, rows[i].headers);
        if (!str_equal(buf_str(&got), str_of(rows[i].want)))
            fail_msg("%s%s\nis      %.*s\nand not %s", rows[i].endpoint, rows[i].headers,
                     STR_FMT(buf_str(&got)), rows[i].want);
    }
    buf_fini(&got);
    settings_unref(s);
}

static void expect_begin(const struct settings *s, struct buf *headers, const char *want)
{
    struct buf got;

    buf_add_char(headers, '\0'); /* of a C string */
    assert_int_equal(headers->error, 0);
    buf_init(&got, 1 << 20);
    read_into(&got, s, "alice", headers->p);
    if (!str_starts(buf_str(&got), str_of(want)))
        fail_msg("%.*s", STR_FMT(buf_str(&got)));
    buf_fini(&got);
    buf_reset(headers);
}

static void print_many(struct buf *out, unsigned n)
{
    buf_add(out, STR("Contact: <sip:0@h>"));
    for (unsigned i = 1; i < n; i++)
        buf_printf(out, ",<sip:%u@h>;expires=0", i);
    buf_add(out, STR("\r\n"));
}

static void test_limits(void **state)
{
    struct settings *s = settings_fixture(conf);
    struct buf headers;

    (void)state;
    buf_init(&headers, 1 << 16);
    print_many(&headers, REGISTRAR_CONTACTS_MAX);
    expect_begin(s, &headers, "sip:0@h>sip:0@h=3600;1001 sip:1@h>");
    print_many(&headers, REGISTRAR_CONTACTS_MAX + 1);
    expect_begin(s, &headers, "400 there are more than 64 Contacts");
    buf_printf(&headers, "Contact: <sip:a@h;x=%01020d>\r\n", 0);
    expect_begin(s, &headers, "400 a Contact is longer than 1024 bytes");
    buf_printf(&headers, "Supported: path\r\nPath: <sip:p.example;lr;x=%02040d>\r\n", 0);
    expect_begin(s, &headers, "-90"); /* -EMSGSIZE */
    buf_fini(&headers);
    settings_unref(s);
}

/* Many Contacts that differ at their ends are told apart, and it takes no time that a test would
 * notice: when each was compared with each by all of their parameters, it took minutes. */
static void test_many(void **state)
{
    enum { CONTACTS = 60 };
    struct settings *s = settings_fixture(conf);
    struct buf headers, got;

    (void)state;
    buf_init(&headers, 1 << 16);
    buf_init(&got, 1 << 20);
    for (unsigned i = 0; i < CONTACTS; i++) {
        buf_add(&headers, STR("Contact: <sip:a@1.2.3.4"));
        for (unsigned k = 0; k < 480; k++)
            buf_add(&headers, STR(";b"));
        buf_printf(&headers, "?h=%u>\r\n", i);
    }
    buf_add_char(&headers, '\0'); /* of a C string */
    assert_int_equal(headers.error, 0);
    for (unsigned i = 0; i < 20; i++) {
        size_t n = 0;

        read_into(&got, s, "alice", headers.p);
        for (size_t at = 0; at < got.n; at++)
            n += got.p[at] == '>';
        assert_int_equal(n, CONTACTS);
    }
    buf_fini(&got);
    buf_fini(&headers);
    settings_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
