// SPDX-License-Identifier: MIT
/* Mailboxes against a real state core and store: what a watcher of an AOR's messages would see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/keep_testing.h"
#include "publication/mailbox.h"
#include "txn/settings_fixture.h"

struct testing {
    struct rng rng;
    struct wheel wheel;
    struct state_core *core;
    struct publication_store *store;
    struct mailboxes *mailboxes;
    struct keep_testing *kept; /* NULL: nothing */
    struct clock clock;
    uint64_t now_ms;
    unsigned composed;
    char unsolicited[120]; /* all that was told, as "100@d:1/2 101@d:gone " */
    char lamp[120];        /* each snapshot of it, and each change of a device */
};

static uint64_t now(void *ctx)
{
    return ((const struct testing *)ctx)->now_ms;
}

static int on_composed(void *ctx, const struct resource_name *name,
                       const struct event_state *composite, void **kept)
{
    struct testing *t = ctx;

    t->composed++;
    return state_published(t->core, name, composite);
}

static struct settings *settings_of(const char *aors, const char *compositors)
{
    return settings_fixture_with(aors, compositors);
}

static void configure(struct testing *t, const char *aors, const char *compositors)
{
    struct settings *s = settings_of(aors, compositors);

    assert_int_equal(mailboxes_configure(t->mailboxes, s), 0);
    settings_unref(s);
}

static void on_here(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    (void)ctx;
    (void)mailbox;
    (void)counts;
}

static void on_unsolicited(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    struct testing *t = ctx;
    size_t n = strlen(t->unsolicited);

    if (counts)
        snprintf(t->unsolicited + n, sizeof(t->unsolicited) - n, "%.*s:%u/%u ", STR_FMT(mailbox),
                 counts->new_count, counts->old_count);
    else
        snprintf(t->unsolicited + n, sizeof(t->unsolicited) - n, "%.*s:gone ", STR_FMT(mailbox));
}

static void note(struct testing *t, const char *what, struct str state, bool stale)
{
    size_t n = strlen(t->lamp);

    snprintf(t->lamp + n, sizeof(t->lamp) - n, "%s:%.*s%s ", what, STR_FMT(state),
             stale ? "(stale)" : "");
}

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    (void)former;
    (void)consumers;
    if (str_equal(s->extension, STR("*100")))
        note(ctx, "lamp", extension_state_text(s->state), s->stale);
}

static void on_device(void *ctx, const struct state_device_change *change)
{
    note(ctx, change->says ? "says" : "silent", device_state_name(change->said), false);
}

static void testing_init_keeping(struct testing *t, struct keep_testing *kept)
{
    *t = (struct testing){ .kept = kept, .clock = { now, now, t } };
    rng_init_seeded(&t->rng, 7);
    wheel_init(&t->wheel, 0);
    assert_int_equal(
        state_create(&t->core,
                     &(struct state_config){
                         .port = { .ctx = t, .snapshot = on_snapshot, .device = on_device },
                         .clock = &clock_system,
                         .rng = &t->rng }),
        0);
    assert_int_equal(
        publication_store_create(
            &t->store, &(struct publication_config){ .port = { .ctx = t, .composed = on_composed },
                                                     .wheel = &t->wheel,
                                                     .clock = &clock_system,
                                                     .rng = &t->rng }),
        0);
    assert_int_equal(mailboxes_create(&t->mailboxes, t->core, t->store,
                                      &(struct mailbox_port){ .ctx = t,
                                                              .here = on_here,
                                                              .unsolicited = on_unsolicited,
                                                              .clock = &t->clock,
                                                              .keep = kept ? keep_testing_port(kept)
                                                                           : (struct keep){ 0 } },
                                      &t->rng),
                     0);
}

static void testing_init(struct testing *t)
{
    testing_init_keeping(t, NULL);
}

static void testing_fini(struct testing *t)
{
    mailboxes_destroy(t->mailboxes);
    publication_store_destroy(t->store);
    state_destroy(t->core);
    wheel_fini(&t->wheel);
}

/* NULL: there is no such resource. */
static const struct es_messages *messages_of(struct testing *t, const char *context,
                                             const char *aor)
{
    const struct resource_name name = { STR("message-summary"), str_of(context), str_of(aor) };
    const struct snapshot *s;
    bool cacheable;

    if (state_watch(t->core, &name, false, 1, &s, &cacheable))
        return NULL;
    return s->published ? &s->published->messages : NULL;
}

