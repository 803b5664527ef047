// SPDX-License-Identifier: MIT
/* Many subscriptions, and long random histories: whatever happens, each subscriber ends up showing
 * the newest state, and what it gets on the way keeps the rules. */
#include "event/notifier_fixture.h"

static void forget_sent(struct fixture *f)
{
    assert_int_equal(f->seen, f->n_sent);
    while (f->n_sent)
        str_free(&f->sent[--f->n_sent].bytes);
    f->seen = 0;
}

static size_t answer_all(struct fixture *f)
{
    size_t n = 0;

    for (; f->seen < f->n_sent; f->seen++) {
        if (!str_starts(f->sent[f->seen].bytes, STR("NOTIFY")))
            continue;
        notify_answer(f, f->seen, 200, "");
        n++;
    }
    forget_sent(f);
    return n;
}

static void test_ten_thousand(void **state)
{
    struct fixture *f = fixture_create(NULL);
    char call_id[32], uri[64], extension[16];
    size_t told = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(extension, sizeof(extension), "%u", i);
        fixture_state(f, extension, EXTENSION_IDLE);
    }
    for (unsigned i = 0; i < 10000; i++) {
        struct sub s = sub_plain(call_id);

        snprintf(call_id, sizeof(call_id), "call-%u", i);
        snprintf(uri, sizeof(uri), "sip:%u@192.0.2.1", i % 100);
        s.uri = uri;
        sub_send(f, &s);
    }
    assert_int_equal(f->asked, 100);
    fixture_answer_questions(f, 100);
    assert_int_equal(answer_all(f), 10000);
    assert_int_equal(live(f), 10000);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 100; i++) {
            snprintf(extension, sizeof(extension), "%u", i);
            fixture_state(f, extension, round % 2 ? EXTENSION_IDLE : EXTENSION_INUSE);
        }
        fixture_pass(f, 200);
        told += answer_all(f);
    }
    assert_int_equal(told, 40000);
    fixture_pass(f, 700000);
    assert_true(f->n_sent >= 10000);
    answer_all(f);
    assert_int_equal(live(f), 0);
    assert_int_equal(f->held, 0);
    assert_int_equal(f->unwatched, 100);
    assert_int_equal(fixture_counters(f).expired, 10000);
    fixture_destroy(f);
}

/* ---- random histories ---- */

enum {
    PHONES = 40,
    RESOURCES = 6,
    COPIES = 11 /* of a NOTIFY until Timer F */
};

struct phone {
    unsigned index, calls, cseq; /* of SUBSCRIBE */
    char call_id[32], tag[64];   /* no tag: no dialog */
    bool asked_once;
    uint32_t notify_cseq; /* 0: none yet */
    int version;
    unsigned copies;                  /* of the last NOTIFY */
    bool answered, terminated, asked; /* that one; asked: there was a SUBSCRIBE since */
    struct str raw;                   /* its bytes; owned */
    char shows[16];                   /* as last acknowledged */
    unsigned resource;
};

struct world {
    struct fixture *f;
    struct rng rng; /* of the history; the notifier has its own */
    struct phone phones[PHONES];
    enum extension_state states[RESOURCES];
    unsigned loss; /* per cent of NOTIFYs that nobody answers */
    size_t notifies, again, lamps;
};

static const struct {
    enum extension_state state;
    const char *shows;
} looks[] = {
    { EXTENSION_IDLE, "terminated" }, { EXTENSION_INUSE, "confirmed" },
    { EXTENSION_BUSY, "confirmed" },  { EXTENSION_RINGING, "early" },
    { EXTENSION_ONHOLD, "held" },
};

static const char *look_of(enum extension_state s)
{
    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (looks[i].state == s)
            return looks[i].shows;
    return "";
}

static const char *shown_by(struct str body)
{
    if (str_contains_nocase(body, STR("+sip.rendering")))
        return "held";
    if (str_contains_nocase(body, STR("<state>early</state>")))
        return "early";
    return str_contains_nocase(body, STR("<state>confirmed</state>")) ? "confirmed" : "terminated";
}

