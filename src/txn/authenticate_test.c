// SPDX-License-Identifier: MIT
#include "txn/authenticate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "txn/settings_fixture.h"

static const char conf[] = "[global]\ntype=global\ndefault_realm=office\n"
                           "[alice]\ntype=auth\nusername=alice\npassword=secret\n"
                           "[strong]\ntype=auth\nusername=bob\npassword=sec\\ret\nrealm=bank\n"
                           "supported_algorithms_uas=SHA-512-256,SHA-256\nnonce_lifetime=300\n"
                           "[mixed]\ntype=auth\nusername=carol\npassword=x\n"
                           "supported_algorithms_uas=SHA-256,MD5\n"
                           "[alice]\ntype=endpoint\nauth=alice\n"
                           "[both]\ntype=endpoint\nauth=alice,strong,mixed\n"
                           "[lost]\ntype=endpoint\nauth=gone\n"
                           "[half]\ntype=endpoint\nauth=gone,alice\n";

struct fixture {
    uint64_t now_ms;
    struct clock clock;
    struct rng rng;
    struct nonces *nonces;
    struct settings *settings;
    struct authenticator a;
    struct addr source;
    struct buf challenges;
};

static uint64_t now(void *ctx)
{
    return ((struct fixture *)ctx)->now_ms;
}

/* The references to auth sections that are not there are told. */
static struct settings *settings_with_gaps(void)
{
    struct settings_fixture_texts texts = { .pjsip_conf = conf };
    struct settings_source source = {
        .directory = STR("/nowhere"),
        .state_directory = STR("/nowhere"),
        .files = { .read = settings_fixture_open, .expand = settings_fixture_expand, .ctx = &texts }
    };
    struct settings *s = NULL;
    struct diag diag;

    diag_init(&diag);
    assert_int_equal(settings_read(&s, &source, &diag), 0);
    diag_fini(&diag);
    return s;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->clock = (struct clock){ now, now, f };
    rng_init_seeded(&f->rng, 1);
    assert_int_equal(nonces_create(&f->nonces, &(struct nonces_config){ .clock = &f->clock }), 0);
    f->settings = settings_with_gaps();
    authenticator_init(&f->a, f->nonces, &f->rng);
    authenticator_settings_set(&f->a, f->settings);
    assert_int_equal(addr_parse(&f->source, STR("192.0.2.7"), 5060), 0);
    buf_init(&f->challenges, 4096);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->challenges);
    settings_unref(f->settings);
    nonces_destroy(f->nonces);
    free(f);
    return 0;
}

static const struct endpoint_settings *endpoint(struct fixture *f, const char *id)
{
    const struct endpoint_settings *e = settings_endpoint(f->settings, str_of(id));

    assert_non_null(e);
    return e;
}

/* The challenges of a 401, each with its nonce as N. */
static void assert_challenges(struct fixture *f, const struct endpoint_settings *e, bool stale,
                              const char *want)
{
    char text[2048];
    struct buf out;
    struct str rest;

    buf_reset(&f->challenges);
    assert_int_equal(authenticate_print(&f->a, e, &f->source, stale, &f->challenges), 0);
    buf_init_on(&out, text, sizeof(text) - 1);
    for (rest = buf_str(&f->challenges); rest.n;) {
        size_t at = str_find_char(rest, ' '); /* before Digest, then before each parameter */

        buf_add(&out, str_sub(rest, 0, at + 1));
        rest = str_sub(rest, at + 1, rest.n);
        if (str_starts(rest, STR("nonce=\""))) {
            buf_add(&out, STR("nonce=\"N\""));
            rest = str_sub(rest, 8 + NONCE_LEN, rest.n);
        }
    }
    assert_int_equal(out.error, 0);
    text[out.n] = '\0';
    assert_string_equal(text, want);
}

struct answer { /* of a client that does everything right, unless it says otherwise */
    const char *user, *password, *realm, *algorithm, *nonce, *method, *nc, *rest;
};

static struct str nonce_of(struct fixture *f, size_t nth)
{
    struct str rest = buf_str(&f->challenges);

    for (;; nth--) {
        while (!str_starts(rest, STR("nonce=\""))) {
            assert_true(rest.n > 0);
            rest = str_sub(rest, 1, rest.n);
        }
        rest = str_sub(rest, 7, rest.n);
        if (!nth)
            return str_sub(rest, 0, NONCE_LEN);
    }
}

