// SPDX-License-Identifier: MIT
/* What the edges are told of subscriptions. */
#include "event/notifier_fixture.h"

struct ear { /* what would be the edge thread */
    struct feed feed;
    struct inbox home;
    struct feed_consumer consumer;
    struct buf told;
};

/* "notify answered 200 InUse caused", without what differs from run to run. */
static void on_change(void *ctx, const struct change *c)
{
    struct ear *e = ctx;
    struct buf *b = &e->told;

    buf_printf(b, "%.*s ", STR_FMT(change_kind_name(c->kind)));
    if (c->kind == CHANGE_NOTIFY) {
        buf_printf(b, "%.*s %u %.*s by %.*s", STR_FMT(exchange_change_name(c->notify.what)),
                   c->notify.status, STR_FMT(extension_state_text(c->snapshot->state)),
                   STR_FMT(c->notify.watcher.endpoint));
        if (c->notify.caused)
            buf_add(b, STR(" caused"));
        if (c->notify.coalesced)
            buf_printf(b, " coalesced=%u", c->notify.coalesced);
        if (c->notify.last)
            buf_add(b, STR(" last"));
    } else {
        buf_printf(b, "%.*s %u %.*s", STR_FMT(subscription_change_name(c->subscription.what)),
                   c->subscription.status, STR_FMT(c->subscription.watcher.endpoint));
        if (c->subscription.why.n)
            buf_printf(b, ": %.*s", STR_FMT(c->subscription.why));
    }
    buf_add_char(b, '\n');
}

static void ear_init(struct ear *e, struct fixture *f)
{
    feed_init(&e->feed, f->log);
    inbox_init(&e->home, NULL, 1000, NULL, NULL);
    feed_open(&e->feed, &e->home);
    buf_init(&e->told, 1 << 16);
    e->consumer = (struct feed_consumer){ .kinds = CHANGE_ALL, .each = on_change, .ctx = e };
    feed_subscribe(&e->feed, &e->consumer);
    feed_writer_init(&f->changes, &e->feed, &f->clock, false);
}

static void ear_fini(struct ear *e, struct fixture *f)
{
    fixture_destroy(f);
    inbox_fini(&e->home);
    buf_fini(&e->told);
}

static void assert_told(struct ear *e, struct fixture *f, const char *expected)
{
    feed_flush(&f->changes);
    while (inbox_run(&e->home, 100))
        ;
    buf_add_char(&e->told, '\0');
    assert_int_equal(e->told.error, 0);
    assert_string_equal(e->told.p, expected);
    buf_reset(&e->told);
}

/* With a subscription that has been told. */
static struct fixture *begin(struct ear *e, struct sub *s, char tag[64])
{
    struct fixture *f = fixture_create(NULL);

    ear_init(e, f);
    fixture_state(f, "100", EXTENSION_IDLE);
    establish(f, s, tag);
    assert_told(e, f,
                "subscription accepted 200 alice\n"
                "notify sent 0 Idle by alice\n"
                "notify answered 200 Idle by alice\n");
    return f;
}

static void test_life(void **state)
{
    struct sub s = sub_plain("c1");
    struct ear e;
    char tag[64];
    struct fixture *f = begin(&e, &s, tag);

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    fixture_state(f, "100", EXTENSION_RINGING);
    fixture_state(f, "100", EXTENSION_IDLE);
    fixture_state(f, "100", EXTENSION_RINGING);
    f->seen++;
    answer_last(f, 200);
    f->seen++;
    answer_last(f, 200);
    assert_told(&e, f,
                "notify sent 0 InUse by alice caused\n"
                "notify answered 200 InUse by alice caused\n"
                "notify sent 0 Ringing by alice caused coalesced=2\n"
                "notify answered 200 Ringing by alice caused\n");
    sub_send(f, &s);
    expect_status(f, 200);
    f->seen++;
    answer_last(f, 200);
    assert_told(&e, f,
                "subscription refreshed 200 alice\n"
                "notify sent 0 Ringing by alice\n"
                "notify answered 200 Ringing by alice\n");
    s.expires = "0";
    s.cseq++;
    sub_send(f, &s);
    expect_status(f, 200);
    f->seen++;
    answer_last(f, 200);
    assert_told(&e, f,
                "subscription ended 0 alice: timeout\n"
                "notify sent 0 Ringing by alice last\n"
                "notify answered 200 Ringing by alice last\n");
    ear_fini(&e, f);
}

static void test_refused(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("c1");
    struct ear e;

    (void)state;
    ear_init(&e, f);
    s.event = "toaster";
    sub_send(f, &s);
    expect_status(f, 489);
    s.event = "dialog";
    s.call_id = "c2";
    sub_send(f, &s);
    fixture_answer_questions(f, 1); /* there is no such hint */
    expect_status(f, 404);
    feed_flush(&f->changes);
    while (inbox_run(&e.home, 100))
        ;
    assert_true(str_starts(buf_str(&e.told),
                           STR("refusal refused 489 alice: this event package is not served\n"
                               "refusal refused 404 alice: ")));
    buf_reset(&e.told);
    ear_fini(&e, f);
}

#define LOCKED                                                                                  \
    FIXTURE_CONFIG "[locked]\ntype=endpoint\ncontext=users\nallow_subscribe=yes\nauth=locked\n" \
                   "[locked]\ntype=auth\nusername=locked\npassword=x\n"                         \
                   "[far]\ntype=endpoint\ncontext=users\ndeny=0.0.0.0/0\n"

