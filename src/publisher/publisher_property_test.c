// SPDX-License-Identifier: MIT
/* Hours of anything: changes, losses, answers of all kinds, restarts of both sides, reloads. When
 * the server is well again it knows exactly what is, without anybody's help. That no request breaks
 * a rule on the way is checked with each that is sent: see publisher_testing.h. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

enum { RESOURCES = 24, HOURS = 3 };

#define SECTIONS(dialog_server, dialog_filter)                                                     \
    "[cred]\ntype=auth\nauth_type=userpass\nusername=publisher\npassword=secret\n"                 \
    "[dialog]\ntype=outbound-publish\nserver_uri=sip:" dialog_server                               \
    "\nevent=dialog\nmulti_user=yes\n"                                                             \
    "outbound_auth=cred\n@body=application/dialog-info+xml\n" dialog_filter                        \
    "[presence]\ntype=outbound-publish\nserver_uri=sip:esc.test\nevent=presence\nmulti_user=yes\n" \
    "outbound_auth=cred\n@body=application/pidf+xml\nexpiration=1800\n"

static const struct {
    const char *pjsip, *extstate;
} configurations[] = {
    { SECTIONS("esc.test", ""), NULL },
    { SECTIONS("esc.test", "@context=^users\n"), NULL },
    { SECTIONS("esc2.test", "@exten=[02468]$\n"), NULL },
    { SECTIONS("esc.test", ""), "[compatibility]\nasterisk_bodies=yes\n" },
    { SECTIONS("esc.test", "@context=^users\n"),
      "[compatibility]\npublish_key_without_context=yes\npublish_swaps_from_to=yes\n" },
};

struct chaos {
    struct bench *b;
    enum extension_state state[RESOURCES]; /* EXTENSION_REMOVED: not there */
    size_t configuration;
    unsigned bad; /* of 100 answers are some failure */
};

static const enum extension_state all_states[] = {
    EXTENSION_IDLE,    EXTENSION_INUSE,         EXTENSION_BUSY,   EXTENSION_UNAVAILABLE,
    EXTENSION_RINGING, EXTENSION_INUSE_RINGING, EXTENSION_ONHOLD, EXTENSION_REMOVED,
};

/* 1000@users ... 1011@users, 2000@office ...; two names are in both. */
static const char *resource_name(unsigned i)
{
    static const char *const contexts[] = { "users", "office" };
    static char name[32];
    bool office = i >= RESOURCES / 2;

    (void)snprintf(name, sizeof(name), "%u@%s",
                   (office && i % 6 ? 1500 : 1000) + i % (RESOURCES / 2), contexts[office]);
    return name;
}

static unsigned chaos_answer(void *ctx, const struct sip_message *request)
{
    static const unsigned answers[] = { 503, 500, 408, 480, 403, 404,          412,
                                        412, 489, 604, 400, 301, ESC_NO_ANSWER };
    struct chaos *c = ctx;

    (void)request;
    if (rng_below(&c->b->dice, 100) >= c->bad)
        return 0;
    return answers[rng_below(&c->b->dice, ARRAY_LEN(answers))];
}

static void change_server(struct chaos *c)
{
    struct bench *b = c->b;
    struct rng *dice = &b->dice;

    switch (rng_below(dice, 11)) {
    case 0:
        b->esc.silent = !b->esc.silent;
        break;
    case 1:
        b->esc.loss = rng_below(dice, 3) ? 0 : rng_below(dice, 60);
        break;
    case 2:
        esc_forget(b);
        break;
    case 3:
        c->bad = rng_below(dice, 3) ? 0 : rng_below(dice, 100);
        break;
    case 4:
        b->esc.nonce = rng_below(dice, 2) ? "n" : NULL;
        b->esc.nonce_uses = rng_below(dice, 20);
        b->esc.stale = rng_below(dice, 2);
        b->esc.proxy = rng_below(dice, 2);
        break;
    case 5:
        b->esc.grants_s = rng_below(dice, 2) ? 0 : 20 + rng_below(dice, 600);
        break;
    case 6:
        b->esc.min_expires_s = rng_below(dice, 2) ? 0 : rng_below(dice, 7200);
        break;
    case 7:
        b->esc.retry_after_s = rng_below(dice, 3) ? 0 : rng_below(dice, 400);
        b->esc.no_tags = rng_below(dice, 4) == 0;
        break;
    case 8:
        b->send_result = rng_below(dice, 3) ? 0 : rng_below(dice, 2) ? -EAGAIN : -ENETUNREACH;
        break;
    case 9:
        b->resolves = rng_below(dice, 3);
        b->answers_resolve = rng_below(dice, 3);
        break;
    default:
        b->address.v4.sin_addr.s_addr = htonl(0xc0000209 + rng_below(dice, 3));
        esc_forget(b); /* there is another one */
        break;
    }
}

