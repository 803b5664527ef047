// SPDX-License-Identifier: MIT
/* TLS on connections: who comes has OpenSSL and certificates that are made here. */
#include "net/stream_testing.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/tls.h"

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

    strcpy(p->dir, "/tmp/extstate-tls-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->ca, sizeof(p->ca), "%s/ca.pem", p->dir);
    snprintf(p->server, sizeof(p->server), "%s/server.pem", p->dir);
    p->key = EVP_EC_gen("P-256");
    assert_non_null(p->key);
    p->authority = certificate_make(p, "authority", NULL, 86400);
    write_pem(p->ca, p->authority, NULL);
    server = certificate_make(p, "server", "DNS:server.example", 86400);
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

/* Certificates of clients are looked at, and none is necessary. */
static void side_open_tls(struct side *s, const struct net_config *cfg, const struct pki *p)
{
    struct net_stream_options options = { .tls = NULL };
    const struct net_tls_spec spec = { .cert_file = str_of(p->server),
                                       .ca_file = str_of(p->ca),
                                       .verify_client = true };
    const char *option;
    struct buf why;

    buf_init(&why, 200);
    assert_int_equal(net_tls_create(&options.tls, &spec, &option, &why), 0);
    assert_int_equal(side_create(s, s->bench, cfg, "127.0.0.1", NET_TLS), 0);
    assert_int_equal(net_stream_set(s->net, 3, STR("tls"), &options), 0);
    net_tls_unref(options.tls);
    buf_fini(&why);
}

struct client {
    SSL *ssl;
    int fd;
};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unfinished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
