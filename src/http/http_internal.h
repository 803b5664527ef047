// SPDX-License-Identifier: MIT
/* http_internal.h - one request and its answer, whatever moves the bytes.
 *
 * server.c: where libwebsockets listens.  connection.c: requests by it.  exchange.c: from a
 * request's head to its answer.  certificate.c: what TLS shows.  access.c: who asks, and what he
 * may.  route.c: which path is what.  rest.c, ari.c, metrics.c, page.c: the answers.  events.c:
 * what is told as it happens. */
#pragma once
#include <jansson.h>
#include <openssl/ssl.h>

#include "base/list.h"
#include "base/random.h"
#include "config/manager.h"
#include "ctl/commands.h"
#include "http/http.h"

enum {
    HTTP_HEAD_MAX = 16 << 10, /* bytes of the header fields that are looked at */
    HTTP_BODY_MAX = 1 << 20,
    HTTP_ANSWER_MAX = 1 << 30,
    HTTP_SESSIONS_MAX = 1000,
    HTTP_SESSIONS_OF_ONE = 100, /* name: of more the oldest ends */
    HTTP_NAME_MAX = 64,
    HTTP_SOURCES_MAX = 4096, /* bytes of an eventSource */
    HTTP_FAILURES = 1024,    /* addresses whose failed proofs are counted, */
    HTTP_FAILURE_WAYS = 4,   /* each in one of so many places: a divisor of that */
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_PUT,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_METHODS,
    HTTP_OTHER = HTTP_METHODS
};

struct http_request { /* everything is borrowed */
    enum http_method method;
    struct str path;  /* percent-escapes undone */
    struct str query; /* "name=value", escapes undone, each ended by a NUL */
    struct str host, origin, authorization, cookie, csrf, accept, content_type, if_none_match;
    struct addr peer;
    bool secure; /* TLS */
    bool again;  /* it was let in with this before: no guess, whoever guesses from there */
};

/* ---- access.c ---- */

struct caller {
    char name[HTTP_NAME_MAX + 1]; /* empty: somebody near who has proved nothing */
    bool reads, writes;
    const struct session *session; /* by whose cookie; borrowed for the call */
};

struct session {
    struct list link; /* the oldest first */
    char id[33], csrf[33];
    char name[HTTP_NAME_MAX + 1];
    bool reads, writes;
    uint64_t until_ms;
};

struct access {
    struct list sessions;
    size_t n_sessions;
    uint64_t key; /* nobody knows whose failures are counted in whose place */
    struct failures {
        uint64_t host;
        uint64_t since_ms;
        unsigned n;
    } failures[HTTP_FAILURES];
};

enum access_outcome {
    ACCESS_WRONG = 1, /* what should prove who asks does not -> 401 */
    ACCESS_TOO_OFTEN, /* wrong proofs from that address -> 429 */
    ACCESS_FOREIGN,   /* a page of somebody else's -> 403 */
};
void access_init(struct access *a, struct rng *rng);
void access_fini(struct access *a);
/* Who asks, and what he may: perhaps nothing. 0 or an access_outcome. */
NODISCARD int access_check(struct http *h, const struct http_request *rq, struct caller *out);
struct credential { /* borrowed from the settings */
    struct str name, secret;
    bool reads, writes;
};
/* Whose name and secret these are. 0 or an access_outcome. */
NODISCARD int access_prove(struct http *h, const struct http_request *rq, struct str name,
                           struct str secret, struct credential *out);
/* NULL without memory. */
const struct session *session_create(struct http *h, const struct credential *c);
void session_end(struct http *h, const struct session *s);
/* Those that began with another secret than there is now end. Before `now` is in force. */
void sessions_settle(struct http *h, const struct settings *now);

/* ---- exchange.c ---- */

struct route;
struct stream; /* events.c */

struct exchange {
    struct list link; /* in http.exchanges */
    struct http *http;
    uint64_t id;
    struct buf head; /* holds the texts of rq */
    struct http_request rq;
    struct caller caller;
    const struct route *route;
    struct str name; /* of what the path names, behind the route's */
    struct buf body;
    json_t *object; /* the body, where it is JSON */
    /* The answer: */
    unsigned status;
    const char *type;  /* Content-Type; NULL: there is no body */
    struct buf fields; /* further "Name: value\r\n" */
    struct buf out;
    struct str file; /* instead of `out`: a constant */
    bool answered;
    unsigned unfound;      /* what a command's "not_found" is answered with; 0: 404 */
    struct stream *stream; /* after `out` more will come */
    void (*then)(struct exchange *x, const struct commands_answer *answer);
    json_t *collected;                 /* by one that asks several times */
    void (*ready)(struct exchange *x); /* it is answered; perhaps from inside exchange_begin */
    void *server;                      /* connection.c's */
};

/* The head is complete but for the texts of `rq`, which are put into x->head. NULL: no memory. */
struct exchange *exchange_create(struct http *h, void (*ready)(struct exchange *x), void *server);
void exchange_destroy(struct exchange *x);
/* Route it; it may be answered then (nobody needs to read its body). Later exchange_go. */
void exchange_begin(struct exchange *x);
void exchange_go(struct exchange *x); /* the body is complete */