static int answer_print(struct fixture *f, char *out, size_t size, const struct answer *a,
                        size_t nth)
{
    struct digest_question q = { .nonce = a->nonce ? str_of(a->nonce) : nonce_of(f, nth),
                                 .method = str_of(a->method ? a->method : "SUBSCRIBE"),
                                 .uri = STR("sip:100@office"),
                                 .nc = str_of(a->nc ? a->nc : "00000001"),
                                 .cnonce = STR("c") };
    struct str realm = str_of(a->realm ? a->realm : "office");
    struct digest_hex a1, response;

    assert_int_equal(digest_algorithm_parse(&q.algorithm, str_of(a->algorithm)), 0);
    assert_int_equal(digest_a1(&a1, q.algorithm, str_of(a->user), realm, str_of(a->password)), 0);
    q.a1 = digest_hex_str(&a1);
    assert_int_equal(digest_response(&response, &q), 0);
    return snprintf(out, size,
                    "Authorization: Digest username=\"%s\", realm=\"%.*s\", nonce=\"%.*s\", "
                    "uri=\"sip:100@office\", response=\"%.*s\"%s%s%s%.*s%s\r\n",
                    a->user, STR_FMT(realm), STR_FMT(q.nonce), STR_FMT(digest_hex_str(&response)),
                    a->algorithm ? ", algorithm=" : "", a->algorithm ? a->algorithm : "",
                    q.nc.n ? ", qop=auth, cnonce=\"c\", nc=" : "", STR_FMT(q.nc),
                    a->rest ? a->rest : "");
}

static enum authentication ask(struct fixture *f, const struct endpoint_settings *e,
                               const char *method, const char *headers, const char **why)
{
    struct sip_message msg;
    char text[8192];

    *why = NULL;
    (void)snprintf(text, sizeof(text),
                   "%s sip:100@office SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
                   "From: <sip:alice@office>;tag=1\r\nTo: <sip:100@office>\r\nCall-ID: 1\r\n"
                   "CSeq: 1 %s\r\n%s\r\n",
                   method, method, headers);
    assert_int_equal(sip_message_parse(&msg, str_of(text), NULL), 0);
    return authenticate(&f->a, e, &msg, &f->source, why);
}

static enum authentication answer(struct fixture *f, const struct endpoint_settings *e,
                                  const struct answer *a, size_t nth)
{
    const char *why;
    char line[1024];

    assert_true(answer_print(f, line, sizeof(line), a, nth) < (int)sizeof(line));
    return ask(f, e, "SUBSCRIBE", line, &why);
}

static void challenge(struct fixture *f, const struct endpoint_settings *e)
{
    buf_reset(&f->challenges);
    assert_int_equal(authenticate_print(&f->a, e, &f->source, false, &f->challenges), 0);
}

#define CHALLENGE(realm, algorithm)                                                   \
    "WWW-Authenticate: Digest realm=\"" realm "\", nonce=\"N\", algorithm=" algorithm \
    ", qop=\"auth\""

/* As configured, the preferred one first; one that is there already is not repeated. */
static void test_challenges(void **state)
{
    struct fixture *f = *state;

    assert_challenges(f, endpoint(f, "alice"), false, CHALLENGE("office", "MD5") "\r\n");
    assert_challenges(f, endpoint(f, "alice"), true, CHALLENGE("office", "MD5") ", stale=true\r\n");
    assert_challenges(
        f, endpoint(f, "both"), false,
        CHALLENGE("office", "MD5") "\r\n" CHALLENGE("bank", "SHA-512-256") "\r\n" CHALLENGE(
            "bank", "SHA-256") "\r\n" CHALLENGE("office", "SHA-256") "\r\n");
    assert_challenges(f, NULL, false, CHALLENGE("office", "MD5") "\r\n");
}

