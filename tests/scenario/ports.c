// SPDX-License-Identifier: MIT
/* What the engine and the state core see of the world. What another thread would answer by message
 * is posted, and comes when its caller has returned. */
#include "scenario.h"

#include <stdlib.h>

enum { CONSUMER_NOTIFIER = 1, CONSUMER_PUBLISHER = 2 }; /* as bits: 0 and 1 of state_watch */

struct posted {
    struct list link;
    void (*run)(struct world *w, struct posted *p);
    uint64_t cookie, consumers, resource_id;
    const struct snapshot *snapshot;
    struct addr remote;
    enum net_protocol protocol;
    bool flag;
    int result;
    struct publication_answer answer; /* its texts are on the heap */
    struct keep_wait wait;            /* with it, until it is durable */
    struct world *world;
    struct resource_name of;      /* likewise */
    struct mailbox_counts counts; /* of the mailbox of.extension */
    struct solicitation *solicitation;
    struct registration *registration;
    const struct contact *now, *former; /* references */
    enum contact_reach reach;
    const struct event_state *dialogs; /* a reference */
};

static struct posted *post(struct world *w, void (*run)(struct world *w, struct posted *p))
{
    OUTSIDE;
    struct posted *p = calloc(1, sizeof(*p));

    BUG_UNLESS(p != NULL);
    p->run = run;
    list_init(&p->link);
    list_append(&w->posted, &p->link);
    return p;
}

static struct posted *posted_take(struct world *w)
{
    struct posted *p = CONTAINER_OF(w->posted.next, struct posted, link);

    list_remove(&p->link);
    return p;
}

static void posted_free(struct posted *p)
{
    snapshot_unref(p->snapshot);
    str_free(&p->answer.etag);
    str_free(&p->answer.why);
    str_free(&p->of.package);
    str_free(&p->of.context);
    str_free(&p->of.extension);
    registration_destroy(p->registration);
    contact_unref(p->now);
    contact_unref(p->former);
    event_state_unref(p->dialogs);
    free(p);
}

void world_settle(struct world *w)
{
    SUBJECT;
    if (w->restoring)
        return;
    do {
        while (!list_empty(&w->posted)) {
            struct posted *p = posted_take(w);

            p->run(w, p);
            posted_free(p);
        }
    } while (world_keep_settle(w) || !list_empty(&w->posted) ||
             (w->engine.notifier && notifier_turn(w->engine.notifier)));
}

void world_drop_posted(struct world *w)
{
    while (!list_empty(&w->answers)) {
        struct posted *p = CONTAINER_OF(w->answers.next, struct posted, link);

        list_remove(&p->wait.link);
        list_remove(&p->link);
        posted_free(p);
    }
    while (!list_empty(&w->posted))
        posted_free(posted_take(w));
}

/* ---- the network ---- */

static int port_send(void *ctx, const struct flow *to, struct str bytes)
{
    struct world *w = ctx;
    struct waiting *m;

    OUTSIDE;
    if (w->networkless)
        return -ENETUNREACH;
    m = calloc(1, sizeof(*m));
    BUG_UNLESS(m && str_dup(&m->bytes, bytes) == 0);
    m->to = to->remote;
    list_init(&m->link);
    list_append(&w->sent, &m->link);
    if (w->verbose)
        log_trace(w->log, STR("sent"), bytes);
    return 0;
}

/* There is one worker: nothing is anybody else's. */
static int port_forward(void *ctx, unsigned worker, const struct flow *from, struct str datagram)
{
    (void)ctx;
    (void)worker;
    (void)from;
    (void)datagram;
    return 0;
}

struct txn_port world_txn_port(struct world *w)
{
    return (struct txn_port){ .ctx = w, .send = port_send, .forward = port_forward };
}

/* ---- the notifier's questions ---- */

static void run_watch_result(struct world *w, struct posted *p)
{
    notifier_watch_result(w->engine.notifier, p->cookie, p->snapshot, p->flag);
}