static int version_of(struct str body)
{
    static const char before[] = "version=\"";
    struct str rest = body;
    uint32_t version;

    do { /* the first one is the XML declaration's */
        const char *at = memmem(rest.p, rest.n, before, sizeof(before) - 1);

        assert_non_null(at);
        rest = str_sub(rest, (size_t)(at - rest.p) + sizeof(before) - 1, rest.n);
    } while (str_starts(rest, STR("1.0")));
    assert_int_equal(str_to_u32(&version, str_sub(rest, 0, str_find_char(rest, '"'))), 0);
    return (int)version;
}

static void phone_reset(struct phone *p)
{
    str_free(&p->raw);
    *p = (struct phone){ .index = p->index, .calls = p->calls + 1, .resource = p->resource };
    snprintf(p->call_id, sizeof(p->call_id), "p%u-%u", p->index, p->calls);
}

static struct phone *phone_find(struct world *w, struct str call_id)
{
    for (size_t i = 0; i < PHONES; i++)
        if (str_equal(str_of(w->phones[i].call_id), call_id))
            return &w->phones[i];
    return NULL;
}

static void phone_subscribe(struct world *w, struct phone *p, const char *expires)
{
    struct sub s = sub_plain(p->call_id);
    char uri[64];

    snprintf(uri, sizeof(uri), "sip:%u@h", 100 + p->resource);
    s.uri = uri;
    s.user = "bob";
    s.expires = expires;
    s.cseq = ++p->cseq;
    s.to_tag = p->tag[0] ? p->tag : NULL;
    s.via = "192.0.2.7:5062;rport";
    if (!s.to_tag)
        p->asked_once = true;
    p->asked = true;
    sub_send(w->f, &s);
}

/* What every NOTIFY must keep to. */
static void phone_check(struct world *w, struct phone *p, const struct sip_message *m)
{
    w->notifies++;
    if (m->cseq == p->notify_cseq) {
        w->again++;
        p->copies++;
        assert_true(str_equal(m->raw, p->raw));
        return;
    }
    if (p->notify_cseq) {
        assert_int_equal(m->cseq, p->notify_cseq + 1);
        assert_int_equal(version_of(m->body), p->version + 1);
        /* One at a time; who has asked meanwhile gets another one. */
        assert_true(p->answered || (p->asked && p->copies == COPIES));
        assert_false(p->terminated);
    } else {
        assert_int_equal(version_of(m->body), 0);
    }
    p->notify_cseq = m->cseq;
    p->version = version_of(m->body);
    p->answered = p->asked = false;
    p->copies = 1;
    p->terminated = str_starts(sip_header_value(m, SIP_H_SUBSCRIPTION_STATE), STR("terminated"));
    str_free(&p->raw);
    assert_int_equal(str_dup(&p->raw, m->raw), 0);
}

static void phone_notified(struct world *w, struct phone *p, size_t at, const struct sip_message *m)
{
    static const struct {
        unsigned status;
        const char *headers;
    } answers[] = {
        { 200, "" }, { 200, "" }, { 200, "" }, { 200, "" }, { 200, "" },
        { 202, "" }, { 500, "" }, { 491, "" }, { 403, "" }, { 503, "Retry-After: 3\r\n" },
        { 481, "" }
    };
    size_t which = rng_below(&w->rng, w->loss ? ARRAY_LEN(answers) : 4);
    bool again = m->cseq == p->notify_cseq && p->answered;

    phone_check(w, p, m);
    if (again) /* it was on its way when we answered */
        return;
    if (rng_below(&w->rng, 100) < w->loss)
        return;
    p->answered = true;
    if (answers[which].status / 100 == 2)
        snprintf(p->shows, sizeof(p->shows), "%s", shown_by(m->body));
    notify_answer(w->f, at, answers[which].status, answers[which].headers);
    if (p->terminated || answers[which].status == 481)
        phone_reset(p);
}

static void phone_answered(struct phone *p, const struct sip_message *m)
{
    if (m->status == 200 && !p->tag[0])
        snprintf(p->tag, sizeof(p->tag), "%.*s", STR_FMT(m->to_tag));
    else if (m->status == 481 || (m->status != 200 && !p->tag[0]))
        phone_reset(p);
}

static void deliver(struct world *w)
{
    struct fixture *f = w->f;

    while (f->seen < f->n_sent) {
        const struct sip_message *m = fixture_next(f);
        size_t at = f->seen - 1;
        struct phone *p = phone_find(w, m->call_id);

        if (!p) /* of a call the phone has given up */
            continue;
        if (m->request)
            phone_notified(w, p, at, m);
        else
            phone_answered(p, m);
    }
    forget_sent(f);
}

