// SPDX-License-Identifier: MIT
/* TLS on connections: who comes has OpenSSL and certificates that are made here. */
#include "net/stream_testing.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "net/tls.h"

enum { VALID_S = 86400 }; /* a certificate, where it does not matter */

struct pki {
    char dir[32], ca[48], server[48];
    EVP_PKEY *key; /* everybody's */
    X509 *authority;
};

static X509 *certificate_make(const struct pki *p, const char *name, const char *names,
                              long valid_s)
{
    X509 *c = X509_new();
    X509_NAME *subject = X509_get_subject_name(c);
    X509_EXTENSION *e =
        X509V3_EXT_conf_nid(NULL, NULL, names ? NID_subject_alt_name : NID_basic_constraints,
                            names ? names : "critical,CA:TRUE");

    assert_non_null(e);
    assert_int_equal(X509_set_version(c, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(c), names ? 2 : 1), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(c, names ? X509_get_subject_name(p->authority) : subject),
                     1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(c), -3600));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(c), valid_s));
    assert_int_equal(X509_set_pubkey(c, p->key), 1);
    assert_int_equal(X509_add_ext(c, e, -1), 1);
    X509_EXTENSION_free(e);
    assert_true(X509_sign(c, p->key, EVP_sha256()) > 0);
    return c;
}

static void write_pem(const char *path, X509 *c, EVP_PKEY *key)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, c), 1);
    if (key)
        assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
}

static void pki_init(struct pki *p)
{
    X509 *server;

    snprintf(p->dir, sizeof(p->dir), "/tmp/extstate-tls-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->ca, sizeof(p->ca), "%s/ca.pem", p->dir);
    snprintf(p->server, sizeof(p->server), "%s/server.pem", p->dir);
    p->key = EVP_EC_gen("P-256");
    assert_non_null(p->key);
    p->authority = certificate_make(p, "authority", NULL, VALID_S);
    write_pem(p->ca, p->authority, NULL);
    server = certificate_make(p, "server", "DNS:server.example", VALID_S);
    write_pem(p->server, server, p->key);
    X509_free(server);
}

static void pki_fini(struct pki *p)
{
    unlink(p->ca);
    unlink(p->server);
    rmdir(p->dir);
    X509_free(p->authority);
    EVP_PKEY_free(p->key);
}

/* Certificates are looked at, and of clients none is necessary. */
static struct net_tls *tls_of(const struct net_tls_spec *spec)
{
    const char *option;
    struct net_tls *t;
    struct buf why;

    buf_init(&why, 200);
    assert_int_equal(net_tls_create(&t, spec, &option, &why), 0);
    buf_fini(&why);
    return t;
}

static struct net_tls *tls_make(const struct pki *p, const char *cert)
{
    return tls_of(&(struct net_tls_spec){ .cert_file = str_of(cert),
                                          .ca_file = str_of(p->ca),
                                          .verify_server = true,
                                          .verify_client = true });
}

/* ---- what a section says that cannot be ---- */

static void check_fault(const struct net_tls_spec *spec, const char *option, const char *why)
{
    const char *said = NULL;
    struct net_tls *t = NULL;
    struct buf text;

    buf_init(&text, 200);
    assert_int_equal(net_tls_create(&t, spec, &said, &text), NET_TLS_BAD);
    assert_string_equal(said, option);
    if (!str_contains_nocase(buf_str(&text), str_of(why)))
        fail_msg("%.*s", STR_FMT(buf_str(&text)));
    buf_fini(&text);
}

static void test_faults(void **state)
{
    struct net_tls_spec spec = { .ca_path = STR("/nowhere/at/all"), .verify_client = true };
    char hashed[64], path[48];
    struct pki p;

    (void)state;
    pki_init(&p);
    spec.cert_file = str_of(p.ca);
    check_fault(&spec, "cert_file", "there is no key in it, and no priv_key_file");
    spec.key_file = str_of(p.ca);
    check_fault(&spec, "priv_key_file", "");
    spec.cert_file = spec.key_file = str_of(p.server);
    check_fault(&spec, "ca_list_path", "No such file");
    spec.ca_path = str_of(p.server);
    check_fault(&spec, "ca_list_path", "Not a directory");
    snprintf(path, sizeof(path), "%s/ca", p.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    spec.ca_path = str_of(path);
    check_fault(&spec, "ca_list_path", "openssl rehash");
    snprintf(hashed, sizeof(hashed), "%s/0a1b2c3d.0", path);
    assert_int_equal(symlink("../ca.pem", hashed), 0);
    net_tls_unref(tls_of(&spec));
    unlink(hashed);
    spec.verify_client = false; /* nobody looks into it */
    net_tls_unref(tls_of(&spec));
    rmdir(path);
    pki_fini(&p);
}

static void side_open_with(struct side *s, const struct net_config *cfg, struct net_tls *t)
{
    const struct net_stream_options options = { .tls = t };

    assert_int_equal(side_create(s, s->bench, cfg, "127.0.0.1", NET_TLS), 0);
    assert_int_equal(net_stream_set(s->net, 3, STR("tls"), &options), 0);
}

static void side_open_tls(struct side *s, const struct net_config *cfg, const struct pki *p)
{
    struct net_tls *t = tls_make(p, p->server);

    side_open_with(s, cfg, t);
    net_tls_unref(t);
}

struct client {
    SSL *ssl;
    int fd;
};

/* As alice. */
static SSL_CTX *client_context(const struct pki *p, int version, long valid_s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    X509 *cert = certificate_make(p, "alice", "URI:sip:alice@example.com", valid_s);

    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, p->key), 1);
    X509_free(cert);
    return ctx;
}

