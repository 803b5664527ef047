// SPDX-License-Identifier: MIT
#include "sip/digest.h"
#include "sip/sip_test.h"

#define NONCE "dcd98b7102dd2f0e8b11d0f600bfb0c093"
#define ANY_ALGORITHM (BIT(DIGEST_MD5) | BIT(DIGEST_SHA256) | BIT(DIGEST_SHA512_256))

/* RFC 7616 section 3.9 with erratum 4897 (the RFC's own SHA-512-256 is not that of FIPS 180-4), RFC
 * 2617 section 3.5, RFC 2069 section 2.4 with its erratum, and the same sums for SIP by Python's
 * hashlib. */
static const struct {
    enum digest_algorithm algorithm;
    const char *username, *realm, *password, *nonce, *nc, *cnonce, *method, *uri, *response;
} vectors[] = {
    { DIGEST_MD5, "Mufasa", "http-auth@example.org", "Circle of Life",
      "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "00000001",
      "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "GET", "/dir/index.html",
      "8ca523f5e9506fed4657c9700eebdbec" },
    { DIGEST_SHA256, "Mufasa", "http-auth@example.org", "Circle of Life",
      "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "00000001",
      "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "GET", "/dir/index.html",
      "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" },
    { DIGEST_SHA512_256, "J\xc3\xa4s\xc3\xb8n Doe", "api@example.org", "Secret, or not?",
      "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "00000001",
      "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", "GET", "/doe.json",
      "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5" },
    { DIGEST_MD5, "Mufasa", "testrealm@host.com", "Circle Of Life", NONCE, "00000001", "0a4f113b",
      "GET", "/dir/index.html", "6629fae49393a05397450978507c4ef1" },
    { DIGEST_MD5, "Mufasa", "testrealm@host.com", "CircleOfLife", NONCE, "", "", "GET",
      "/dir/index.html", "1949323746fe6a43ef61f9606e7febea" },
    { DIGEST_MD5, "bob", "biloxi.com", "zanzibar", NONCE, "00000001", "0a4f113b", "SUBSCRIBE",
      "sip:100@biloxi.com", "a7a3d464f8263107f7028d7e5d4e91c8" },
    { DIGEST_SHA256, "bob", "biloxi.com", "zanzibar", NONCE, "00000001", "0a4f113b", "SUBSCRIBE",
      "sip:100@biloxi.com", "94a3c01032fbd34d1c143b12b8f6f160546aab6571b6929db8c64ec89970e572" },
    { DIGEST_SHA512_256, "bob", "biloxi.com", "zanzibar", NONCE, "00000001", "0a4f113b",
      "SUBSCRIBE", "sip:100@biloxi.com",
      "c65d54ac764a926f0949397aff9071c4bec011872df40d8347782b6438239b1b" },
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct digest_hex a1, response;
        struct digest_question q = {
            .algorithm = vectors[i].algorithm,
            .nonce = str_of(vectors[i].nonce),
            .method = str_of(vectors[i].method),
            .uri = str_of(vectors[i].uri),
            .nc = str_of(vectors[i].nc),
            .cnonce = str_of(vectors[i].cnonce),
        };

        assert_int_equal(digest_a1(&a1, q.algorithm, str_of(vectors[i].username),
                                   str_of(vectors[i].realm), str_of(vectors[i].password)),
                         0);
        q.a1 = digest_hex_str(&a1);
        assert_int_equal(digest_response(&response, &q), 0);
        assert_text(vectors[i].response, digest_hex_str(&response), vectors[i].response);
        for (size_t k = 0; k < a1.n; k++)
            if (a1.text[k] >= 'a')
                a1.text[k] = (char)(a1.text[k] & ~0x20);
        assert_int_equal(digest_response(&response, &q), 0);
        assert_text("upper case", digest_hex_str(&response), vectors[i].response);
        a1.text[3] = 'g';
        assert_int_equal(digest_response(&response, &q), -EINVAL);
        q.a1.n--;
        assert_int_equal(digest_response(&response, &q), -EINVAL);
    }
}

