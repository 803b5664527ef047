// SPDX-License-Identifier: MIT
/* Who asks. A secret proves it, of a token or of a user of manager.conf: as `Authorization: Bearer
 * SECRET`, by HTTP Basic or ARI's api_key with the token's name, or by the cookie of a session that
 * began with one. Who has none may read from addresses that are near. */
#include "http/http_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAILURES_MAX = 10, FAILURES_MS = 60000 }; /* of one address in so long */

#define COOKIE "extstate_session"

static uint64_t now_ms(const struct http *h)
{
    return clock_monotonic_ms(h->cfg.clock);
}

/* ---- failures ---- */

static uint64_t host_of(const struct http *h, const struct addr *a)
{
    const unsigned char *p = a->sa.sa_family == AF_INET6 ? a->v6.sin6_addr.s6_addr
                                                         : (const unsigned char *)&a->v4.sin_addr;
    uint64_t host = h->access.key;

    /* Of IPv6 the network: whoever has one address there has all. */
    for (size_t i = 0; i < (a->sa.sa_family == AF_INET6 ? 8 : 4); i++) {
        host = (host ^ p[i]) * 0x100000001b3ull;
        host ^= host >> 29;
    }
    return host;
}

static struct failures *failures_of(struct http *h, const struct addr *a)
{
    uint64_t host = host_of(h, a);
    struct failures *set =
        &h->access.failures[host % (HTTP_FAILURES / HTTP_FAILURE_WAYS) * HTTP_FAILURE_WAYS];
    struct failures *f = set; /* where it is, else where least is lost */

    for (size_t i = 0; i < HTTP_FAILURE_WAYS && f->host != host; i++)
        if (set[i].host == host || set[i].n < f->n)
            f = &set[i];
    if (f->host != host || now_ms(h) - f->since_ms >= FAILURES_MS)
        *f = (struct failures){ .host = host, .since_ms = now_ms(h) };
    return f;
}

/* Has that address guessed too often? */
static bool guesses(struct http *h, const struct http_request *rq)
{
    return !rq->again && failures_of(h, &rq->peer)->n >= FAILURES_MAX;
}

static int guessed(struct http *h, const struct http_request *rq)
{
    if (!rq->again)
        failures_of(h, &rq->peer)->n++;
    return ACCESS_WRONG;
}

/* ---- secrets ---- */

