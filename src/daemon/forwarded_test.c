// SPDX-License-Identifier: MIT
/* What waits for a worker that others hand datagrams to: so much and no more. */
#include "daemon/threads.h"
#include "txn/txn_fixture.h"

enum { INBOX_HIGH = 16, REQUESTS = 256, ANSWERS = 4096 };

struct pair { /* `poster` receives, and `w` is who it is for */
    struct fixture *f;
    struct worker w, poster;
};

static void setup(struct pair *p)
{
    *p = (struct pair){ .f = fixture_create(0, 1000) };
    p->f->answer = 200;
    p->w.engine.txn = p->f->txn;
    inbox_init(&p->w.loop.inbox, &p->w, INBOX_HIGH, NULL, NULL);
}

static void teardown(struct pair *p)
{
    inbox_fini(&p->w.loop.inbox);
    assert_int_equal(p->w.requests.n + p->w.requests.bytes, 0);
    assert_int_equal(p->w.answers.n + p->w.answers.bytes, 0);
    fixture_destroy(p->f);
}

static int post(struct pair *p, struct str text)
{
    return worker_post_datagram(&p->w, &p->poster, &p->f->from, text);
}

/* How many of them are taken. */
static size_t post_all(struct pair *p, struct str text)
{
    size_t n = 0;
    int r;

    while ((r = post(p, text)) == 0)
        n++;
    assert_int_equal(r, -EAGAIN);
    return n;
}

static void test_count(void **state)
{
    struct str answer = STR("SIP/2.0 200 OK\r\n\r\n");
    struct ask a = ask_plain();
    char text[2048];
    struct pair p;

    (void)state;
    setup(&p);
    ask_print(text, sizeof(text), &a);
    assert_int_equal(post_all(&p, str_of(text)), REQUESTS);
    assert_int_equal(post_all(&p, answer), ANSWERS);
    p.f->from.connection = 7; /* nobody repeats these */
    assert_int_equal(post(&p, str_of(text)), -EAGAIN);
    assert_int_equal(post_all(&p, answer), ANSWERS);

    assert_int_equal(inbox_run(&p.w.loop.inbox, 1), 1);
    p.f->from.connection = 0;
    assert_int_equal(post_all(&p, str_of(text)), 1);
    assert_int_equal(post(&p, answer), -EAGAIN);
    assert_int_equal(inbox_run(&p.w.loop.inbox, SIZE_MAX), REQUESTS + 2 * ANSWERS);
    assert_int_equal(p.f->handled, 1); /* the others are repetitions */
    assert_int_equal(post_all(&p, str_of(text)), REQUESTS);
    teardown(&p);
}

static void test_bytes(void **state)
{
    enum { LARGE = 60000 };
    char *text = calloc(1, LARGE);
    struct pair p;

    (void)state;
    assert_non_null(text);
    setup(&p);
    assert_int_equal(post_all(&p, (struct str){ text, LARGE }), (1 << 20) / LARGE);
    assert_int_equal(post(&p, STR("x")), 0);
    memcpy(text, "SIP/", 4);
    assert_int_equal(post_all(&p, (struct str){ text, LARGE }), (4 << 20) / LARGE);
    teardown(&p);
    free(text);
}

/* For as long as the processor's clock can tell. */
static void on_request(void *ctx, struct server_txn *st, const struct sip_message *msg,
                       const struct flow *from)
{
    uint64_t begun_ns = clock_thread_ns();

    while (clock_thread_ns() == begun_ns)
        ;
    fixture_request(ctx, st, msg, from);
}

/* Who receives it is charged with a request by UDP, and with nothing else. */
static void test_charged(void **state)
{
    struct ask a = ask_plain();
    char text[2048];
    struct pair p;

    (void)state;
    setup(&p);
    p.f->txn->cfg.request = on_request;
    ask_print(text, sizeof(text), &a);
    assert_int_equal(post(&p, STR("SIP/2.0 200 OK\r\n\r\n")), 0);
    p.f->from.connection = 7;
    assert_int_equal(post(&p, str_of(text)), 0);
    p.f->from.connection = 0;
    assert_true(worker_post_backlog(&p.w, &p.f->from, str_of(text)));
    assert_int_equal(inbox_run(&p.w.loop.inbox, SIZE_MAX), 3);
    assert_int_equal(p.f->handled, 2);
    assert_int_equal(p.poster.elsewhere_ns, 0);
    a.cseq = 2;
    ask_print(text, sizeof(text), &a);
    assert_int_equal(post(&p, str_of(text)), 0);
    assert_int_equal(inbox_run(&p.w.loop.inbox, SIZE_MAX), 1);
    assert_true(p.poster.elsewhere_ns > 0);
    assert_int_equal(p.w.elsewhere_ns, 0);
    teardown(&p);
}

/* One that goes away drops what it has not run. */
static void test_closed(void **state)
{
    struct pair p;

    (void)state;
    setup(&p);
    assert_int_equal(post(&p, STR("x")), 0);
    inbox_close(&p.w.loop.inbox);
    assert_int_equal(post(&p, STR("x")), 0);
    assert_int_equal(p.w.requests.n, 0);
    teardown(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_charged),
        cmocka_unit_test(test_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