static void change_resource(struct chaos *c, unsigned i)
{
    enum extension_state next = all_states[rng_below(&c->b->dice, ARRAY_LEN(all_states))];

    c->state[i] = next;
    bench_set(c->b, resource_name(i), next);
}

/* Our process ends, and another one finds the world changed. */
static void restart(struct chaos *c)
{
    struct bench *b = c->b;
    struct rng *dice = &b->dice;

    if (rng_below(dice, 4) == 0)
        c->configuration = rng_below(dice, ARRAY_LEN(configurations));
    b->send_result = 0;
    bench_restart(b, configurations[c->configuration].pjsip,
                  configurations[c->configuration].extstate);
    for (unsigned i = 0; i < RESOURCES; i++) {
        if (rng_below(dice, 8) == 0)
            c->state[i] = all_states[rng_below(dice, ARRAY_LEN(all_states))];
        if (c->state[i] != EXTENSION_REMOVED)
            bench_set(b, resource_name(i), c->state[i]);
    }
}

static void chaos_step(struct chaos *c)
{
    struct rng *dice = &c->b->dice;
    uint32_t what = rng_below(dice, 100);

    if (c->b->store.works && rng_below(dice, 100) < 3) {
        bench_write(c->b);
        c->b->store.slow = rng_below(dice, 4) == 0;
        restart(c);
    } else if (what < 8) {
        change_server(c);
    } else if (what < 10) {
        c->configuration = rng_below(dice, ARRAY_LEN(configurations));
        bench_reload(c->b, configurations[c->configuration].pjsip,
                     configurations[c->configuration].extstate);
    } else if (what < 20) {
        for (unsigned n = 0; n < 6; n++) /* a burst */
            change_resource(c, rng_below(dice, 3));
    } else {
        change_resource(c, rng_below(dice, RESOURCES));
    }
    bench_run(c->b, rng_below(dice, 4) ? rng_below(dice, 3000) : rng_below(dice, 60000));
    if (c->b->send_result == -EAGAIN)
        c->b->send_result = 0; /* a full queue empties soon; meanwhile each is tried often */
}

static void chaos_ends(struct chaos *c)
{
    struct bench *b = c->b;

    c->bad = 0;
    b->esc.silent = b->esc.no_tags = false;
    b->esc.loss = 0;
    b->send_result = 0;
    b->resolves = b->answers_resolve = true;
    b->store.slow = false;
    bench_write(b);
    bench_run(b, 700000);             /* the longest wait after a refusal, and a probe */
    if (publisher_busy(b->publisher)) /* with one more probe */
        bench_run(b, UINT64_C(2) * BENCH_LATENCY_MS);
}

/* ---- what must be ---- */

struct expectation {
    struct chaos *chaos;
    size_t n;
};

static uint32_t version_of(struct str body)
{
    static const char root[] = "<dialog-info", attribute[] = " version=\"";
    const char *at = memmem(body.p, body.n, root, sizeof(root) - 1);

    at = at ? memmem(at, (size_t)(body.p + body.n - at), attribute, sizeof(attribute) - 1) : NULL;
    return at ? (uint32_t)strtoul(at + sizeof(attribute) - 1, NULL, 10) : 0;
}

/* The document must be what its snapshot renders to. Its version is that of the last request, or
 * lower when that was another process. */