static void test_names(void **state)
{
    enum digest_algorithm a;

    (void)state;
    for (unsigned i = 0; i < DIGEST_ALGORITHMS; i++) {
        assert_int_equal(
            digest_algorithm_parse(&a, digest_algorithm_name((enum digest_algorithm)i)), 0);
        assert_int_equal(a, i);
    }
    assert_int_equal(digest_algorithm_parse(&a, STR("sha-512-256")), 0);
    assert_int_equal(a, DIGEST_SHA512_256);
    assert_int_equal(digest_algorithm_parse(&a, STR_EMPTY), 0);
    assert_int_equal(a, DIGEST_MD5);
    assert_int_equal(digest_algorithm_parse(&a, STR("MD5-sess")), -EINVAL);
    assert_int_equal(digest_algorithm_parse(&a, STR("SHA-512")), -EINVAL);
}

static const char head[] =
    "Via: SIP/2.0/UDP a;branch=1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n"
    "Call-ID: 1\r\nCSeq: 1 PUBLISH\r\n";

/* A response with these header lines, parsed. `storage` keeps its text. */
static void response_make(struct sip_message *m, struct buf *storage, unsigned status,
                          const char *headers)
{
    buf_init(storage, 4000);
    buf_printf(storage, "SIP/2.0 %u X\r\n%s%s\r\n", status, head, headers);
    assert_int_equal(sip_message_parse(m, buf_str(storage), NULL), 0);
}

static int choose(struct digest_session *s, unsigned status, const char *headers,
                  const struct digest_credential *const *credentials, size_t n, bool *stale)
{
    struct sip_message m;
    struct buf storage;
    int r;

    response_make(&m, &storage, status, headers);
    r = digest_session_choose(s, &m, credentials, n, stale);
    buf_fini(&storage); /* the session must not need it */
    return r;
}

#define WWW "WWW-Authenticate: "
#define MD5_A "Digest realm=\"a\", nonce=\"1\", algorithm=MD5, qop=\"auth\""
#define SHA256_A "Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\""
#define SHA512_A "Digest realm=\"a\", nonce=\"3\", algorithm=SHA-512-256, qop=\"auth\""
#define MD5_B "Digest realm=\"b\", nonce=\"4\""
#define HEX32 "0123456789abcdef0123456789ABCDEF"

#define PASSWORD(user, where, which)                                                     \
    {                                                                                    \
        .username = STR_INIT(user), .password = STR_INIT("x"), .realm = STR_INIT(where), \
        .algorithms = (which)                                                            \
    }
#define HASH(user, where)                                                       \
    {                                                                           \
        .username = STR_INIT(user), .hash = { [DIGEST_MD5] = STR_INIT(HEX32) }, \
        .realm = STR_INIT(where), .algorithms = ANY_ALGORITHM                   \
    }
static const struct digest_credential any = PASSWORD("any", "", ANY_ALGORITHM);
static const struct digest_credential star_md5 = PASSWORD("star", "*", BIT(DIGEST_MD5));
static const struct digest_credential only_a = PASSWORD("a", "a", ANY_ALGORITHM);
static const struct digest_credential only_a_md5 = PASSWORD("am", "a", BIT(DIGEST_MD5));
static const struct digest_credential only_b = PASSWORD("b", "b", ANY_ALGORITHM);
static const struct digest_credential quoted_realm = PASSWORD("q", "say \"a\"", ANY_ALGORITHM);
static const struct digest_credential hash_a = HASH("h", "a");
static const struct digest_credential hash_any = HASH("ha", "");