/* The handshake is over, or has failed. */
static bool client_open(struct client *c, struct side *s, SSL_CTX *ctx, SSL_SESSION *session)
{
    int r = -1;

    c->fd = plug(s);
    c->ssl = SSL_new(ctx);
    assert_non_null(c->ssl);
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
    if (session)
        assert_int_equal(SSL_set_session(c->ssl, session), 1);
    SSL_set_connect_state(c->ssl);
    UNTIL(s,
          (r = SSL_do_handshake(c->ssl)) == 1 || SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ);
    ERR_clear_error();
    return r == 1;
}

static void client_close(struct client *c)
{
    SSL_set_quiet_shutdown(c->ssl, 1);
    SSL_shutdown(c->ssl); /* or its session could not be taken up again */
    SSL_free(c->ssl);
    close(c->fd);
}

/* What is between `from` and `to` of a record with this. */
static void put_record(struct client *c, struct str text, size_t from, size_t to)
{
    BIO *bytes = BIO_new(BIO_s_mem());
    char *p;
    long n;

    assert_non_null(bytes);
    BIO_up_ref(bytes);
    SSL_set0_wbio(c->ssl, bytes);
    assert_int_equal(SSL_write(c->ssl, text.p, (int)text.n), (int)text.n);
    n = BIO_get_mem_data(bytes, &p);
    put(c->fd, str_sub((struct str){ p, (size_t)n }, from, to));
    SSL_set0_wbio(c->ssl, BIO_new_socket(c->fd, BIO_NOCLOSE));
    BIO_free(bytes);
}

/* A part of one, which is read. */
static void begin_record(struct client *c, struct side *s, size_t n)
{
    uint64_t before = counters(s).receive_calls;

    put_record(c, STR(ONE), 0, n);
    UNTIL(s, counters(s).receive_calls > before);
}

/* A record that is not whole is with OpenSSL, and counts as what is with us. */
static void test_unfinished(void **state)
{
    struct bench *b = bench_create();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct client first, second, whole, third;
    struct net_config cfg;
    struct side s = { .bench = b };
    struct pki p;

    (void)state;
    pki_init(&p);
    cfg = usual(&s, b, 5);
    cfg.held_max = 40000; /* two records */
    side_open_tls(&s, &cfg, &p);
    assert_true(client_open(&whole, &s, ctx, NULL));
    assert_true(client_open(&first, &s, ctx, NULL));
    assert_true(client_open(&second, &s, ctx, NULL));
    assert_true(client_open(&third, &s, ctx, NULL));
    begin_record(&first, &s, 20);
    begin_record(&second, &s, 4);
    for (unsigned i = 1; i < 5; i++) {
        put_record(&whole, STR(ONE), 0, SIZE_MAX);
        UNTIL(&s, s.received == i);
    }
    assert_int_equal(counters(&s).lost_unfinished, 0);
    begin_record(&third, &s, 20);
    assert_int_equal(counters(&s).lost_unfinished, 1);
    UNTIL(&s, is_over(&s, first.fd));
    assert_int_equal(counters(&s).connections, 3);
    b->added_ms += 21000;
    UNTIL(&s, counters(&s).lost_late == 2);
    assert_int_equal(counters(&s).connections, 1);
    put_record(&whole, STR(ONE), 0, SIZE_MAX);
    UNTIL(&s, s.received == 5);
    client_close(&whole);
    client_close(&first);
    client_close(&second);
    client_close(&third);
    SSL_CTX_free(ctx);
    side_close(&s);
    bench_destroy(b);
    pki_fini(&p);
}