static void test_answers(void **state)
{
    static const struct {
        const char *endpoint;
        size_t nth; /* challenge */
        struct answer answer;
        enum authentication want;
    } cases[] = {
        { "alice", 0, { "alice", "secret" }, AUTHENTICATION_PASSED },
        { "alice", 0, { "alice", "secret", .algorithm = "MD5" }, AUTHENTICATION_PASSED },
        { "alice", 0, { "alice", "secret", .algorithm = "md5" }, AUTHENTICATION_PASSED },
        { "alice", 0, { "alice", "secret", .nc = "1" }, AUTHENTICATION_PASSED },
        { "alice", 0, { "alice", "secret", .nc = "fffFFFff" }, AUTHENTICATION_PASSED },
        { "alice", 0, { "alice", "secret", .rest = ", opaque=\"\", x=y" }, AUTHENTICATION_PASSED },
        { "half", 0, { "alice", "secret" }, AUTHENTICATION_PASSED },
        /* RFC 2069 */
        { "alice", 0, { "alice", "secret", .nc = "" }, AUTHENTICATION_PASSED },
        { "alice",
          0,
          { "alice", "secret", .nc = "", .rest = ", nc=\"00000009\"" },
          AUTHENTICATION_PASSED },
        { "alice", 0, { "alice", "Secret" }, AUTHENTICATION_WRONG },
        { "alice", 0, { "alicia", "secret" }, AUTHENTICATION_WRONG },
        { "alice", 0, { "bob", "sec\\ret" }, AUTHENTICATION_WRONG },
        { "alice", 0, { "alice", "secret", .method = "PUBLISH" }, AUTHENTICATION_WRONG },
        /* about something that we have not asked */
        { "alice", 0, { "alice", "secret", .realm = "home" }, AUTHENTICATION_NONE },
        { "alice", 0, { "alice", "secret", .algorithm = "SHA-256" }, AUTHENTICATION_NONE },
        { "both", 1, { "bob", "sec\\ret", "bank", "MD5" }, AUTHENTICATION_NONE },
        { "both", 0, { "alice", "secret" }, AUTHENTICATION_PASSED },
        { "both", 1, { "bob", "sec\\ret", "bank", "SHA-512-256" }, AUTHENTICATION_PASSED },
        { "both", 2, { "bob", "sec\\ret", "bank", "SHA-256" }, AUTHENTICATION_PASSED },
        { "both", 3, { "carol", "x", .algorithm = "SHA-256" }, AUTHENTICATION_PASSED },
        { "both", 0, { "carol", "x" }, AUTHENTICATION_PASSED },
        { "both",
          0,
          { "bob", "sec\\ret", "bank", "SHA-256" },
          AUTHENTICATION_STALE }, /* its realm */
        { "both", 0, { "carol", "secret" }, AUTHENTICATION_WRONG },
        { "alice", 0, { "alice", "secret", .nonce = "n1" }, AUTHENTICATION_STALE },
        { "lost", 0, { "alice", "secret", .nonce = "n1" }, AUTHENTICATION_CLOSED },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct endpoint_settings *e = endpoint(f, cases[i].endpoint);
        enum authentication got;

        challenge(f, e);
        got = answer(f, e, &cases[i].answer, cases[i].nth);
        if (got != cases[i].want)
            fail_msg("case %zu: %d, not %d", i, got, cases[i].want);
    }
}

static void test_a_nonce_is_used_once_for_each_count(void **state)
{
    struct fixture *f = *state;
    const struct endpoint_settings *e = endpoint(f, "alice");
    const struct answer one = { "alice", "secret" }, two = { "alice", "secret", .nc = "00000002" },
                        old = { "alice", "secret", .nc = "" },
                        wrong = { "alice", "guess", .nc = "00000003" },
                        three = { "alice", "secret", .nc = "00000003" };

    challenge(f, e);
    assert_int_equal(answer(f, e, &one, 0), AUTHENTICATION_PASSED);
    assert_int_equal(answer(f, e, &one, 0), AUTHENTICATION_STALE);
    assert_int_equal(answer(f, e, &two, 0), AUTHENTICATION_PASSED);
    assert_int_equal(answer(f, e, &old, 0), AUTHENTICATION_STALE); /* which counts as the first */
    assert_int_equal(answer(f, e, &wrong, 0), AUTHENTICATION_WRONG);
    assert_int_equal(answer(f, e, &three, 0), AUTHENTICATION_PASSED); /* not used up by that */
    f->now_ms += 32001;
    assert_int_equal(answer(f, e, &(struct answer){ "alice", "secret", .nc = "00000004" }, 0),
                     AUTHENTICATION_STALE);
    challenge(f, e);
    assert_int_equal(answer(f, e, &old, 0), AUTHENTICATION_PASSED);
    assert_int_equal(answer(f, e, &old, 0), AUTHENTICATION_STALE);
    assert_int_equal(answer(f, e, &one, 0), AUTHENTICATION_STALE);
}

