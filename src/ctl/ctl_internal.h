// SPDX-License-Identifier: MIT
/* ctl_internal.h - requests on their way through the threads.
 *
 * ctl.c: the socket, its clients, lines in and out.  request.c: what they and other edges have in
 * common.  command.c: names, arguments, answers.
 * fields.c: what the arguments may be.  state_command.c and worker_command.c: what runs on the
 * other threads. subject.c, subject_other.c, explain.c, history.c: what a name means, why that is
 * as it is, and what has happened; recent.c and follow.c: what the edge thread keeps for them.
 * store_command.c: what a thread that may wait does.
 */
#pragma once
#include <jansson.h>

#include "base/map.h"
#include "ctl/commands.h"

#define CTL_REQUEST_MAX (256u << 10) /* bytes of one request line */
#define CTL_ANSWER_MAX (1024u << 20) /* bytes of one answer while it is being collected */

/* What a name means. Texts are lines but for `words`. */
struct subjects {
    struct subject {                     /* a resource */
        const struct snapshot *snapshot; /* a reference */
        bool having; /* a resource list that another one is in: who watches it is told of that */
    } * all;
    size_t n;
    bool found;                       /* anything, be it no resource now */
    struct buf names, members, lists; /* as of struct journal_chain_query */
    struct buf mailboxes, endpoints;  /* endpoints: they are told of those unasked */
    struct buf words;                 /* devices, providers and mailboxes, an & behind each */
    struct buf absent, contacted;     /* endpoints: nobody but the registrar says that their
                                       * devices are unavailable; that have a contact */
};

struct ctl_request {
    struct ctl_job job;
    struct ctl_upgrade upgrade;
    const struct ctl_upgraded *upgraded; /* for the call */
    struct commands *commands;           /* a reference */
    void *ctx;                           /* of `answered` */
    uint64_t client_id;                  /* who asked; may be gone when the answer is ready */
    json_t *arguments;                   /* the request object */
    json_int_t id;
    struct str before_row, after_row; /* what stands around each in `out` */
    char row_room[48];                /* for the former */
    struct buf out;                   /* rows; request_finish appends the end */
    uint64_t rows;
    const char *error;  /* NULL: ok */
    struct buf message; /* why not, in words */
    const struct request_end *end;
    commands_answered_fn answered; /* of commands_ask, and: */
    struct buf members;
    struct subjects of;            /* of explain and follow: what is asked about */
    const struct subject *watched; /* whose watchers are told, for the call */
    bool endpoint_barred;          /* whose it is seen as may not subscribe */
    size_t watchers_shown;
    uint64_t follow, lost;
    const struct ctl_edge *(*seen)(const void *subject); /* of the port */
    bool partly; /* of a reload: not all of it could be applied; of verify: not sound */
    /* What several threads add to, one after the other. */
    struct map watchers; /* "extension@context" -> count */
    bool has_watchers;
    void (*sources_each)(void *subject, ctl_source_fn each, void *each_ctx);
    struct rng rng;
    struct state_counters state;
    struct publication_counters publications;
    struct asterisk_sources_counters sources;
    struct contact_counters contacts;
    uint64_t mailbox_bytes;
    struct registrar_counters registrar;
    struct compositor_counters compositor;
    struct notifier_counters notifier;
    struct publisher_counters publisher;
    struct qualifier_counters qualifier;
    struct txn_counters txn;
    struct uas_counters uas;
    struct net_counters net;
};

/* request.c: the last line, or whatever else the end of an answer is, is written by `finish` with
 * the members that `more` (may be NULL) writes; then `answered` takes `out`, and q is freed. */
struct request_end {
    void (*finish)(struct ctl_request *q, void (*more)(struct ctl_request *q, struct json *out));
    void (*answered)(struct ctl_request *q);
};
NODISCARD struct ctl_request *request_create(struct commands *c, const struct request_end *end);

