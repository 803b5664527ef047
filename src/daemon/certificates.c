// SPDX-License-Identifier: MIT
#include "daemon/certificates.h"

#include "net/tls.h"

#include <string.h>

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

void certificates_check(const struct settings *settings, struct diag *diag)
{
    http_check(&settings->http, diag);
    for (size_t i = 0; i < settings->n_sources; i++)
        source_check(&settings->sources[i], diag);
}