/* Expected: who answers, which nonce, how; NULL for nobody. */
static const struct {
    const char *name;
    unsigned status;
    const char *headers;
    const struct digest_credential *credentials[3];
    const char *expected;
} choices[] = {
    { "one", 401, WWW MD5_A "\r\n", { &any }, "any 1 MD5 auth" },
    { "several lines",
      401,
      WWW MD5_A "\r\n" WWW SHA512_A "\r\n" WWW SHA256_A "\r\n",
      { &any },
      "any 3 SHA-512-256 auth" },
    { "one line",
      401,
      WWW SHA256_A ", " SHA512_A " ,\r\n " MD5_A "\r\n",
      { &any },
      "any 3 SHA-512-256 auth" },
    { "allowed", 401, WWW SHA256_A "\r\n" WWW MD5_A "\r\n", { &star_md5 }, "star 1 MD5 auth" },
    { "exact before any", 401, WWW MD5_A "\r\n", { &any, &only_b, &only_a }, "a 1 MD5 auth" },
    { "exact before stronger",
      401,
      WWW SHA256_A "\r\n" WWW MD5_A "\r\n",
      { &any, &only_a_md5 },
      "am 1 MD5 auth" },
    { "no qop", 401, WWW MD5_B "\r\n", { &any }, "any 4 MD5" },
    { "two realms", 401, WWW SHA256_A "\r\n" WWW MD5_B "\r\n", { &only_b }, "b 4 MD5" },
    { "equals",
      401,
      WWW "Digest realm=a,nonce=x\r\n" WWW "Digest realm=a,nonce=y\r\n",
      { &any, &star_md5 },
      "any x MD5" },
    { "proxy",
      407,
      "Proxy-Authenticate: " MD5_A "\r\n" WWW SHA256_A "\r\n",
      { &any },
      "any 1 MD5 auth proxy" },
    { "hash", 401, WWW SHA256_A "\r\n" WWW MD5_A "\r\n", { &hash_a }, "h 1 MD5 auth" },
    { "hash for another realm", 401, WWW MD5_B "\r\n", { &hash_a }, NULL },
    { "hash for any realm", 401, WWW MD5_B "\r\n", { &hash_any }, "ha 4 MD5" },
    { "hash of another algorithm", 401, WWW SHA256_A "\r\n", { &hash_any }, NULL },
    { "escaped",
      401,
      WWW "Digest realm=\"say \\\"a\\\"\", nonce=\"1\"\r\n",
      { &quoted_realm },
      "q 1 MD5" },
    { "longer",
      401,
      WWW "Digest realm=\"say \\\"a\\\" \", nonce=\"1\"\r\n",
      { &quoted_realm },
      NULL },
    { "realms have a case", 401, WWW "Digest realm=\"A\", nonce=\"1\"\r\n", { &only_a }, NULL },
    { "qop list",
      401,
      WWW "Digest realm=a, nonce=1, qop=\"auth-int, AUTH\"\r\n",
      { &any },
      "any 1 MD5 auth" },
    { "auth-int only", 401, WWW "Digest realm=a, nonce=1, qop=\"auth-int\"\r\n", { &any }, NULL },
    { "unknown algorithm",
      401,
      WWW "Digest realm=a, nonce=1, algorithm=MD5-sess, " MD5_B "\r\n",
      { &any },
      "any 4 MD5" },
    { "quoted algorithm",
      401,
      WWW "Digest realm=a, nonce=1, algorithm=\"sha-256\"\r\n",
      { &any },
      "any 1 SHA-256" },
    { "other scheme", 401, WWW "Basic realm=\"a\"\r\n", { &any }, NULL },
    { "other scheme first", 401, WWW "Basic realm=\"a\", " MD5_B "\r\n", { &any }, "any 4 MD5" },
    { "no nonce", 401, WWW "Digest realm=\"a\"\r\n", { &any }, NULL },
    { "no realm", 401, WWW "Digest nonce=\"a\"\r\n", { &any }, NULL },
    { "broken", 401, WWW "Digest realm=\"a, nonce=\"1\r\n", { &any }, NULL },
    { "no challenge", 401, "", { &any }, NULL },
    { "no credential", 401, WWW MD5_A "\r\n", { NULL }, NULL },
};

static void session_describe(struct buf *b, const struct digest_session *s)
{
    buf_printf(b, "%.*s %.*s %.*s%s%s", STR_FMT(s->credential->username), STR_FMT(s->nonce),
               STR_FMT(digest_algorithm_name(s->algorithm)), s->qop_auth ? " auth" : "",
               s->proxy ? " proxy" : "");
}

static void test_choose(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        struct digest_session s = { .count = 7 };
        char storage[100];
        struct buf b;
        size_t n = 0;
        int r;

        while (n < ARRAY_LEN(choices[i].credentials) && choices[i].credentials[n])
            n++;
        r = choose(&s, choices[i].status, choices[i].headers, choices[i].credentials, n, NULL);
        assert_number(choices[i].name, r, choices[i].expected ? 0 : DIGEST_NO_CREDENTIAL);
        assert_number(choices[i].name, s.count, r ? 7 : 0);
        if (r)
            continue;
        buf_init_on(&b, storage, sizeof(storage));
        session_describe(&b, &s);
        assert_text(choices[i].name, buf_str(&b), choices[i].expected);
        digest_session_fini(&s);
    }
}

