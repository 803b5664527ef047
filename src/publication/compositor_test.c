// SPDX-License-Identifier: MIT
/* What a PUBLISH is refused for, and what is asked of the store about one that is not. */
#include "publication/compositor_fixture.h"

struct edit { /* of publish_plain: NULL is as there, "-" leaves a header out */
    const char *uri, *from, *call_id, *event, *expires, *if_match, *content_type, *body, *extra;
};

static void change_one(const char **to, const char *value)
{
    if (value)
        *to = strcmp(value, "-") == 0 ? NULL : value;
}

static struct publish changed(const struct edit *c)
{
    struct publish p = publish_plain();

    change_one(&p.uri, c->uri);
    change_one(&p.from, c->from);
    change_one(&p.call_id, c->call_id);
    change_one(&p.event, c->event);
    change_one(&p.expires, c->expires);
    change_one(&p.if_match, c->if_match);
    change_one(&p.content_type, c->content_type);
    change_one(&p.body, c->body);
    change_one(&p.extra, c->extra);
    return p;
}

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define LONG_ID X50 X50 X50 X50 X50 X10
#define USER_79 "1234567890123456789012345678901234567890123456789012345678901234567890123456789"

/* Found wrong before the store is asked. */
static void test_refused_here(void **state)
{
    static const struct {
        struct edit c;
        unsigned status;
        const char *parts;
    } cases[] = {
        /* what every request passes */
        { { .uri = "tel:100" }, 416, "Warning: 399" },
        { { .extra = "Require: foo\r\n" }, 420, "Unsupported: foo" },
        { { .extra = "Content-Encoding: gzip\r\n" }, 415, "Accept-Encoding: identity" },
        /* not a first request */
        { { .extra = "To: <sip:100@any>;tag=x\r\n" }, 481, "no such dialog" },
        { { .call_id = LONG_ID }, 400, "Call-ID is longer" },
        { { .call_id = "a\r\n b" }, 400, "Call-ID is not one word" },
        /* the resource */
        { { .uri = "sip:100@elsewhere" }, 404, "this domain is not served" },
        { { .uri = "sip:any" }, 404, "names no resource" },
        { { .uri = "sip:" USER_79 "0@any" }, 404, "longer than 79" },
        { { .uri = "sip:100@elsewhere", .event = "-" }, 404, "domain" },
        { { .uri = "sip:nobody@known", .from = "bob@known", .event = "-" }, 404, "no such user" },
        /* the package */
        { { .event = "-" },
          489,
          "Allow-Events: dialog, presence, message-summary, reg, conference\r\n|there is no "
          "Event" },
        { { .event = "dialog.winfo" }, 489, "Allow-Events: dialog, |cannot be published" },
        { { .event = "Dialog" }, 489, "Allow-Events: dialog, " },
        { { .event = "dialog", .uri = "sip:100@few", .from = "bob@few" },
          489,
          "Allow-Events: presence\r\n" },
        { { .event = "/" }, 400, "Event header field cannot be read" },
        { { .event = "nothing", .if_match = "a b" }, 489, "" },
        /* the precondition */
        { { .if_match = "a, b" }, 400, "not one entity-tag" },
        { { .if_match = "a b" }, 400, "not one entity-tag" },
        { { .if_match = "\"a\"" }, 400, "not one entity-tag" },
        { { .if_match = "" }, 400, "not one entity-tag" },
        { { .if_match = "a", .extra = "SIP-If-Match: b\r\n" }, 400, "not one entity-tag" },
        { { .if_match = "a", .extra = "SIP-If-Match: a\r\n" }, 400, "not one entity-tag" },
        { { .if_match = "a,b", .expires = "5" }, 400, "entity-tag" },
        /* the expiry */
        { { .expires = "soon" }, 400, "Expires is not a number" },
        { { .expires = "-5" }, 400, "Expires is not a number" },
        { { .expires = "" }, 400, "Expires is not a number" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create();
        struct publish p = changed(&cases[i].c);
        const struct sip_message *m;

        publish_send(f, &p);
        m = expect_status(f, cases[i].status, cases[i].parts);
        assert_true(m->to_tag.n > 0);
        if (cases[i].status != 420 && cases[i].status != 415)
            assert_non_null(sip_header_first(m, SIP_H_WARNING));
        assert_null(sip_header_first(m, SIP_H_SIP_ETAG));
        expect_nothing(f);
        assert_int_equal(f->n_asked, 0);
        fixture_destroy(f);
    }
}

/* A section that serves nothing has nothing to list. */
static void test_nothing_to_allow(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = changed(&(struct edit){ .uri = "sip:alice@bare" });

    (void)state;
    publish_send(f, &p);
    assert_null(
        sip_header_first(expect_status(f, 489, "Warning: 399 extstate "), SIP_H_ALLOW_EVENTS));
    fixture_destroy(f);
}

/* Found wrong here, but behind the precondition: the store tells it, unless that fails. */
static void test_refused_by_store(void **state)
{
    static const struct {
        struct edit c;
        unsigned status;
        const char *parts;
    } cases[] = {
        { { .expires = "99" }, 423, "Min-Expires: 100\r\n|below the minimum" },
        { { .expires = "1", .body = "broken" }, 423, "Min-Expires: 100\r\n" },
        { { .body = X50 X50 "1" }, 413, "larger than is taken" },
        { { .body = X50 X50 "1", .content_type = "text/plain" }, 413, "Warning" },
        { { .content_type = "-" }, 415, "Accept: application/dialog-info+xml\r\n|no Content-Type" },
        { { .extra = "Content-Disposition: session\r\n" },
          415,
          "Accept: application/dialog-info+xml\r\n|Content-Disposition" },
        { { .extra = "Content-Disposition: x;handling=required\r\n" }, 415, "Disposition" },
        { { .extra = "Content-Disposition: x ; handling=optional\r\n", .if_match = "t" },
          415,
          "Disposition" },
        { { .content_type = "text/plain" },
          415,
          "Accept: application/dialog-info+xml\r\n|this type cannot" },
        { { .content_type = "text/plain", .event = "presence" },
          415,
          "Accept: application/pidf+xml, text/x-other\r\n" },
        { { .content_type = "text" }, 400, "Content-Type cannot be read" },
        { { .content_type = "*/*", .event = "reg" }, 400, "Content-Type cannot be read" },
        { { .content_type = "text/*", .event = "reg" }, 400, "Content-Type cannot be read" },
        { { .content_type = "-", .event = "reg" }, 415, "Accept: */*\r\n" },
        { { .body = "broken" },
          400,
          "Warning: 399 extstate \"line 1: not a document??but \\\"broken\\\"\"\r\n" },
        { { .body = "wordless" }, 400, "the body cannot be read" },
        { { .body = "huge" }, 413, "the body holds too much" },
        { { .content_type = "multipart/related" }, 400, "no root part" },
        { { .body = "diff", .event = "presence" }, 400, "cannot begin a publication" },
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
        bool matches = i % 2;
        struct fixture *f = fixture_create();
        struct publish p = changed(&cases[i / 2].c);
        const struct fixture_asked *q;

        if (!(p.body && strcmp(p.body, "diff") == 0))
            p.if_match = "tag";
        publish_send(f, &p);
        expect_nothing(f);
        q = only_asked(f);
        assert_int_equal(q->refusal, cases[i / 2].status);
        assert_true(q->why[0]);
        assert_null(q->document);
        if (matches)
            fixture_answer(
                f, 0, PUBLICATION_BAD_BODY,
                &(struct publication_answer){ .why = str_of(q->why), .status = q->refusal });
        else
            fixture_answer(f, 0, PUBLICATION_NO_MATCH, &(struct publication_answer){ .status = 0 });
        expect_status(f, matches ? cases[i / 2].status : 412,
                      matches ? cases[i / 2].parts : "Warning: 399|entity-tag");
        assert_null(sip_header_first(&f->msg, SIP_H_SIP_ETAG));
        assert_int_equal(fixture_counters(f).pending, 0);
        fixture_destroy(f);
    }
}

static void test_no_memory(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = changed(&(struct edit){ .body = "no-memory" });

    (void)state;
    publish_send(f, &p);
    expect_status(f, 503, "Retry-After: |Warning");
    assert_int_equal(f->n_asked, 0);
    fixture_destroy(f);
}

static void test_asked(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();
    const struct fixture_asked *q;

    (void)state;
    p.uri = "sip:%31%200;x=y@ALIAS.example:5070;transport=udp";
    p.if_match = "a.b-c*~";
    p.event = "dialog;id=7";
    p.content_type = "application/dialog-info+xml;\r\n charset=utf-8";
    p.expires = " 600 ;x";
    p.extra = "Contact: <sip:x@y>\r\nRecord-Route: <sip:z;lr>\r\n";
    publish_send(f, &p);
    expect_nothing(f);
    q = only_asked(f);
    assert_string_equal(q->package, "dialog");
    assert_string_equal(q->context, "users");
    assert_string_equal(q->extension, "1 0;x=y");
    assert_string_equal(q->publisher, "alice");
    assert_string_equal(q->call_id, "c1");
    assert_string_equal(q->if_match, "a.b-c*~");
    assert_string_equal(q->content_type, "application/dialog-info+xml; charset=utf-8");
    assert_string_equal(q->body, "fine");
    assert_non_null(q->document);
    assert_false(q->rq.diff || q->rq.supersede);
    assert_int_equal(q->refusal, 0);
    assert_int_equal(q->rq.expires_s, 600);
    assert_int_equal(q->rq.grace_s, 7);
    assert_int_equal(q->rq.max_per_publisher, 3);
    assert_int_equal(q->rq.max_per_resource, 2);
    assert_int_equal(q->rq.priority, 1);
    fixture_destroy(f);
}

/* With [global] ignore_uri_user_options. */
static void test_user_options(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = changed(&(struct edit){ .uri = "sip:100;x=y@any" });
    struct settings *s =
        settings_fixture_with(FIXTURE_PJSIP "ignore_uri_user_options=yes\n", FIXTURE_EXTSTATE);

    (void)state;
    uas_settings_set(f->uas, s);
    compositor_settings_set(f->compositor, s);
    settings_unref(s);
    publish_send(f, &p);
    assert_string_equal(only_asked(f)->extension, "100");
    fixture_destroy(f);
}

static void test_expiry_and_body(void **state)
{
    static const struct {
        struct edit c;
        uint32_t expires_s;
        const char *body;
        bool document, diff;
    } cases[] = {
        { { .expires = "-" }, 500, "fine", true, false },
        { { .expires = "100" }, 100, "fine", true, false },
        { { .expires = "1001" }, 1000, "fine", true, false },
        { { .expires = "4294967296" }, 1000, "fine", true, false },
        { { .body = X50 X50 }, 600, X50 X50, true, false },
        { { .extra = "Content-Disposition: Render\r\n" }, 600, "fine", true, false },
        /* a refresh: Content-Length is 0, whatever Content-Type says */
        { { .body = "-", .if_match = "t" }, 600, "", false, false },
        { { .body = "-", .content_type = "-" }, 600, "", false, false },
        { { .body = "diff", .event = "presence", .if_match = "t" }, 600, "diff", false, true },
        /* the root of a multipart is the document */
        { { .body = "part fine", .content_type = "multipart/related" }, 600, "fine", true, false },
        { { .body = "part diff",
            .content_type = "multipart/related",
            .event = "presence",
            .if_match = "t" },
          600,
          "diff",
          false,
          true },
        /* a removal's body does not count, and whatever it is, it does no harm */
        { { .expires = "0" }, 0, "", false, false },
        { { .expires = "0", .content_type = "text/plain" }, 0, "", false, false },
        { { .expires = "0", .content_type = "-", .if_match = "t" }, 0, "", false, false },
        { { .expires = "0", .body = X50 X50 X10 }, 0, "", false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create();
        struct publish p = changed(&cases[i].c);
        const struct fixture_asked *q;

        publish_send(f, &p);
        expect_nothing(f);
        q = only_asked(f);
        assert_int_equal(q->refusal, 0);
        assert_int_equal(q->rq.expires_s, cases[i].expires_s);
        assert_string_equal(q->body, cases[i].body);
        assert_int_equal(q->document != NULL, cases[i].document);
        assert_int_equal(q->rq.diff, cases[i].diff);
        fixture_destroy(f);
    }
}

static void test_opaque(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = changed(&(struct edit){
        .event = "reg", .content_type = "text/plain;\r\n a=\"b c\"", .body = "broken" });
    const struct fixture_asked *q;

    (void)state;
    publish_send(f, &p);
    q = only_asked(f);
    assert_string_equal(q->package, "reg");
    assert_int_equal(q->refusal, 0);
    assert_true(q->document->has_opaque);
    assert_true(str_equal(q->document->opaque.content_type, STR("text/plain; a=\"b c\"")));
    assert_true(str_equal(q->document->opaque.body, STR("broken")));
    assert_int_equal(q->document->device, DEVICE_INVALID);
    fixture_destroy(f);
    f = fixture_create(); /* of a type that its watchers would read */
    p.content_type = "text/xml";
    publish_send(f, &p);
    assert_int_equal(only_asked(f)->refusal, 400);
    fixture_destroy(f);
}

/* Who may publish for whom: 0 is that the store is asked. */
static void test_rights(void **state)
{
    static const struct {
        const char *from, *uri;
        unsigned status;
        const char *why;
    } cases[] = {
        { "alice@own", "sip:alice@own", 0, "" },
        { "alice@own", "sip:200@own", 0, "" }, /* one of its AORs */
        { "alice@own", "sip:group@own", 403, "its own state only" },
        { "alice@own", "sip:bob@own", 403, "its own state only" },
        { "alice@own", "sip:Alice@own", 403, "its own state only" },
        { "bob@own", "sip:bob@own", 0, "" },
        { "bob@own", "sip:alice@own", 403, "its own state only" },
        { "someone@guest.example", "sip:someone@own", 403, "" },
        { "alice@any", "sip:bob@any", 0, "" },
        { "alice@any", "sip:nobody@any", 0, "" },
        { "alice@none", "sip:alice@none", 403, "nobody may publish here" },
        { "bob@few", "sip:nobody@few", 0, "" },
        { "alice@few", "sip:alice@few", 403, "not among those" },
        { "bob@known", "sip:alice@known", 0, "" }, /* an endpoint */
        { "bob@known", "sip:group@known", 0, "" }, /* an AOR */
        { "bob@known", "sip:nobody@known", 404, "no such user" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create();
        struct publish p = changed(
            &(struct edit){ .uri = cases[i].uri, .from = cases[i].from, .event = "presence" });

        publish_send(f, &p);
        if (cases[i].status)
            expect_status(f, cases[i].status, cases[i].why);
        expect_nothing(f);
        assert_int_equal(f->n_asked, cases[i].status ? 0 : 1);
        fixture_destroy(f);
    }
}

/* From whom the store believes it to come. */
static void test_identity(void **state)
{
    static const struct {
        const char *from, *source, *want;
    } cases[] = {
        { "alice@any", "192.0.2.7:5062", "alice" },
        { "alice@any", "198.51.100.1:9", "alice" },
        { "x@guest.example", "192.0.2.7:5062", "anonymous@guest.example 192.0.2.7" },
        { "x@guest.example", "192.0.2.7:1", "anonymous@guest.example 192.0.2.7" },
        { "x@guest.example", "[2001:db8::1]:5060", "anonymous@guest.example [2001:db8::1]" },
        { "x@elsewhere", "192.0.2.8:5062", "anonymous 192.0.2.8" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create();
        struct publish p = changed(&(struct edit){ .from = cases[i].from });

        f->from.remote = fixture_addr(cases[i].source);
        publish_send(f, &p);
        assert_string_equal(only_asked(f)->publisher, cases[i].want);
        fixture_destroy(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_here),
        cmocka_unit_test(test_nothing_to_allow),
        cmocka_unit_test(test_refused_by_store),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_user_options),
        cmocka_unit_test(test_expiry_and_body),
        cmocka_unit_test(test_opaque),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
