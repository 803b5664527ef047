// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "bench.h"

/* What a server may give us to keep: a request with more in it is not of this world. */
enum { DIALOG_MAX = 1024 };

static struct watcher *watcher_of(struct request *q)
{
    return CONTAINER_OF(q, struct watcher, request);
}

static struct resource *resource_of(struct watcher *w)
{
    return &w->request.bench->resources[w->resource];
}

/* ---- SUBSCRIBE ---- */

static void print_subscribe(struct request *q, struct buf *out)
{
    const struct watcher *w = watcher_of(q);
    const struct bench *b = q->bench;
    char user_room[16], uri_room[512];
    struct buf user, uri;

    buf_init_on(&user, user_room, sizeof(user_room));
    resource_user(&user, b, w->resource);
    buf_init_on(&uri, uri_room, sizeof(uri_room));
    buf_printf(&uri, "sip:%.*s@%.*s", STR_FMT(buf_str(&user)), STR_FMT(b->domain));
    request_print_head(q, out, STR("SUBSCRIBE"), w->target ? str_of(w->target) : buf_str(&uri),
                       buf_str(&user), str_of(w->tag));
    buf_printf(out,
               "Contact: <sip:w%u@%.*s%s>\r\nEvent: dialog\r\n"
               "Accept: application/dialog-info+xml\r\nExpires: %u\r\nContent-Length: 0\r\n\r\n",
               q->id.index, STR_FMT(wire_local(b, q->id.index)), wire_transport_param(b),
               w->task == TASK_END ? 0 : b->options->expires_s);
}

static void dialog_forget(struct watcher *w)
{
    free(w->tag);
    w->tag = w->target = NULL;
}

static void count(struct watcher *w, bool in)
{
    if (w->counted == in || w->dead)
        return;
    w->counted = in;
    resource_count(w->request.bench, resource_of(w), in ? 1 : -1, w->lamp);
}

static void show(struct watcher *w, enum lamp lamp)
{
    if (w->counted)
        resource_show(w->request.bench, resource_of(w), w->lamp, lamp);
    w->lamp = lamp;
}

static void begin(struct watcher *w, enum watcher_task task, uint32_t delay_s)
{
    w->task = task;
    w->answered = w->notified = false;
    if (delay_s)
        request_start_later(&w->request, delay_s);
    else
        request_start(&w->request);
}

/* The same task in a new dialog. */
static void subscribe_again(struct watcher *w, uint32_t delay_s)
{
    dialog_forget(w);
    w->request.id.generation++;
    w->heard = false;
    show(w, LAMP_DARK);
    count(w, true);
    begin(w, TASK_SUBSCRIBE, delay_s);
}

void watcher_subscribe(struct watcher *w)
{
    w->operation = w->wanted = true;
    w->asked_us = now_us();
    subscribe_again(w, 0);
}

void watcher_refresh(struct watcher *w)
{
    w->operation = true;
    w->asked_us = now_us();
    begin(w, TASK_REFRESH, 0);
}

void watcher_end(struct watcher *w)
{
    w->operation = true;
    w->wanted = false;
    w->asked_us = now_us();
    count(w, false);
    begin(w, TASK_END, 0);
}

bool watcher_subscribed(const struct watcher *w)
{
    return w->tag && w->task != TASK_END;
}

static void finish(struct watcher *w, bool ok)
{
    if (w->task == TASK_NONE)
        return;
    if (w->task == TASK_END)
        dialog_forget(w);
    w->task = TASK_NONE;
    if (w->operation)
        phase_finish(w->request.bench, ok);
    w->operation = false;
}

/* The server does not let it watch. */
static void denied(struct watcher *w)
{
    show(w, LAMP_DARK);
    count(w, false);
    finish(w, false);
}

/* The subscription is gone, though the phone still wants it. */
static void lost(struct watcher *w, uint32_t delay_s)
{
    if (w->task == TASK_END) {
        finish(w, true);
        return;
    }
    if (w->task == TASK_NONE)
        w->asked_us = now_us();
    w->request.bench->phase.counters.subscribed_again++;
    subscribe_again(w, delay_s);
}

static void check_finished(struct watcher *w)
{
    if (w->answered && w->notified)
        finish(w, true);
}

static bool keep_dialog(struct watcher *w, const struct sip_message *m)
{
    struct str contacts = sip_header_value(m, SIP_H_CONTACT), value;
    struct sip_name_addr contact;
    char *block;

    if (!m->to_tag.n || !sip_list_next(&contacts, &value) || sip_name_addr_parse(&contact, value) ||
        m->to_tag.n + contact.uri.n > DIALOG_MAX)
        return false;
    block = malloc(m->to_tag.n + contact.uri.n + 2);
    if (!block)
        return false;
    memcpy(block, m->to_tag.p, m->to_tag.n);
    block[m->to_tag.n] = '\0';
    free(w->tag);
    w->tag = block;
    w->target = block + m->to_tag.n + 1;
    memcpy(w->target, contact.uri.p, contact.uri.n);
    w->target[contact.uri.n] = '\0';
    return true;
}

void watcher_response(struct watcher *w, const struct sip_message *m)
{
    struct bench *b = w->request.bench;

    request_stop(&w->request);
    if (m->status < 300 && (w->task != TASK_SUBSCRIBE || keep_dialog(w, m))) {
        if (b->phase.spec.kind != PHASE_RESTART && b->phase.spec.kind != PHASE_FANOUT)
            histogram_add(&b->phase.latency, now_us() - w->asked_us);
        w->answered = true;
        phase_progress(b);
        check_finished(w);
    } else if (m->status == 481 || m->status == 408) {
        lost(w, 0);
    } else if (m->status == 503) {
        request_refused(&w->request, m);
    } else {
        bench_complain(b, "a SUBSCRIBE was answered %u %.*s", m->status, STR_FMT(m->reason));
        denied(w);
    }
}