static void test_stale_and_replace(void **state)
{
    const struct digest_credential *credentials[] = { &any };
    struct digest_session s = { .count = 0 };
    bool stale = true;

    (void)state;
    assert_int_equal(choose(&s, 401, WWW MD5_A "\r\n", credentials, 1, &stale), 0);
    assert_false(stale);
    s.count = 5;
    assert_int_equal(choose(&s, 401, WWW MD5_A ", stale=true\r\n", credentials, 1, &stale), 0);
    assert_true(stale);
    assert_int_equal(s.count, 5); /* the nonce is the same one */
    assert_int_equal(choose(&s, 401, WWW MD5_B "\r\n", credentials, 1, &stale), 0);
    assert_int_equal(s.count, 0);
    assert_text("realm", s.realm, "b");
    assert_int_equal(choose(&s, 401, WWW "Basic realm=x\r\n", credentials, 1, &stale),
                     DIGEST_NO_CREDENTIAL);
    assert_text("kept", s.realm, "b");
    digest_session_fini(&s);
    assert_null(s.realm.p);
    digest_session_fini(&s);
}

static struct str line_param(struct str line, const char *name)
{
    size_t at = str_find_char(line, ':') + 1 + sizeof(" Digest");
    struct str rest = str_sub(line, at, line.n - 2), element;

    while (sip_list_next(&rest, &element)) {
        size_t equals = str_find_char(element, '=');

        if (str_equal(str_sub(element, 0, equals), str_of(name)))
            return str_sub(element, equals + 1, element.n);
    }
    return STR_EMPTY;
}

static void test_print(void **state)
{
    const struct digest_credential *credentials[] = { &any };
    struct digest_session s = { .count = 0 };
    struct digest_hex a1, response;
    struct digest_question q;
    struct str cnonce, first;
    char storage[1000], expected[80];
    struct rng rng;
    struct buf b, e;

    (void)state;
    rng_init_seeded(&rng, 1);
    assert_int_equal(choose(&s, 401, WWW MD5_A ", opaque=\"o\\\"\"\r\n", credentials, 1, NULL), 0);
    buf_init_on(&b, storage, sizeof(storage));
    assert_int_equal(digest_session_print(&s, &rng, STR("PUBLISH"), STR("sip:100@h"), &b), 0);
    assert_true(str_starts(buf_str(&b),
                           STR("Authorization: Digest username=\"any\", realm=\"a\", nonce=\"1\", "
                               "uri=\"sip:100@h\", response=\"")));
    assert_true(str_ends(buf_str(&b), STR(", qop=auth, nc=00000001, opaque=\"o\\\"\"\r\n")));
    assert_text("algorithm", line_param(buf_str(&b), "algorithm"), "MD5");
    cnonce = line_param(buf_str(&b), "cnonce");
    assert_int_equal(cnonce.n, 2 + 32);

    assert_int_equal(digest_a1(&a1, DIGEST_MD5, STR("any"), STR("a"), STR("x")), 0);
    q = (struct digest_question){ .algorithm = DIGEST_MD5,
                                  .a1 = digest_hex_str(&a1),
                                  .nonce = STR("1"),
                                  .method = STR("PUBLISH"),
                                  .uri = STR("sip:100@h"),
                                  .nc = STR("00000001"),
                                  .cnonce = str_sub(cnonce, 1, cnonce.n - 1) };
    assert_int_equal(digest_response(&response, &q), 0);
    buf_init_on(&e, expected, sizeof(expected));
    buf_printf(&e, "\"%.*s\"", STR_FMT(digest_hex_str(&response)));
    assert_true(str_equal(line_param(buf_str(&b), "response"), buf_str(&e)));

    assert_int_equal(str_dup(&first, cnonce), 0);
    for (unsigned i = 2; i <= 0x1b; i++) {
        buf_reset(&b);
        assert_int_equal(digest_session_print(&s, &rng, STR("PUBLISH"), STR("sip:100@h"), &b), 0);
    }
    assert_text("nc", line_param(buf_str(&b), "nc"), "0000001b");
    assert_false(str_equal(line_param(buf_str(&b), "cnonce"), first));
    str_free(&first);
    digest_session_fini(&s);
}