static void change(struct world *w, unsigned resource)
{
    char extension[16];
    bool gone = rng_below(&w->rng, 40) == 0;

    snprintf(extension, sizeof(extension), "%u", 100 + resource);
    w->states[resource] =
        gone ? EXTENSION_REMOVED : looks[rng_below(&w->rng, ARRAY_LEN(looks))].state;
    if (gone && (!fixture_resource(w->f, extension) || !fixture_resource(w->f, extension)->newest))
        w->states[resource] = EXTENSION_IDLE;
    fixture_state(w->f, extension, w->states[resource]);
}

static void step(struct world *w)
{
    static const char *const expiries[] = { "20", "300", "3600", "3600" };
    struct phone *p = &w->phones[rng_below(&w->rng, PHONES)];
    struct settings *settings;

    switch (rng_below(&w->rng, 16)) {
    case 0:
    case 1:
    case 2:
        if (p->tag[0] || !p->asked_once)
            phone_subscribe(w, p, expiries[rng_below(&w->rng, ARRAY_LEN(expiries))]);
        break;
    case 3:
        if (p->tag[0])
            phone_subscribe(w, p, "0");
        break;
    case 4:
        notifier_dialplan_changed(w->f->notifier);
        break;
    case 5:
    case 6:
        fixture_answer_questions(w->f, 1 + rng_below(&w->rng, 3));
        break;
    case 7:
        if (rng_below(&w->rng, 20))
            break;
        settings = settings_fixture(FIXTURE_CONFIG);
        uas_settings_set(w->f->uas, settings);
        notifier_settings_set(w->f->notifier, settings);
        settings_unref(settings);
        break;
    case 8:
        w->f->uncacheable = rng_below(&w->rng, 2);
        break;
    case 9:
    case 10:
        fixture_pass(w->f, rng_below(&w->rng, 3000));
        break;
    default:
        change(w, rng_below(&w->rng, RESOURCES));
    }
    if (rng_below(&w->rng, 4))
        deliver(w);
}

static void check_lamp(void *ctx, const struct subscription_view *v)
{
    struct world *w = ctx;
    struct phone *p = phone_find(w, v->call_id);

    assert_non_null(p);
    if (strcmp(p->shows, look_of(w->states[p->resource])) != 0)
        fail_msg("phone %u shows %s, not %s", p->index, p->shows, look_of(w->states[p->resource]));
    assert_int_equal(v->told_sequence, v->current_sequence);
    assert_false(v->outstanding);
    w->lamps++;
    assert_int_equal(v->failures, 0);
}

static void history(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    struct fixture *f = fixture_create(NULL);

    assert_non_null(w);
    w->f = f;
    rng_init_seeded(&w->rng, seed);
    for (unsigned i = 0; i < PHONES; i++) {
        w->phones[i] = (struct phone){ .index = i, .resource = i % RESOURCES };
        phone_reset(&w->phones[i]);
    }
    for (unsigned i = 0; i < RESOURCES; i++)
        change(w, i);
    for (unsigned round = 0; round < 4; round++) {
        w->loss = round % 2 ? 60 : 10;
        for (unsigned i = 0; i < 1500; i++)
            step(w);
        w->loss = 0; /* all is well again, for longer than any back-off */
        for (unsigned i = 0; i < 7000; i++) {
            fixture_answer_questions(f, 10);
            deliver(w);
            fixture_pass(f, 100);
        }
        deliver(w);
        notifier_each(f->notifier, check_lamp, w);
        assert_int_equal(notifier_unanswered(f->notifier), 0);
        assert_int_equal(f->held, live(f));
    }
    assert_true(w->notifies > 2000 && w->again > 100 && w->lamps > 20);
    fixture_destroy(f);
    for (unsigned i = 0; i < PHONES; i++)
        str_free(&w->phones[i].raw);
    free(w);
}

static void test_histories(void **state)
{
    const char *seeds = getenv("EXTSTATE_SEEDS");
    unsigned long n = seeds ? strtoul(seeds, NULL, 10) : 10;

    (void)state;
    assert_true(n > 0);
    for (uint64_t seed = 1; seed <= n; seed++)
        history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_thousand),
        cmocka_unit_test(test_histories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