static void on_expired(struct request *q)
{
    struct watcher *w = watcher_of(q);

    if (w->task == TASK_END)
        finish(w, false);
    else
        lost(w, 0);
}

void watchers_reconnected(struct bench *b, uint32_t connection)
{
    for (uint32_t i = connection; i < b->options->watchers; i += b->options->sockets) {
        struct watcher *w = &b->watchers[i];

        if (w->task == TASK_END && request_running(&w->request))
            request_start(&w->request);
        else if (w->task != TASK_END && w->wanted && (!w->dead || w->task != TASK_NONE))
            lost(w, 0);
    }
}

static const struct request_kind subscribe_kind = { print_subscribe, on_expired };

/* ---- NOTIFY ---- */

static void note_first(struct watcher *w)
{
    struct phase *p = &w->request.bench->phase;

    if (!w->notified && w->task == TASK_SUBSCRIBE)
        histogram_add(&p->first_notify, now_us() - w->asked_us);
}

/* How long a right lamp took: since its change, or since the server was stopped. */
static void note_latency(struct watcher *w, enum lamp lamp)
{
    struct bench *b = w->request.bench;
    const struct resource *r = resource_of(w);
    struct phase *p = &b->phase;

    if (p->spec.kind == PHASE_FANOUT && w->lamp != LAMP_DARK && r->changed_us[lamp])
        histogram_add(&p->latency, now_us() - r->changed_us[lamp]);
    else if (p->spec.kind == PHASE_RESTART && lamp == r->lamp && r->changed_us[lamp] > p->begin_us)
        histogram_add(&p->latency, now_us() - p->begin_us);
}

static void note_lamp(struct watcher *w, struct str body)
{
    struct bench *b = w->request.bench;
    enum lamp lamp = lamp_read(body);

    b->phase.counters.notifies++;
    phase_progress(b);
    if (lamp == w->lamp)
        return;
    if (lamp != LAMP_DARK)
        note_latency(w, lamp);
    show(w, lamp);
}

/* 0 when it does not say. */
static uint32_t retry_after_s(struct str state)
{
    struct str params = str_sub(state, str_find_char(state, ';'), state.n), value;
    uint32_t s = 0;

    if (sip_param_find(params, STR("retry-after"), &value) && sip_delta_seconds_parse(&s, value))
        s = 0;
    return s;
}

/* RFC 6665 section 4.1.3: what becomes of a subscription that the notifier ends. */
static void note_end(struct watcher *w, struct str state)
{
    if (w->task == TASK_END) {
        w->notified = true;
        check_finished(w);
    } else if (str_contains_nocase(state, STR("reason=noresource")) ||
               str_contains_nocase(state, STR("reason=rejected"))) {
        bench_complain(w->request.bench, "a subscription was ended: %.*s", STR_FMT(state));
        denied(w);
    } else {
        lost(w, retry_after_s(state));
    }
}

void watcher_notify(struct watcher *w, const struct sip_message *m, const struct flow *from)
{
    struct bench *b = w->request.bench;
    struct str state = sip_header_value(m, SIP_H_SUBSCRIPTION_STATE);
    bool terminated = str_starts_nocase(state, STR("terminated"));

    if (w->dead && w->task == TASK_NONE)
        return;
    if (!w->dead)
        wire_reply(b, m, from, 200, STR_EMPTY, w->slow ? b->options->slow_ms : 0);
    if (w->heard && m->cseq == w->notify_cseq) {
        b->phase.counters.received_again++;
        return;
    }
    if (w->heard && m->cseq < w->notify_cseq) {
        b->phase.counters.overtaken++;
        return;
    }
    w->heard = true;
    w->notify_cseq = m->cseq;
    if (!terminated)
        note_lamp(w, m->body);
    if (terminated) {
        note_end(w, state);
        return;
    }
    note_first(w);
    if (w->task != TASK_END) {
        w->notified = true;
        check_finished(w);
    }
}

/* ---- all of them ---- */

/* Every so many per cent of them, spread evenly. */
static bool chosen(uint32_t i, uint32_t percent, uint32_t offset)
{
    return (i * UINT64_C(61) + offset) % 100 < percent;
}

int watchers_create(struct bench *b)
{
    const struct options *o = b->options;
    uint32_t *resource_of_each = calloc(o->watchers + 1, sizeof(*resource_of_each));

    b->watchers = calloc(o->watchers + 1, sizeof(*b->watchers));
    if (!resource_of_each || !b->watchers) {
        free(resource_of_each);
        return -ENOMEM;
    }
    shape_assign(resource_of_each, o->watchers, o->resources, o->zipf);
    for (uint32_t i = 0; i < o->watchers; i++) {
        struct watcher *w = &b->watchers[i];

        request_init(&w->request, b, &subscribe_kind, (struct identity){ 'w', i, 0 });
        w->resource = resource_of_each[i];
        w->lamp = LAMP_DARK;
        w->dead = chosen(i, o->dead_percent, 0);
        w->slow = chosen(i, o->slow_percent, 50);
    }
    free(resource_of_each);
    return 0;
}

void watchers_destroy(struct bench *b)
{
    for (uint32_t i = 0; b->watchers && i < b->options->watchers; i++) {
        request_stop(&b->watchers[i].request);
        dialog_forget(&b->watchers[i]);
    }
    free(b->watchers);
}