/* RFC 7616 section 3.5: nc begins anew with another nonce, and with none else. */
static void test_next_nonce(void **state)
{
    static const struct {
        const char *head, *nonce;
        uint32_t count;
    } answers[] = {
        { "Authentication-Info: nc=1\r\n", "1", 1 },
        { "Authentication-Info: nextnonce=\"1\"\r\n", "1", 1 },
        { "Authentication-Info: qop=auth, nextnonce=\"\\2\\\"\"\r\n", "2\"", 0 },
    };
    const struct digest_credential *credentials[] = { &any };
    struct digest_session s = { .count = 0 }, none = { .count = 0 };
    struct sip_message m;
    struct buf storage;

    (void)state;
    assert_int_equal(choose(&s, 401, WWW MD5_A "\r\n", credentials, 1, NULL), 0);
    s.count = 1;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        response_make(&m, &storage, 200, answers[i].head);
        digest_session_renew(&none, &m); /* was never challenged */
        digest_session_renew(&s, &m);
        buf_fini(&storage); /* the session must not need it */
        assert_text(answers[i].head, s.nonce, answers[i].nonce);
        assert_int_equal(s.count, answers[i].count);
    }
    assert_int_equal(none.nonce.n, 0);
    digest_session_fini(&s);
}

static void test_print_without_qop(void **state)
{
    static const struct digest_credential mufasa = { .username = STR_INIT("Mufasa"),
                                                     .password = STR_INIT("CircleOfLife"),
                                                     .algorithms = BIT(DIGEST_MD5) };
    const struct digest_credential *credentials[] = { &mufasa };
    struct digest_session s = { .count = 0 };
    char storage[1000];
    struct rng rng;
    struct buf b;

    (void)state;
    rng_init_seeded(&rng, 1);
    assert_int_equal(
        choose(&s, 407,
               "Proxy-Authenticate: Digest realm=\"testrealm@host.com\", nonce=\"" NONCE "\"\r\n",
               credentials, 1, NULL),
        0);
    buf_init_on(&b, storage, sizeof(storage));
    assert_int_equal(digest_session_print(&s, &rng, STR("GET"), STR("/dir/index.html"), &b), 0);
    assert_text("line", buf_str(&b),
                "Proxy-Authorization: Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
                "nonce=\"" NONCE "\", "
                "uri=\"/dir/index.html\", response=\"1949323746fe6a43ef61f9606e7febea\", "
                "algorithm=MD5\r\n");
    buf_init_on(&b, storage, 40);
    assert_int_equal(digest_session_print(&s, &rng, STR("GET"), STR("/"), &b), -EMSGSIZE);
    digest_session_fini(&s);
}

static void test_escapes(void **state)
{
    static const struct digest_credential odd = { .username = STR_INIT("a\"b\\c\r\nd"),
                                                  .password = STR_INIT("x"),
                                                  .algorithms = BIT(DIGEST_MD5) };
    const struct digest_credential *credentials[] = { &odd }, *with_hash[] = { &hash_a };
    struct digest_question q = { .algorithm = DIGEST_MD5,
                                 .a1 = STR(HEX32),
                                 .nonce = STR("1"),
                                 .method = STR("M"),
                                 .uri = STR("sip:x") };
    struct digest_session s = { .count = 0 };
    struct digest_hex response;
    char storage[1000];
    struct rng rng;
    struct buf b;

    (void)state;
    rng_init_seeded(&rng, 1);
    assert_int_equal(choose(&s, 401, WWW "Digest realm=\"x\\\"\\y\\\\\", nonce=\"\\1\"\r\n",
                            credentials, 1, NULL),
                     0);
    assert_text("realm", s.realm, "x\"y\\");
    buf_init_on(&b, storage, sizeof(storage));
    assert_int_equal(digest_session_print(&s, &rng, STR("M"), STR("sip:x"), &b), 0);
    assert_true(str_starts(buf_str(&b), STR("Authorization: Digest username=\"a\\\"b\\\\c  d\", "
                                            "realm=\"x\\\"y\\\\\", nonce=\"1\", ")));

    /* A configured hash stands for name, realm and password. */
    assert_int_equal(choose(&s, 401, WWW "Digest realm=a,nonce=1\r\n", with_hash, 1, NULL), 0);
    buf_reset(&b);
    assert_int_equal(digest_session_print(&s, &rng, STR("M"), STR("sip:x"), &b), 0);
    assert_int_equal(digest_response(&response, &q), 0);
    assert_true(
        str_equal(str_sub(line_param(buf_str(&b), "response"), 1, 33), digest_hex_str(&response)));
    digest_session_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_choose),     cmocka_unit_test(test_stale_and_replace),
        cmocka_unit_test(test_print),      cmocka_unit_test(test_print_without_qop),
        cmocka_unit_test(test_next_nonce), cmocka_unit_test(test_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
