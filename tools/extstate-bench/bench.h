// SPDX-License-Identifier: MIT
/* bench.h - what the parts of extstate-bench share: one thread, one loop, everything in one struct.
 *
 *   wire         sockets, packet loss, client transactions, who a message is for
 *   connection   the same over TCP and TLS; channel is one of them, frame finds the messages
 *   resource     the truth: which lamp each resource has, and how many watchers show it
 *   watcher      the phones: SUBSCRIBE, NOTIFY and its answer
 *   publication  PUBLISH
 *   compositor   the PUBLISH of the server itself, which is a publisher too
 *   change       how the server is told of a change: by PUBLISH, or down a stream
 *   phase        operations are begun, counted and judged; the report
 *
 * Times are microseconds of CLOCK_MONOTONIC. */
#pragma once
#include <stdio.h>

#include "base/random.h"
#include "lamp.h"
#include "net/net.h"
#include "options.h"
#include "report.h"
#include "shape.h"
#include "sip/print.h"

struct bench;

uint64_t now_us(void);
/* A line on standard error; only the first few, since one fault has thousands of victims. */
void bench_complain(struct bench *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- wire ---- */

/* What Call-IDs, tags and branches are made of: "w17.2.RUN" is the second life of watcher 17. */
struct identity {
    char kind; /* 'w' or 'p' */
    uint32_t index, generation;
};
void identity_print(struct buf *out, const struct bench *b, struct identity id);

/* A client transaction: RFC 3261 section 17.1.2. The owner holds one at a time. */
struct request;
struct request_kind {
    /* Everything but what request_transmit adds; the same bytes every time. */
    void (*print)(struct request *q, struct buf *out);
    void (*expired)(struct request *q); /* Timer F: no answer for 32 s */
};
struct request {
    struct timer timer;
    struct bench *bench;
    const struct request_kind *kind;
    uint64_t first_us;    /* when it was sent first */
    uint32_t interval_ms; /* to the next retransmission, over UDP; 0: no transaction is under way */
    uint32_t cseq;
    struct identity id;
};
void request_init(struct request *q, struct bench *b, const struct request_kind *kind,
                  struct identity id);
void request_start(struct request *q); /* with the next CSeq; a former one is given up */
void request_start_later(struct request *q, uint32_t delay_s);
/* The same when the Retry-After of this 503 is over. RFC 3261 section 21.5.4. */
void request_refused(struct request *q, const struct sip_message *m);
void request_stop(struct request *q);
bool request_running(const struct request *q);
/* The headers both methods begin with. `to_tag` may be empty. */
void request_print_head(struct request *q, struct buf *out, struct str method, struct str uri,
                        struct str user, struct str to_tag);

NODISCARD int wire_open(struct bench *b);
void wire_close(struct bench *b);
/* Answer a request; `later_ms` > 0: after so long. */
void wire_reply(struct bench *b, const struct sip_message *m, const struct flow *from,
                unsigned status, struct str headers, uint32_t later_ms);
/* Datagrams that the kernel has thrown away, on our sockets and on those of the server's port. */
void wire_drops(const struct bench *b, uint64_t *bench, uint64_t *server);
struct str wire_local(const struct bench *b, uint32_t index); /* "127.0.0.1:40000" */
NODISCARD int wire_local_set(struct bench *b, uint32_t index, const struct addr *local);
/* ";transport=tcp" for a Contact; empty for UDP. */
const char *wire_transport_param(const struct bench *b);
/* A message has come. */
void wire_receive(struct bench *b, const struct flow *from, struct str message);
void wire_flush(struct bench *b);

/* ---- connections: options->sockets of them, over TCP and TLS ---- */

struct connections; /* opaque: see connection.c */
NODISCARD int connections_create(struct bench *b);
void connections_destroy(struct bench *b);
/* An operation of the phase. From then on it is made again when it ends. */
void connection_make(struct bench *b, uint32_t index);
void connections_forget_operations(struct bench *b);
void connection_send(struct bench *b, uint32_t index, struct str message); /* or lost: it is down */
uint32_t connections_down(const struct bench *b);
void connections_flush(struct bench *b);

/* ---- resources: the truth ---- */

struct resource {
    uint32_t watchers;           /* subscribed or about to be, and answering */
    uint32_t shows[LAMPS + 1];   /* how many of them show each lamp */
    enum lamp lamp;              /* the true one */
    bool known;                  /* false: nobody has set it yet, any lamp is right */
    bool changing, acknowledged; /* a change that is not shown by everyone; the server has it */
    uint64_t changed_us[LAMPS];  /* when it last became so */
};

/* Wrong lamps of this one. */
uint32_t resource_wrong(const struct resource *r);
void resource_count(struct bench *b, struct resource *r, int watchers, enum lamp lamp);
void resource_show(struct bench *b, struct resource *r, enum lamp from, enum lamp to);
void resource_change(struct bench *b, struct resource *r, enum lamp lamp);
void resource_acknowledge(struct bench *b, struct resource *r);
void resource_refuse(struct bench *b, struct resource *r); /* the server does not take the change */
void resource_user(struct buf *out, const struct bench *b, uint32_t resource); /* "1017" */

/* ---- watchers ---- */

enum watcher_task { TASK_NONE, TASK_SUBSCRIBE, TASK_REFRESH, TASK_END };

struct watcher {
    struct request request;
    char *tag, *target; /* the dialog's: one heap block, NULL without a dialog */
    uint64_t asked_us;
    uint32_t resource, notify_cseq;
    enum lamp lamp;
    enum watcher_task task;
    bool wanted;             /* to be subscribed, whether it could be or not */
    bool counted;            /* in its resource */
    bool operation;          /* the phase waits for the task */
    bool answered, notified; /* of the task */
    bool heard;              /* notify_cseq is valid */
    bool dead, slow;
};

NODISCARD int watchers_create(struct bench *b);
void watchers_destroy(struct bench *b);
void watcher_subscribe(struct watcher *w); /* anew: a former dialog is forgotten */
void watcher_refresh(struct watcher *w);
void watcher_end(struct watcher *w);
bool watcher_subscribed(const struct watcher *w);
void watcher_response(struct watcher *w, const struct sip_message *m);
void watcher_notify(struct watcher *w, const struct sip_message *m, const struct flow *from);
/* Those of this connection have another address now. */
void watchers_reconnected(struct bench *b, uint32_t connection);

/* ---- publications ---- */

struct publication {
    struct request request;
    char *etag;
    enum lamp lamp;   /* as last sent */
    enum lamp wanted; /* as last set */
    bool operation;   /* the phase waits for its answer */
    bool again;       /* wanted while a PUBLISH is under way */
    uint32_t version; /* of the document */
};

enum { PUBLISH_RESOURCES = 1000 }; /* what the publish phase has besides: nobody watches them */

NODISCARD int publications_create(struct bench *b);
void publications_destroy(struct bench *b);
void publication_set(struct publication *p, enum lamp lamp);
void publication_response(struct publication *p, const struct sip_message *m);
void publications_reconnected(struct bench *b, uint32_t connection);

/* ---- the compositor: with --compositor, each resource has it as one more watcher ---- */

struct published; /* opaque: see compositor.c */
NODISCARD int compositor_create(struct bench *b);
void compositor_destroy(struct bench *b);
void compositor_publish(struct bench *b, const struct sip_message *m, const struct flow *from);
uint64_t compositor_wrong(const struct bench *b); /* one by one */

/* ---- changes ---- */

struct change_stream; /* opaque: see change.c */
NODISCARD int change_open(struct bench *b);
/* A command sees the end of its input when the loop has closed the stream; it is waited for by
 * change_end, after loop_fini. */
void change_close(struct bench *b);
void change_end(struct bench *b);
/* Tell the server the next lamp of a resource; resource_acknowledge says that it has it. */
void change_make(struct bench *b, uint32_t resource, enum lamp lamp);
void change_flush(struct bench *b);

/* ---- phases ---- */

struct counters {
    uint64_t notifies, sent_again, received_again, overtaken, timeouts, refused, subscribed_again,
        lost_on_purpose, merged, changes, connections_lost;
};

struct phase {
    struct phase_spec spec;
    const char *name, *operation;
    uint64_t total, begun, finished, failed;
    uint64_t window;
    struct pace pace;
    uint64_t begin_us, progress_us, late_us;
    uint64_t turn_us, stall_us; /* the last turn of the loop; the longest time between two */
    uint64_t end_us;            /* when the last thing came right; 0: something is not */
    uint32_t changes_begun;     /* restart: of all resources */
    bool restarted;             /* restart: the command has ended */
    struct counters counters;
    struct histogram latency, first_notify;
};

/* An operation of the phase has ended; `ok` or not. */
void phase_finish(struct bench *b, bool ok);
void phase_progress(struct bench *b);
/* The loop's flush hook: begins operations, sends what waits, ends the phase. */
void phase_turn(void *bench);
/* Run one and print its report, after a PHASE_PRIME if it needs that. 0 or a negative errno. */
NODISCARD int phase_run(struct bench *b, const struct phase_spec *spec);

NODISCARD int limit_run(struct bench *b, const struct phase_spec *spec);
/* Prints JSON and row. */
void report_tell(struct bench *b, const struct report *r);

struct bench {
    const struct options *options;
    struct loop loop;
    bool loop_open;
    struct net *net;                 /* UDP */
    struct connections *connections; /* TCP and TLS */
    struct addr local;
    struct rng rng;
    struct list late; /* answers that slow watchers give later */
    uint32_t run;     /* drawn: a former run's dialogs are not ours */
    struct str *local_texts;
    uint16_t *local_ports;
    struct str server_text, domain;
    struct resource *resources;
    struct watcher *watchers;
    struct publication *publications;
    struct published *published; /* NULL: we are no compositor */
    struct change_stream *stream;
    pid_t command;         /* the process behind the stream; 0: none was started */
    uint64_t wrong;        /* over all resources */
    uint64_t memory_empty; /* the server's before the first subscription; 0: not known */
    bool primed, connected, incomplete, titled;
    unsigned complaints;
    FILE *json, *table;
    uv_timer_t tick;
    uv_idle_t busy;
    uv_poll_t pacer;
    int pacer_fd;
    struct phase phase;
};
