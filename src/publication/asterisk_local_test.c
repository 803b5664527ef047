// SPDX-License-Identifier: MIT
/* What this server tells others, as the publisher sees it; and what becomes of it without memory.
 */
#include "publication/asterisk_local.h"
#include "publication/compose_testing.h"

/* ---- allocations that fail on command ---- */

static bool starved;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return starved ? NULL : __real_calloc(n, size);
}

/* ---- a bench ---- */

struct bench {
    struct wheel wheel;
    struct clock clock;
    struct rng rng;
    uint64_t now_ms;
    struct asterisk_locals *locals;
    struct settings settings;
    struct publish_settings publishes[2];
    enum device_state device; /* what a walk finds */
    bool reported;
    struct buf told;
};

static uint64_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now_ms;
}

/* "asterisk-mwi #1 {...}", "-" where there is no document, "gone" behind the last one. */
static void on_snapshot(void *ctx, const struct snapshot *s)
{
    struct bench *b = ctx;
    struct str body = s->published ? s->published->opaque.body : STR("-");

    assert_true(s->resource_id >> 63);
    buf_printf(&b->told, "%.*s #%u %.*s%s\n", STR_FMT(s->extension), (unsigned)s->sequence,
               STR_FMT(body), s->state == EXTENSION_REMOVED ? " gone" : "");
}

static void on_walk(void *ctx)
{
    struct bench *b = ctx;

    if (b->reported)
        asterisk_local_device(b->locals, STR("Custom:w"), true, b->device);
}

#define US STR("02:00:00:00:00:01")
#define EID(x) "\"eid\":\"" x "\"}"
#define DEVICE(name, state, eid)                                           \
    "{\"type\":\"devicestate\",\"device\":\"" name "\",\"state\":\"" state \
    "\",\"cachable\":1," EID(eid)
#define ASK(eid) " #1 {\"type\":\"refresh\"," EID(eid) "\n"

static int start(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    b->now_ms = 1000;
    b->clock = (struct clock){ bench_now, bench_now, b };
    rng_init_seeded(&b->rng, 1);
    wheel_init(&b->wheel, b->now_ms);
    buf_init(&b->told, 1 << 16);
    b->settings.publishes = b->publishes;
    b->publishes[0].event = ASTERISK_DEVICES;
    b->publishes[1].event = ASTERISK_MAILBOXES;
    assert_int_equal(
        asterisk_locals_create(
            &b->locals, &(struct asterisk_locals_config){ .port = { b, on_snapshot, on_walk },
                                                          .wheel = &b->wheel,
                                                          .clock = &b->clock,
                                                          .rng = &b->rng }),
        0);
    *state = b;
    return 0;
}

static int stop(void **state)
{
    struct bench *b = *state;

    asterisk_locals_destroy(b->locals);
    wheel_fini(&b->wheel);
    buf_fini(&b->told);
    free(b);
    return 0;
}

static void configure(struct bench *b, size_t n_publishes, struct str eid)
{
    b->settings.n_publishes = n_publishes;
    asterisk_locals_configure(b->locals, &b->settings, eid);
}

static void assert_told(struct bench *b, const char *want)
{
    if (!str_equal(buf_str(&b->told), str_of(want)))
        fail_msg("told \"%.*s\", not \"%s\"", STR_FMT(buf_str(&b->told)), want);
    buf_reset(&b->told);
}

