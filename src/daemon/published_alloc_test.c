// SPDX-License-Identifier: MIT
/* From a PUBLISH on the wire to the snapshot of its resource, each allocation fails in turn: the
 * publisher is answered 500 or 503, all is as before, nobody was told anything, and with memory the
 * same request succeeds. */
#include "base/memory_testing.h"
#include "daemon/state_engine.h"
#include "publication/compositor_fixture.h"
#include "state/state_testing.h"
#include "xml/xml.h"

/* ---- what is published, one after the other ---- */

#define DIALOGS(attributes, dialogs)                                                             \
    "<dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' entity='sip:alice@own' " attributes \
    ">" dialogs "</dialog-info>"
#define DIALOG(id, state)                                                        \
    "<dialog id='" id "' call-id='c" id "' local-tag='l' direction='recipient'>" \
    "<state>" state "</state><remote><identity display='B'>sip:b@own</identity>" \
    "<target uri='sip:b@192.0.2.9'/></remote></dialog>"
#define PIDF(root, more)                                                                          \
    "<" root " xmlns='urn:ietf:params:xml:ns:pidf' "                                              \
    "xmlns:d='urn:ietf:params:xml:ns:pidf:data-model' "                                           \
    "xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:alice@own' version='1'>" more         \
    "<tuple id='t'><status><basic>open</basic></status><contact>sip:a</contact>"                  \
    "<note xml:lang='en'>here</note></tuple><d:person id='p'><r:activities><r:busy/>"             \
    "</r:activities></d:person><d:device id='x'><d:deviceID>urn:x</d:deviceID></d:device></" root \
    ">"
#define DIFF                                                             \
    "<p:pidf-diff xmlns='urn:ietf:params:xml:ns:pidf' "                  \
    "xmlns:p='urn:ietf:params:xml:ns:pidf-diff' entity='sip:alice@own'>" \
    "<p:replace sel='*/tuple/status/basic/text()'>closed</p:replace></p:pidf-diff>"
#define FULL                                                                         \
    "<p:pidf-full xmlns='urn:ietf:params:xml:ns:pidf' "                              \
    "xmlns:p='urn:ietf:params:xml:ns:pidf-diff' entity='sip:alice@own' version='1'>" \
    "<tuple id='u'><status><basic>open</basic></status></tuple></p:pidf-full>"

enum { TAGS = 5 };

static const struct step {
    unsigned
        tag; /* which of the tags is used and renewed; an unused one is an initial publication */
    const char *event, *content_type, *body;
    bool removes;
} steps[] = {
    { 0, "dialog", "application/dialog-info+xml",
      DIALOGS("version='0' state='full'", DIALOG("1", "early") DIALOG("2", "confirmed")), false },
    { 1, "dialog", "application/dialog-info+xml",
      DIALOGS("version='0' state='full'", DIALOG("1", "early") DIALOG("3", "trying")), false },
    { 0, "dialog", "application/dialog-info+xml",
      DIALOGS("version='1' state='partial'", DIALOG("1", "terminated") DIALOG("4", "early")),
      false },
    { 1, "dialog", NULL, NULL, false },
    { 2, "presence", "application/pidf+xml", PIDF("presence", ""), false },
    { 3, "presence", "application/pidf-diff+xml", FULL, false },
    { 3, "presence", "application/pidf-diff+xml", DIFF, false },
    { 4, "message-summary", "application/simple-message-summary",
      "Messages-Waiting: yes\r\nMessage-Account: sip:alice@own\r\nVoice-Message: 1/2 (0/0)\r\n",
      false },
    { 3, "presence", NULL, NULL, true },
    { 0, "dialog", NULL, NULL, true },
    { 1, "dialog", NULL, NULL, true },
    { 2, "presence", NULL, NULL, true },
    { 4, "message-summary", NULL, NULL, true },
};

/* ---- a worker and a state thread, without threads ---- */

struct stage {
    struct fixture *f;
    struct state_engine e;
    struct buf told; /* each snapshot */
    char tags[TAGS][64], call_ids[TAGS][8];
    unsigned cseq;
};

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    struct buf *told = &((struct stage *)ctx)->told;

    (void)former;
    (void)consumers;
    buf_printf(told, "%.*s:%.*s %llu %u", STR_FMT(s->package), STR_FMT(s->extension),
               (unsigned long long)s->sequence, (unsigned)s->state);
    if (s->published)
        buf_printf(told, " %zu dialogs %zu tuples %u messages", s->published->n_dialogs,
                   s->published->presence.n_tuples,
                   s->published->messages.counts[ES_MESSAGES_VOICE].new_count);
    buf_add_char(told, '\n');
}

static void no_device(void *ctx, const struct state_device_change *change)
{
    (void)ctx;
    (void)change;
}