static struct flow greet(struct side *s, struct client *c)
{
    size_t before = s->received;

    put_record(c, STR(ONE), 0, SIZE_MAX);
    UNTIL(s, s->received == before + 1);
    return s->last;
}

static void fill(struct side *s, const struct flow *to)
{
    static char text[1000];
    size_t waits = net_unsent(s->net);

    for (unsigned i = 0; net_unsent(s->net) == waits; i++) {
        assert_true(i < 100000);
        assert_int_equal(net_send(s->net, to, (struct str){ text, sizeof(text) }), 0);
        net_flush(s->net);
        if (counters(s).lost_slow)
            return;
    }
}

/* What is not taken is with OpenSSL too, and counts there. */
static void test_read_nothing(void **state)
{
    struct bench *b = bench_create();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct client first, second;
    struct net_config cfg;
    struct flow flows[2];
    struct side s = { .bench = b };
    struct pki p;

    (void)state;
    pki_init(&p);
    cfg = usual(&s, b, 5);
    cfg.held_max = 30000; /* one record, and some messages of 1000 bytes */
    side_open_tls(&s, &cfg, &p);
    assert_true(client_open(&first, &s, ctx, NULL));
    assert_true(client_open(&second, &s, ctx, NULL));
    flows[0] = greet(&s, &first);
    flows[1] = greet(&s, &second);
    fill(&s, &flows[0]);
    assert_int_equal(counters(&s).lost_slow, 0);
    fill(&s, &flows[1]);
    assert_int_equal(counters(&s).lost_slow, 1);
    assert_int_equal(s.n_lost, 1);
    assert_int_equal(s.lost[0], flows[0].connection);
    assert_true(net_unsent(s.net) > 0);
    client_close(&first);
    client_close(&second);
    SSL_CTX_free(ctx);
    side_close(&s);
    bench_destroy(b);
    pki_fini(&p);
}

/* ---- certificates that expire ---- */

struct named {
    struct side side;
    size_t alice; /* messages from her */
};

static void on_named(void *ctx, const struct flow *from, struct str message)
{
    struct named *n = ctx;

    n->alice += net_names_have(from->names, STR("alice@example.com"));
    on_receive(&n->side, from, message);
}

static void named_open(struct named *n, struct bench *b, const struct pki *p)
{
    struct net_config cfg = usual(&n->side, b, 5);

    cfg.receive = on_named;
    n->side.bench = b;
    side_open_tls(&n->side, &cfg, p);
    n->side.answer = STR(ANSWER);
}

static void pass(struct bench *b, uint64_t minutes)
{
    b->added_ms += minutes * 60000;
    b->added_wall_ms += minutes * 60000;
}

/* Is she answered, or is the connection over? */
static bool ask(struct client *c, struct side *s)
{
    char answer[100];
    int r = SSL_write(c->ssl, ONE, sizeof(ONE) - 1);
    bool done = r <= 0;

    for (unsigned tries = 0; !done; tries++) {
        assert_true(tries < 4000);
        turn(s);
        r = SSL_read(c->ssl, answer, sizeof(answer));
        done = r > 0 || SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ;
        usleep(done ? 0 : 200);
    }
    ERR_clear_error();
    return r > 0;
}