static void assert_counts(struct testing *t, const char *aor, uint32_t new_count,
                          uint32_t old_count)
{
    const struct es_messages *m = messages_of(t, "", aor);

    assert_non_null(m);
    assert_int_equal(m->counts[ES_MESSAGES_VOICE].new_count, new_count);
    assert_int_equal(m->counts[ES_MESSAGES_VOICE].old_count, old_count);
    assert_int_equal(m->waiting, new_count > 0);
}

static int report(struct testing *t, const char *source, const char *mailbox, uint32_t new_count,
                  uint32_t old_count)
{
    return mailbox_set(t->mailboxes, str_of(source), str_of(mailbox), new_count, old_count);
}

#define AORS                                                      \
    "[alice]\ntype=aor\nmailboxes=100@d, 101@d,100@d\n"           \
    "[bob]\ntype=aor\nmailboxes=101@d\nvoicemail_extension=*97\n" \
    "[carol]\ntype=aor\n"

static void test_sums(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    configure(&t, AORS, "");
    assert_counts(&t, "alice", 0, 0);
    assert_null(messages_of(&t, "", "carol"));
    assert_int_equal(report(&t, "a", "100@d", 1, 2), 0);
    assert_int_equal(report(&t, "a", "101@d", 3, 4), 0);
    assert_counts(&t, "alice", 4, 6); /* the mailbox that is named twice counts once */
    assert_counts(&t, "bob", 3, 4);
    assert_int_equal(report(&t, "a", "100@d", UINT32_MAX, 0), 0);
    assert_counts(&t, "alice", UINT32_MAX, 4);
    testing_fini(&t);
}

/* Of several reports the newest counts; when its source says nothing any more, the newest of the
 * others. */
static void test_sources(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    configure(&t, AORS, "");
    assert_int_equal(report(&t, "a", "101@d", 1, 0), 0);
    assert_int_equal(report(&t, "b", "101@d", 2, 0), 0);
    assert_counts(&t, "bob", 2, 0);
    assert_int_equal(report(&t, "a", "101@d", 5, 0), 0);
    assert_counts(&t, "bob", 5, 0);
    assert_int_equal(mailbox_forget(t.mailboxes, STR("a"), STR("101@d")), 0);
    assert_counts(&t, "bob", 2, 0);
    assert_int_equal(mailbox_forget(t.mailboxes, STR("b"), STR("101@d")), 0);
    assert_counts(&t, "bob", 0, 0);
    assert_int_equal(mailbox_forget(t.mailboxes, STR("b"), STR("101@d")), MAILBOX_UNCHANGED);
    testing_fini(&t);
}

static void test_repetition_is_silent(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    configure(&t, AORS, "");
    assert_int_equal(report(&t, "a", "100@d", 1, 2), 0);
    t.composed = 0;
    assert_int_equal(report(&t, "a", "100@d", 1, 2), 0);
    configure(&t, AORS, "");
    assert_int_equal(t.composed, 0);
    testing_fini(&t);
}

static void assert_unsolicited(struct testing *t, const char *expected)
{
    assert_string_equal(t->unsolicited, expected);
    t->unsolicited[0] = '\0';
}

/* What endpoints are told unasked, and nothing else. */
static void test_unsolicited(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    assert_int_equal(report(&t, "a", "100@d", 1, 2), 0);
    assert_unsolicited(&t, "");
    configure(
        &t, "[e]\ntype=endpoint\nmailboxes=100@d,101@d\n[f]\ntype=endpoint\nmailboxes=100@d\n", "");
    assert_unsolicited(&t, "100@d:1/2 101@d:0/0 ");
    assert_int_equal(report(&t, "a", "102@d", 1, 0), 0);
    assert_int_equal(report(&t, "b", "100@d", 1, 2), 0);
    assert_unsolicited(&t, "");
    assert_int_equal(report(&t, "a", "101@d", 3, 0), 0);
    assert_unsolicited(&t, "101@d:3/0 ");
    assert_int_equal(mailbox_forget(t.mailboxes, STR("a"), STR("101@d")), 0);
    assert_unsolicited(&t, "101@d:0/0 ");
    configure(&t, "[f]\ntype=endpoint\nmailboxes=100@d\n", "");
    assert_unsolicited(&t, "101@d:gone ");
    assert_int_equal(report(&t, "a", "101@d", 1, 0), 0);
    assert_unsolicited(&t, "");
    configure(&t, "[f]\ntype=endpoint\nmailboxes=101@d\n", "");
    assert_true(strstr(t.unsolicited, "101@d:1/0 ") && strstr(t.unsolicited, "100@d:gone "));
    testing_fini(&t);
}

