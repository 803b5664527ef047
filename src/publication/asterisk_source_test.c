// SPDX-License-Identifier: MIT
/* Other servers as sources, on a stepped clock. */
#include "publication/asterisk_source.h"
#include "publication/compose_testing.h"
#include "txn/settings_fixture.h"

#include <stdio.h>

struct bench {
    struct wheel wheel;
    struct clock clock;
    struct rng rng;
    uint64_t now_ms;
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
    struct asterisk_sources *sources;
    const char *takes;          /* options of the asterisk-publication */
    struct buf told;            /* devices that changed, questions */
    struct str kept_name, kept; /* the last record */
};

static uint64_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now_ms;
}

static void on_device(void *ctx, const struct state_device_change *c)
{
    if (c->state != c->former)
        buf_printf(&((struct bench *)ctx)->told, "%.*s %.*s\n", STR_FMT(c->device),
                   STR_FMT(device_state_name(c->state)));
}

static void on_here(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    (void)ctx;
    (void)mailbox;
    (void)counts;
}

static int on_composed(void *ctx, const struct resource_name *name,
                       const struct event_state *composite, void **kept)
{
    (void)ctx;
    (void)name;
    (void)kept;
    (void)composite;
    return 0;
}

static void on_refresh(void *ctx, struct str section)
{
    buf_printf(&((struct bench *)ctx)->told, "refresh by %.*s\n", STR_FMT(section));
}

static void on_put(void *ctx, const struct keep_record *record)
{
    struct bench *b = ctx;

    str_free(&b->kept_name);
    str_free(&b->kept);
    assert_int_equal(str_dup(&b->kept_name, record->name), 0);
    assert_int_equal(str_dup(&b->kept, record->bytes), 0);
}

static void bench_configure(struct bench *b, uint32_t grace_s, bool stay)
{
    char text[256];
    struct settings *settings;

    (void)snprintf(text, sizeof(text),
                   "[udp]\ntype=transport\nbind=127.0.0.1\n"
                   "[in]\ntype=inbound-publication\nevent_asterisk-devicestate=take\n"
                   "[take]\ntype=asterisk-publication\n%s\n",
                   b->takes ? b->takes : "device_state=yes");
    settings = settings_fixture(text);
    settings->general.source_grace_s = grace_s;
    settings->compatibility.lapsed_states_stay = stay;
    asterisk_sources_configure(b->sources, settings, STR("02:00:00:00:00:01"));
    settings_unref(settings);
}

static int start(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->now_ms = 1000;
    b->clock = (struct clock){ bench_now, bench_now, b };
    rng_init_seeded(&b->rng, 1);
    wheel_init(&b->wheel, b->now_ms);
    buf_init(&b->told, 1 << 20);
    assert_int_equal(
        state_create(&b->core, &(struct state_config){ .port = { .ctx = b, .device = on_device },
                                                       .clock = &b->clock,
                                                       .rng = &b->rng }),
        0);
    assert_int_equal(
        publication_store_create(&b->publications,
                                 &(struct publication_config){ .port = { .composed = on_composed },
                                                               .wheel = &b->wheel,
                                                               .clock = &b->clock,
                                                               .rng = &b->rng }),
        0);
    assert_int_equal(mailboxes_create(&b->mailboxes, b->core, b->publications,
                                      &(struct mailbox_port){ .here = on_here }, &b->rng),
                     0);
    assert_int_equal(
        asterisk_sources_create(
            &b->sources, &(struct asterisk_sources_config){ .core = b->core,
                                                            .mailboxes = b->mailboxes,
                                                            .wheel = &b->wheel,
                                                            .clock = &b->clock,
                                                            .rng = &b->rng,
                                                            .keep = { .ctx = b, .put = on_put },
                                                            .ctx = b,
                                                            .refresh = on_refresh }),
        0);
    bench_configure(b, 30, false);
    *state = b;
    return 0;
}