/* command.c */
void command_dispatch(struct ctl_request *q); /* ends in request_answer, now or later */
void request_fail(struct ctl_request *q, const char *error, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* An argument as text; STR_EMPTY when absent or of another kind. */
struct str request_text(const struct ctl_request *q, const char *name);
/* As a number from 0 to 4294967295; -EINVAL when it is anything else, absent included. */
NODISCARD int request_u32(const struct ctl_request *q, const char *name, uint32_t *out);
/* The answer of the process that has taken another one's place; ends in request_answer. */
void request_upgraded(struct ctl_request *q, const struct ctl_upgraded *how);
/* Is a row of that name asked for, by "prefix", of which letters' case does not count, or with
 * "exact" by the whole name? */
bool request_wants(const struct ctl_request *q, struct str name);
bool request_wants_resource(const struct ctl_request *q, struct str extension, struct str context);
/* Run that on the thread, then `done`. */
void request_on_state(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                      void (*done)(struct ctl_job *));
void request_on_workers(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                        void (*done)(struct ctl_job *));
void request_on_edge(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                     void (*done)(struct ctl_job *));
void request_on_journal(struct ctl_request *q, void (*run)(struct ctl_job *, void *),
                        void (*done)(struct ctl_job *));
void request_done(struct ctl_job *job); /* finish and answer */
/* Begin and end one row. */
struct json request_row(struct ctl_request *q);
void request_row_end(struct ctl_request *q, struct json *row);

/* subject.c, subject_other.c */
/* On the state thread: what `extension` and `context` mean, into the request; with `tell` a row of
 * each thing. The request has failed when there was no memory. */
void subjects_find(struct ctl_request *q, const struct ctl_state *state, bool tell);
void subjects_fini(struct ctl_request *q);
/* Of "PJSIP/alice" it is alice; of others none. */
struct str device_endpoint(struct str device);
/* Likewise: what the name means as an extension, a reference, and that nobody has asked for it.
 * NULL: nothing. */
const struct snapshot *state_look_up(const struct ctl_state *state, struct str context,
                                     struct str extension);
void request_add_resource(struct json *row, const char *key, struct str context,
                          struct str extension);

/* explain.c */
void command_explain(struct ctl_request *q);
/* "EXTENSION@CONTEXT" of `resource` becomes `extension` and `context`; without a context it is that
 * of `endpoint`, or none, as of an AOR. False: it has failed. */
bool request_resource(struct ctl_request *q);
/* Begin a row; and one that says in a word, and in a sentence, what is wrong. */
struct json request_part(struct ctl_request *q, const char *name);
void request_trouble(struct ctl_request *q, const char *what, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* history.c */
void command_history(struct ctl_request *q);
void history_explain(struct ctl_request *q); /* at a time */
/* On the journal's thread: what has made the present state, and what came of it. */
void history_chain(struct ctl_job *job, void *journal);
void command_follow(struct ctl_request *q);
void command_follow_next(struct ctl_request *q);
void command_follow_end(struct ctl_request *q);

/* store_command.c */
void command_backup(struct ctl_request *q);
void command_verify(struct ctl_request *q);

/* fields.c: false when a field is not of its kind, too long or missing; then the request has
 * failed, and the message names the field. */
bool request_check(struct ctl_request *q);

/* request.c */
const struct ctl_port *request_port(const struct ctl_request *q);
uv_loop_t *request_loop(const struct ctl_request *q);
void request_answer(struct ctl_request *q); /* deliver and free */
void request_finish(struct ctl_request *q, void (*more)(struct ctl_request *q, struct json *out));

/* The members that one has wherever it stands. */
void print_device(struct json *row, const struct state_device_view *v);
void print_presence(struct json *row, const struct state_presence_view *v);
void print_stale(struct json *row, bool stale); /* when it is */
void print_notice(struct json *row, const struct notice_view *v);
void print_inbound(struct json *row, const struct inbound_publication_view *v);
void print_subscription(struct json *row, const struct subscription_view *v);
void print_publication(struct json *row, const struct publication_view *v);
void print_contact(struct json *row, const struct contact *c);
void print_qualified(struct json *row, const struct qualify_view *v);

/* state_command.c: on the state thread */
void state_devices(struct ctl_job *job, void *subject);
void state_device_look(struct ctl_job *job, void *subject);
void state_device_change(struct ctl_job *job, void *subject);
void state_device_drop(struct ctl_job *job, void *subject);
void state_presences(struct ctl_job *job, void *subject);
void state_presence_change(struct ctl_job *job, void *subject);
void state_changes(struct ctl_job *job, void *subject);
void state_hints(struct ctl_job *job, void *subject);
void state_hint_look(struct ctl_job *job, void *subject);
void state_global_look(struct ctl_job *job, void *subject);
void state_contexts(struct ctl_job *job, void *subject);
void state_publications(struct ctl_job *job, void *subject);
void state_mailboxes(struct ctl_job *job, void *subject);
void state_mailbox_change(struct ctl_job *job, void *subject);
void state_mailbox_drop(struct ctl_job *job, void *subject);
void state_sources(struct ctl_job *job, void *subject);
void state_status(struct ctl_job *job, void *subject);

/* worker_command.c: on each worker's thread */
void worker_subscriptions(struct ctl_job *job, void *worker);
void worker_subscriptions_outbound(struct ctl_job *job, void *worker);
void worker_publications(struct ctl_job *job, void *worker);
void worker_publishers(struct ctl_job *job, void *worker);
void worker_notices(struct ctl_job *job, void *worker);
void worker_contacts(struct ctl_job *job, void *worker);
void worker_subscription_import(struct ctl_job *job, void *worker);
void worker_messages(struct ctl_job *job, void *worker);
void worker_drain(struct ctl_job *job, void *worker);
void worker_resume(struct ctl_job *job, void *worker);
void worker_count_watchers(struct ctl_job *job, void *worker);
void worker_status(struct ctl_job *job, void *worker);
uint64_t watchers_of(const struct ctl_request *q, struct str context, struct str extension);
void watchers_fini(struct ctl_request *q);
void worker_print_status(struct ctl_request *q, struct json *out);