static void stage_init(struct stage *s)
{
    static char room[1 << 16];

    *s = (struct stage){ .f = fixture_create() };
    buf_init(&s->told, 1 << 20);
    buf_add(&s->told, (struct str){ room, sizeof(room) }); /* so that it never grows */
    buf_reset(&s->told);
    assert_int_equal(
        state_engine_init(&s->e,
                          &(struct state_engine_config){
                              .port = { { s, on_snapshot, no_device, NULL, NULL }, 0, NULL },
                              .eid = STR_INIT("02:00:00:00:00:01"),
                              .n_workers = 1,
                              .wheel = &s->f->wheel,
                              .clock = &s->f->clock,
                              .rng = &s->f->rng,
                              .log = s->f->log,
                              .settings = s->f->settings }),
        0);
    assert_int_equal(
        state_engine_apply(&s->e, s->f->settings, plan_of("[default]\nalice Custom:alice\n")), 0);
    s->f->guard = memory_guard;
    memory.armed = false;
}

static void stage_fini(struct stage *s)
{
    memory.armed = false;
    s->f->guard = NULL;
    state_engine_fini(&s->e);
    fixture_destroy(s->f);
    buf_fini(&s->told);
}

static void publish_guarded(void *compositor, const struct uas_request *rq)
{
    memory.armed = true;
    compositor_publish(compositor, rq);
    memory.armed = false;
}

/* What the worker has asked for, as the state thread does it. */
static void stage_store(struct stage *s, const struct fixture_asked *q, const struct step *step,
                        char *tag)
{
    struct publication_request rq = q->rq;
    struct publication_answer answer = { .status = 0 };
    int r;

    rq.package = str_of(q->package);
    rq.context = str_of(q->context);
    rq.domain = str_of(q->domain);
    rq.extension = str_of(q->extension);
    rq.publisher = str_of(q->publisher);
    rq.call_id = str_of(q->call_id);
    rq.if_match = str_of(q->if_match);
    rq.content_type = str_of(q->content_type);
    rq.body = rq.body.n ? str_of(step->body) : STR_EMPTY;
    rq.document = q->document;
    rq.refusal.why = str_of(q->why);
    memory.armed = true;
    r = publication_apply(s->e.publications, &rq, &answer);
    memory.armed = false;
    if (r == 0)
        (void)snprintf(tag, sizeof(s->tags[0]), "%.*s", step->removes ? 0 : (int)answer.etag.n,
                       answer.etag.p);
    fixture_answer(s->f, s->f->n_asked - 1, r, &answer);
    memory.armed = false; /* which the fixture's port has left on */
}

/* One PUBLISH while the allocation `nth` fails, none when it is negative. Returns the status. */
static unsigned stage_publish(struct stage *s, const struct step *step, long nth, bool *failed)
{
    size_t n_asked = s->f->n_asked, n_sent = s->f->n_sent;
    char *tag = s->tags[step->tag];
    struct publish p = { .uri = "sip:alice@own",
                         .from = "alice@own",
                         .call_id = s->call_ids[step->tag],
                         .event = step->event,
                         .expires = step->removes ? "0" : "600",
                         .if_match = *tag ? tag : NULL,
                         .content_type = step->content_type,
                         .body = step->body,
                         .extra = "",
                         .cseq = ++s->cseq };

    uas_method_set(s->f->uas, SIP_PUBLISH, STR_EMPTY, publish_guarded, s->f->compositor);
    (void)snprintf(s->call_ids[step->tag], sizeof(s->call_ids[0]), "c%u", step->tag);
    memory.left = nth;
    publish_send(s->f, &p);
    if (s->f->n_asked > n_asked)
        stage_store(s, &s->f->asked[s->f->n_asked - 1], step, tag);
    *failed = nth >= 0 && memory.left < 0;
    memory.left = -1;
    assert_int_equal(s->f->n_sent, n_sent + 1);
    assert_int_equal(sip_message_parse(&s->f->msg, s->f->sent[n_sent].bytes, NULL), 0);
    return s->f->msg.status;
}

/* ---- everything there is to see ---- */

static void print_publication(void *ctx, const struct inbound_publication_view *v)
{
    buf_printf(ctx, "%.*s %.*s %.*s %.*s %u %llu %llu %zu\n", STR_FMT(v->package), STR_FMT(v->etag),
               STR_FMT(v->content_type), STR_FMT(v->call_id), v->expires_s,
               (unsigned long long)v->published_wall_ms, (unsigned long long)v->changed_wall_ms,
               v->body_len);
}

static void print_resource(void *ctx, const struct state_hint_view *v)
{
    buf_printf(ctx, "%.*s %.*s %d %p\n", STR_FMT(v->extension), STR_FMT(v->hint), v->published,
               (const void *)v->snapshot);
}

