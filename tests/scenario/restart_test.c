// SPDX-License-Identifier: MIT
/* What was accepted is there after a restart, whatever it is spelt like: peers ask for
 * subscriptions, publications and registrations in odd but legal spellings, put together at random,
 * and sources say things of odd names; then everything that there is, is there again. */
#include "scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xml/xml.h"

enum { WORLDS = 40, STEPS = 30, MANY = 4096, LINE_MAX_LEN = 2048 };

static const char pjsip[] =
    "[udp]\ntype=transport\nbind=192.0.2.1:5060\n"
    "[alice]\ntype=endpoint\ncontext=office\naors=alice\nrewrite_contact=yes\n"
    "[alice]\ntype=aor\nmax_contacts=10\nremove_existing=yes\nsupport_path=yes\n"
    "[bob]\ntype=endpoint\ncontext=office\naors=bob\n"
    "[bob]\ntype=aor\nmax_contacts=10\nremove_existing=yes\nsupport_path=yes\n"
    "[esc]\ntype=outbound-publish\nserver_uri=sip:esc@192.0.2.13\nevent=dialog\nmulti_user=yes\n"
    "@body=application/dialog-info+xml\n@exten=^1000$\n";
static const char extensions[] = "[office]\nexten => 1000,hint,Custom:1000,CustomPresence:1000\n"
                                 "exten => alice,hint,PJSIP/alice\n";
static const char extstate[] =
    "[compositor]\ndomains=192.0.2.1\ncontext=office\npublish=any\nopaque=x-test\n"
    "[registrar]\nenabled=yes\n";

struct choices {
    const char *const *list;
    size_t n;
};
#define CHOICES(...)                                                      \
    {                                                                     \
        (const char *const[]){ __VA_ARGS__ },                             \
            sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *) \
    }

/* ---- spellings ---- */

static const struct choices displays =
    CHOICES("", "", "A ", "A\r\n B ", "\"a\r\n z\" ", "\"a\\\x01z\" ", "\"\\\"\\\\\" ",
            "\"\xc3\xa9\\\x7f\" ", "\t\"x\ty\"\t", "\"\xff\" ", "\"<\\>&'\" ");
static const struct choices agents =
    CHOICES("", "User-Agent: Phone\r\n 1.0\r\n", "User-Agent: \"a\\\x01z\"\r\n",
            "User-Agent: (\x7f\xff)\t\r\n", "User-Agent: \t(a\r\n\tb (c)) \r\n",
            "User-Agent:\r\n x\r\n", "user-agent : \xe2\x82\xac/1\r\n");
static const struct choices uris =
    CHOICES("sip:%s@192.0.2.%u", "sip:%s@192.0.2.%u:5062;x=%%01;y", "SIP:%s:pw@192.0.2.%u",
            "sip:%s%%00@192.0.2.%u", "sip:%s%%0d%%0a@192.0.2.%u;transport=udp",
            "sips:%s@192.0.2.%u", "sip:%s;a=%%40;phone-context=+1@192.0.2.%u:5070",
            "sip:%s@[2001:db8::%u]:5060;ob", "sip:&=+$,;?/%s@192.0.2.%u");
static const struct choices params =
    CHOICES("", "", ";q=0.5", ";x=\"\\\x01\"", "\r\n ;expires=500", ";x = \"a\r\n b\"",
            ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\";reg-id=1",
            ";\xc3\xa9=1", " ; methods=\"NOTIFY, MESSAGE\"");
static const struct choices paths =
    CHOICES("", "", "Supported: path\r\nPath: <sip:p1;lr>\r\n , <sip:p2;lr>;x=\"\\\\\\\"\"\r\n",
            "Supported: path\r\nPath: \"a,b\" <sip:p%00@p1;lr>\r\nPath:\t<sip:p2;lr;x=%0a>\r\n",
            "Supported: path\r\nPath: <sip:p1;lr>;x=\"\\\x01\"\r\n");
static const struct choices routes =
    CHOICES("", "", "Record-Route: <sip:192.0.2.9;lr>\r\n ,<sip:192.0.2.8;lr>;x=\"\\\x01\"\r\n",
            "Record-Route: \"a\r\n b\" <sip:192.0.2.9;lr;x=%00>\r\n");
