// SPDX-License-Identifier: MIT
/* What one core keeps is given to another. */
#include "base/keep_testing.h"
#include "base/record.h"
#include "state/state_testing.h"

struct pair {
    struct testing before, after;
    struct keep_testing kept;
};

static void begin(struct pair *p, struct testing *t, const struct state_switches *switches)
{
    struct state_config cfg;

    testing_init(t);
    state_destroy(t->core);
    t->core = NULL;
    cfg = testing_config(t);
    cfg.keep = keep_testing_port(&p->kept);
    if (switches)
        cfg.switches = *switches;
    assert_int_equal(state_create(&t->core, &cfg), 0);
}

static int start(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    begin(p, &p->before, NULL);
    begin(p, &p->after, NULL);
    *state = p;
    return 0;
}

static int stop(void **state)
{
    struct pair *p = *state;

    testing_fini(&p->before);
    testing_fini(&p->after);
    free(p);
    return 0;
}

static void restart(struct pair *p, const struct state_switches *switches)
{
    testing_fini(&p->after);
    begin(p, &p->after, switches);
}

/* Everything of one table that was kept; how much of it was nonsense, or had no place. */
static unsigned restore(struct pair *p, enum keep_table table)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < p->kept.n; i++) {
        const struct kept k = p->kept.kept[i];
        struct keep_record record = k.record;

        if (record.table != table)
            continue;
        record.name.p = k.text; /* the restoring puts, too */
        record.bytes.p = k.text + record.name.n;
        assert_int_equal(state_record_check(&record), 0);
        wrong += state_restore(p->after.core, &record) != 0;
    }
    return wrong;
}

#define assert_names(p, table, want)                    \
    do {                                                \
        char room_[512];                                \
        struct buf names_;                              \
        buf_init_on(&names_, room_, sizeof(room_));     \
        keep_testing_names(&(p)->kept, table, &names_); \
        buf_add_char(&names_, '\0');                    \
        assert_string_equal(names_.p, want);            \
    } while (0)

static void test_devices(void **state)
{
    struct pair *p = *state;
    struct testing *t = &p->before;

    report_from(t, "ctl", "custom:1000", "INUSE");
    report_from(t, "cti", "Custom:1000", "RINGING");
    report_from(t, "ctl", "PJSIP/alice", "BUSY");
    report_from(t, "ctl", "Custom:gone", "INUSE");
    report_from(t, "eid:02:00:5e:00:53:01", "Custom:1000", "ONHOLD");
    report_from(t, "mwi", "MWI:100@default", "INUSE");
    assert_int_equal(forget(t, "ctl", "custom:gone"), 0);
    assert_names(p, KEEP_DEVICE, "Custom:1000\tctl Custom:1000\tcti PJSIP/alice\tctl ");
    /* What is said again is not written again. */
    p->kept.puts = 0;
    assert_int_equal(report_from(t, "ctl", "Custom:1000", "INUSE"), STATE_UNCHANGED);
    assert_int_equal(p->kept.puts, 0);

    /* Before the dialplan, so that its hints are told once. */
    assert_int_equal(restore(p, KEEP_DEVICE), 0);
    assert_int_equal(p->kept.puts, 0);
    buf_reset(&p->after.events);
    apply(&p->after, "[a]\n1000 Custom:1000\n1001 PJSIP/alice");
    assert_events(&p->after, "1000@a #1 InUse&Ringing\n1001@a #1 Busy\n");
}

static struct event_state *calls_new(size_t n, struct str id)
{
    struct event_state *s, *packed = NULL;
    struct es_dialog *dialogs;

