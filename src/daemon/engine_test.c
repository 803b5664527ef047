// SPDX-License-Identifier: MIT
/* The orderly end, with a state thread that takes its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#include "daemon/engine.h"
#include "txn/settings_fixture.h"
#include "xml/xml.h"

struct bench {
    uint64_t now_ms;
    struct clock clock;
    struct wheel wheel;
    struct rng rng;
    struct body_registry *bodies;
    struct nonces *nonces;
    struct settings *settings;
    struct engine engine;
    struct flow flow;
    unsigned n_asked, n_sent;
    uint64_t cookie; /* of the last question to the store */
    char sent[2048]; /* the last message */
};

static uint64_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now_ms;
}

static int bench_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct bench *b = ctx;

    (void)to;
    b->n_sent++;
    (void)snprintf(b->sent, sizeof(b->sent), "%.*s", STR_FMT(bytes));
    return 0;
}

static int bench_apply(void *ctx, const struct publication_request *rq, uint64_t cookie)
{
    struct bench *b = ctx;

    assert_true(str_equal(rq->extension, STR("1000")));
    b->n_asked++;
    b->cookie = cookie;
    return 0;
}

static void bench_init(struct bench *b)
{
    *b = (struct bench){ .now_ms = 1000000 };
    b->clock = (struct clock){ bench_now, bench_now, b };
    rng_init_seeded(&b->rng, 1);
    wheel_init(&b->wheel, b->now_ms);
    b->wheel.clock = &b->clock;
    xml_init();
    assert_int_equal(body_registry_create(&b->bodies, NULL, NULL), 0);
    b->settings = settings_fixture_with("[udp]\ntype=transport\nbind=192.0.2.1:5060\n"
                                        "[pbx]\ntype=endpoint\n",
                                        "[compositor]\npublish=any\n");
    assert_int_equal(addr_parse(&b->flow.local, STR("192.0.2.1"), 5060), 0);
    assert_int_equal(addr_parse(&b->flow.remote, STR("192.0.2.7"), 5060), 0);
    assert_int_equal(nonces_create(&b->nonces, &(struct nonces_config){ .clock = &b->clock }), 0);
    assert_int_equal(
        engine_init(&b->engine, &(struct engine_config){ .wheel = &b->wheel,
                                                         .clock = &b->clock,
                                                         .rng = &b->rng,
                                                         .bodies = b->bodies,
                                                         .settings = b->settings,
                                                         .nonces = b->nonces,
                                                         .workers = 1,
                                                         .max_server_bytes = 1 << 20,
                                                         .txn = { .ctx = b, .send = bench_send },
                                                         .compositor = { b, bench_apply } }),
        0);
}

static void bench_fini(struct bench *b)
{
    engine_fini(&b->engine);
    nonces_destroy(b->nonces);
    wheel_fini(&b->wheel);
    settings_unref(b->settings);
    body_registry_unref(b->bodies);
}

static void publish(struct bench *b, unsigned nth)
{
    char message[1024];
    static const char body[] = "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" "
                               "version=\"0\" state=\"full\" entity=\"sip:1000@x\"/>";

    (void)snprintf(message, sizeof(message),
                   "PUBLISH sip:1000@x SIP/2.0\r\n"
                   "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK%u\r\n"
                   "From: <sip:pbx@x>;tag=1\r\nTo: <sip:1000@x>\r\nCall-ID: %u\r\n"
                   "CSeq: 1 PUBLISH\r\nEvent: dialog\r\n"
                   "Content-Type: application/dialog-info+xml\r\nContent-Length: %zu\r\n\r\n%s",
                   nth, nth, strlen(body), body);
    engine_receive(&b->engine, &b->flow, str_of(message));
}

/* What the store was asked before the end began is answered as it was done. */
static void test_stop_while_publishing(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    publish(&b, 1);
    assert_int_equal(b.n_asked, 1);
    engine_stop(&b.engine);
    assert_int_equal(engine_busy(&b.engine), 1);
    assert_int_equal(b.n_sent, 0);
    publish(&b, 2);
    assert_int_equal(b.n_asked, 1);
    assert_non_null(strstr(b.sent, "SIP/2.0 503 "));
    compositor_answer(b.engine.compositor, b.cookie, 0,
                      &(struct publication_answer){ .etag = STR("tag") });
    assert_int_equal(b.n_sent, 2);
    assert_non_null(strstr(b.sent, "SIP/2.0 200 OK"));
    assert_non_null(strstr(b.sent, "SIP-ETag: tag\r\n"));
    assert_int_equal(engine_busy(&b.engine), 0);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_while_publishing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