static void on_answer(void *ctx, unsigned worker, uint64_t cookie, const struct snapshot *s,
                      bool cacheable)
{
    struct posted *p = post(ctx, run_watch_result);

    (void)worker;
    p->cookie = cookie;
    p->snapshot = s ? snapshot_ref(s) : NULL;
    p->flag = cacheable;
}

/* The state core is asked in its turn, as by a message to its thread. */
static int port_watch(void *ctx, const struct resource_name *name, struct str served,
                      uint64_t cookie)
{
    state_engine_watch(
        &((struct world *)ctx)->state,
        &(struct watch_question){ .name = *name, .served = served, .cookie = cookie });
    return 0;
}

static void port_unwatch(void *ctx, uint64_t resource_id)
{
    state_engine_unwatch(&((struct world *)ctx)->state, resource_id, 0);
}

static void port_watcher(void *ctx, const struct watcher_report *report)
{
    watcher_info_report(((struct world *)ctx)->state.watchers, 0, report);
}

static bool port_admit(void *ctx)
{
    struct world *w = ctx;

    return w->admitted < w->settings->general.max_subscriptions && ++w->admitted;
}

static void port_readmit(void *ctx)
{
    ((struct world *)ctx)->admitted++;
}

static void port_release(void *ctx)
{
    ((struct world *)ctx)->admitted--;
}

/* ---- mailboxes ---- */

static struct posted *post_mailbox(struct world *w, struct str mailbox,
                                   const struct mailbox_counts *counts,
                                   void (*run)(struct world *w, struct posted *p))
{
    OUTSIDE;
    struct posted *p = post(w, run);

    BUG_UNLESS(str_dup(&p->of.extension, mailbox) == 0);
    p->flag = counts != NULL;
    if (counts)
        p->counts = *counts;
    return p;
}

static void run_mailbox(struct world *w, struct posted *p)
{
    notifier_mailbox(w->engine.notifier, p->of.extension, p->flag, p->counts.new_count,
                     p->counts.old_count);
}

static void on_mailbox(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    (void)post_mailbox(ctx, mailbox, counts, run_mailbox);
}

static void run_report(struct world *w, struct posted *p)
{
    int r = mailbox_set(w->state.mailboxes, STR("notify"), p->of.extension, p->counts.new_count,
                        p->counts.old_count);

    BUG_UNLESS(r == 0 || r == -ENOMEM);
}

static int port_mailbox(void *ctx, struct str mailbox, uint32_t new_count, uint32_t old_count)
{
    (void)post_mailbox(ctx, mailbox, &(struct mailbox_counts){ new_count, old_count }, run_report);
    return 0;
}

static void run_solicit(struct world *w, struct posted *p)
{
    notifier_solicit(w->engine.notifier, p->solicitation);
}

static struct solicitation *port_solicit(void *ctx, struct str endpoint, struct str group)
{
    OUTSIDE;
    struct solicitation *s = calloc(1, sizeof(*s));

    BUG_UNLESS(s && str_dup(&s->endpoint, endpoint) == 0 && str_dup(&s->group, group) == 0);
    list_init(&s->link);
    post(ctx, run_solicit)->solicitation = s;
    return s;
}

static void solicitation_free(struct solicitation *s)
{
    list_remove(&s->link);
    str_free(&s->endpoint);
    str_free(&s->group);
    free(s);
}

static void run_unsolicit(struct world *w, struct posted *p)
{
    notifier_unsolicit(w->engine.notifier, p->solicitation);
    solicitation_free(p->solicitation);
}

static void port_unsolicit(void *ctx, struct solicitation *s)
{
    struct world *w = ctx;

    if (w->finishing)
        solicitation_free(s);
    else
        post(w, run_unsolicit)->solicitation = s;
}

static int port_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                      const struct addr *remote, struct flow *out);
static int port_route_from(void *ctx, enum net_protocol protocol, const struct addr *local,
                           const struct addr *remote, struct flow *out)
{
    return addr_equal(local, &((struct world *)ctx)->local)
               ? port_route(ctx, STR_EMPTY, protocol, remote, out)
               : -EADDRNOTAVAIL;
}

