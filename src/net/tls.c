// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "net/tls_hello.h"
#include "net/tls_link.h"
#include "net/tls_sessions.h"

/* What a client may say that its certificates are long, for which OpenSSL makes room before they
 * are there; with four of 4096 bits there are some 8,000 bytes. */
enum { CLIENT_CERTIFICATES_MAX = 32 << 10 };

struct net_tls {
    atomic_uint refs;
    SSL_CTX *ctx;
    struct tls_sessions *sessions; /* with servers */
    bool verify_server, wildcards;
    int client_mode; /* what is asked of who connects: SSL_VERIFY_... */
};

struct tls_link {
    SSL *ssl;
    struct net_tls *tls;
    const struct clock *clock;
    struct addr remote;
    struct net_names *names; /* of a client */
    uint64_t expires_ms;     /* its certificate */
    uint64_t verified_ms;    /* the certificate of a server, by this connection or a former one */
    bool client, done, dead; /* the latter: nothing may be said any more */
    struct tls_hello hello;  /* of who connects */
    char why[120];
    size_t host_n;
    char host[];
};

/* ---- contexts ---- */

struct maker {
    SSL_CTX *ctx;
    const struct net_tls_spec *spec;
    const char **option;
    struct buf *why;
};

/* The reason of the first error: the others say what followed from it. */
static int bad(struct maker *m, const char *option)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code))
                                                          : ERR_reason_error_string(code);

    *m->option = option;
    buf_add(m->why, str_of(reason ? reason : "it cannot be used"));
    ERR_clear_error();
    return NET_TLS_BAD;
}

static char *text_of(struct str s)
{
    return s.n ? strndup(s.p, s.n) : NULL;
}

static int give_password(char *out, int size, int writing, void *ctx)
{
    const struct str *password = ctx;

    (void)writing;
    if (password->n > (size_t)size)
        return -1;
    if (password->n)
        memcpy(out, password->p, password->n);
    return (int)password->n; /* without one it is never asked for at a terminal */
}

static int bad_key(struct maker *m)
{
    if (m->spec->key_file.n)
        return bad(m, "priv_key_file");
    if (ERR_GET_REASON(ERR_peek_error()) != ERR_R_UNSUPPORTED)
        return bad(m, "cert_file");
    *m->option = "cert_file";
    buf_add(m->why, STR("there is no key in it, and no priv_key_file"));
    ERR_clear_error();
    return NET_TLS_BAD;
}