/* A connection that is asked something, and ends. With the session, which is renewed. */
static void visit(struct named *n, SSL_CTX *ctx, SSL_SESSION **session, bool resumed)
{
    struct client c;

    assert_true(client_open(&c, &n->side, ctx, *session));
    assert_int_equal(SSL_session_reused(c.ssl), resumed);
    assert_true(ask(&c, &n->side));
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(c.ssl);
    client_close(&c);
    UNTIL(&n->side, (n->side.bench->added_ms += 100, counters(&n->side).connections == 0));
    n->side.n_lost = 0;
}

static void check_sessions(int version)
{
    struct bench *b = bench_create();
    struct named n = { .alice = 0 };
    SSL_SESSION *session = NULL, *brief = NULL;
    SSL_CTX *ctx, *brief_ctx, *nobody = SSL_CTX_new(TLS_client_method());
    struct pki p;

    pki_init(&p);
    named_open(&n, b, &p);
    ctx = client_context(&p, version, VALID_S);
    brief_ctx = client_context(&p, version, 1200);
    visit(&n, ctx, &session, false);
    visit(&n, brief_ctx, &brief, false);
    pass(b, 9);
    visit(&n, brief_ctx, &brief, true);
    pass(b, 21);
    visit(&n, ctx, &session, true);
    pass(b, 29);
    visit(&n, ctx, &session, true); /* with the one of half an hour ago */
    assert_int_equal(n.alice, 5);
    pass(b, 2); /* an hour since the certificate was looked at */
    visit(&n, ctx, &session, false);
    assert_int_equal(n.alice, 6);
    SSL_SESSION_free(session);
    session = NULL;
    visit(&n, nobody, &session, false);
    pass(b, 61); /* nobody has shown anything that could expire */
    visit(&n, nobody, &session, true);
    assert_int_equal(n.alice, 6);
    SSL_SESSION_free(session);
    SSL_SESSION_free(brief);
    SSL_CTX_free(ctx);
    SSL_CTX_free(brief_ctx);
    SSL_CTX_free(nobody);
    side_close(&n.side);
    bench_destroy(b);
    pki_fini(&p);
}

static void test_sessions(void **state)
{
    (void)state;
    check_sessions(TLS1_2_VERSION);
    check_sessions(TLS1_3_VERSION);
}

/* She is not known by it any more, be it by a connection that is there, be it by a session. */
static void check_expired(int version)
{
    struct bench *b = bench_create();
    struct named n = { .alice = 0 };
    SSL_SESSION *session = NULL;
    struct client former, c;
    SSL_CTX *ctx;
    struct pki p;

    pki_init(&p);
    named_open(&n, b, &p);
    ctx = client_context(&p, version, 1200);
    visit(&n, ctx, &session, false);
    assert_true(client_open(&former, &n.side, ctx, session));
    b->added_wall_ms += 600000;
    assert_true(ask(&former, &n.side));
    assert_int_equal(n.alice, 2);
    b->added_wall_ms += 600000;
    assert_true(client_open(&c, &n.side, ctx, session));
    assert_false(SSL_session_reused(c.ssl)); /* OpenSSL looks at the time that it really is */
    assert_false(ask(&c, &n.side));
    assert_false(ask(&former, &n.side));
    assert_int_equal(n.side.received, 2);
    assert_int_equal(counters(&n.side).connections, 0);
    assert_int_equal(counters(&n.side).lost_tls, 2);
    client_close(&c);
    client_close(&former);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
    side_close(&n.side);
    bench_destroy(b);
    pki_fini(&p);
}

static void test_expired(void **state)
{
    (void)state;
    check_expired(TLS1_2_VERSION);
    check_expired(TLS1_3_VERSION);
}