static void port_seek(void *ctx, const struct dns_question *q, uint64_t question);

struct notifier_port world_notifier_port(struct world *w)
{
    return (struct notifier_port){ .ctx = w,
                                   .watch = port_watch,
                                   .unwatch = port_unwatch,
                                   .admit = port_admit,
                                   .release = port_release,
                                   .readmit = port_readmit,
                                   .watcher = port_watcher,
                                   .resolve = port_seek,
                                   .route = port_route,
                                   .route_from = port_route_from,
                                   .solicit = port_solicit,
                                   .unsolicit = port_unsolicit };
}

/* ---- who watches ---- */

static void run_winfo(struct world *w, struct posted *p)
{
    if (p->flag)
        notifier_winfo_start(w->engine.notifier, &p->of, p->resource_id, p->cookie);
    else
        notifier_winfo_stop(w->engine.notifier, &p->of);
}

static struct posted *post_winfo(struct world *w, const struct resource_name *of)
{
    OUTSIDE;
    struct posted *p = post(w, run_winfo);

    BUG_UNLESS(str_dup(&p->of.package, of->package) == 0);
    BUG_UNLESS(str_dup(&p->of.context, of->context) == 0);
    BUG_UNLESS(str_dup(&p->of.extension, of->extension) == 0);
    return p;
}

static void on_winfo_start(void *ctx, const struct resource_name *of, uint64_t resource_id,
                           uint64_t generation)
{
    struct posted *p = post_winfo(ctx, of);

    p->flag = true;
    p->resource_id = resource_id;
    p->cookie = generation;
}

static void on_winfo_stop(void *ctx, const struct resource_name *of)
{
    (void)post_winfo(ctx, of);
}

struct watcher_info_port world_workers_port(struct world *w)
{
    return (struct watcher_info_port){
        .ctx = w, .start = on_winfo_start, .stop = on_winfo_stop, .answer = on_answer
    };
}

/* ---- the compositor's ---- */

static void run_publication_answer(struct world *w, struct posted *p)
{
    compositor_answer(w->engine.compositor, p->cookie, p->result,
                      p->result < 0 ? NULL : &p->answer);
}

/* As kept in daemon/publish.c. */
static void on_kept(struct keep_wait *wait, int result)
{
    struct posted *p = CONTAINER_OF(wait, struct posted, wait);

    if (p->answer.promise) {
        publication_promise_end(p->world->state.publications, p->answer.promise, result == 0);
        if (result)
            p->result = PUBLICATION_UNKEPT;
    }
    list_remove(&p->link);
    list_append(&p->world->posted, &p->link);
}

/* Applied in its turn, as by a message to the state thread. */
static int port_apply(void *ctx, const struct publication_request *rq, uint64_t cookie)
{
    struct world *w = ctx;
    struct publication_answer answer = { 0 };
    int r = publication_apply(w->state.publications, rq, &answer);
    struct posted *p = post(w, run_publication_answer);

    OUTSIDE;
    p->cookie = cookie;
    p->result = r;
    p->answer.status = answer.status;
    p->answer.promise = answer.promise;
    BUG_UNLESS(str_dup(&p->answer.etag, answer.etag) == 0);
    BUG_UNLESS(str_dup(&p->answer.why, answer.why) == 0);
    p->world = w;
    p->wait = (struct keep_wait){ .done = on_kept };
    list_remove(&p->link);
    list_append(&w->answers, &p->link);
    keep_wait(&w->state.keep, &p->wait);
    return 0;
}

struct compositor_port world_compositor_port(struct world *w)
{
    return (struct compositor_port){ .ctx = w, .apply = port_apply, .mailbox = port_mailbox };
}

/* ---- the registrar's ---- */

static void run_registered(struct world *w, struct posted *p)
{
    struct registration *r = p->registration;

    p->registration = NULL;
    registrar_answer(w->engine.registrar, r);
}