static struct sub sub_of(const char *user, const char *call_id)
{
    struct sub s = sub_plain(call_id);

    s.user = user;
    return s;
}

/* Those that never come to the notifier: whose credentials are none, who is nobody here, or not by
 * this address. */
static void test_refused_before(void **state)
{
    struct fixture *f = fixture_create(LOCKED);
    struct sub locked = sub_of("locked", "c1"), far = sub_of("far", "c2"),
               nobody = sub_of("nobody", "c3");
    struct ear e;

    (void)state;
    ear_init(&e, f);
    sub_send(f, &far);
    expect_status(f, 401); /* where some have credentials a stranger is asked for his */
    sub_send(f, &nobody);
    expect_status(f, 401);
    assert_told(&e, f, "refusal refused 401 far: the endpoint does not permit this address\n");
    sub_send(f, &locked);
    expect_status(f, 401);
    fixture_pass(f, 31000);
    assert_told(&e, f, "");
    fixture_pass(f, 2000); /* nobody comes back with a password, and of a stranger it is not told */
    assert_told(&e, f,
                "refusal refused 401 locked: it was asked for its password, and has not come back "
                "with one\n");
    locked.cseq++;
    locked.extra = "Authorization: Digest username=\"locked\", realm=\"asterisk\", nonce=\"0\"\r\n";
    sub_send(f, &locked);
    expect_status(f, 400);
    fixture_pass(f, 60000);
    assert_told(&e, f,
                "refusal refused 400 locked: Authorization lacks one of username, realm, nonce, "
                "uri, response\n");
    ear_fini(&e, f);
}

/* Most telephones know MD5 only, and say nothing of what they do not understand. */
static void test_unanswered_challenge_is_logged(void **state)
{
    struct fixture *f = fixture_create(LOCKED);
    struct sub locked = sub_of("locked", "c1");
    char text[2048];
    struct ear e;
    int ends[2];
    ssize_t n;

    (void)state;
    ear_init(&e, f);
    sub_send(f, &locked);
    expect_status(f, 401);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(dup2(ends[1], f->log_fd) >= 0);
    fixture_pass(f, 33000);
    n = read(ends[0], text, sizeof(text));
    assert_true(n > 0);
    assert_true(str_contains_nocase(
        (struct str){ text, (size_t)n },
        STR("subscribe.refused status=401 why=\"it was asked for its password, and "
            "has not come back with one\" endpoint=locked")));
    close(ends[0]);
    close(ends[1]);
    ear_fini(&e, f);
}

/* A challenge that is answered is nothing to tell, and one that nobody waits for leaves nothing. */
static void test_challenged(void **state)
{
    struct fixture *f = fixture_create(LOCKED);
    struct sub locked = sub_of("locked", "c1"), alice = sub_plain("c1");
    struct ear e;

    (void)state;
    ear_init(&e, f);
    sub_send(f, &locked);
    expect_status(f, 401);
    alice.event = "toaster"; /* comes to the notifier, with the same Call-ID */
    alice.cseq++;
    sub_send(f, &alice);
    expect_status(f, 489);
    fixture_pass(f, 60000);
    assert_told(&e, f, "refusal refused 489 alice: this event package is not served\n");
    locked.call_id = "c9";
    sub_send(f, &locked); /* and is under way at the end */
    ear_fini(&e, f);
}

/* Anybody can have himself refused, as often as he likes. */
static void test_flood_of_refusals(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_of("nobody", "c1");
    size_t told = 0;
    struct ear e;

    (void)state;
    ear_init(&e, f);
    e.consumer.kinds = CHANGE_BIT(CHANGE_REFUSAL);
    for (unsigned i = 0; i < 1000; i++) {
        s.cseq++;
        sub_send(f, &s);
        expect_status(f, 403);
    }
    assert_int_equal(atomic_load(&e.feed.lost), 800);
    fixture_pass(f, 60000);
    s.cseq++;
    sub_send(f, &s);
    assert_int_equal(atomic_load(&e.feed.lost), 800);
    feed_flush(&f->changes);
    while (inbox_run(&e.home, 100))
        ;
    for (size_t i = 0; i < e.told.n; i++)
        told += e.told.p[i] == '\n';
    assert_int_equal(told, 201);
    ear_fini(&e, f);
}

static void test_given_up(void **state)
{
    struct sub s = sub_plain("c1");
    struct ear e;
    char tag[64];
    struct fixture *f = begin(&e, &s, tag);

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    fixture_pass(f, 40000);
    assert_told(&e, f,
                "notify sent 0 InUse by alice caused\n"
                "notify unanswered 408 InUse by alice caused\n"
                "refusal given-up 0 alice: the subscriber does not answer\n");
    ear_fini(&e, f);
}

static void test_given_up_by_answer(void **state)
{
    struct sub s = sub_plain("c1");
    struct ear e;
    char tag[64];
    struct fixture *f = begin(&e, &s, tag);

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    (void)fixture_next(f);
    answer_last(f, 489);
    assert_told(&e, f,
                "notify sent 0 InUse by alice caused\n"
                "notify answered 489 InUse by alice caused\n"
                "refusal given-up 0 alice: the subscriber refuses NOTIFY with 489\n");
    ear_fini(&e, f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_before),
        cmocka_unit_test(test_unanswered_challenge_is_logged),
        cmocka_unit_test(test_challenged),
        cmocka_unit_test(test_flood_of_refusals),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_given_up_by_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