static int use_certificate(struct maker *m, const char *cert, const char *key)
{
    SSL_CTX_set_default_passwd_cb(m->ctx, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(m->ctx, (void *)(uintptr_t)&m->spec->password);
    if (cert && SSL_CTX_use_certificate_chain_file(m->ctx, cert) != 1)
        return bad(m, "cert_file");
    if (key && SSL_CTX_use_PrivateKey_file(m->ctx, key, SSL_FILETYPE_PEM) != 1)
        return bad_key(m);
    SSL_CTX_set_default_passwd_cb_userdata(m->ctx, NULL);
    return cert && SSL_CTX_check_private_key(m->ctx) != 1 ? bad_key(m) : 0;
}

static bool is_hashed_name(const char *name)
{
    enum { DIGITS = 8 };
    size_t n = strspn(name, "0123456789abcdef");

    return n == DIGITS && name[n] == '.' && name[n + 1] >= '0' && name[n + 1] <= '9';
}

/* OpenSSL looks into it whenever a certificate is to be verified, and finds nothing where nothing
 * is. */
static int check_directory(struct maker *m, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e = NULL;

    if (!dir) {
        buf_add(m->why, str_of(strerror(errno)));
    } else {
        do {
            e = readdir(dir);
        } while (e && !is_hashed_name(e->d_name));
        if (!e)
            buf_add(m->why, STR("there is no name in it that `openssl rehash` makes"));
        closedir(dir);
    }
    if (!e)
        *m->option = "ca_list_path";
    return e ? 0 : NET_TLS_BAD;
}

static bool verifies(const struct net_tls_spec *spec)
{
    return spec->verify_server || spec->verify_client || spec->require_client_cert;
}

static int use_trust(struct maker *m, const char *file, const char *path)
{
    STACK_OF(X509_NAME) * names;

    if (!file && !path)
        return SSL_CTX_set_default_verify_paths(m->ctx) == 1 ? 0 : bad(m, "ca_list_file");
    if (file && SSL_CTX_load_verify_file(m->ctx, file) != 1)
        return bad(m, "ca_list_file");
    if (path && verifies(m->spec) && check_directory(m, path))
        return NET_TLS_BAD;
    if (path && SSL_CTX_load_verify_dir(m->ctx, path) != 1)
        return bad(m, "ca_list_path");
    if (!file)
        return 0;
    names = SSL_load_client_CA_file(file); /* told to clients, so that they choose */
    if (!names)
        return bad(m, "ca_list_file");
    SSL_CTX_set_client_CA_list(m->ctx, names);
    return 0;
}

/* Those of TLS 1.3 have a list of their own. */
static int use_ciphers(struct maker *m)
{
    struct str rest = m->spec->cipher;
    char old_room[2048], new_room[512];
    struct buf old, new;

    buf_init_on(&old, old_room, sizeof(old_room));
    buf_init_on(&new, new_room, sizeof(new_room));
    while (rest.n) {
        struct str name = str_trim(str_next(&rest, ','));
        struct buf *list = str_starts(name, STR("TLS_")) ? &new : &old;

        if (name.n && list->n)
            buf_add_char(list, ':');
        buf_add(list, name);
    }
    buf_add_char(&old, '\0');
    buf_add_char(&new, '\0');
    if (old.error || new.error || (old.n > 1 && SSL_CTX_set_cipher_list(m->ctx, old.p) != 1) ||
        (new.n > 1 && SSL_CTX_set_ciphersuites(m->ctx, new.p) != 1))
        return bad(m, "cipher");
    return 0;
}

/* ---- how long what was verified is good ---- */

static uint64_t time_of(const ASN1_TIME *t)
{
    struct tm tm;
    time_t seconds = ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;

    return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

int net_tls_dates_read(struct net_tls_dates *out, struct str cert_file)
{
    char *path = text_of(cert_file);
    BIO *file = path ? BIO_new_file(path, "r") : NULL;
    X509 *cert = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
    int r = cert ? 0 : -EINVAL;

    if (cert)
        *out = (struct net_tls_dates){ time_of(X509_get0_notBefore(cert)),
                                       time_of(X509_get0_notAfter(cert)) };
    X509_free(cert);
    BIO_free(file);
    free(path);
    ERR_clear_error();
    return r;
}

static bool is_past(const struct tls_link *l, uint64_t wall_ms)
{
    return clock_wall_ms(l->clock) >= wall_ms;
}

/* What goes with the session of a client, into the ticket that it keeps: a session is taken up
 * again without the certificates being looked at, and each time there is a new ticket. */
struct ticket {
    uint64_t expires_ms;  /* the first of the certificates; UINT64_MAX: none counts */
    uint64_t verified_ms; /* by the clock that is not set */
};

/* Of a handshake in which they were looked at. */
static struct ticket ticket_make(const struct tls_link *l)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(l->ssl);
    struct ticket t = { UINT64_MAX, clock_monotonic_ms(l->clock) };

    for (int i = 0; i < sk_X509_num(chain); i++) {
        uint64_t ends_ms = time_of(X509_get0_notAfter(sk_X509_value(chain, i)));

        if (ends_ms < t.expires_ms)
            t.expires_ms = ends_ms;
    }
    return t;
}

static bool ticket_read(struct ticket *out, SSL_SESSION *session)
{
    void *data;
    size_t n;

    if (!session || SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 || n != sizeof(*out))
        return false;
    memcpy(out, data, sizeof(*out));
    return true;
}

static int on_ticket(SSL *ssl, void *ctx)
{
    const struct tls_link *l = SSL_get_app_data(ssl);
    struct ticket t;

    (void)ctx;
    if (SSL_session_reused(ssl) == 1)
        return 1; /* it goes on as it was */
    t = ticket_make(l);
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &t, sizeof(t));
}

