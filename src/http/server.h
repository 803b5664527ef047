// SPDX-License-Identifier: MIT
/* server.h - private to src/http: libwebsockets, on the loop that it is given.
 *
 * server.c      where it listens, and who may connect
 * connection.c  what happens on a connection: requests, their answers, streams */
#pragma once
#include <libwebsockets.h>

#include "http/http_internal.h"

enum {
    HEADER_DATA_MAX = 8192,
    PIECE = 32 << 10, /* of an answer, at once */
};

struct server {
    struct http *h;
    struct lws_context *context; /* NULL until it is first enabled */
    struct lws_vhost *vhost;     /* NULL: there is nothing to listen for */
    struct listener *listener;   /* NULL: it does not listen */
    struct retry *retry;
    unsigned generation;
    char vhost_name[32];       /* with it */
    SSL_CTX *certificate;      /* of now; with TLS */
    struct timespec certified; /* when its files were changed last */
    uint32_t places;           /* as many connections as the context has room for */
    uint64_t connections;
    unsigned char room[LWS_PRE + PIECE];
};

/* What a vhost of libwebsockets speaks; its context's user is the struct server. */
extern const struct lws_protocols connection_protocols[];