static const struct choices call_ids =
    CHOICES("c%u@h", "<\"?>{}[]\\`~%u", "%u.!%%*_+'", "%u@(x):/");
static const struct choices dialogs = CHOICES("dialog", "dialog\r\n ;id=5", "dialog; id\r\n = 6",
                                              "dialog;id=7;x=\"\\\x01\"", "dialog;x=\"a\r\n b\"");
static const struct choices presences =
    CHOICES("presence", "presence\r\n ;x=1", "presence;x=\"\\\x01\"", "presence ;\tx");
static const struct choices opaques = CHOICES("x-test", "x-test;x=\"a\r\n b\"", "x-test\r\n ;y");
static const struct choices resources =
    CHOICES("1000", "10%%3000", "2000", "%%c3%%a9", "a%%20b", "a%%09b", "a%%00b", "%%22%%5c",
            "2000;x=1", "%%7f", "a.b-c_d!", "%%e9");
static const struct choices types = CHOICES("text/plain", "text/plain;charset=\"u\\\x01\"",
                                            "Text/X-Y\r\n ;a=b", "application/octet-stream");
static const struct choices notes =
    CHOICES("n", "&#9;a&#10;&#13;", "\xc3\xa9&lt;&amp;&quot;", "]]&gt;", " ", "&#x7f;&#x85;");
static const struct choices names =
    CHOICES("Custom:a", " custom:b ", "Custom:a b", "Custom:\xff\x7f", "Custom:a\tb", "Custom:a\nb",
            "Custom:\"'\\", "PJSIP/a&b,c", "Custom:a@b", "Custom:");
static const struct choices sources = CHOICES("ctl", "a b", "pbx:\t1", "\xff", "a\nb");

static const char *choose(struct rng *rng, const struct choices *c)
{
    return c->list[rng_below(rng, (uint32_t)c->n)];
}

/* A format is filled in with what it has room for; the compiler cannot know. */
static void fill(struct buf *b, const char *format, const char *text, unsigned number)
{
    for (; *format; format++) {
        if (*format != '%') {
            buf_add_char(b, *format);
            continue;
        }
        format++;
        if (*format == 's')
            buf_add(b, str_of(text));
        else if (*format == 'u')
            buf_add_u64(b, number);
        else
            buf_add_char(b, *format);
    }
}

/* ---- asking ---- */

struct asking {
    struct world *w;
    struct rng *rng;
    unsigned n; /* the request's number */
    const char *user;
    struct buf b;
};

static void add(struct asking *a, const struct choices *c, const char *text)
{
    fill(&a->b, choose(a->rng, c), text, a->n);
}

static void begin(struct asking *a, const char *method, const struct choices *user)
{
    buf_reset(&a->b);
    buf_printf(&a->b, "%s sip:", method);
    if (user) {
        add(a, user, "");
        buf_add_char(&a->b, '@');
    }
    buf_printf(&a->b, "192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;rport;branch=z9hG4bKr%u",
               a->n);
    buf_add(&a->b, STR("\r\nMax-Forwards: 70\r\nFrom: "));
    add(a, &displays, "");
    buf_printf(&a->b, "<sip:%s@192.0.2.1", a->user);
    buf_add(&a->b, str_of(rng_below(a->rng, 2) ? ";x=%01>;x=\"\\\x01\"" : ">\r\n "));
    buf_printf(&a->b, ";tag=t%u!%%*_+`'~\r\nTo: ", a->n);
    add(a, &displays, "");
    buf_printf(&a->b, "<sip:%s@192.0.2.1>\r\nCSeq: %u %s\r\nCall-ID: ", a->user, a->n, method);
    add(a, &call_ids, "");
    buf_add(&a->b, STR("\r\n"));
    add(a, &agents, "");
}

static void add_contact(struct asking *a)
{
    buf_add(&a->b, STR("Contact: "));
    add(a, &displays, "");
    buf_add_char(&a->b, '<');
    add(a, &uris, a->user);
    buf_add_char(&a->b, '>');
    add(a, &params, "");
    buf_add(&a->b, STR("\r\n"));
}

