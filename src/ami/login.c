// SPDX-License-Identifier: MIT
/* Coming and going, and what somebody wants to hear. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ami/server_internal.h"

enum { FAILURE_PAUSE_MS = 1000 }; /* so that guessing takes its time */

/* ---- what others hear of it ---- */

static void add_time(struct buf *b, const char *name, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[40];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(b, "%s: %s.%03u+0000\r\n", name, text, (unsigned)(wall_ms % 1000));
}

static void add_address(struct buf *b, const char *name, const struct addr *a, bool tls)
{
    char room[80];
    struct buf host;

    buf_init_on(&host, room, sizeof(room));
    addr_print_host(&host, a);
    buf_printf(b, "%s: %s/%s/%.*s/%u\r\n", name, a->sa.sa_family == AF_INET6 ? "IPV6" : "IPV4",
               tls ? "TLS" : "TCP", STR_FMT(buf_str(&host)), (unsigned)addr_port(a));
}

static void tell_security(struct ami_session *s, const char *event, struct str account)
{
    bool good = strcmp(event, "SuccessfulAuth") == 0;
    uint64_t now_ms = clock_wall_ms(s->server->cfg.clock);
    char room[2 * AMI_REQUEST_LINE_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(s->server, &b, event, MANAGER_SECURITY);
    add_time(&b, "EventTV", now_ms);
    ami_add(&b, STR("Severity"), good ? STR("Informational") : STR("Error"));
    ami_add(&b, STR("Service"), STR("AMI"));
    ami_add(&b, STR("EventVersion"), STR("1"));
    ami_add(&b, STR("AccountID"), account);
    buf_printf(&b, "SessionID: 0x%llx\r\n", (unsigned long long)s->id);
    add_address(&b, "LocalAddress", &s->peer.local, s->peer.tls);
    add_address(&b, "RemoteAddress", &s->peer.remote, s->peer.tls);
    if (good)
        ami_add(&b, STR("UsingPassword"), STR("0"));
    add_time(&b, "SessionTV", now_ms);
    ami_end(&b);
    server_tell(s->server, event, MANAGER_SECURITY, &b);
}

static void log_address(const struct ami_session *s, const char *event, struct str user,
                        const char *why, enum log_level level)
{
    char room[80];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    addr_print(&b, &s->peer.remote);
    if (why)
        LOG_AT(s->server->cfg.log, level, event, KV("user", user), KV("address", buf_str(&b)),
               KV("why", why));
    else
        LOG_AT(s->server->cfg.log, level, event, KV("user", user), KV("address", buf_str(&b)));
}

/* ---- in ---- */

static void tell_booted(struct ami_session *s)
{
    struct ami_server *a = s->server;
    uint64_t now_ms = clock_wall_ms(a->cfg.clock);
    char room[1024];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    event_begin(a, &b, "FullyBooted", MANAGER_SYSTEM);
    ami_add_u64(&b, STR("Uptime"), (now_ms - a->cfg.started_wall_ms) / 1000);
    ami_add_u64(&b, STR("LastReload"), (now_ms - a->reloaded_wall_ms) / 1000);
    ami_add(&b, STR("Status"), STR("Fully Booted"));
    ami_end(&b);
    session_tell(s, "FullyBooted", MANAGER_SYSTEM, &b);
}

/* Answered when the pause is over, which nobody else waits for. */
static void login_refuse(struct ami_session *s, struct str name, const char *event, const char *why,
                         const char *message)
{
    s->server->counters.refused++;
    tell_security(s, event, name);
    log_address(s, "ami.login_refused", name, why, LOG_LEVEL_WARN);
    session_remember(s, (const struct str[]){ str_of(message) }, 1);
    timer_start(s->server->cfg.wheel, &s->timer, FAILURE_PAUSE_MS);
}

/* The time to log in is over, or the pause is. */
void login_expired(struct timer *t)
{
    struct ami_session *s = CONTAINER_OF(t, struct ami_session, timer);

    if (s->busy)
        session_fail(s, "%.*s", STR_FMT(s->argument[0]));
    else
        log_address(s, "ami.login_late", STR_EMPTY, NULL, LOG_LEVEL_INFO);
    session_close(s);
}

static bool same(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

/* The hash of the challenge and the secret, in hexadecimal. */
static bool key_is_right(const struct ami_session *s, const struct manager_user *u, struct str key)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char room[AMI_REQUEST_LINE_MAX + sizeof(s->challenge)], hex[2 * EVP_MAX_MD_SIZE];
    struct buf text, want;
    unsigned n = 0;

    buf_init_on(&text, room, sizeof(room));
    buf_init_on(&want, hex, sizeof(hex));
    buf_add(&text, str_of(s->challenge));
    buf_add(&text, u->secret);
    if (text.error || !s->challenge[0] ||
        EVP_Digest(text.p, text.n, hash, &n, EVP_md5(), NULL) != 1)
        return false;
    buf_add_hex(&want, hash, n);
    return same(key, buf_str(&want));
}

static bool is_proven(const struct ami_session *s, const struct manager_user *u,
                      const struct ami_message *m)
{
    if (!u->secret.n)
        return false;
    if (str_equal_nocase(ami_get(m, STR("AuthType")), STR("MD5")))
        return key_is_right(s, u, ami_get(m, STR("Key")));
    return same(ami_get(m, STR("Secret")), u->secret);
}

static bool is_in_use(const struct ami_server *a, struct str name)
{
    LIST_FOREACH (it, &a->sessions) {
        const struct ami_session *s = CONTAINER_OF(it, struct ami_session, link);

        if (s->user && !s->closing && str_equal(s->user->name, name))
            return true;
    }
    return false;
}

static void login_accept(struct ami_session *s, const struct manager_user *u, struct str events)
{
    struct ami_server *a = s->server;

    s->manager = manager_settings_ref(a->settings->manager);
    s->user = u;
    a->counters.strangers--;
    timer_stop(a->cfg.wheel, &s->timer);
    a->cfg.port.patience(a->cfg.port.ctx, s->connection, u->write_timeout_ms);
    if (events.n && manager_classes_parse(&s->mask, events))
        s->mask = 0; /* it has asked for something that there is not */
    if (u->display_connects)
        log_address(s, "ami.login", u->name, NULL, LOG_LEVEL_INFO);
    session_succeed(s, "Authentication accepted");
    tell_booted(s);
    tell_security(s, "SuccessfulAuth", u->name);
}

void action_login(struct ami_session *s, const struct ami_message *m)
{
    struct ami_server *a = s->server;
    struct str name = ami_get(m, STR("Username"));
    const struct manager_user *u = manager_user_find(a->settings->manager, name);

    if (s->user)
        session_succeed(s, "Already authenticated");
    else if (!u)
        login_refuse(s, name, "InvalidAccountID", "there is no such user", "Authentication failed");
    else if (!address_rules_permit(a->settings, &u->source, &s->peer.remote))
        login_refuse(s, name, "FailedACL", "not from there", "Authentication failed");
    else if (!is_proven(s, u, m))
        login_refuse(s, name, "InvalidPassword", "the secret is another one",
                     "Authentication failed");
    else if (!u->allow_multiple_login && is_in_use(a, name))
        login_refuse(s, name, "SessionLimit", "already logged in", "Login Already In Use");
    else
        login_accept(s, u, ami_get(m, STR("Events")));
}

void session_log_off(struct ami_session *s)
{
    if (s->user->display_connects)
        log_address(s, "ami.logoff", s->user->name, NULL, LOG_LEVEL_INFO);
    manager_settings_unref(s->manager);
    s->manager = NULL;
    s->user = NULL;
}

void action_logoff(struct ami_session *s, const struct ami_message *m)
{
    struct buf *b = session_respond(s, "Goodbye");

    (void)m;
    ami_add(b, STR("Message"), STR("Thanks for all the fish."));
    ami_end(b);
    session_done(s);
    session_close(s);
}

void action_challenge(struct ami_session *s, const struct ami_message *m)
{
    struct buf *b;

    if (!str_equal_nocase(ami_get(m, STR("AuthType")), STR("MD5"))) {
        session_fail(s, "Must specify AuthType");
        return;
    }
    if (!s->challenge[0])
        snprintf(s->challenge, sizeof(s->challenge), "%llu",
                 (unsigned long long)rng_u64(s->server->cfg.rng));
    b = session_respond(s, "Success");
    ami_add(b, STR("Challenge"), str_of(s->challenge));
    ami_end(b);
    session_done(s);
}

/* ---- what is heard ---- */

void action_events(struct ami_session *s, const struct ami_message *m)
{
    struct str mask = ami_get(m, STR("EventMask"));
    uint32_t classes = MANAGER_ALL;
    struct buf *b;

    if (mask.n && manager_classes_parse(&classes, mask)) {
        session_fail(s, "Invalid event mask");
        return;
    }
    s->mask = classes;
    b = session_respond(s, "Success");
    ami_add(b, STR("Events"), classes ? STR("On") : STR("Off"));
    ami_end(b);
    session_done(s);
}

static int filter_add(struct ami_session *s, const struct ami_message *m, struct buf *why)
{
    struct manager_filter *f;
    int r;

    if (s->n_filters == AMI_FILTERS_MAX) {
        buf_add(why, STR("there are too many"));
        return -EINVAL;
    }
    r = manager_filter_create(&f, ami_get(m, STR("MatchCriteria")), ami_get(m, STR("Filter")), why);
    if (r)
        return r;
    r = ARRAY_GROW(s->filters, s->n_filters);
    if (r)
        manager_filter_destroy(f);
    else
        s->filters[s->n_filters++] = f;
    return r;
}

void action_filter(struct ami_session *s, const struct ami_message *m)
{
    char room[200];
    struct buf why;
    int r;

    if (!str_equal_nocase(ami_get(m, STR("Operation")), STR("Add"))) {
        session_fail(s, "Unknown operation");
        return;
    }
    buf_init_on(&why, room, sizeof(room));
    r = filter_add(s, m, &why);
    if (r == -EINVAL)
        session_fail(s, "Filter was formatted incorrectly: %.*s", STR_FMT(buf_str(&why)));
    else if (r)
        session_fail(s, "Internal Error. Failed to allocate storage for filter type");
    else
        session_succeed(s, "Success");
}