/* A server's certificate, which we have looked at less than an hour ago. */
static void test_expired_server(void **state)
{
    struct bench *b = bench_create();
    struct side server = { .bench = b };
    struct net_config cfg = usual(&server, b, 5);
    struct net_tls *t;
    struct pki p;

    (void)state;
    pki_init(&p);
    t = tls_make(&p, "");
    side_open_tls(&server, &cfg, &p);
    server.answer = STR(ANSWER);
    for (unsigned i = 0; i < 3; i++) {
        struct side side = { .bench = b };
        const struct net_config mine = usual(&side, b, 6);
        struct flow flow = { .transport = 3,
                             .connection = NET_ANY_CONNECTION,
                             .remote = server.local };

        if (i == 2)
            b->added_wall_ms += (uint64_t)VALID_S * 1000;
        side_open_with(&side, &mine, t);
        assert_int_equal(net_connect(side.net, &flow, STR("server.example")), 0);
        assert_int_equal(net_send(side.net, &flow, STR(ONE)), 0);
        UNTIL(&server, (net_flush(side.net), side.received == 1));
        assert_int_equal(counters(&side).resumed, i == 1);
        side_close(&side);
        UNTIL(&server, (b->added_ms += 100, counters(&server).connections == 0));
    }
    net_tls_unref(t);
    side_close(&server);
    bench_destroy(b);
    pki_fini(&p);
}

/* ---- the first message ---- */

/* What OpenSSL says first, in records of so many bytes, each sent by itself. */
static void put_hello(struct client *c, struct side *s, size_t piece)
{
    enum { HEAD = 5 };
    BIO *bytes = BIO_new(BIO_s_mem());
    char *p, record[HEAD + 64];
    struct str rest;

    assert_non_null(bytes);
    assert_true(piece <= sizeof(record) - HEAD);
    BIO_up_ref(bytes);
    SSL_set0_wbio(c->ssl, bytes);
    assert_int_equal(SSL_do_handshake(c->ssl), -1);
    rest.n = (size_t)BIO_get_mem_data(bytes, &p);
    memcpy(record, p, HEAD);
    rest = str_sub((struct str){ p, rest.n }, HEAD, rest.n);
    while (rest.n) {
        struct str part = str_sub(rest, 0, piece);

        record[3] = 0;
        record[4] = (char)part.n;
        memcpy(record + HEAD, part.p, part.n);
        put(c->fd, (struct str){ record, 3 });
        turn(s);
        put(c->fd, (struct str){ record + 3, part.n + 2 });
        turn(s);
        rest = str_sub(rest, part.n, rest.n);
    }
    SSL_set0_wbio(c->ssl, BIO_new_socket(c->fd, BIO_NOCLOSE));
    BIO_free(bytes);
}

/* In however many records and segments, with what all this can make it long: she is let in, and
 * her session is taken up again. */
static void check_hello_in_pieces(int version, size_t piece)
{
    struct bench *b = bench_create();
    struct named n = { .alice = 0 };
    SSL_SESSION *session = NULL;
    struct client c;
    SSL_CTX *ctx;
    struct pki p;
    int r = -1;

    pki_init(&p);
    named_open(&n, b, &p);
    ctx = client_context(&p, version, VALID_S);
    visit(&n, ctx, &session, false);
    c.fd = plug(&n.side);
    c.ssl = SSL_new(ctx);
    assert_non_null(c.ssl);
    assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(SSL_set_fd(c.ssl, c.fd), 1);
    assert_int_equal(SSL_set_session(c.ssl, session), 1);
    SSL_set_connect_state(c.ssl);
    put_hello(&c, &n.side, piece);
    UNTIL(&n.side, (r = SSL_do_handshake(c.ssl)) == 1);
    assert_int_equal(SSL_session_reused(c.ssl), 1);
    assert_true(ask(&c, &n.side));
    assert_int_equal(n.alice, 2);
    assert_int_equal(counters(&n.side).lost_tls, 0);
    client_close(&c);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
    side_close(&n.side);
    bench_destroy(b);
    pki_fini(&p);
}

static void test_hello_in_pieces(void **state)
{
    static const size_t pieces[] = { 1, 3, 64 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        check_hello_in_pieces(TLS1_2_VERSION, pieces[i]);
        check_hello_in_pieces(TLS1_3_VERSION, pieces[i]);
    }
}

/* TLS 1.3 without a key of any group: a HelloRetryRequest is the answer. */
#define KEYLESS                                                                                \
    "\x16\x03\x01\x00\x4c\x01\x00\x00\x48\x03\x03"                                             \
    "................................"                                                         \
    "\x00\x00\x02\x13\x01\x01\x00\x00\x1d\x00\x2b\x00\x03\x02\x03\x04\x00\x0a\x00\x04\x00\x02" \
    "\x00\x1d\x00\x0d\x00\x04\x00\x02\x04\x03\x00\x33\x00\x02\x00\x00"