static void ask(struct asking *a, struct str body)
{
    struct addr from;

    buf_printf(&a->b, "Content-Length: %zu\r\n\r\n", body.n);
    buf_add(&a->b, body);
    assert_int_equal(a->b.error, 0);
    assert_int_equal(addr_parse(&from, STR("192.0.2.10"), 5060), 0);
    world_receive(a->w, &from, buf_str(&a->b));
}

static void subscribe(struct asking *a)
{
    bool dialog = rng_below(a->rng, 2);

    begin(a, "SUBSCRIBE", &resources);
    buf_add(&a->b, STR("Event: "));
    add(a, dialog ? &dialogs : &presences, "");
    buf_add(&a->b, STR("\r\nExpires: 3600\r\n"));
    add_contact(a);
    add(a, &routes, "");
    ask(a, STR_EMPTY);
}

static void publish(struct asking *a)
{
    static const char opaque[] = "a\0b\r\n\xff";
    bool state = rng_below(a->rng, 2);
    struct buf body;

    begin(a, "PUBLISH", &resources);
    buf_add(&a->b, STR("Event: "));
    add(a, state ? &presences : &opaques, "");
    buf_add(&a->b, STR("\r\nExpires: 3600\r\nContent-Type: "));
    buf_init(&body, 4096);
    if (state) {
        buf_add(&a->b, STR("application/pidf+xml"));
        buf_printf(&body,
                   "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:x@y'><tuple id='t%u'>"
                   "<status><basic>open</basic></status><note>%s</note></tuple></presence>",
                   a->n, choose(a->rng, &notes));
    } else {
        add(a, &types, "");
        buf_add(&body, (struct str){ opaque, sizeof(opaque) - 1 });
    }
    buf_add(&a->b, STR("\r\n"));
    ask(a, buf_str(&body));
    buf_fini(&body);
}

static void do_register(struct asking *a)
{
    begin(a, "REGISTER", NULL);
    add_contact(a);
    add(a, &paths, "");
    ask(a, STR_EMPTY);
}

static void say(struct asking *a)
{
    struct world *w = a->w;
    const struct str source = str_of(choose(a->rng, &sources)),
                     name = str_of(choose(a->rng, &names)), text = str_of(choose(a->rng, &notes));

    (void)!state_device_set(w->state.core, source, name,
                            (enum device_state)rng_below(a->rng, DEVICE_STATES));
    (void)!mailbox_set(w->state.mailboxes, source, name, a->n, 1);
    (void)!state_presence_report(w->state.core, &(struct presence_report){ .provider = name,
                                                                           .source = source,
                                                                           .state = PRESENCE_AWAY,
                                                                           .subtype = text,
                                                                           .message = source });
    world_settle(w);
}

static void ask_something(struct asking *a)
{
    static void (*const kinds[])(struct asking * a) = { subscribe, publish, do_register, say };

    a->n++;
    a->user = rng_below(a->rng, 2) ? "alice" : "bob";
    kinds[rng_below(a->rng, ARRAY_LEN(kinds))](a);
}

/* ---- what there is ---- */

struct there {
    struct str lines[MANY];
    size_t n;
};

/* The parts of one line. */
static void note(void *ctx, const struct str *parts, size_t n)
{
    struct there *t = ctx;
    struct buf b;

    assert_true(t->n < MANY);
    buf_init(&b, LINE_MAX_LEN);
    for (size_t i = 0; i < n; i++) {
        buf_add(&b, parts[i]);
        buf_add_char(&b, '|');
    }
    assert_int_equal(b.error, 0);
    assert_int_equal(str_dup(&t->lines[t->n++], buf_str(&b)), 0);
    buf_fini(&b);
}
#define NOTE(ctx, ...)                             \
    note(ctx, (const struct str[]){ __VA_ARGS__ }, \
         sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str))

static void note_subscription(void *ctx, const struct subscription_view *v)
{
    NOTE(ctx, STR("subscription"), v->endpoint, v->callerid_name, v->callerid_number, v->call_id,
         v->resource, v->context, v->package, v->event_id, v->content_type, v->user_agent,
         v->remote_uri, v->local_tag, v->remote_tag, v->contact);
}

static void note_publication(void *ctx, const struct inbound_publication_view *v)
{
    NOTE(ctx, STR("publication"), v->package, v->context, v->extension, v->publisher, v->etag,
         v->content_type, v->call_id);
}