/* More than a table has room for in the beginning, all of them gone while it grows. */
static void test_many(void **state)
{
    struct testing t;
    char name[16];

    (void)state;
    for (unsigned many = 1; many < 300; many += 7) {
        testing_init(&t);
        for (unsigned i = 0; i < many; i++) {
            snprintf(name, sizeof(name), "%u@d", i);
            assert_int_equal(report(&t, "a", name, 1, 0), 0);
        }
        testing_fini(&t);
    }
}

static void test_device(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    assert_int_equal(report(&t, "a", "100@d", 1, 0), 0); /* also one that no AOR has */
    assert_int_equal(state_device_get(t.core, STR("MWI:100@d")), DEVICE_INUSE);
    assert_int_equal(report(&t, "a", "100@d", 0, 1), 0);
    assert_int_equal(state_device_get(t.core, STR("MWI:100@d")), DEVICE_NOT_INUSE);
    assert_int_equal(mailbox_forget(t.mailboxes, STR("a"), STR("100@d")), 0);
    assert_int_equal(state_device_get(t.core, STR("MWI:100@d")), DEVICE_INVALID);
    testing_fini(&t);
}

static void end_all(struct testing *t, const char *source, uint64_t until, enum source_end how)
{
    const struct source_ending end = { str_of(source), until, how, 30 };

    while (mailboxes_source_end(t->mailboxes, &end, 1) == MAILBOX_MORE)
        ;
}

static void on_stale(void *ctx, const struct mailbox_view *v)
{
    *(bool *)ctx |= v->stale;
}

static bool any_stale(const struct testing *t)
{
    bool stale = false;

    mailboxes_each(t->mailboxes, on_stale, &stale);
    assert_int_equal(stale, state_device_is_stale(t->core, STR("MWI:100@d")));
    return stale;
}

/* What is kept is marked, and the device with it, until the source says it again, or another
 * something newer. */
static void test_stale(void **state)
{
    struct testing t;
    uint64_t until;

    (void)state;
    testing_init(&t);
    configure(&t, AORS, "");
    assert_int_equal(report(&t, "a", "100@d", 1, 0), 0);
    end_all(&t, "a", mailboxes_reports(t.mailboxes), SOURCE_END_KEPT);
    assert_true(any_stale(&t));
    assert_counts(&t, "alice", 1, 0);
    assert_int_equal(mailbox_hear(t.mailboxes, STR("a"), STR("100@d"), 1, 0), 0);
    assert_false(any_stale(&t));
    until = mailboxes_reports(t.mailboxes);
    end_all(&t, "a", until, SOURCE_END_KEPT);
    assert_int_equal(report(&t, "b", "100@d", 2, 0), 0);
    assert_false(any_stale(&t));
    assert_int_equal(mailbox_forget(t.mailboxes, STR("b"), STR("100@d")), 0);
    assert_true(any_stale(&t));
    end_all(&t, "a", until, SOURCE_END_UNAVAILABLE);
    assert_int_equal(state_device_get(t.core, STR("MWI:100@d")), DEVICE_INVALID);
    testing_fini(&t);
}

static void light(struct testing *t, const char *extension, const char *device)
{
    struct dialplan_context *context;
    struct dialplan *dp;

    assert_int_equal(dialplan_create(&dp), 0);
    assert_int_equal(dialplan_context_get(dp, STR("users"), &context), 0);
    assert_int_equal(dialplan_hint_add(context, &(struct hint_spec){ .extension = str_of(extension),
                                                                     .text = str_of(device) }),
                     0);
    assert_int_equal(state_dialplan_apply(t->core, dp), 0);
    t->lamp[0] = '\0';
}

static void assert_lamp(struct testing *t, const char *want)
{
    assert_string_equal(t->lamp, want);
    t->lamp[0] = '\0';
}