    assert_int_equal(event_state_create(&s), 0);
    dialogs = arena_alloc(&s->arena, n * sizeof(*dialogs));
    assert_non_null(dialogs);
    for (size_t i = 0; i < n; i++)
        dialogs[i] = (struct es_dialog){ .id = es_text_from(id),
                                         .direction = ES_DIRECTION_RECIPIENT,
                                         .state = ES_DIALOG_CONFIRMED };
    s->has_dialogs = true;
    s->dialogs = dialogs;
    s->n_dialogs = n;
    assert_int_equal(event_state_pack(&packed, s), 0);
    event_state_unref(s);
    return packed;
}

/* With the state, whichever comes first, unless they are many. */
static void test_calls(void **state)
{
    static const struct {
        size_t n;
        bool is_kept;
    } cases[] = { { 1, true }, { 8, true }, { 80, false } };
    struct pair *p = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event_state *calls = calls_new(cases[i].n, STR("1764000000.42 of the first one"));
        const struct event_state *is;
        unsigned puts;

        restart(p, NULL);
        report_from(&p->before, "pbx", "PJSIP/alice", "INUSE");
        assert_int_equal(
            state_device_calls_set(p->before.core, STR("pbx"), STR("PJSIP/alice"), calls), 0);
        report_from(&p->before, "pbx", "PJSIP/alice", "ONHOLD");
        puts = p->kept.puts;
        assert_int_equal(restore(p, KEEP_DEVICE), 0);
        assert_int_equal(p->kept.puts, puts);
        is = state_device_calls(p->after.core, STR("pbx"), STR("PJSIP/alice"));
        assert_true((is != NULL) == cases[i].is_kept);
        assert_true(!is || event_state_same(is, calls));
        assert_int_equal(state_device_get(p->after.core, STR("PJSIP/alice")), DEVICE_ONHOLD);
        event_state_unref(calls);
    }
    assert_int_equal(state_device_calls_set(p->before.core, STR("pbx"), STR("PJSIP/alice"), NULL),
                     0);
    restart(p, NULL);
    assert_int_equal(restore(p, KEEP_DEVICE), 0);
    assert_null(state_device_calls(p->after.core, STR("pbx"), STR("PJSIP/alice")));
}

static void first_time(void *ctx, const struct state_device_view *v)
{
    assert_int_equal(v->sources[0].changed_wall_ms, v->changed_wall_ms);
    *(uint64_t *)ctx = v->changed_wall_ms;
}

/* The clock went back while we were away. */
static void test_times(void **state)
{
    struct pair *p = *state;
    uint64_t changed_ms = 0;

    report_from(&p->before, "ctl", "Custom:1000", "INUSE");
    p->after.now_ms = p->before.now_ms + 5000;
    assert_int_equal(restore(p, KEEP_DEVICE), 0);
    state_devices_each(p->after.core, first_time, &changed_ms);
    assert_int_equal(changed_ms, p->before.now_ms);
    restart(p, NULL);
    p->after.now_ms = p->before.now_ms - 5000;
    assert_int_equal(restore(p, KEEP_DEVICE), 0);
    state_devices_each(p->after.core, first_time, &changed_ms);
    assert_int_equal(changed_ms, p->after.now_ms);
}

/* A lamp has been what it is since its devices have, and not since the start. */
static void test_since(void **state)
{
    struct pair *p = *state;
    uint64_t told_ms[2] = { p->before.now_ms, p->before.now_ms + 2000 };
    const struct {
        const char *extension;
        uint64_t since_ms;
    } lamps[] = {
        { "1000", told_ms[0] },
        { "1001", told_ms[1] },               /* the other one has changed later */
        { "1002", p->before.now_ms + 60000 }, /* nobody says anything of it */
        { "1003", told_ms[0] },
    };

    report_from(&p->before, "ctl", "Custom:a", "INUSE");
    p->before.now_ms = told_ms[1];
    report_from(&p->before, "ctl", "Custom:b", "RINGING");
    p->after.now_ms = told_ms[0] + 60000;
    assert_int_equal(restore(p, KEEP_DEVICE), 0);
    apply(&p->after, "[users]\n1000 Custom:a\n1001 Custom:a&Custom:b\n1002 Custom:c\n"
                     "1003 Custom:c&Custom:a\n");
    for (size_t i = 0; i < ARRAY_LEN(lamps); i++) {
        const struct snapshot *s = state_find(
            p->after.core, &(struct resource_name){ .context = STR("users"),
                                                    .extension = str_of(lamps[i].extension) });

        assert_int_equal(s->since_wall_ms, lamps[i].since_ms);
        assert_int_equal(s->changed_wall_ms, p->after.now_ms);
    }
}