static void note_contact(void *ctx, const struct contact_view *v)
{
    const struct contact *c = v->contact;

    NOTE(ctx, STR("contact"), c->aor, c->uri, c->target, c->route, c->endpoint, c->user_agent,
         c->call_id);
}

static void note_mailbox(void *ctx, const struct mailbox_view *v)
{
    NOTE(ctx, STR("mailbox"), v->mailbox, v->source);
}

static void note_device(void *ctx, const struct state_device_view *v)
{
    for (size_t i = 0; i < v->n_sources; i++)
        NOTE(ctx, STR("device"), v->device, v->sources[i].source,
             device_state_name(v->sources[i].state));
}

static void note_presence(void *ctx, const struct state_presence_view *v)
{
    if (v->state != PRESENCE_NOT_SET)
        NOTE(ctx, STR("presence"), v->provider, v->source, v->subtype, v->message);
}

static int by_bytes(const void *x, const void *y)
{
    return str_compare(*(const struct str *)x, *(const struct str *)y);
}

static struct there *look(const struct world *w)
{
    struct there *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    notifier_each(w->engine.notifier, note_subscription, t);
    publication_store_each(w->state.publications, note_publication, t);
    contacts_each(w->state.contacts, note_contact, t);
    mailboxes_each(w->state.mailboxes, note_mailbox, t);
    state_devices_each(w->state.core, note_device, t);
    state_presences_each(w->state.core, note_presence, t);
    qsort(t->lines, t->n, sizeof(t->lines[0]), by_bytes);
    return t;
}

static void forget(struct there *t)
{
    while (t->n)
        str_free(&t->lines[--t->n]);
    free(t);
}

/* ---- the test ---- */

static void start(struct world *w)
{
    char room[4096];
    struct buf problems;

    buf_init_on(&problems, room, sizeof(room));
    if (world_start(w, &problems) || world_restore(w) || problems.n)
        fail_msg("%.*s", STR_FMT(buf_str(&problems)));
}

static struct world *world_create(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    world_init(w, seed, false);
    w->store = STORE_WORKS;
    w->files[0].name = STR("pjsip.conf");
    w->files[0].text = str_of(pjsip);
    w->files[1].name = STR("extensions.conf");
    w->files[1].text = str_of(extensions);
    w->files[2].name = STR("extstate.conf");
    w->files[2].text = str_of(extstate);
    w->n_files = 3;
    start(w);
    return w;
}

static void compare(const struct there *before, const struct there *after)
{
    for (size_t i = 0; i < before->n || i < after->n; i++) {
        struct str b = i < before->n ? before->lines[i] : STR_EMPTY,
                   a = i < after->n ? after->lines[i] : STR_EMPTY;

        if (!str_equal(a, b))
            fail_msg("before: %.*s\nafter: %.*s", STR_FMT(b), STR_FMT(a));
    }
}

/* Of each kind there are some, or nothing would be tested. */
static void count(size_t seen[static 6], const struct there *t)
{
    static const char *const kinds[] = { "contact|",  "device|",      "mailbox|",
                                         "presence|", "publication|", "subscription|" };

    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            seen[k] += str_starts(t->lines[i], str_of(kinds[k]));
}

static void test_odd_spellings(void **state)
{
    size_t seen[6] = { 0 };

    (void)state;
    for (uint64_t seed = 0; seed < WORLDS; seed++) {
        struct world *w = world_create(seed);
        struct rng rng;
        struct asking a = { .w = w, .rng = &rng };
        struct there *before, *after;

        rng_init_seeded(&rng, seed);
        buf_init(&a.b, SIP_MESSAGE_MAX);
        for (unsigned i = 0; i < STEPS; i++)
            ask_something(&a);
        before = look(w);
        world_kill(w, rng_below(&rng, 2));
        start(w);
        after = look(w);
        count(seen, before);
        compare(before, after);
        forget(before);
        forget(after);
        buf_fini(&a.b);
        world_fini(w);
        free(w);
    }
    for (size_t k = 0; k < ARRAY_LEN(seen); k++)
        assert_true(seen[k] > WORLDS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_spellings),
    };

    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