/* That another report counts now is one change of the device, whoever said it, stale or not. */
static void test_one_change(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    light(&t, "*100", "MWI:100@d");
    assert_int_equal(report(&t, "a", "100@d", 0, 1), 0);
    assert_lamp(&t, "says:NOT_INUSE lamp:Idle ");
    end_all(&t, "a", mailboxes_reports(t.mailboxes), SOURCE_END_KEPT);
    assert_lamp(&t, "lamp:Idle(stale) ");
    assert_int_equal(report(&t, "eid:1", "100@d", 1, 0), 0);
    assert_lamp(&t, "says:INUSE lamp:InUse ");
    assert_int_equal(mailbox_forget(t.mailboxes, STR("eid:1"), STR("100@d")), 0);
    assert_lamp(&t, "says:NOT_INUSE lamp:Idle(stale) ");
    assert_int_equal(report(&t, "b", "100@d", 2, 0), 0);
    assert_lamp(&t, "says:INUSE lamp:InUse ");
    assert_int_equal(mailbox_forget(t.mailboxes, STR("b"), STR("100@d")), 0);
    assert_lamp(&t, "says:NOT_INUSE lamp:Idle(stale) ");
    assert_int_equal(mailbox_forget(t.mailboxes, STR("a"), STR("100@d")), 0);
    assert_lamp(&t, "silent:UNKNOWN lamp:Unavailable ");
    testing_fini(&t);
}

static void test_configuration(void **state)
{
    struct testing t;

    (void)state;
    testing_init(&t);
    configure(&t, AORS, "");
    assert_int_equal(report(&t, "a", "100@d", 1, 0), 0);
    assert_true(str_equal(es_str(messages_of(&t, "", "bob")->account), STR("*97")));
    /* A compositor has them in its own context as well; an AOR that is gone takes its messages. */
    configure(&t,
              "[global]\ntype=global\ndefault_voicemail_extension=*98\n"
              "[alice]\ntype=aor\nmailboxes=100@d\n",
              "[compositor]\ncontext=users\n");
    assert_counts(&t, "alice", 1, 0);
    assert_true(str_equal(es_str(messages_of(&t, "users", "alice")->account), STR("*98")));
    assert_null(messages_of(&t, "", "bob"));
    configure(&t, "", "");
    assert_null(messages_of(&t, "", "alice"));
    assert_null(messages_of(&t, "users", "alice"));
    /* The mailbox itself is still reported, and comes back with its AOR. */
    configure(&t, AORS, "");
    assert_counts(&t, "alice", 1, 0);
    testing_fini(&t);
}

static void test_bad_names(void **state)
{
    static const char long_name[] =
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
    struct testing t;

    (void)state;
    testing_init(&t);
    assert_int_equal(report(&t, "a", "", 1, 0), MAILBOX_BAD_NAME);
    assert_int_equal(report(&t, "", "100", 1, 0), MAILBOX_BAD_NAME);
    assert_int_equal(report(&t, "a", "100\t", 1, 0), MAILBOX_BAD_NAME);
    assert_int_equal(report(&t, "a", long_name, 1, 0), MAILBOX_BAD_NAME);
    assert_int_equal(report(&t, long_name, "100", 1, 0), MAILBOX_BAD_NAME);
    /* One that is too long for a device with "MWI:" in front is a mailbox all the same. */
    assert_int_equal(report(&t, "a", long_name + 1, 1, 0), 0);
    testing_fini(&t);
}

static void count_view(void *ctx, const struct mailbox_view *v)
{
    if (str_equal(v->mailbox, STR("100@d"))) {
        assert_int_equal(v->new_count, 2);
        assert_int_equal(v->n_sources, 2);
        assert_true(str_equal(v->source, STR("b")));
    }
    ++*(unsigned *)ctx;
}

static void test_listed(void **state)
{
    struct testing t;
    unsigned n = 0;

    (void)state;
    testing_init(&t);
    configure(&t, AORS, "");
    assert_int_equal(report(&t, "a", "100@d", 1, 0), 0);
    assert_int_equal(report(&t, "b", "100@d", 2, 0), 0);
    mailboxes_each(t.mailboxes, count_view, &n);
    assert_int_equal(n, 2); /* one is only configured */
    testing_fini(&t);
}

static void restore_all(struct testing *t)
{
    const struct keep_testing *kept = t->kept;

    for (size_t i = 0; i < kept->n; i++)
        if (kept->kept[i].record.table == KEEP_MAILBOX) {
            assert_int_equal(mailbox_record_check(&kept->kept[i].record), 0);
            assert_int_equal(mailbox_restore(t->mailboxes, &kept->kept[i].record), 0);
        }
}