static void test_presences(void **state)
{
    struct pair *p = *state;
    struct testing *t = &p->before;

    presence(t, "custompresence:alice", "away", "lunch", "until two, perhaps");
    presence(t, "CustomPresence:bob", "dnd", "", "");
    presence(t, "CustomPresence:bob", "not_set", "", "");
    presence(t, "CustomPresence:carol", "chat", "", "");
    presence(t, "CustomPresence:carol", "", "", ""); /* nothing is known of her any more */
    assert_names(p, KEEP_PRESENCE, "CustomPresence:alice CustomPresence:bob ");
    assert_int_equal(restore(p, KEEP_PRESENCE), 0);
    assert_events(&p->after, "CustomPresence:alice away/lunch/until two, perhaps\n");
    assert_int_equal(presence(&p->after, "CustomPresence:bob", "not_set", "", ""), STATE_UNCHANGED);
}

/* Ours come back with their devices; Asterisk's are kept by themselves. */
static void test_autohints(void **state)
{
    static const struct state_switches asterisk = { .asterisk_autohints = true };
    struct pair *p = *state;
    struct testing *t = &p->before;

    apply(t, "[a]\nautohints");
    report(t, "PJSIP/ours", "INUSE");
    assert_names(p, KEEP_AUTOHINT, "");
    forget(t, "test", "PJSIP/ours");
    state_switches_set(t->core, &asterisk);
    report(t, "PJSIP/alice", "INUSE");
    report(t, "PJSIP/bob", "INUSE");
    forget(t, "test", "PJSIP/alice");
    assert_names(p, KEEP_AUTOHINT, "alice@a bob@a ");

    restart(p, &asterisk);
    apply(&p->after, "[a]\nautohints");
    assert_int_equal(restore(p, KEEP_AUTOHINT), 0);
    assert_events(&p->after, "alice@a #1 Unavailable\nbob@a #1 Unavailable\n");
    report(&p->after, "PJSIP/alice", "RINGING");
    assert_events(&p->after, "PJSIP/alice RINGING\nalice@a #2 Ringing\n");

    /* There is no place for them any more. */
    restart(p, &asterisk);
    apply(&p->after, "[a]\nbob Custom:bob\n[b]\nautohints");
    assert_int_equal(restore(p, KEEP_AUTOHINT), 2);
    assert_names(p, KEEP_AUTOHINT, "");
}

static void test_autohints_that_end(void **state)
{
    static const struct state_switches asterisk = { .asterisk_autohints = true };
    struct pair *p = *state;

    state_switches_set(p->before.core, &asterisk);
    apply(&p->before, "[a]\nautohints");
    report(&p->before, "PJSIP/alice", "INUSE");
    report(&p->before, "PJSIP/bob", "INUSE");
    report(&p->before, "PJSIP/carol", "INUSE");
    apply(&p->before, "[a]\nautohints\nalice Custom:1"); /* written out now */
    assert_names(p, KEEP_AUTOHINT, "bob@a carol@a ");
    apply(&p->before, "[a]\nbob PJSIP/bob"); /* and nothing else is a hint */
    assert_names(p, KEEP_AUTOHINT, "");
}