static int stop(void **state)
{
    struct bench *b = *state;

    asterisk_sources_destroy(b->sources);
    mailboxes_destroy(b->mailboxes);
    publication_store_destroy(b->publications);
    state_destroy(b->core);
    wheel_fini(&b->wheel);
    buf_fini(&b->told);
    str_free(&b->kept_name);
    str_free(&b->kept);
    free(b);
    return 0;
}

static void run(struct bench *b, uint64_t ms)
{
    for (uint64_t end = b->now_ms + ms; b->now_ms < end;) {
        b->now_ms += 10;
        wheel_advance(&b->wheel, b->now_ms);
    }
}

static void assert_told(struct bench *b, const char *want)
{
    if (!str_equal(buf_str(&b->told), str_of(want)))
        fail_msg("told \"%.*s\", not \"%s\"", STR_FMT(buf_str(&b->told)), want);
    buf_reset(&b->told);
}

/* The last octet of the entity id is all that differs. */
static struct asterisk_event event_of(unsigned server, const char *name, enum device_state s)
{
    struct asterisk_event e = { .type = ASTERISK_DEVICE_STATE, .state = s, .cachable = true };

    (void)snprintf(e.eid, sizeof(e.eid), "02:00:00:%02x:%02x:%02x", server >> 16 & 255,
                   server >> 8 & 255, server & 255);
    e.name_n = (size_t)snprintf(e.name, sizeof(e.name), "%s", name);
    return e;
}

static void say(struct bench *b, uint64_t serial, const struct asterisk_event *event)
{
    assert_int_equal(
        asterisk_sources_event(
            b->sources,
            &(struct publication_event){ .serial = serial, .inbound = STR("in"), .event = event }),
        0);
}

static void device(struct bench *b, uint64_t serial, unsigned server, const char *name,
                   enum device_state s)
{
    struct asterisk_event e = event_of(server, name, s);

    say(b, serial, &e);
}

static struct asterisk_sources_counters counters(struct bench *b)
{
    struct asterisk_sources_counters c;

    asterisk_sources_counters_get(b->sources, &c);
    return c;
}

/* A state lives as long as the publication that said it last, and a grace. */
static void test_lapse(void **state)
{
    struct bench *b = *state;

    device(b, 1, 7, "Custom:a", DEVICE_INUSE);
    device(b, 1, 7, "Custom:b", DEVICE_INUSE);
    device(b, 2, 7, "Custom:b", DEVICE_BUSY);
    assert_told(b, "Custom:a INUSE\nCustom:b INUSE\nCustom:b BUSY\n");
    asterisk_sources_ended(b->sources, 1);
    asterisk_sources_ended(b->sources, 99);
    run(b, 29990);
    assert_told(b, "");
    run(b, 20);
    assert_told(b, "Custom:a UNKNOWN\n");
    run(b, 60000);
    assert_told(b, "");
    asterisk_sources_ended(b->sources, 2);
    run(b, 29990);
    assert_told(b, "");
    run(b, 20);
    assert_told(b, "Custom:b UNKNOWN\n");
    assert_int_equal(counters(b).servers, 0);
    assert_int_equal(counters(b).states, 0);
    assert_int_equal(counters(b).lapsed, 2);
}

/* A server that was killed and comes back says what it has, and no more what it had. */
static void test_restart(void **state)
{
    struct bench *b = *state;

    device(b, 1, 7, "Custom:a", DEVICE_INUSE);
    device(b, 1, 7, "Custom:b", DEVICE_INUSE);
    device(b, 2, 7, "Custom:b", DEVICE_INUSE); /* it is back, before the former one has expired */
    asterisk_sources_ended(b->sources, 1);
    run(b, 31000);
    assert_told(b, "Custom:a INUSE\nCustom:b INUSE\nCustom:a UNKNOWN\n");
    assert_int_equal(counters(b).servers, 1);
}

static void test_return(void **state)
{
    struct bench *b = *state;

    device(b, 1, 7, "Custom:a", DEVICE_INUSE);
    asterisk_sources_ended(b->sources, 1);
    run(b, 29000);
    device(b, 2, 7, "Custom:a", DEVICE_INUSE);
    run(b, 60000);
    assert_told(b, "Custom:a INUSE\n");
}