#define CLAIM(length) "\x16\x03\x01\x00\x04\x01" length

/* OpenSSL would make room for all that is claimed. */
static void test_long_hello(void **state)
{
    static const struct {
        struct str first, then;
        bool refused;
    } rows[] = {
        { STR_INIT(""), STR_INIT(CLAIM("\x00\x40\x00")), false },
        { STR_INIT(""), STR_INIT(CLAIM("\x00\x40\x01")), true },
        { STR_INIT(""), STR_INIT("\x14\x03\x03\x00\x01\x01" CLAIM("\x01\xff\x00")), true },
        { STR_INIT(KEYLESS), STR_INIT(CLAIM("\x00\x40\x00")), false },
        { STR_INIT(KEYLESS), STR_INIT(CLAIM("\x01\xff\x00")), true },
        { STR_INIT(KEYLESS), STR_INIT("\x14\x03\x03\x00\x01\x01" CLAIM("\x01\xff\x00")), true },
    };
    struct bench *b = bench_create();
    struct side s = { .bench = b };
    struct net_config cfg = usual(&s, b, 5);
    struct pki p;

    (void)state;
    pki_init(&p);
    side_open_tls(&s, &cfg, &p);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t lost = counters(&s).lost_tls;
        char answer[256];
        int fd = plug(&s);
        size_t n = 0;
        bool end = false;

        put(fd, rows[i].first);
        if (rows[i].first.n)
            UNTIL(&s, (n += take(&s, fd, answer, sizeof(answer), &end)) > 0);
        put(fd, rows[i].then);
        UNTIL(&s, is_over(&s, fd) || !rows[i].refused);
        for (unsigned turns = 0; turns < 20; turns++)
            turn(&s);
        assert_int_equal(counters(&s).lost_tls, lost + rows[i].refused);
        assert_int_equal(counters(&s).connections, !rows[i].refused);
        close(fd);
        UNTIL(&s, counters(&s).connections == 0);
    }
    side_close(&s);
    bench_destroy(b);
    pki_fini(&p);
}

/* ---- certificates ---- */

/* With more beside her own, of some 3,600 bytes each. */
static bool is_let_in(struct side *s, const struct pki *p, int version, unsigned more)
{
    enum { NAMES = 3300 };
    SSL_CTX *ctx = client_context(p, version, VALID_S);
    uint64_t lost = counters(s).lost_tls;
    struct client c;
    struct buf names;
    X509 *cert;
    bool opened;

    buf_init(&names, NAMES + 100);
    buf_add(&names, STR("URI:sip:"));
    while (names.n < NAMES)
        buf_add_char(&names, 'x');
    buf_add_char(&names, '\0');
    cert = certificate_make(p, "more", names.p, VALID_S);
    while (more--)
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, cert), 1);
    X509_free(cert);
    buf_fini(&names);
    opened = client_open(&c, s, ctx, NULL) && ask(&c, s);
    assert_int_equal(counters(s).lost_tls, lost + !opened);
    client_close(&c);
    SSL_CTX_free(ctx);
    UNTIL(s, (s->bench->added_ms += 100, counters(s).connections == 0));
    return opened;
}

static void test_long_certificates(void **state)
{
    struct bench *b = bench_create();
    struct named n = { .alice = 0 };
    struct pki p;

    (void)state;
    pki_init(&p);
    named_open(&n, b, &p);
    assert_true(is_let_in(&n.side, &p, TLS1_2_VERSION, 8));
    assert_false(is_let_in(&n.side, &p, TLS1_2_VERSION, 10));
    assert_true(is_let_in(&n.side, &p, TLS1_3_VERSION, 8));
    assert_false(is_let_in(&n.side, &p, TLS1_3_VERSION, 10));
    assert_int_equal(n.alice, 2);
    side_close(&n.side);
    bench_destroy(b);
    pki_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),         cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_read_nothing),   cmocka_unit_test(test_hello_in_pieces),
        cmocka_unit_test(test_long_hello),     cmocka_unit_test(test_long_certificates),
        cmocka_unit_test(test_sessions),       cmocka_unit_test(test_expired),
        cmocka_unit_test(test_expired_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
