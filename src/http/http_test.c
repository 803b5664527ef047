// SPDX-License-Identifier: MIT
#include "config/settings_testing.h"
#include "http/http_testing.h"

struct fixture {
    uv_loop_t loop;
    uint64_t now_ms;
    struct clock clock;
    struct http http;
    struct loaded loaded;
};

static uint64_t now(void *ctx)
{
    return ((struct fixture *)ctx)->now_ms;
}

static int is_busy(void *ctx, struct ctl_job *job)
{
    (void)ctx;
    (void)job;
    return -EAGAIN;
}

static void on_ready(struct exchange *x)
{
    (void)x;
}

#define CONF                                     \
    "[http]\nenabled=yes\nhosts=lamps.example\n" \
    "token=desk, write, desk-0123456789abcdef\n" \
    "token=wall, read, wall-0123456789abcdef\n"

static struct fixture *fixture_create(const char *conf)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->loaded = load(UDP, conf);
    f->clock = (struct clock){ now, now, f };
    uv_loop_init(&f->loop);
    assert_int_equal(
        http_init(&f->http,
                  &(struct http_config){ .loop = &f->loop,
                                         .clock = &f->clock,
                                         .settings = f->loaded.s,
                                         .port = { .on_state = is_busy, .on_workers = is_busy } }),
        0);
    return f;
}

static void fixture_destroy(struct fixture *f)
{
    http_fini(&f->http);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    unload(&f->loaded);
    free(f);
}

/* The answer, which the caller destroys. */
static struct exchange *ask(struct fixture *f, const char *peer, const char *text)
{
    struct exchange *x = exchange_create(&f->http, on_ready, NULL);

    assert_non_null(x);
    assert_int_equal(addr_parse(&x->rq.peer, str_of(peer), 5), 0);
    http_testing_read(x, str_of(text));
    exchange_begin(x);
    exchange_go(x);
    assert_true(x->answered);
    return x;
}

static unsigned status_of(struct fixture *f, const char *peer, const char *text)
{
    struct exchange *x = ask(f, peer, text);
    unsigned status = x->status;

    exchange_destroy(x);
    return status;
}

/* What is let through finds the other threads busy: 503. */
static void test_who_may_what(void **state)
{
    static const struct {
        const char *peer, *text;
        unsigned status;
    } cases[] = {
        { "127.0.0.1", "GET /v1/hints\nhost:127.0.0.1:8088\n\n", 503 },
        { "127.0.0.1", "GET /v1/hints\nhost:localhost\n\n", 503 },
        { "127.0.0.1", "GET /v1/hints\nhost:LAMPS.example:80\n\n", 503 },
        { "::1", "GET /v1/hints\nhost:[::1]:8088\n\n", 503 },
        { "127.0.0.1", "GET /v1/hints\nhost:evil.example\n\n", 401 },
        { "127.0.0.1", "GET /v1/hints\n\n", 401 },
        { "192.0.2.1", "GET /v1/hints\nhost:127.0.0.1\n\n", 401 },
        { "192.0.2.1", "GET /v1/hints\nauthorization: Bearer wall-0123456789abcdef\n\n", 503 },
        { "192.0.2.1", "GET /v1/hints\nauthorization: bearer  wall-0123456789abcdef \n\n", 503 },
        { "192.0.2.1", "GET /v1/hints\nauthorization: Bearer wall-0123456789abcdee\n\n", 401 },
        { "192.0.2.1", "GET /v1/hints\nauthorization: Bearer\n\n", 401 },
        { "192.0.2.1", "GET /v1/hints\nauthorization: Digest a=b\n\n", 401 },
        { "192.0.2.1",
          "GET /v1/hints\nauthorization: Basic d2FsbDp3YWxsLTAxMjM0NTY3ODlhYmNkZWY=\n\n", 503 },
        { "192.0.2.1", "GET /v1/hints\nauthorization: Basic d2FsbDp3YWxs\n\n", 401 },
        { "192.0.2.1", "GET /v1/hints\nauthorization: Basic ====\n\n", 401 },
        { "192.0.2.1", "GET /ari/mailboxes\nquery: api_key=wall:wall-0123456789abcdef\n\n", 503 },
        { "192.0.2.1", "GET /v1/hints\nquery: api_key=wall:wall-0123456789abcdef\n\n", 401 },
        { "127.0.0.1",
          "PUT /v1/devices/a\nhost:127.0.0.1\ntype:application/json\n\n{\"state\":\"BUSY\"}", 401 },
        { "127.0.0.1", "PUT /v1/devices/a\nauthorization: Bearer wall-0123456789abcdef\n\n", 403 },
        { "127.0.0.1", "PUT /v1/devices/a\nauthorization: Bearer desk-0123456789abcdef\n\n", 503 },
        { "127.0.0.1", "GET /v1/hints\nhost:127.0.0.1\norigin:http://127.0.0.1\n\n", 503 },
        { "127.0.0.1", "GET /v1/hints\nhost:127.0.0.1\norigin:http://evil.example\n\n", 403 },
        { "127.0.0.1", "GET /v1/hints\nhost:127.0.0.1\norigin:null\n\n", 403 },
        { "127.0.0.1", "GET /health/live\n\n", 200 },
        { "127.0.0.1",
          "PUT "
          "/ari/deviceStates/"
          "Stasis:1\nquery:deviceState=ODD&api_key=desk:desk-0123456789abcdef\n\n",
          400 },
        { "127.0.0.1", "PATCH /v1/hints\n\n", 405 },
        { "127.0.0.1", "GET /v1/hints/\n\n", 404 },
        { "127.0.0.1", "\n", 404 },
    };
    struct fixture *f = fixture_create(CONF);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f->now_ms += 100000; /* so that wrong ones do not add up */
        assert_int_equal(status_of(f, cases[i].peer, cases[i].text), cases[i].status);
    }
    fixture_destroy(f);
}