static void test_told(void **state)
{
    struct bench *b = *state;

    asterisk_local_device(b->locals, STR("Custom:1"), true, DEVICE_INUSE);
    asterisk_local_mailbox(b->locals, STR("1"), &(struct mailbox_counts){ 1, 2 });
    assert_told(b, ""); /* nobody would publish it */
    configure(b, 2, US);
    assert_told(b, ASK("02:00:00:00:00:01") ASK("02:00:00:00:00:01"));
    asterisk_local_device(b->locals, STR("Custom:1"), true, DEVICE_INUSE);
    asterisk_local_device(b->locals, STR("Custom:1"), true, DEVICE_INUSE);
    asterisk_local_device(b->locals, STR("Custom:1"), true, DEVICE_ONHOLD);
    assert_told(b, "Custom:1 #1 " DEVICE("Custom:1", "INUSE",
                                         "02:00:00:00:00:01") "\n"
                                                              "Custom:1 #2 " DEVICE(
                                                                  "Custom:1", "ONHOLD",
                                                                  "02:00:00:00:00:01") "\n");
    asterisk_local_device(b->locals, STR("Custom:1"), false, DEVICE_UNKNOWN);
    asterisk_local_device(b->locals, STR("Custom:1"), false, DEVICE_UNKNOWN);
    assert_told(b, "Custom:1 #3 " DEVICE("Custom:1", "UNKNOWN", "02:00:00:00:00:01") " gone\n");
    asterisk_local_mailbox(b->locals, STR("1"), &(struct mailbox_counts){ 1, 2 });
    asterisk_local_mailbox(b->locals, STR("1"), &(struct mailbox_counts){ 1, 2 });
    asterisk_local_mailbox(b->locals, STR("1"), NULL);
    assert_told(b, "1 #1 {\"type\":\"mailboxstate\",\"uniqueid\":\"1\",\"old\":2,\"new\":1," EID(
                       "02:00:00:00:00:01") "\n"
                                            "1 #2 "
                                            "{\"type\":\"mailboxstate\",\"uniqueid\":\"1\",\"old\":"
                                            "0,\"new\":0," EID("02:00:00:00:00:01") " gone\n");
}

static void test_configure(void **state)
{
    struct bench *b = *state;

    b->reported = true;
    b->device = DEVICE_BUSY;
    configure(b, 1, US);
    assert_told(b, ASK("02:00:00:00:00:01") "Custom:w #1 " DEVICE("Custom:w", "BUSY",
                                                                  "02:00:00:00:00:01") "\n");
    configure(b, 1, US);
    assert_told(b, "");
    configure(b, 1, STR("00:00:00:00:00:00"));
    assert_int_equal(b->told.n, strlen(" #2 - gone\nCustom:w #2 - gone\n"));
    buf_reset(&b->told);
    asterisk_local_device(b->locals, STR("Custom:1"), true, DEVICE_INUSE);
    assert_told(b, "");
    configure(b, 1, STR("02:00:00:00:00:02"));
    assert_told(b, ASK("02:00:00:00:00:02") "Custom:w #1 " DEVICE("Custom:w", "BUSY",
                                                                  "02:00:00:00:00:02") "\n");
}

/* A state, an end and a device that were lost for lack of memory are told a second later. */
static void test_no_memory(void **state)
{
    struct bench *b = *state;

    configure(b, 1, US);
    asterisk_local_device(b->locals, STR("Custom:1"), true, DEVICE_INUSE);
    buf_reset(&b->told);
    starved = true;
    asterisk_local_device(b->locals, STR("Custom:1"), true, DEVICE_BUSY);
    b->reported = true;
    b->device = DEVICE_RINGING;
    asterisk_local_device(b->locals, STR("Custom:w"), true, DEVICE_RINGING);
    wheel_advance(&b->wheel, b->now_ms += 1010);
    assert_told(b, "");
    starved = false;
    wheel_advance(&b->wheel, b->now_ms += 1010);
    assert_told(b, "Custom:1 #2 " DEVICE("Custom:1", "BUSY",
                                         "02:00:00:00:00:01") "\n"
                                                              "Custom:w #1 " DEVICE(
                                                                  "Custom:w", "RINGING",
                                                                  "02:00:00:00:00:01") "\n");
    starved = true;
    asterisk_local_device(b->locals, STR("Custom:1"), false, DEVICE_UNKNOWN);
    starved = false;
    assert_told(b, "");
    wheel_advance(&b->wheel, b->now_ms += 1010);
    assert_told(b, "Custom:1 #3 " DEVICE("Custom:1", "UNKNOWN", "02:00:00:00:00:01") " gone\n");
    wheel_advance(&b->wheel, b->now_ms += 1010);
    assert_told(b, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_told), TEST(test_configure),
                                        TEST(test_no_memory) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