static void test_again(void **state)
{
    static const struct state_switches asterisk = { .asterisk_autohints = true };
    struct pair *p = *state;

    state_switches_set(p->before.core, &asterisk);
    apply(&p->before, "[a]\nautohints");
    report_from(&p->before, "ctl", "Custom:1000", "INUSE");
    report_from(&p->before, "eid:02:00:5e:00:53:01", "Custom:1001", "ONHOLD");
    presence(&p->before, "CustomPresence:alice", "away", "", "");
    p->kept.n = 0; /* the file is damaged */
    state_keep_all(p->before.core);
    assert_names(p, KEEP_DEVICE, "Custom:1000\tctl ");
    assert_names(p, KEEP_PRESENCE, "CustomPresence:alice ");
    assert_names(p, KEEP_AUTOHINT, "1000@a 1001@a ");
}

/* Of a program to which those names were others. */
static void test_names_of_before(void **state)
{
    struct pair *p = *state;
    const struct keep_record records[] = {
        { .table = KEEP_DEVICE, .name = STR("SIP/J\xf6rg\tcti"), .bytes = STR("\1\5INUSE\1\0") },
        { .table = KEEP_PRESENCE,
          .name = STR("CustomPresence:J\xf6rg"),
          .bytes = STR("\1\4away\0\0\1\3ctl") },
    };

    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        keep_testing_put(&p->kept, &records[i]);
        assert_int_equal(state_restore(p->after.core, &records[i]), 0);
    }
    assert_names(p, KEEP_DEVICE, "SIP/J\xc3\xb6rg\tcti ");
    assert_names(p, KEEP_PRESENCE, "CustomPresence:J\xc3\xb6rg ");
    restart(p, NULL);
    assert_int_equal(restore(p, KEEP_DEVICE), 0);
    assert_int_equal(restore(p, KEEP_PRESENCE), 0);
    assert_int_equal(state_device_get(p->after.core, STR("SIP/J\xf6rg")), DEVICE_INUSE);
}

static void assert_nonsense(struct pair *p, enum keep_table table, const char *name,
                            struct str bytes)
{
    const struct keep_record record = { .table = table, .name = str_of(name), .bytes = bytes };

    assert_int_equal(state_record_check(&record), -EBADMSG);
    assert_int_equal(state_restore(p->after.core, &record), -EBADMSG);
    assert_events(&p->after, "");
}

static void test_nonsense(void **state)
{
    struct pair *p = *state;

    assert_nonsense(p, KEEP_DEVICE, "Custom:1000\tctl", STR("\1\5INUSX\1"));
    assert_nonsense(p, KEEP_DEVICE, "Custom:1000\tctl", STR("\2\5INUSE\1"));
    assert_nonsense(p, KEEP_DEVICE, "Custom:1000\tctl", STR("\1\6INUSE"));
    assert_nonsense(p, KEEP_DEVICE, "Custom:1000", STR("\1\5INUSE\1"));
    assert_nonsense(p, KEEP_DEVICE, "Custom:1000\tctl", STR("\1\5INUSE\1\2\1"));
    assert_nonsense(p, KEEP_DEVICE, "Custom:1000\tctl", STR("\1\5INUSE\1\1\2"));
    assert_nonsense(p, KEEP_DEVICE, "Custom:1000\tctl", STR("\1\5INUSE\1\1\0"));
    assert_nonsense(p, KEEP_PRESENCE, "CustomPresence:x", STR("\1\4awry"));
    assert_nonsense(p, KEEP_PRESENCE, "CustomPresence:x", STR("\1\4away\7"));
    assert_nonsense(p, KEEP_AUTOHINT, "x@a", STR("\1\1a"));
    assert_nonsense(p, KEEP_AUTOHINT, "x@a", STR("\1\1a\1"));
    assert_nonsense(p, KEEP_SUBSCRIPTION, "", STR("\1"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_devices),  TEST(test_times),
        TEST(test_since),    TEST(test_presences),
        TEST(test_calls),    TEST(test_autohints),
        TEST(test_again),    TEST(test_autohints_that_end),
        TEST(test_nonsense), TEST(test_names_of_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