static void test_a_nonce_is_for_one_address(void **state)
{
    struct fixture *f = *state;
    const struct endpoint_settings *e = endpoint(f, "alice");

    challenge(f, e);
    assert_int_equal(addr_parse(&f->source, STR("192.0.2.8"), 5060), 0);
    assert_int_equal(answer(f, e, &(struct answer){ "alice", "secret" }, 0), AUTHENTICATION_STALE);
}

static void test_each_auth_has_its_lifetime(void **state)
{
    struct fixture *f = *state;
    const struct endpoint_settings *e = endpoint(f, "both");

    challenge(f, e);
    f->now_ms += 100000;
    assert_int_equal(answer(f, e, &(struct answer){ "bob", "sec\\ret", "bank", "SHA-256" }, 2),
                     AUTHENTICATION_PASSED);
    assert_int_equal(answer(f, e, &(struct answer){ "alice", "secret" }, 0), AUTHENTICATION_STALE);
}

/* Whatever is said, and however long it takes is the same as for somebody. */
static void test_nobody_never_passes(void **state)
{
    struct fixture *f = *state;
    struct str text = { f->a.no_hash, 32 };
    char hash[33] = { 0 }, line[1024];
    struct digest_question q = { .a1 = text, .method = STR("SUBSCRIBE"), .uri = STR("sip:1") };
    struct digest_hex right;
    const char *why;

    memcpy(hash, text.p, 32);
    challenge(f, NULL);
    assert_int_equal(answer(f, NULL, &(struct answer){ "alice", "secret" }, 0),
                     AUTHENTICATION_WRONG);
    assert_int_equal(answer(f, NULL, &(struct answer){ "", "" }, 0), AUTHENTICATION_WRONG);
    assert_int_equal(answer(f, NULL, &(struct answer){ "", hash }, 0), AUTHENTICATION_WRONG);
    assert_int_equal(ask(f, NULL, "SUBSCRIBE", "", &why), AUTHENTICATION_NONE);
    q.nonce = nonce_of(f, 0);
    assert_int_equal(digest_response(&right, &q), 0);
    (void)snprintf(line, sizeof(line),
                   "Authorization: Digest username=\"\", realm=\"office\", nonce=\"%.*s\", "
                   "uri=\"sip:1\", response=\"%.*s\"\r\n",
                   STR_FMT(q.nonce), STR_FMT(digest_hex_str(&right)));
    assert_int_equal(ask(f, NULL, "SUBSCRIBE", line, &why), AUTHENTICATION_WRONG);
}

#define BEGIN \
    "Authorization: Digest username=\"alice\", realm=\"office\", nonce=\"n\", uri=\"sip:1\""
#define OTHER \
    "Authorization: Digest username=\"alice\", realm=\"other\", nonce=\"n\", uri=\"sip:1\""
#define RESPONSE ", response=\"00000000000000000000000000000000\""