/* Who said it last counts after a restart, too, whatever order the records are read in. */
static void test_restart(void **state)
{
    struct keep_testing *kept = calloc(1, sizeof(*kept));
    struct testing t;
    unsigned puts;

    (void)state;
    assert_non_null(kept);
    testing_init_keeping(&t, kept);
    report(&t, "b", "100@d", 9, 9);
    report(&t, "z", "100@d", 8, 8);
    report(&t, "a", "100@d", 7, 7);
    report(&t, "b", "100@d", 2, 3);
    report(&t, "a", "101@d", 1, 0);
    report(&t, "eid:02:00:5e:00:53:01", "102@d", 5, 0);
    assert_int_equal(mailbox_forget(t.mailboxes, STR("a"), STR("101@d")), 0);
    puts = kept->puts;
    report(&t, "b", "100@d", 2, 3); /* once more */
    assert_int_equal(kept->puts, puts);
    testing_fini(&t);

    testing_init_keeping(&t, kept);
    configure(&t, AORS, "");
    restore_all(&t);
    assert_int_equal(kept->puts, puts);
    assert_counts(&t, "alice", 2, 3);
    assert_int_equal(state_device_get(t.core, STR("MWI:102@d")), DEVICE_INVALID);
    assert_int_equal(mailbox_forget(t.mailboxes, STR("b"), STR("100@d")), 0);
    assert_counts(&t, "alice", 7, 7);
    report(&t, "z", "100@d", 1, 1); /* newer than what was kept */
    assert_counts(&t, "alice", 1, 1);

    kept->n = 0; /* the file is damaged */
    mailboxes_keep_all(t.mailboxes);
    assert_int_equal(kept->n, 2);
    assert_int_equal(mailbox_record_check(&(struct keep_record){
                         .table = KEEP_MAILBOX, .name = STR("100@d"), .bytes = STR("\1\1") }),
                     -EBADMSG);
    testing_fini(&t);
    free(kept);
}

static void on_said(void *ctx, const struct mailbox_report *r)
{
    buf_printf(ctx, "%.*s %u/%u@%llu ", STR_FMT(r->source), r->counts.new_count,
               r->counts.old_count, (unsigned long long)r->changed_wall_ms);
}

static void on_shown(void *ctx, const struct resource_name *name)
{
    buf_printf(ctx, "in %.*s/%.*s ", STR_FMT(name->extension), STR_FMT(name->context));
}

static void on_member(void *ctx, struct str mailbox)
{
    buf_printf(ctx, "%.*s ", STR_FMT(mailbox));
}

static void assert_explained(struct testing *t, const char *mailbox, const char *expected)
{
    char text[200];
    struct buf out;

    buf_init_on(&out, text, sizeof(text) - 1);
    assert_int_equal(mailbox_explain(t->mailboxes, str_of(mailbox), on_said, on_shown, &out), 0);
    text[out.n] = '\0';
    assert_string_equal(text, expected);
}

/* Who has said what, and since when: also after a restart. */
static void test_explained(void **state)
{
    const struct resource_name alice = { STR("message-summary"), STR_EMPTY, STR("alice") };
    const struct resource_name none = { STR("message-summary"), STR_EMPTY, STR("none") };
    struct keep_testing *kept = calloc(1, sizeof(*kept));
    struct testing t;
    char text[200];
    struct buf out;

    (void)state;
    assert_non_null(kept);
    testing_init_keeping(&t, kept);
    configure(&t, AORS, "");
    assert_explained(&t, "100@d", "in alice/ ");
    t.now_ms = 1000;
    assert_int_equal(report(&t, "a", "100@d", 1, 2), 0);
    t.now_ms = 2000;
    assert_int_equal(report(&t, "b", "100@d", 3, 4), 0);
    t.now_ms = 3000;
    assert_int_equal(report(&t, "a", "100@d", 1, 2), 0); /* what it says since then */
    assert_explained(&t, "100@d", "a 1/2@1000 b 3/4@2000 in alice/ ");
    assert_int_equal(report(&t, "a", "100@d", 0, 2), 0);
    assert_explained(&t, "100@d", "a 0/2@3000 b 3/4@2000 in alice/ ");
    assert_int_equal(mailbox_explain(t.mailboxes, STR("9@d"), on_said, on_shown, NULL),
                     MAILBOX_UNKNOWN);
    buf_init_on(&out, text, sizeof(text));
    assert_int_equal(mailbox_group_each(t.mailboxes, &alice, on_member, &out), 0);
    assert_true(str_equal(buf_str(&out), STR("100@d 101@d ")));
    assert_int_equal(mailbox_group_each(t.mailboxes, &none, on_member, &out), MAILBOX_UNKNOWN);
    testing_fini(&t);
    testing_init_keeping(&t, kept);
    t.now_ms = 9000;
    restore_all(&t);
    assert_explained(&t, "100@d", "a 0/2@3000 b 3/4@2000 ");
    testing_fini(&t);
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_repetition_is_silent),
        cmocka_unit_test(test_unsolicited),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_one_change),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_listed),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