static void on_registration_kept(struct keep_wait *wait, int result)
{
    struct posted *p = CONTAINER_OF(wait, struct posted, wait);

    if (result && p->registration->change) {
        contacts_withdraw(p->world->state.contacts, p->registration);
        p->registration->result = REGISTER_UNKEPT;
    }
    list_remove(&p->link);
    list_append(&p->world->posted, &p->link);
}

static int port_register(void *ctx, struct registration *r)
{
    struct world *w = ctx;
    struct posted *p = post(w, run_registered);

    p->registration = r;
    p->world = w;
    p->wait = (struct keep_wait){ .done = on_registration_kept };
    (void)contacts_apply(w->state.contacts, r);
    list_remove(&p->link);
    list_append(&w->answers, &p->link);
    keep_wait(&w->state.keep, &p->wait);
    return 0;
}

struct registrar_port world_registrar_port(struct world *w)
{
    return (struct registrar_port){ .ctx = w, .apply = port_register };
}

/* ---- the qualifier's ---- */

static void run_contact(struct world *w, struct posted *p)
{
    while (qualifier_contact(w->engine.qualifier, p->now, p->former) == -ENOMEM)
        ;
}

static void on_contact(void *ctx, const struct contact *now, const struct contact *former)
{
    struct posted *p = post(ctx, run_contact);

    p->now = now ? contact_ref(now) : NULL;
    p->former = former ? contact_ref(former) : NULL;
}

static void run_registered_contact(struct world *w, struct posted *p)
{
    while (notifier_registered(w->engine.notifier, p->of.extension, p->now, p->former) == -ENOMEM)
        ;
}

static void on_registered(void *ctx, struct str endpoint, const struct contact *now,
                          const struct contact *former)
{
    OUTSIDE;
    struct posted *p = post(ctx, run_registered_contact);

    BUG_UNLESS(str_dup(&p->of.extension, endpoint) == 0);
    p->now = now ? contact_ref(now) : NULL;
    p->former = former ? contact_ref(former) : NULL;
}

static void run_reach(struct world *w, struct posted *p)
{
    contacts_reach_set(w->state.contacts, p->cookie, p->reach, 0);
}

static void port_reach(void *ctx, uint64_t contact_id, enum contact_reach reach, uint32_t rtt_ms)
{
    (void)rtt_ms;
    struct posted *p = post(ctx, run_reach);

    p->cookie = contact_id;
    p->reach = reach;
}

static void run_dialogs(struct world *w, struct posted *p)
{
    contacts_dialogs_set(w->state.contacts, p->cookie, p->dialogs);
}

static void port_dialogs(void *ctx, uint64_t contact_id, const struct event_state *dialogs)
{
    struct posted *p = post(ctx, run_dialogs);

    p->cookie = contact_id;
    p->dialogs = event_state_ref(dialogs);
}

static struct str port_transport(void *ctx, uint32_t transport)
{
    const struct settings *s = ((struct world *)ctx)->settings;

    return transport < s->n_transports ? s->transports[transport].id : STR_EMPTY;
}

static void port_find_contact(void *ctx, const struct dns_question *q, uint64_t question);

struct qualifier_port world_qualifier_port(struct world *w)
{
    return (struct qualifier_port){ .requests = { .ctx = w,
                                                  .resolve = port_find_contact,
                                                  .route = port_route,
                                                  .route_from = port_route_from,
                                                  .transport = port_transport },
                                    .ctx = w,
                                    .reach = port_reach,
                                    .dialogs = port_dialogs };
}

/* ---- the publisher's ---- */

static struct dns_targets targets_of(const struct posted *p)
{
    return (struct dns_targets){ .n = p->flag,
                                 .list[0] = { p->remote, p->protocol },
                                 .until_ms = UINT64_MAX,
                                 .why = STR("no name has an address") };
}