static void test_broken_ones(void **state)
{
    static const struct {
        const char *line, *why; /* NULL: it is not about us, or simply wrong */
    } cases[] = {
        { "Authorization: Digest\r\n", "Authorization cannot be read" },
        { "Authorization:\r\n", "Authorization cannot be read" },
        { "Authorization: ,\r\n", "Authorization cannot be read" },
        { "Authorization: Digest username\r\n", "Authorization cannot be read" },
        { "Authorization: Digest username=\"alice\r\n", "Authorization cannot be read" },
        { BEGIN RESPONSE ",\r\n", "Authorization cannot be read" },
        { BEGIN RESPONSE " x\r\n", "Authorization cannot be read" },
        { BEGIN RESPONSE ", nonce=\"other\"\r\n", "Authorization cannot be read" },
        { BEGIN "\r\n", "Authorization lacks one of username, realm, nonce, uri, response" },
        { "Authorization: Digest realm=\"office\"\r\n",
          "Authorization lacks one of username, realm, nonce, uri, response" },
        { BEGIN ", response=\"12\"\r\n",
          "response of Authorization is not as long as the algorithm's" },
        { BEGIN RESPONSE ", algorithm=SHA-256\r\n",
          "response of Authorization is not as long as the algorithm's" },
        { BEGIN RESPONSE ", qop=auth-int, nc=00000001, cnonce=\"c\"\r\n",
          "qop of Authorization is not auth" },
        { BEGIN RESPONSE ", qop=auth, nc=0000000x, cnonce=\"c\"\r\n",
          "nc of Authorization is not eight hexadecimal digits" },
        { BEGIN RESPONSE ", qop=auth, nc=000000001, cnonce=\"c\"\r\n",
          "nc of Authorization is not eight hexadecimal digits" },
        { BEGIN RESPONSE ", qop=auth, nc=00000000, cnonce=\"c\"\r\n",
          "nc of Authorization is not eight hexadecimal digits" },
        { BEGIN RESPONSE ", qop=auth, cnonce=\"c\"\r\n",
          "nc of Authorization is not eight hexadecimal digits" },
        { BEGIN RESPONSE ", qop=auth, nc=00000001\r\n", "Authorization has qop but no cnonce" },
        { "Authorization: Basic YWxpY2U6c2VjcmV0\r\n", NULL },
        { "Authorization: Bearer a.b.c\r\n", NULL },
        { BEGIN ", response=\"\", algorithm=MD5-sess\r\n", NULL },
        /* A name before it is asked for. */
        { BEGIN ", response=\"\"\r\n", NULL },
        { "Authorization: Digest username=\"alice\", realm=\"office\", nonce=\"\", uri=\"sip:1\", "
          "response=\"\"\r\n",
          NULL },
        /* What is right elsewhere is not for us to judge. */
        { OTHER RESPONSE ", qop=auth-int, nc=00000001, cnonce=\"c\"\r\n", NULL },
        { OTHER RESPONSE ", algorithm=SHA-256\r\n", NULL },
        { OTHER "\r\n", NULL },
        { BEGIN RESPONSE "\r\n", NULL },
        { "Proxy-Authorization: Digest\r\n", NULL },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *why;
        enum authentication got = ask(f, endpoint(f, "alice"), "SUBSCRIBE", cases[i].line, &why);

        if (cases[i].why ? got != AUTHENTICATION_BROKEN || !why || strcmp(why, cases[i].why) != 0
                         : got != AUTHENTICATION_NONE && got != AUTHENTICATION_WRONG)
            fail_msg("%s: %d, %s", cases[i].line, got, why ? why : "-");
    }
}

static void test_a_response_in_capitals(void **state)
{
    struct fixture *f = *state;
    const struct endpoint_settings *e = endpoint(f, "alice");
    char line[1024], *at;
    const char *why;

    challenge(f, e);
    assert_true(answer_print(f, line, sizeof(line), &(struct answer){ "alice", "secret" }, 0) > 0);
    for (at = strstr(line, "response=\"") + 10; *at != '"'; at++)
        *at = (char)(*at >= 'a' ? *at & ~0x20 : *at);
    assert_int_equal(ask(f, e, "SUBSCRIBE", line, &why), AUTHENTICATION_PASSED);
}

/* Of several any will do, but each has to be readable as far as it is for us. */
static void test_several(void **state)
{
    struct fixture *f = *state;
    const struct endpoint_settings *e = endpoint(f, "alice");
    char lines[4096];
    const char *why;
    int n = snprintf(lines, sizeof(lines), "%s",
                     "Authorization: Basic x\r\n"
                     "Authorization: Digest username=\"u\", realm=\"other\", nonce=\"o\", "
                     "uri=\"sip:1\", response=\"00\", qop=auth-int, nc=1, cnonce=\"c\"\r\n");

    challenge(f, e);
    assert_int_equal(ask(f, e, "SUBSCRIBE", lines, &why), AUTHENTICATION_NONE);
    assert_true(answer_print(f, lines + n, sizeof(lines) - (size_t)n,
                             &(struct answer){ "alice", "secret" }, 0) > 0);
    assert_int_equal(ask(f, e, "SUBSCRIBE", lines, &why), AUTHENTICATION_PASSED);
    assert_int_equal(ask(f, e, "SUBSCRIBE", lines, &why), AUTHENTICATION_STALE);
    assert_int_equal(ask(f, endpoint(f, "half"), "SUBSCRIBE", "Authorization: x y=\r\n", &why),
                     AUTHENTICATION_NONE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        T(test_challenges),
        T(test_answers),
        T(test_a_nonce_is_used_once_for_each_count),
        T(test_a_nonce_is_for_one_address),
        T(test_each_auth_has_its_lifetime),
        T(test_nobody_never_passes),
        T(test_broken_ones),
        T(test_a_response_in_capitals),
        T(test_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
