// SPDX-License-Identifier: MIT
#include "daemon/certificates.h"

#include "net/net.h"
#include "net/tls.h"

#include <string.h>
#include <time.h>

struct use {
    struct diag_place at;
    const char *cert, *key; /* what its options are called */
    const char *end;        /* what becomes of it */
};

static void spec_check(const struct net_tls_spec *spec, const struct use *use, struct diag *diag)
{
    struct net_tls *tls = NULL;
    const char *option = "";
    char room[256];
    struct buf why;

    buf_init_on(&why, room, sizeof(room));
    if (net_tls_create(&tls, spec, &option, &why) != NET_TLS_BAD)
        net_tls_unref(tls); /* without memory nothing is known */
    else
        diag_add(diag, DIAG_ERROR, use->at, "%s: %.*s; %s",
                 strcmp(option, "cert_file") == 0       ? use->cert
                 : strcmp(option, "priv_key_file") == 0 ? use->key
                                                        : option,
                 STR_FMT(buf_str(&why)), use->end);
}

static void http_check(const struct http_settings *h, struct diag *diag)
{
    const struct net_tls_spec spec = { .cert_file = h->cert_file,
                                       .key_file = h->key_file,
                                       .version = NET_TLS_1_2 };

    if (h->enabled && h->cert_file.n)
        spec_check(&spec,
                   &(struct use){ h->tls_at, "tls_cert_file", "tls_key_file",
                                  "HTTP goes on with the former one, or is not served" },
                   diag);
}

static void source_check(const struct source_settings *s, struct diag *diag)
{
    const struct net_tls_spec spec = { .cert_file = s->cert_file,
                                       .key_file = s->key_file,
                                       .ca_file = s->ca_file,
                                       .ca_path = s->ca_path,
                                       .verify_server = s->verify_server,
                                       .wildcards = s->wildcards };

    if (s->tls)
        spec_check(&spec,
                   &(struct use){ s->at, "cert_file", "priv_key_file",
                                  "the source cannot be connected to" },
                   diag);
}

/* ---- how long they hold ---- */

static void say_until(struct diag *diag, struct diag_place at, const char *option, uint64_t ends_ms,
                      const char *what)
{
    time_t seconds = (time_t)(ends_ms / 1000);
    char date[32] = "";
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
    diag_add(diag, DIAG_WARNING, at, "%s: the certificate holds until %s, %s", option, date, what);
}

/* Soon is the last tenth of its time: one of 90 days is renewed long before. */
static void dates_check(struct str cert_file, struct diag_place at, const char *option,
                        uint64_t now_ms, struct diag *diag)
{
    struct net_tls_dates d;

    if (!cert_file.n || net_tls_dates_read(&d, cert_file))
        return;
    if (d.ends_ms <= now_ms)
        say_until(diag, at, option, d.ends_ms, "and is over; who looks at it does not connect");
    else if (d.ends_ms > d.begins_ms && d.ends_ms - now_ms < (d.ends_ms - d.begins_ms) / 10)
        say_until(diag, at, option, d.ends_ms, "which is soon; renew it");
}

void certificates_check(const struct settings *settings, uint64_t now_wall_ms, struct diag *diag)
{
    http_check(&settings->http, diag);
    for (size_t i = 0; i < settings->n_sources; i++)
        source_check(&settings->sources[i], diag);
    for (size_t i = 0; i < settings->n_transports; i++)
        if (net_is_secure((enum net_protocol)settings->transports[i].protocol))
            dates_check(settings->transports[i].cert_file, settings->transports[i].at, "cert_file",
                        now_wall_ms, diag);
    if (settings->http.enabled)
        dates_check(settings->http.cert_file, settings->http.tls_at, "tls_cert_file", now_wall_ms,
                    diag);
}