void exchange_answer(struct exchange *x, unsigned status);
/* {"error":...,"message":...} */
void exchange_fail(struct exchange *x, unsigned status, const char *error, const char *format, ...)
    PRINTF_LIKE(4, 5);
void exchange_field(struct exchange *x, const char *name, struct str value);
/* Run a control command; takes `arguments`, NULL: there was no memory. `then` is called with its
 * answer, unless that is an error, which is answered. */
void exchange_ask(struct exchange *x, json_t *arguments,
                  void (*then)(struct exchange *x, const struct commands_answer *answer));
/* What an error of a command is answered with. */
unsigned exchange_status(const struct commands_answer *answer);
/* The value of an argument of the query; false: there is none. */
bool exchange_query(const struct exchange *x, const char *name, struct str *value);

/* ---- route.c ---- */

enum right { RIGHT_NONE, RIGHT_READ, RIGHT_WRITE };

struct route {
    enum http_method method;
    const char *path; /* with '/' at its end a name follows */
    enum right right;
    void (*go)(struct exchange *x);
    const char *command, *member; /* of those that list: what is asked, what the list is called */
};
/* NULL: the path is none; `*allow` (of at least 64 bytes) then has the methods of it, if any. */
const struct route *route_find(const struct http_request *rq, struct str *name, struct buf *allow);

/* rest.c */
void rest_list(struct exchange *x);
void rest_one(struct exchange *x);
void rest_members(struct exchange *x);
void rest_explain(struct exchange *x);
void rest_history(struct exchange *x);
void rest_device_put(struct exchange *x);
void rest_device_delete(struct exchange *x);
void rest_presence_put(struct exchange *x);
void rest_presence_delete(struct exchange *x);
void rest_mailbox_put(struct exchange *x);
void rest_mailbox_delete(struct exchange *x);
void rest_changes(struct exchange *x);
void rest_session_get(struct exchange *x);
void rest_session_post(struct exchange *x);
void rest_session_delete(struct exchange *x);
void rest_live(struct exchange *x);
void rest_ready(struct exchange *x);

/* ari.c */
void ari_devices(struct exchange *x);
void ari_device(struct exchange *x);
void ari_device_put(struct exchange *x);
void ari_device_delete(struct exchange *x);
void ari_mailboxes(struct exchange *x);
void ari_mailbox(struct exchange *x);
void ari_mailbox_put(struct exchange *x);
void ari_mailbox_delete(struct exchange *x);
void ari_fail(struct exchange *x, unsigned status, const char *message);
/* An argument, in the query or the body; false: it is in neither, or too long. */
bool ari_argument(const struct exchange *x, const char *name, struct buf *out);

/* events.c */
void events_get(struct exchange *x);
void ari_apps(struct exchange *x);
void ari_app(struct exchange *x);
void ari_app_subscribe(struct exchange *x);
void ari_app_unsubscribe(struct exchange *x);
/* A WebSocket of /ari/events whose right to read has been checked. What is to be sent is in x->out,
 * each message ended by a newline. False: it is none; the exchange goes. */
bool ari_events_begin(struct exchange *x);
void stream_destroy(struct stream *s); /* NULL is fine */
/* Now and then. False: its right to read has ended, or it was too slow; it is to be cut off. */
bool stream_keep_alive(struct exchange *x);

/* page.c */
void page_get(struct exchange *x);

/* certificate.c */

/* Into `*out`, whose former one goes: which was NULL, or is not shown to anybody any more. 0;
 * -EINVAL: the files cannot be used; -ENOMEM. */
NODISCARD int certificate_read(SSL_CTX **out, const struct http_settings *s);
/* A cert_cb of OpenSSL's; its argument is an SSL_CTX **. */
int certificate_show(SSL *ssl, void *certificate);
/* An info_callback: nobody has room made for a ClientHello that there is not. */
void certificate_event(const SSL *ssl, int where, int result);

/* metrics.c */
void metrics_get(struct exchange *x);

struct http {
    struct http_config cfg;
    const struct settings *settings; /* a reference */
    struct commands *commands;
    struct rng rng;
    struct access access;
    struct list exchanges;
    uint64_t next_exchange;
    struct list streams, apps;
    size_t n_streams;
    struct feed_consumer consumer; /* registered while there are streams */
    uint64_t requests, refused;    /* for the metrics; the latter by access */
    struct server *server;
};

/* What http_create does without any socket. 0 or -ENOMEM. */
NODISCARD int http_init(struct http *h, const struct http_config *cfg);
void http_fini(struct http *h);

/* server.c */
NODISCARD int server_create(struct server **out, struct http *h);
void server_settings(struct server *s, const struct http_settings *former);
void server_destroy(struct server *s);
uint64_t server_connections(const struct server *s);
int server_socket(const struct server *s);