static void assert_document(struct chaos *c, const struct publication *pub)
{
    const struct section_terms *t = &pub->section->terms;
    const struct rendered_body *body;
    struct str event = t->settings->event, user = pub->newest->extension;
    const struct esc_document *found = NULL;
    struct body_slots slots = { 0 };
    char resource[256], entity[128];
    struct buf want;

    if (!pub->entity_tag.n)
        return; /* from the time when none were given: nobody can tell the documents apart */
    (void)snprintf(resource, sizeof(resource), "sip:%.*s@%.*s %.*s", STR_FMT(user),
                   STR_FMT(t->server.host), STR_FMT(event));
    (void)snprintf(entity, sizeof(entity), "sip:%.*s@%.*s", STR_FMT(user), STR_FMT(t->from.host));
    LIST_FOREACH (it, &c->b->documents) {
        const struct esc_document *d = CONTAINER_OF(it, struct esc_document, link);

        if (str_equal(d->resource, str_of(resource)) && str_equal(d->tag, pub->entity_tag))
            found = d;
    }
    assert_non_null(found);
    assert_true(found->until_ms > c->b->now_ms);
    assert_int_equal(body_render(t->profile, pub->newest, &c->b->dice, &body), 0);
    slots = (struct body_slots){ version_of(found->body), str_of(entity), str_of(entity) };
    assert_true(c->b->store.works ? slots.version <= pub->version
                                  : !slots.version || slots.version == pub->version);
    buf_init(&want, 65536);
    body_print(body, &slots, &want);
    if (str_equal(event, STR("dialog")) || !str_contains_nocase(found->body, STR("atomid")))
        assert_true(str_equal(buf_str(&want), found->body));
    buf_fini(&want);
}

static bool name_taken(const struct chaos *c, unsigned i)
{
    char name[32];
    bool taken = false;

    (void)snprintf(name, sizeof(name), "%s", resource_name(i));
    for (unsigned k = 0; k < i && !taken; k++)
        taken = c->state[k] != EXTENSION_REMOVED &&
                strncmp(name, resource_name(k), strcspn(name, "@") + 1) == 0;
    return taken;
}

/* Who of the resources has a publication in this section. */
static size_t expected_in(const struct chaos *c, const struct section *s)
{
    bool by_name = s->terms.owner->compatibility.publish_key_without_context;
    size_t n = 0;

    for (unsigned i = 0; i < RESOURCES; i++) {
        struct str name = str_of(resource_name(i));
        size_t at = str_find_char(name, '@');
        struct snapshot snap = { .extension = str_sub(name, 0, at),
                                 .context = str_sub(name, at + 1, name.n) };

        if (c->state[i] != EXTENSION_REMOVED && section_matches(s, &snap))
            n += !by_name || s->terms.settings->context_pattern.n || !name_taken(c, i);
    }
    return n;
}

static void assert_all_told(struct chaos *c)
{
    struct publisher *p = c->b->publisher;

    assert_int_equal(publisher_busy(p), 0);
    assert_int_equal(bench_counters(c->b).sections, 2);
    LIST_FOREACH (it, &p->sections) {
        struct section *s = CONTAINER_OF(it, struct section, link);

        assert_int_equal(s->outstanding, 0);
        LIST_FOREACH (node, &s->publications) {
            struct publication *pub = CONTAINER_OF(node, struct publication, of_section);

            assert_int_equal(pub->state, PUBLICATION_IDLE);
            assert_true(timer_running(&pub->timer));
            assert_true(publication_known(pub) && publication_nothing_new(pub));
            assert_document(c, pub);
        }
        assert_int_equal(s->n_publications, expected_in(c, s));
    }
}

static void test_chaos(void **state)
{
    const char *seeds = getenv("EXTSTATE_SEEDS");
    unsigned long n_seeds = seeds ? strtoul(seeds, NULL, 10) : 12;

    (void)state;
    assert_true(n_seeds > 0);
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        const char *files = configurations[0].pjsip;
        struct chaos c = { .b = seed % 2 ? bench_create(files, NULL)
                                         : bench_create_keeping(files, NULL) };
        struct publisher_counters n;
        uint64_t end;

        c.b->quiet = true;
        rng_init_seeded(&c.b->dice, seed);
        rng_init_seeded(&c.b->rng, seed + 1000);
        c.b->esc.answer = chaos_answer;
        c.b->esc.ctx = &c;
        for (unsigned i = 0; i < RESOURCES; i++)
            c.state[i] = EXTENSION_REMOVED;
        end = c.b->now_ms + HOURS * 3600000ull;
        while (c.b->now_ms < end)
            chaos_step(&c);
        chaos_ends(&c);
        assert_all_told(&c);
        n = bench_counters(c.b);
        print_message("    seed %llu: %llu sent, %llu acknowledged, %llu failed, %llu challenged, "
                      "%llu tags lost\n",
                      (unsigned long long)seed, (unsigned long long)n.sent,
                      (unsigned long long)n.acknowledged, (unsigned long long)n.failed,
                      (unsigned long long)n.challenged, (unsigned long long)n.lost_tags);
        publisher_stop(c.b->publisher);
        bench_run(c.b, 10000);
        assert_int_equal(publisher_busy(c.b->publisher), 0);
        bench_destroy(c.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_chaos) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