/* A server that speaks for others. */
static void test_relay(void **state)
{
    struct bench *b = *state;

    device(b, 1, 7, "Custom:a", DEVICE_INUSE);
    device(b, 1, 8, "Custom:a", DEVICE_INUSE);
    device(b, 2, 8, "Custom:b", DEVICE_INUSE);
    assert_told(b, "Custom:a INUSE\nCustom:b INUSE\n");
    asterisk_sources_ended(b->sources, 1);
    run(b, 31000);
    assert_int_equal(counters(b).servers, 1);
    assert_told(b, "Custom:a UNKNOWN\n");
    device(b, 2, 8, "Custom:a", DEVICE_RINGING);
    assert_told(b, "Custom:a RINGING\n");
}

static void test_ignored(void **state)
{
    struct bench *b = *state;
    struct asterisk_event e = event_of(7, "Custom:a", DEVICE_INUSE);

    e.cachable = false;
    say(b, 1, &e);
    device(b, 1, 1, "Custom:a", DEVICE_INUSE); /* 02:00:00:00:00:01: ours */
    assert_told(b, "");
    assert_int_equal(counters(b).ignored, 2);
    assert_int_equal(counters(b).servers, 0);
}

static void test_question(void **state)
{
    struct bench *b = *state;
    struct asterisk_event e = event_of(7, "", DEVICE_UNKNOWN);
    struct publication_event p = { .serial = 1, .event = &e };

    e.type = ASTERISK_REFRESH;
    assert_int_equal(asterisk_sources_event(b->sources, &p), 0);
    assert_told(b, ""); /* there is nothing to answer by */
    p.answer_section = STR("out");
    assert_int_equal(asterisk_sources_event(b->sources, &p), 0);
    assert_told(b, "refresh by out\n");
    asterisk_sources_ended(b->sources, 1);
    assert_int_equal(counters(b).servers, 0); /* it had told nothing */
}

static void test_mailbox(void **state)
{
    struct bench *b = *state;
    struct asterisk_event e = event_of(7, "1@x", DEVICE_UNKNOWN);

    e.type = ASTERISK_MAILBOX_STATE;
    e.new_count = 2;
    say(b, 1, &e);
    assert_told(b, "MWI:1@x INUSE\n");
    asterisk_sources_ended(b->sources, 1);
    run(b, 31000);
    assert_told(b, "MWI:1@x INVALID\n");
}

/* A configuration takes effect on those that are silent already. */
static void test_configure(void **state)
{
    struct bench *b = *state;

    bench_configure(b, 30, true);
    device(b, 1, 7, "Custom:a", DEVICE_INUSE);
    asterisk_sources_ended(b->sources, 1);
    run(b, 3600000);
    assert_told(b, "Custom:a INUSE\n");
    bench_configure(b, 5, false);
    run(b, 4000);
    bench_configure(b, 5, true);
    run(b, 4000);
    assert_told(b, "");
    bench_configure(b, 0, false);
    run(b, 20);
    assert_told(b, "Custom:a UNKNOWN\n");
}

/* What a reload switches off, or filters, is withdrawn while its publication goes on. */
static void test_unwanted(void **state)
{
    struct bench *b = *state;

    device(b, 1, 7, "Custom:a", DEVICE_INUSE);
    device(b, 1, 7, "Custom:d", DEVICE_INUSE);
    assert_told(b, "Custom:a INUSE\nCustom:d INUSE\n");
    bench_configure(b, 30, false);
    assert_told(b, "");
    b->takes = "device_state=yes\ndevice_state_filter=d$";
    bench_configure(b, 30, false);
    assert_told(b, "Custom:a UNKNOWN\n");
    b->takes = "device_state=no";
    bench_configure(b, 30, false);
    assert_told(b, "Custom:d UNKNOWN\n");
    assert_int_equal(counters(b).states, 0);
}