static bool secret_is(struct str a, struct str b)
{
    return a.n == b.n && a.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

static struct credential credential_of_token(const struct http_token *t)
{
    return (struct credential){ t->name, t->secret, true, t->writes };
}

/* Who may see calls on the manager interface sees lamps; who may set variables there sets states.
 */
static struct credential credential_of_user(const struct manager_user *u)
{
    const uint32_t sees = MANAGER_CALL | MANAGER_REPORTING;

    return (struct credential){ u->name, u->secret, (u->read & sees) != 0,
                                (u->write & MANAGER_CALL) != 0 };
}

/* A token, else a user of manager.conf. */
static bool credential_named(const struct settings *s, struct str name, struct credential *out)
{
    const struct manager_user *u = s->manager ? manager_user_find(s->manager, name) : NULL;

    for (size_t i = 0; i < s->http.n_tokens; i++)
        if (str_equal(s->http.tokens[i].name, name)) {
            *out = credential_of_token(&s->http.tokens[i]);
            return true;
        }
    if (!u || u->name.n > HTTP_NAME_MAX)
        return false;
    *out = credential_of_user(u);
    return true;
}

/* From there? A token may be used anywhere. */
static bool may_come(const struct http *h, const struct http_request *rq,
                     const struct credential *c)
{
    const struct settings *s = h->settings;
    const struct manager_user *u = s->manager ? manager_user_find(s->manager, c->name) : NULL;

    return !u || c->name.p != u->name.p || address_rules_permit(s, &u->source, &rq->peer);
}

static bool prove_named(const struct http *h, const struct http_request *rq, struct str name,
                        struct str secret, struct credential *out)
{
    return credential_named(h->settings, name, out) && secret_is(out->secret, secret) &&
           may_come(h, rq, out);
}

/* All are looked at, so that how long it takes tells nothing. */
static bool prove_secret(const struct http *h, struct str secret, struct credential *out)
{
    const struct http_settings *s = &h->settings->http;
    bool found = false;

    for (size_t i = 0; i < s->n_tokens; i++)
        if (secret_is(s->tokens[i].secret, secret)) {
            *out = credential_of_token(&s->tokens[i]);
            found = true;
        }
    return found;
}

int access_prove(struct http *h, const struct http_request *rq, struct str name, struct str secret,
                 struct credential *out)
{
    if (guesses(h, rq))
        return ACCESS_TOO_OFTEN;
    return prove_named(h, rq, name, secret, out) ? 0 : guessed(h, rq);
}

/* ---- sessions ---- */

void access_init(struct access *a, struct rng *rng)
{
    *a = (struct access){ .key = rng_u64(rng) };
    list_init(&a->sessions);
}

static void session_free(struct access *a, struct session *s)
{
    list_remove(&s->link);
    OPENSSL_cleanse(s, sizeof(*s));
    free(s);
    a->n_sessions--;
}

void access_fini(struct access *a)
{
    LIST_FOREACH_SAFE (it, &a->sessions)
        session_free(a, CONTAINER_OF(it, struct session, link));
}

static void random_hex(struct http *h, char out[33])
{
    unsigned char bytes[16];
    struct buf b;

    rng_fill(&h->rng, bytes, sizeof(bytes));
    buf_init_on(&b, out, 32);
    buf_add_hex(&b, bytes, sizeof(bytes));
    out[32] = '\0';
}

/* The oldest one makes room, of that name if it has many. */
static void make_room(struct access *a, struct str name)
{
    struct session *oldest = NULL;
    size_t n = 0;

    LIST_FOREACH (it, &a->sessions) {
        struct session *s = CONTAINER_OF(it, struct session, link);

        if (!str_equal(str_of(s->name), name))
            continue;
        oldest = oldest ? oldest : s;
        n++;
    }
    if (n >= HTTP_SESSIONS_OF_ONE)
        session_free(a, oldest);
    else if (a->n_sessions == HTTP_SESSIONS_MAX)
        session_free(a, CONTAINER_OF(a->sessions.next, struct session, link));
}

const struct session *session_create(struct http *h, const struct credential *c)
{
    struct session *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    make_room(&h->access, c->name);
    random_hex(h, s->id);
    random_hex(h, s->csrf);
    memcpy(s->name, c->name.p, c->name.n);
    s->reads = c->reads;
    s->writes = c->writes;
    s->until_ms = now_ms(h) + UINT64_C(1000) * h->settings->http.session_lifetime_s;
    list_init(&s->link);
    list_append(&h->access.sessions, &s->link);
    h->access.n_sessions++;
    return s;
}

void session_end(struct http *h, const struct session *s)
{
    LIST_FOREACH_SAFE (it, &h->access.sessions)
        if (CONTAINER_OF(it, struct session, link) == s)
            session_free(&h->access, CONTAINER_OF(it, struct session, link));
}

static struct session *session_find(struct http *h, struct str id)
{
    struct session *found = NULL;

    LIST_FOREACH_SAFE (it, &h->access.sessions) {
        struct session *s = CONTAINER_OF(it, struct session, link);

        if (now_ms(h) >= s->until_ms)
            session_free(&h->access, s);
        else if (secret_is(str_of(s->id), id))
            found = s;
    }
    return found;
}

void sessions_settle(struct http *h, const struct settings *now)
{
    LIST_FOREACH_SAFE (it, &h->access.sessions) {
        struct session *s = CONTAINER_OF(it, struct session, link);
        struct credential was, is;

        if (!credential_named(h->settings, str_of(s->name), &was) ||
            !credential_named(now, str_of(s->name), &is) || !str_equal(was.secret, is.secret)) {
            session_free(&h->access, s);
            continue;
        }
        s->reads = is.reads;
        s->writes = is.writes;
    }
}

/* ---- what a request proves ---- */

static struct str cookie_value(struct str cookies)
{
    struct str rest = cookies;

    while (rest.p) {
        struct str part = str_next(&rest, ';');

        if (str_starts(part, STR(COOKIE "=")))
            return str_sub(part, sizeof(COOKIE), part.n);
    }
    return STR_EMPTY;
}

static void caller_set(struct caller *out, const struct credential *c)
{
    memcpy(out->name, c->name.p, c->name.n);
    out->reads = c->reads;
    out->writes = c->writes;
}

/* "NAME:SECRET" */
static int prove_pair(struct http *h, const struct http_request *rq, struct str pair,
                      struct caller *out)
{
    size_t colon = str_find_char(pair, ':');
    struct credential c;
    int r = access_prove(h, rq, str_sub(pair, 0, colon), str_sub(pair, colon + 1, pair.n), &c);

    if (r == 0)
        caller_set(out, &c);
    return r;
}

static int prove_bearer(struct http *h, const struct http_request *rq, struct str secret,
                        struct caller *out)
{
    struct credential c;

    if (guesses(h, rq))
        return ACCESS_TOO_OFTEN;
    if (!prove_secret(h, secret, &c))
        return guessed(h, rq);
    caller_set(out, &c);
    return 0;
}

static int prove_basic(struct http *h, const struct http_request *rq, struct str text,
                       struct caller *out)
{
    unsigned char pair[600];
    int n = text.n <= 800 ? EVP_DecodeBlock(pair, (const unsigned char *)text.p, (int)text.n) : -1;

    /* What pads the end is decoded as zeros. */
    for (size_t i = text.n; n > 0 && i > 0 && text.p[i - 1] == '='; i--)
        n--;
    return prove_pair(h, rq, n > 0 ? (struct str){ (const char *)pair, (size_t)n } : STR_EMPTY,
                      out);
}

static int prove_header(struct http *h, const struct http_request *rq, struct caller *out)
{
    struct str rest = rq->authorization, scheme = str_next(&rest, ' '), proof = str_trim(rest);

    if (str_equal_nocase(scheme, STR("Bearer")))
        return prove_bearer(h, rq, proof, out);
    if (str_equal_nocase(scheme, STR("Basic")))
        return prove_basic(h, rq, proof, out);
    return ACCESS_WRONG;
}

static struct str api_key(const struct http_request *rq)
{
    struct str rest = str_starts(rq->path, STR("/ari/")) ? rq->query : STR_EMPTY;

    while (rest.n) {
        struct str part = str_next(&rest, '\0');

        if (str_starts(part, STR("api_key=")))
            return str_sub(part, sizeof("api_key"), part.n);
    }
    return STR_EMPTY;
}

/* ---- who has proved nothing ---- */

static bool nets_have(const struct addr_net *nets, size_t n, const struct addr *a)
{
    for (size_t i = 0; i < n; i++)
        if (addr_net_contains(&nets[i], a))
            return true;
    return false;
}

static struct str host_name(struct str host)
{
    size_t end = str_find_char(host, ':');

    if (host.n && host.p[0] == '[')
        end = str_find_char(host, ']') + 1;
    return str_sub(host, 0, end);
}

/* A browser that was told a wrong address for a name asks us by that name. */
static bool is_our_host(const struct http_settings *s, struct str host)
{
    struct str name = host_name(host);
    struct addr a;

    return addr_parse(&a, name, 0) == 0 || str_equal_nocase(name, STR("localhost")) ||
           str_is_listed(name, s->hosts);
}

/* A browser says whose page makes it ask. */
static bool is_own_page(const struct http_request *rq)
{
    struct str origin = rq->origin;
    size_t scheme = str_starts_nocase(origin, STR("https://"))  ? 8
                    : str_starts_nocase(origin, STR("http://")) ? 7
                                                                : 0;

    return !origin.n || (scheme && str_equal_nocase(str_sub(origin, scheme, origin.n), rq->host));
}

static int check_session(struct http *h, const struct http_request *rq, struct caller *out)
{
    struct str id = cookie_value(rq->cookie);
    const struct session *s = id.n ? session_find(h, id) : NULL;
    struct credential c;

    if (!s || !credential_named(h->settings, str_of(s->name), &c) || !may_come(h, rq, &c))
        return 0;
    memcpy(out->name, s->name, sizeof(out->name));
    out->reads = s->reads;
    out->session = s;
    /* Cookies go along with whatever a page makes the browser ask; this does not. */
    out->writes = s->writes && secret_is(str_of(s->csrf), rq->csrf);
    return 0;
}

int access_check(struct http *h, const struct http_request *rq, struct caller *out)
{
    const struct http_settings *s = &h->settings->http;
    struct str key = api_key(rq);

    *out = (struct caller){ .reads = false };
    if (!is_own_page(rq))
        return ACCESS_FOREIGN;
    if (rq->authorization.n)
        return prove_header(h, rq, out);
    if (key.n)
        return prove_pair(h, rq, key, out);
    out->reads = nets_have(s->readers, s->n_readers, &rq->peer) && is_our_host(s, rq->host);
    return check_session(h, rq, out);
}