static SSL_TICKET_RETURN on_ticket_shown(SSL *ssl, SSL_SESSION *session, const unsigned char *key,
                                         size_t key_n, SSL_TICKET_STATUS status, void *ctx)
{
    const struct tls_link *l = SSL_get_app_data(ssl);
    bool readable = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    struct ticket t;

    (void)key;
    (void)key_n;
    (void)ctx;
    if (!readable || !ticket_read(&t, session) ||
        (t.expires_ms != UINT64_MAX &&
         (is_past(l, t.expires_ms) ||
          clock_monotonic_ms(l->clock) - t.verified_ms >= TLS_SESSION_MS)))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static struct tls_server server_of(const struct tls_link *l)
{
    return (struct tls_server){ &l->remote, tls_link_host(l) };
}

/* A server has told how its session can be taken up again. 1: it is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_link *l = SSL_get_app_data(ssl);
    const struct tls_server server = server_of(l);

    if (!l->client)
        return 0;
    tls_sessions_keep(l->tls->sessions, &server, session, l->verified_ms);
    return 1;
}

static int use_habits(struct maker *m)
{
    static const int versions[] = { [NET_TLS_1_2] = TLS1_2_VERSION,
                                    [NET_TLS_1_3] = TLS1_3_VERSION,
                                    [NET_TLS_1_1] = TLS1_1_VERSION,
                                    [NET_TLS_1_0] = TLS1_VERSION };
    static const unsigned char sessions[] = "extstate";

    /* These sign with SHA-1, which OpenSSL does at this level only. */
    if (m->spec->version == NET_TLS_1_1 || m->spec->version == NET_TLS_1_0)
        SSL_CTX_set_security_level(m->ctx, 0);
    SSL_CTX_set_options(m->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* An idle connection has no buffers. */
    SSL_CTX_set_mode(m->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_num_tickets(m->ctx, 1);
    /* Who comes back brings its session with it: kept are those with servers only, and by us. */
    SSL_CTX_set_session_cache_mode(m->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(m->ctx, on_session);
    return SSL_CTX_set_session_ticket_cb(m->ctx, on_ticket, on_ticket_shown, NULL) == 1 &&
                   SSL_CTX_set_session_id_context(m->ctx, sessions, sizeof(sessions) - 1) == 1 &&
                   SSL_CTX_set_min_proto_version(m->ctx, versions[m->spec->version]) == 1
               ? 0
               : bad(m, "method");
}

static int context_fill(struct maker *m)
{
    const struct net_tls_spec *spec = m->spec;
    char *cert = text_of(spec->cert_file), *ca = text_of(spec->ca_file);
    char *key = text_of(spec->key_file.n ? spec->key_file : spec->cert_file);
    char *path = text_of(spec->ca_path);
    int r = use_habits(m);

    if (!r)
        r = use_certificate(m, cert, key);
    if (!r)
        r = use_trust(m, ca, path);
    if (!r)
        r = use_ciphers(m);
    free(cert);
    free(key);
    free(ca);
    free(path);
    return r;
}

int net_tls_create(struct net_tls **out, const struct net_tls_spec *spec, const char **option,
                   struct buf *why)
{
    struct net_tls *t = calloc(1, sizeof(*t));
    struct maker m = { .spec = spec, .option = option, .why = why };
    int r = -ENOMEM;

    ERR_clear_error();
    m.ctx = t && tls_sessions_create(&t->sessions) == 0 ? SSL_CTX_new(TLS_method()) : NULL;
    if (m.ctx)
        r = context_fill(&m);
    if (r) {
        SSL_CTX_free(m.ctx);
        tls_sessions_destroy(t ? t->sessions : NULL);
        free(t);
        return r;
    }
    atomic_init(&t->refs, 1);
    t->ctx = m.ctx;
    t->verify_server = spec->verify_server;
    t->wildcards = spec->wildcards;
    t->client_mode = spec->require_client_cert ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                     : spec->verify_client     ? SSL_VERIFY_PEER
                                               : SSL_VERIFY_NONE;
    *out = t;
    return 0;
}

struct net_tls *net_tls_ref(struct net_tls *t)
{
    if (t)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

bool net_tls_shows_same(const struct net_tls *a, const struct net_tls *b)
{
    const X509 *x = a ? SSL_CTX_get0_certificate(a->ctx) : NULL;
    const X509 *y = b ? SSL_CTX_get0_certificate(b->ctx) : NULL;

    return x && y ? X509_cmp(x, y) == 0 : x == y;
}

void net_tls_unref(struct net_tls *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(t->ctx);
    tls_sessions_destroy(t->sessions);
    free(t);
}

bool net_tls_verifies_server(const struct net_tls *t)
{
    return t && t->verify_server;
}

/* ---- whom a certificate names: RFC 5922 section 7.1 ---- */

static struct str text_of_name(const ASN1_IA5STRING *s)
{
    return (struct str){ (const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) };
}

/* 0, -ENOMEM, or -E2BIG for a certificate that names everybody. */
static int names_read(struct net_names **out, const GENERAL_NAMES *names)
{
    enum { TEXTS = 64, ROOM = 4096 };
    char room[ROOM];
    struct str texts[TEXTS];
    struct buf b;
    size_t n = 0;

    buf_init_on(&b, room, sizeof(room));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        size_t from = b.n;

        if (name->type != GEN_URI && name->type != GEN_DNS)
            continue;
        if (name->type == GEN_DNS)
            buf_add(&b, STR("dns:"));
        buf_add(&b, text_of_name(name->d.ia5));
        if (b.error || n == TEXTS)
            return -E2BIG;
        texts[n++] = (struct str){ room + from, b.n - from };
    }
    return net_names_create(out, texts, n);
}

static bool names_host(const struct tls_link *l, const GENERAL_NAMES *names)
{
    struct net_names *read;
    bool named;

    if (names_read(&read, names))
        return false;
    named = net_names_host(read, tls_link_host(l), l->tls->wildcards);
    net_names_unref(read);
    return named;
}

static bool names_address(const struct tls_link *l, const GENERAL_NAMES *names)
{
    bool v6 = l->remote.sa.sa_family == AF_INET6;
    struct str is = v6 ? (struct str){ (const char *)&l->remote.v6.sin6_addr, 16 }
                       : (struct str){ (const char *)&l->remote.v4.sin_addr, 4 };

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_IPADD && str_equal(text_of_name(name->d.iPAddress), is))
            return true;
    }
    return false;
}

static GENERAL_NAMES *names_of_peer(const struct tls_link *l)
{
    X509 *cert = SSL_get0_peer_certificate(l->ssl);

    return cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
}

static bool names_server(const struct tls_link *l)
{
    GENERAL_NAMES *names = names_of_peer(l);
    bool named = l->host_n ? names_host(l, names) : names_address(l, names);

    GENERAL_NAMES_free(names);
    return named;
}

/* One whose certificate was not asked for, or not looked at, has none. */
static int names_client(struct tls_link *l)
{
    struct ticket t = ticket_make(l);
    bool good = l->tls->client_mode & SSL_VERIFY_PEER && SSL_get_verify_result(l->ssl) == X509_V_OK;
    GENERAL_NAMES *names = good ? names_of_peer(l) : NULL;
    int r = names ? names_read(&l->names, names) : 0;

    GENERAL_NAMES_free(names);
    if (SSL_session_reused(l->ssl) == 1 && !ticket_read(&t, SSL_get_session(l->ssl)))
        t.expires_ms = 0;
    l->expires_ms = t.expires_ms;
    return r;
}

/* ---- one connection ---- */

static SSL_SESSION *session_take(struct tls_link *l)
{
    const struct tls_server server = server_of(l);
    uint64_t now_ms = clock_monotonic_ms(l->clock), verified_ms = now_ms;
    SSL_SESSION *session = tls_sessions_take(l->tls->sessions, &server, now_ms, &verified_ms);
    X509 *cert = session ? SSL_SESSION_get0_peer(session) : NULL;

    if (cert && is_past(l, time_of(X509_get0_notAfter(cert)))) {
        SSL_SESSION_free(session);
        session = NULL;
    }
    l->verified_ms = session ? verified_ms : now_ms;
    return session;
}

static int session_resume(struct tls_link *l)
{
    SSL_SESSION *session = session_take(l);
    int r;

    r = !session || SSL_set_session(l->ssl, session) == 1 ? 0 : -ENOMEM;
    SSL_SESSION_free(session);
    return r;
}

int tls_link_create(struct tls_link **out, const struct tls_link_spec *spec)
{
    struct addr literal;
    bool has_host = spec->host.n && addr_parse(&literal, spec->host, 0);
    size_t host_n = has_host ? spec->host.n : 0;
    struct tls_link *l = calloc(1, sizeof(*l) + host_n + 1);
    int r = -ENOMEM;

    ERR_clear_error();
    if (!l)
        return r;
    l->tls = net_tls_ref(spec->tls);
    l->clock = spec->clock;
    l->expires_ms = UINT64_MAX;
    l->client = spec->client;
    l->remote = *spec->remote;
    l->host_n = host_n;
    if (host_n)
        memcpy(l->host, spec->host.p, host_n);
    l->ssl = SSL_new(spec->tls->ctx);
    if (l->ssl && SSL_set_app_data(l->ssl, l) == 1 && SSL_set_fd(l->ssl, spec->fd) == 1 &&
        (!l->client || !host_n || SSL_set_tlsext_host_name(l->ssl, l->host) == 1))
        r = l->client ? session_resume(l) : 0;
    if (r) {
        tls_link_destroy(l);
        return r;
    }
    if (l->client) {
        SSL_set_verify(l->ssl, l->tls->verify_server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
        SSL_set_connect_state(l->ssl);
    } else {
        SSL_set_verify(l->ssl, l->tls->client_mode, NULL);
        SSL_set_max_cert_list(l->ssl, CLIENT_CERTIFICATES_MAX);
        SSL_set_accept_state(l->ssl);
        tls_hello_watch(&l->hello, l->ssl);
    }
    *out = l;
    return 0;
}

void tls_link_end(struct tls_link *l)
{
    if (l->done && !l->dead)
        (void)SSL_shutdown(l->ssl);
    l->dead = true;
    ERR_clear_error();
}

void tls_link_destroy(struct tls_link *l)
{
    if (!l)
        return;
    if (l->ssl)
        tls_link_end(l);
    SSL_free(l->ssl);
    net_names_unref(l->names);
    net_tls_unref(l->tls);
    free(l);
}

static void reason_keep(struct tls_link *l)
{
    unsigned long code = ERR_peek_last_error();
    long verified = SSL_get_verify_result(l->ssl);
    const char *why =
        ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED
            ? X509_verify_cert_error_string(verified)
            : ERR_reason_error_string(code);

    snprintf(l->why, sizeof(l->why), "%s", why ? why : "the peer speaks no TLS");
    ERR_clear_error();
}

/* What a result of OpenSSL's means: -EAGAIN, with the wish; 0 at the end; or a failure. */
static int judge(struct tls_link *l, int result, enum tls_wish *wish)
{
    int saved = errno;

    switch (SSL_get_error(l->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *wish = TLS_WANTS_READ;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wish = TLS_WANTS_WRITE;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        l->dead = true;
        ERR_clear_error();
        if (l->hello.refused)
            snprintf(l->why, sizeof(l->why), "its ClientHello claims to be longer than any is");
        return l->hello.refused ? -EPROTO : saved ? -saved : -ECONNRESET;
    default:
        l->dead = true;
        reason_keep(l);
        return -EPROTO;
    }
}

int tls_link_handshake(struct tls_link *l)
{
    enum tls_wish wish = TLS_WANTS_READ;
    int r;

    ERR_clear_error();
    errno = 0;
    r = SSL_do_handshake(l->ssl);
    if (r != 1) {
        r = judge(l, r, &wish);
        return r == -EAGAIN ? (int)wish : r ? r : -ECONNRESET;
    }
    l->done = true;
    tls_hello_ignore(l->ssl);
    if (!l->client)
        return names_client(l);
    if (l->tls->verify_server && !names_server(l)) {
        snprintf(l->why, sizeof(l->why), "the certificate is for somebody else");
        return -EPROTO;
    }
    return 0;
}

ssize_t tls_link_read(struct tls_link *l, void *p, size_t n)
{
    enum tls_wish wish;
    size_t got;
    int r;

    ERR_clear_error();
    errno = 0;
    r = SSL_read_ex(l->ssl, p, n, &got);
    return r == 1 ? (ssize_t)got : judge(l, r, &wish);
}

ssize_t tls_link_write(struct tls_link *l, const void *p, size_t n)
{
    enum tls_wish wish;
    size_t put;
    int r;

    ERR_clear_error();
    errno = 0;
    r = SSL_write_ex(l->ssl, p, n, &put);
    if (r == 1)
        return (ssize_t)put;
    r = judge(l, r, &wish);
    return r ? r : -ECONNRESET;
}

bool tls_link_pending(const struct tls_link *l)
{
    return SSL_pending(l->ssl) > 0;
}

bool tls_link_is_midway(const struct tls_link *l)
{
    return SSL_has_pending(l->ssl) == 1;
}

const char *tls_link_why(const struct tls_link *l)
{
    return l->why[0] ? l->why : NULL;
}

struct str tls_link_host(const struct tls_link *l)
{
    return (struct str){ l->host, l->host_n };
}

bool tls_link_verifies(const struct tls_link *l)
{
    return l->client && l->tls->verify_server;
}

const struct net_names *tls_link_names(const struct tls_link *l)
{
    return l->names;
}

bool tls_link_is_expired(const struct tls_link *l)
{
    return l->expires_ms != UINT64_MAX && is_past(l, l->expires_ms);
}

bool tls_link_resumed(const struct tls_link *l)
{
    return SSL_session_reused(l->ssl) == 1;
}