static void test_limits(void **state)
{
    struct bench *b = *state;

    for (unsigned i = 0; i < SOURCE_SERVERS_MAX + 5; i++)
        device(b, 1, 0x100 + i, "Custom:a", DEVICE_INUSE);
    assert_int_equal(counters(b).servers, SOURCE_SERVERS_MAX);
    assert_int_equal(counters(b).over_limit, 5);
    for (unsigned i = 0; i < SOURCE_STATES_MAX + 5; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "Custom:%u", i);
        device(b, 1, 0x100, name, DEVICE_INUSE);
    }
    assert_int_equal(counters(b).over_limit, 5 + 6);
    assert_int_equal(counters(b).states, SOURCE_SERVERS_MAX + SOURCE_STATES_MAX - 1);
    device(b, 1, 0x100, "Custom:0", DEVICE_BUSY); /* those that are known go on */
    assert_int_equal(state_device_get(b->core, STR("Custom:0")), DEVICE_BUSY);
    asterisk_sources_ended(b->sources, 1);
    run(b, 31000);
    assert_int_equal(counters(b).states, 0);
}

static void on_date(void *ctx, const struct state_device_view *v)
{
    *(uint64_t *)ctx = v->changed_wall_ms;
    assert_int_equal(v->sources[0].changed_wall_ms, v->changed_wall_ms);
}

/* When it changed is when it was said to be another one, and not when a process began. */
static void test_since_when(void **state)
{
    struct bench *b = *state, *next;
    void *other;
    uint64_t changed_ms = 0;

    device(b, 1, 7, "Custom:a", DEVICE_INUSE);
    run(b, 5000);
    device(b, 1, 7, "Custom:a", DEVICE_RINGING); /* at 6000 */
    run(b, 5000);
    device(b, 1, 7, "Custom:a", DEVICE_RINGING);
    assert_int_equal(start(&other), 0);
    next = other;
    run(next, 20000);
    assert_int_equal(
        asterisk_source_restore(next->sources, &(struct keep_record){ .table = KEEP_SOURCE_STATE,
                                                                      .name = b->kept_name,
                                                                      .bytes = b->kept }),
        0);
    assert_told(next, "Custom:a RINGING\n");
    state_devices_each(next->core, on_date, &changed_ms);
    assert_int_equal(changed_ms, 6000);
    assert_int_equal(stop(&other), 0);
}

/* What a damaged disk gives back is no state. */
static void test_damage(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        bool fine;
    } cases[] = {
        { "02:00:00:00:00:02\tdevice\tCustom:a", "\1\5INUSE\0\0\7\2in", 13, true },
        { "02:00:00:00:00:02\tmailbox\t1@d", "\1\0\3\4\7\2in", 8, true },
        { "02:00:00:00:00:02\tdevice\tCustom:a", "\2\5INUSE\0\0\7\2in", 13, false },
        { "02:00:00:00:00:02\tdevice\tCustom:a", "\1\5INUSX\0\0\7\2in", 13, false },
        { "02:00:00:00:00:02\tdevice\tCustom:a", "\1\5INUSE\0\0\7\3in", 13, false },
        { "02:00:00:00:00:02\tdevice\t", "\1\5INUSE\0\0\7\2in", 13, false },
        { "02:00:00:00:00:02\tlamp\tCustom:a", "\1\5INUSE\0\0\7\2in", 13, false },
        { "02:00:00:00:00\tdevice\tCustom:a", "\1\5INUSE\0\0\7\2in", 13, false },
    };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct keep_record k = { .table = KEEP_SOURCE_STATE,
                                       .name = str_of(cases[i].name),
                                       .bytes = { cases[i].bytes, cases[i].n } };

        assert_int_equal(asterisk_source_record_check(&k), cases[i].fine ? 0 : -EBADMSG);
        assert_int_equal(asterisk_source_restore(b->sources, &k), cases[i].fine ? 0 : -EBADMSG);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lapse),     TEST(test_restart), TEST(test_unwanted), TEST(test_return),
        TEST(test_relay),     TEST(test_ignored), TEST(test_question), TEST(test_mailbox),
        TEST(test_configure), TEST(test_limits),  TEST(test_damage),   TEST(test_since_when),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