static void stage_dump(const struct stage *s, struct buf *out)
{
    struct publication_counters c;

    buf_init(out, 1 << 20);
    publication_store_each(s->e.publications, print_publication, out);
    state_hints_each(s->e.core, print_resource, out);
    publication_counters_get(s->e.publications, &c);
    buf_printf(out, "%llu publications, %llu resources, %llu bytes",
               (unsigned long long)c.publications, (unsigned long long)c.resources,
               (unsigned long long)c.bytes);
    assert_int_equal(out->error, 0);
}

/* ---- */

static void stage_prepare(struct stage *s, size_t n)
{
    bool failed;

    stage_init(s);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(stage_publish(s, &steps[i], -1, &failed), 200);
    buf_reset(&s->told);
}

/* Step `i` with its allocation `nth` failing. False when it has not so many. */
static bool step_fails(size_t i, long nth, struct str told, unsigned statuses[2])
{
    struct buf before, after;
    struct stage s;
    unsigned status;
    bool failed, again;

    stage_prepare(&s, i);
    stage_dump(&s, &before);
    status = stage_publish(&s, &steps[i], nth, &failed);
    statuses[status != 200]++;
    if (status != 200) {
        if (!failed || (status != 500 && status != 503))
            fail_msg("step %zu, allocation %ld: %.*s", i, nth, STR_FMT(s.f->msg.raw));
        stage_dump(&s, &after);
        if (!str_equal(buf_str(&before), buf_str(&after)))
            fail_msg("step %zu, allocation %ld: %.*s\nnot %.*s", i, nth, STR_FMT(buf_str(&after)),
                     STR_FMT(buf_str(&before)));
        assert_int_equal(s.told.n, 0);
        buf_fini(&after);
        assert_int_equal(stage_publish(&s, &steps[i], -1, &again), 200);
    }
    /* A resource that nothing holds any more may be gone later: that is the last thing told. */
    if (!(steps[i].removes && status == 200 && failed
              ? s.told.n && str_starts(told, buf_str(&s.told))
              : str_equal(told, buf_str(&s.told))))
        fail_msg("step %zu, allocation %ld: told %.*s, not %.*s", i, nth, STR_FMT(buf_str(&s.told)),
                 STR_FMT(told));
    buf_fini(&before);
    stage_fini(&s);
    return failed;
}

static void test_path(void **state)
{
    unsigned statuses[2] = { 0 };

    (void)state;
    xml_init();
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct stage plain; /* where nothing fails */
        bool failed;

        stage_prepare(&plain, i);
        assert_int_equal(stage_publish(&plain, &steps[i], -1, &failed), 200);
        assert_int_equal(plain.told.n > 0, i != 3); /* only a refresh is silent */
        for (long nth = 0; step_fails(i, nth, buf_str(&plain.told), statuses); nth++)
            ;
        stage_fini(&plain);
    }
    print_message("    %u answered 200, %u refused\n", statuses[0], statuses[1]);
    assert_true(statuses[1] > 100);
}

/* Another configuration with the allocation `nth` failing, as often as it takes. Returns how many
 * attempts did not succeed. */
static unsigned apply_fails(long nth, struct buf *told)
{
    struct dialplan *dp = plan_of("[default]\nalice PJSIP/alice\nbob PJSIP/bob&Custom:alice\n");
    struct settings *settings = settings_fixture_with("[alice]\ntype=endpoint\naors=alice\n"
                                                      "[alice]\ntype=aor\ncontact=sip:a@192.0.2.1\n"
                                                      "mailboxes=1,2\n[bob]\ntype=endpoint\n",
                                                      "[compositor]\norder=hint\n");
    unsigned failures = 0;
    struct stage s;
    int r;

    stage_init(&s);
    assert_int_equal(state_device_set(s.e.core, STR("test"), STR("Custom:alice"), DEVICE_INUSE), 0);
    buf_reset(&s.told);
    memory.left = nth;
    memory.armed = true;
    while ((r = state_engine_apply(&s.e, settings, dp)) == -ENOMEM)
        failures++;
    memory.armed = false;
    memory.left = -1;
    assert_int_equal(r, 0);
    buf_add(told, buf_str(&s.told));
    stage_fini(&s);
    settings_unref(settings);
    return failures;
}

/* The state thread does so when the workers have the new settings already. */
static void test_apply(void **state)
{
    struct buf plain, told;
    long nth = 0, failures = 0;

    (void)state;
    buf_init(&plain, 1 << 16);
    buf_init(&told, 1 << 16);
    assert_int_equal(apply_fails(-1, &plain), 0);
    assert_true(plain.n > 0);
    do {
        buf_reset(&told);
        memory.failed = false;
        failures += apply_fails(nth++, &told);
        if (!str_equal(buf_str(&told), buf_str(&plain)))
            fail_msg("allocation %ld: told %.*s, not %.*s", nth, STR_FMT(buf_str(&told)),
                     STR_FMT(buf_str(&plain)));
    } while (memory.failed);
    assert_true(failures > 20);
    buf_fini(&plain);
    buf_fini(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_path), cmocka_unit_test(test_apply) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