static void run_resolved(struct world *w, struct posted *p)
{
    const struct dns_targets found = targets_of(p);

    publisher_resolved(w->engine.publisher, p->cookie, &found);
}

static void run_found(struct world *w, struct posted *p)
{
    const struct dns_targets found = targets_of(p);

    notifier_resolved(w->engine.notifier, p->cookie, &found);
}

/* Addresses are themselves; 192.0.2.1.example has that one, and no other name has any. */
static void post_address(struct world *w, const struct dns_question *q, uint64_t cookie,
                         void (*run)(struct world *w, struct posted *p))
{
    struct posted *p = post(w, run);
    uint16_t usual = q->protocol == NET_TLS ? 5061 : 5060;
    struct str host = q->host, behind = STR(".example");

    if (host.n > behind.n && str_equal(str_sub(host, host.n - behind.n, host.n), behind))
        host.n -= behind.n;
    p->cookie = cookie;
    p->protocol = q->protocol;
    p->flag = addr_parse(&p->remote, host, usual) == 0;
    if (p->flag && q->port)
        addr_port_set(&p->remote, q->port);
}

static void run_contact_found(struct world *w, struct posted *p)
{
    const struct dns_targets found = targets_of(p);

    qualifier_resolved(w->engine.qualifier, p->cookie, &found);
}

static void port_find_contact(void *ctx, const struct dns_question *q, uint64_t question)
{
    post_address(ctx, q, question, run_contact_found);
}

static void port_resolve(void *ctx, const struct dns_question *q, uint64_t cookie)
{
    post_address(ctx, q, cookie, run_resolved);
}

static void port_seek(void *ctx, const struct dns_question *q, uint64_t question)
{
    post_address(ctx, q, question, run_found);
}

static int port_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                      const struct addr *remote, struct flow *out)
{
    (void)transport_id;
    *out = (struct flow){ .protocol = protocol,
                          .local = ((struct world *)ctx)->local,
                          .remote = *remote };
    return 0;
}

struct publisher_port world_publisher_port(struct world *w)
{
    return (struct publisher_port){
        .ctx = w, .resolve = port_resolve, .route = port_route, .transport = port_transport
    };
}

/* ---- what the state core tells ---- */

static void run_snapshot(struct world *w, struct posted *p)
{
    if (p->consumers & CONSUMER_NOTIFIER)
        notifier_snapshot(w->engine.notifier, p->snapshot);
    if (p->consumers & CONSUMER_PUBLISHER)
        publisher_snapshot(w->engine.publisher, p->snapshot);
}

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    (void)former;
    struct posted *p = post(ctx, run_snapshot);

    p->snapshot = snapshot_ref(s);
    p->consumers = consumers;
}

static void on_device(void *ctx, const struct state_device_change *change)
{
    (void)ctx;
    (void)change;
}

static void on_presence(void *ctx, struct str provider, enum presence_state state,
                        struct str subtype, struct str message)
{
    (void)ctx;
    (void)provider;
    (void)state;
    (void)subtype;
    (void)message;
}

static void run_republish(struct world *w, struct posted *p)
{
    publisher_republish(w->engine.publisher, p->answer.why);
}

static void on_republish(void *ctx, struct str section)
{
    OUTSIDE;
    struct posted *p = post(ctx, run_republish);

    BUG_UNLESS(str_dup(&p->answer.why, section) == 0);
}

struct state_engine_port world_state_port(struct world *w)
{
    return (struct state_engine_port){
        .state = { .ctx = w,
                   .snapshot = on_snapshot,
                   .device = on_device,
                   .presence = on_presence },
        .publishers = CONSUMER_PUBLISHER,
        .republish = on_republish,
        .mailbox = on_mailbox,
        .contact = on_contact,
        .registered = on_registered,
    };
}

static void run_dialplan_changed(struct world *w, struct posted *p)
{
    (void)p;
    notifier_dialplan_changed(w->engine.notifier);
}

void world_post_dialplan_changed(struct world *w)
{
    (void)post(w, run_dialplan_changed);
}