static void test_asterisks_500(void **state)
{
    static const char put[] = "PUT /ari/deviceStates/Stasis:1\n"
                              "query:deviceState=ODD&api_key=desk:desk-0123456789abcdef\n\n";
    struct fixture *f = fixture_create(CONF "[compatibility]\nari_bad_state_is_500=yes\n");

    (void)state;
    assert_int_equal(status_of(f, "192.0.2.1", put), 500);
    fixture_destroy(f);
}

static void test_guessing_is_slow(void **state)
{
    static const char guess[] = "GET /v1/hints\nauthorization: Bearer guess-0123456789abcdef\n\n";
    static const char right[] = "GET /v1/hints\nauthorization: Bearer wall-0123456789abcdef\n\n";
    struct fixture *f = fixture_create(CONF);

    (void)state;
    f->now_ms = 1;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(status_of(f, "2001:db8::1", guess), 401);
    assert_int_equal(status_of(f, "2001:db8::2", right), 429); /* of the same network */
    assert_int_equal(status_of(f, "2001:db8:1::2", right), 503);
    for (unsigned i = 0; i < 2000; i++) { /* others take nobody's count away by what they are */
        char peer[40];

        snprintf(peer, sizeof(peer), "198.18.%u.%u", i / 256, i % 256);
        assert_int_equal(status_of(f, peer, right), 503);
    }
    assert_int_equal(status_of(f, "2001:db8::1", right), 429);
    f->now_ms += 60000;
    assert_int_equal(status_of(f, "2001:db8::1", right), 503);
    fixture_destroy(f);
}

static void test_sessions_end(void **state)
{
    static const char login[] = "POST /v1/session\ntype:application/json\n\n"
                                "{\"name\":\"desk\",\"secret\":\"desk-0123456789abcdef\"}";
    struct fixture *f = fixture_create(CONF "session_lifetime=60\n");
    const struct session *s;
    char text[300];

    (void)state;
    f->now_ms = 1;
    assert_int_equal(status_of(f, "192.0.2.1", login), 200);
    s = CONTAINER_OF(f->http.access.sessions.next, struct session, link);
    snprintf(text, sizeof(text), "GET /v1/hints\ncookie: x=y; extstate_session=%s\n\n", s->id);
    assert_int_equal(status_of(f, "192.0.2.1", text), 503);
    f->now_ms += 60000;
    assert_int_equal(status_of(f, "192.0.2.1", text), 401);
    assert_int_equal(f->http.access.n_sessions, 0);
    for (unsigned i = 0; i < HTTP_SESSIONS_OF_ONE + 5; i++)
        assert_int_equal(status_of(f, "192.0.2.1", login), 200);
    assert_int_equal(f->http.access.n_sessions, HTTP_SESSIONS_OF_ONE);
    s = CONTAINER_OF(f->http.access.sessions.prev, struct session, link);
    snprintf(text, sizeof(text),
             "POST /v1/session\ncookie: extstate_session=%s\ntype:application/json\n\n"
             "{\"name\":\"wall\",\"secret\":\"wall-0123456789abcdef\"}",
             s->id);
    assert_int_equal(status_of(f, "192.0.2.1", text), 200); /* instead of hers */
    assert_int_equal(f->http.access.n_sessions, HTTP_SESSIONS_OF_ONE);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_what),
        cmocka_unit_test(test_asterisks_500),
        cmocka_unit_test(test_guessing_is_slow),
        cmocka_unit_test(test_sessions_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
