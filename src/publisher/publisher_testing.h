// SPDX-License-Identifier: MIT
/* publisher_testing.h - for tests: a publisher on a real transaction layer, whose network is a
 * queue, whose time moves by hand, and whose compositor does as it is told.
 *
 * Everything that is sent is checked: header order, CSeq and document version that rise by one,
 * retransmissions that repeat their bytes, never two requests of one publication unanswered. The
 * compositor follows RFC 3903, and what it saw can be read as lines:
 *
 *     1000 initial idle 3600: 200
 *     1000 modify confirmed 3600: no answer
 *     1000 remove - 0: 412 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"
#include "publisher/publisher_internal.h"

#define BENCH_START_MS 1000000
#define BENCH_LATENCY_MS 10
#define BENCH_NONCES 16384 /* remembered */

/* One section [esc] for dialog, and the credentials it may have. */
#define ESC_HEAD \
    "[esc]\ntype=outbound-publish\nserver_uri=sip:esc.test\nevent=dialog\nmulti_user=yes\n"
#define ESC_BODY "@body=application/dialog-info+xml\n"
#define ESC ESC_HEAD ESC_BODY
#define ESC_AUTH                                                                            \
    "[cred]\ntype=auth\nauth_type=userpass\nusername=publisher\npassword=secret\n" ESC_HEAD \
    "outbound_auth=cred\nmax_auth_attempts=3\n" ESC_BODY

struct bench_datagram {
    struct list link;
    uint64_t due_ms;
    struct flow flow;
    struct str bytes;
    bool is_response;
};

struct esc_document { /* one publication at the compositor */
    struct list link;
    struct str resource; /* Request-URI, blank, event */
    struct str tag, body;
    uint64_t until_ms;
};

struct esc_client { /* one Call-ID: one publication of ours */
    struct map_node node;
    struct str call_id, branch, request; /* as last sent */
    struct str served, response;         /* branch and answer of the last that arrived */
    uint64_t asked_ms;
    uint32_t cseq;
    int64_t version;
    bool answered;  /* and the answer delivered */
    bool restarted; /* since its last request: numbers may jump, and go up all the same */
};

#define ESC_NO_ANSWER 1

struct esc_answer {  /* scripted */
    unsigned status; /* 0: none */
    const char *headers;
};

struct esc_script {                /* what it does besides following the RFC */
    const struct esc_answer *next; /* for requests to come; used up first */
    size_t n_next;
    bool silent;
    bool no_tags;        /* 200 without SIP-ETag */
    const char *odd_tag; /* this one instead */
    bool ends_idle;      /* as habit.c says */
    const char *server;  /* Server header */
    uint32_t grants_s;   /* 0: as asked */
    uint32_t min_expires_s;
    const char *nonce;   /* asks for digest, with a number behind it; NULL: does not */
    bool stale;          /* says so in each challenge */
    bool proxy;          /* 407 */
    uint32_t nonce_uses; /* then a new one is wanted; 0: never */
    bool next_nonce;     /* which is told with the last answer before */
    unsigned loss;       /* of 100 datagrams, each way */
    /* A status, ESC_NO_ANSWER, or 0 for the rules. */
    unsigned (*answer)(void *ctx, const struct sip_message *request);
    void *ctx;
    uint32_t retry_after_s; /* said with what `answer` gives; 0: not */
};

/* What survives the process: kept_testing.c. */
enum { KEPT_MAX = 128 };
struct bench_store {
    bool works; /* otherwise nobody keeps anything */
    bool slow;  /* nothing is durable until bench_write */
    bool fails;
    struct str kept[KEPT_MAX], unwritten[KEPT_MAX]; /* by number; on the heap */
    bool put[KEPT_MAX], taken[KEPT_MAX];            /* there is something unwritten */
    uint64_t words[KEPT_MAX];
    struct list waits;
    uint64_t incarnation;
    size_t puts;
};

struct bench {
    uint64_t now_ms, wall_ahead_ms;
    struct clock clock;
    struct wheel wheel;
    struct rng rng, dice; /* the subject's, and ours */
    struct log *log;
    int log_fd;
    struct body_registry *bodies;
    struct txn_layer *txn;
    struct publisher *publisher;
    struct settings *settings;
    uint32_t retry_interval_s; /* given to all settings */

    struct list network; /* datagrams under way, by due time */
    int send_result;     /* what the port answers */
    size_t sent;         /* datagrams, retransmissions included */
    int route_result;
    bool resolves, answers_resolve; /* a name is found; a look-up is answered at all */
    size_t resolutions;
    struct addr address, former_address;
    struct addr dead; /* of the same name, before `address`, and nobody is there; or none */
    struct dns_targets targets;
    uint64_t moved_ms;

    struct esc_script esc;
    struct list documents;
    struct map clients;
    uint64_t next_tag, last_nonce_count, nonces;
    uint32_t nonce_count[BENCH_NONCES];
    size_t outstanding, most_outstanding;
    struct buf seen; /* lines, since the last bench_seen */
    size_t requests; /* new ones */
    size_t challenges, authorized;
    struct str last;             /* the last new request */
    bool quiet;                  /* no lines */
    void (*guard)(bool subject); /* told when the subject's code begins and ends; or NULL */
    struct bench_store store;
};

struct bench *bench_create(const char *pjsip_conf, const char *extstate_conf);
/* Reads both texts and hands them over. */
void bench_reload(struct bench *b, const char *pjsip_conf, const char *extstate_conf);
void bench_destroy(struct bench *b);
/* Likewise, with a store. */
struct bench *bench_create_keeping(const char *pjsip_conf, const char *extstate_conf);
/* What was put becomes durable. */
void bench_write(struct bench *b);
/* The process ends at once, and another one begins with these files and what is durable. Who sends
 * to it meanwhile is not heard. */
void bench_restart(struct bench *b, const char *pjsip_conf, const char *extstate_conf);
size_t bench_kept(const struct bench *b); /* records */
struct settings *bench_settings(const struct bench *b, const char *pjsip_conf,
                                const char *extstate_conf);

/* A resource "EXTEN@CONTEXT" changes; its id is made from the name. */
void bench_set(struct bench *b, const char *resource, enum extension_state state);
void bench_remove(struct bench *b, const char *resource);
void bench_run(struct bench *b, uint64_t ms);

/* Among publisher_testing.c, compositor_testing.c and kept_testing.c. */
void bench_guard(const struct bench *b, bool subject);
void bench_create_publisher(struct bench *b);
struct keep bench_keep(struct bench *b);
struct keep_words bench_words(struct bench *b);
void bench_lose(struct bench *b); /* all that is kept */
void bench_clients_restart(struct bench *b);
void bench_post(struct bench *b, const struct flow *flow, struct str bytes, bool is_response);
void bench_unsent(struct bench *b, struct str datagram);
void bench_watch(struct bench *b, const struct flow *to, struct str datagram);
void esc_receive(struct bench *b, const struct flow *flow, struct str datagram);
struct esc_client *esc_client_find(struct bench *b, struct str call_id);
void esc_clients_free(struct bench *b);

/* The lines since the last call; borrowed until the next. */
const char *bench_seen(struct bench *b);
void bench_forget_seen(struct bench *b);
#define assert_seen(b, ...) assert_string_equal(bench_seen(b), "" __VA_ARGS__)

void esc_forget(struct bench *b); /* a restart without a memory */
/* The newest document of a user for this event; NULL when there is none. */
const struct esc_document *esc_find(const struct bench *b, const char *user, const char *event);
size_t esc_count(struct bench *b);
/* The <state> it shows, or "-". */
const char *esc_state(struct bench *b, const char *user);

struct publisher_counters bench_counters(const struct bench *b);
/* One publication of the list, by section and extension; fails when there is none. */
struct publication_view bench_view(const struct bench *b, const char *section,
                                   const char *extension);
size_t bench_count(const struct bench *b);
/* 1000@users, 1001@users, ... */
void bench_set_many(struct bench *b, unsigned n, enum extension_state state);
/* How many of them are published with this <state>. */
size_t bench_shown(struct bench *b, unsigned n, const char *state);
