// SPDX-License-Identifier: MIT
#include "feed/change_json.h"
#include "state/device.h"
#include "state/event_state.h"
#include "state/list_state.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

static struct snapshot *snapshot_of(enum extension_state state)
{
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &(struct snapshot_spec){ .sequence = 7,
                                                                  .cause = { 41, STR("pbx-a") },
                                                                  .state = state,
                                                                  .has_hint = true,
                                                                  .context = STR("users"),
                                                                  .extension = STR("1000"),
                                                                  .hint = STR("Custom:\"1\"") }),
                     0);
    return s;
}

static void assert_printed(const struct change *c, const char *name, const char *json)
{
    char room[2048], name_room[256];
    struct buf text, about;
    struct json out;

    buf_init_on(&text, room, sizeof(room));
    buf_init_on(&about, name_room, sizeof(name_room));
    out = json_on(&text);
    json_add_object(&out, NULL);
    change_print_json(c, &out);
    json_end_object(&out);
    buf_add_char(&text, '\0');
    change_print_name(c, &about);
    buf_add_char(&about, '\0');
    assert_int_equal(text.error, 0);
    assert_string_equal(text.p, json);
    assert_string_equal(about.p, name);
}

static void test_states(void **state)
{
    struct snapshot *was = snapshot_of(EXTENSION_IDLE), *is = snapshot_of(EXTENSION_REMOVED);

    (void)state;
    assert_printed(&(struct change){ .kind = CHANGE_DEVICE,
                                     .wall_ms = 5,
                                     .cause = { 41, STR("pbx-a") },
                                     .device = { .device = STR("Custom:1"),
                                                 .state = DEVICE_INUSE,
                                                 .former = DEVICE_INUSE,
                                                 .source = STR("pbx-a") } },
                   "Custom:1",
                   "{\"at_ms\":5,\"kind\":\"device\",\"cause\":41,\"source\":\"pbx-a\","
                   "\"device\":\"Custom:1\",\"state\":\"INUSE\",\"former\":\"INUSE\","
                   "\"by\":\"pbx-a\",\"said\":null}");
    assert_printed(&(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = is, .former = was },
                   "1000@users",
                   "{\"at_ms\":0,\"kind\":\"snapshot\",\"resource\":\"1000@users\",\"sequence\":7,"
                   "\"state\":\"removed\",\"former\":\"Idle\",\"hint\":\"Custom:\\\"1\\\"\","
                   "\"published\":false}");
    is->stale = true;
    is->since_wall_ms = 4;
    assert_printed(
        &(struct change){ .kind = CHANGE_SNAPSHOT,
                          .cause = { 42, STR("pbx-a"), .away = true, .grace_s = 30 },
                          .snapshot = is },
        "1000@users",
        "{\"at_ms\":0,\"kind\":\"snapshot\",\"cause\":42,\"source\":\"pbx-a\",\"away_s\":30,"
        "\"resource\":\"1000@users\",\"sequence\":7,\"state\":\"removed\","
        "\"hint\":\"Custom:\\\"1\\\"\",\"published\":false,\"stale\":true,\"since_ms\":4}");
    assert_printed(&(struct change){ .kind = CHANGE_PRESENCE,
                                     .presence = { .provider = STR("CustomPresence:a"),
                                                   .state = PRESENCE_AWAY,
                                                   .message = STR("lunch") } },
                   "CustomPresence:a",
                   "{\"at_ms\":0,\"kind\":\"presence\",\"provider\":\"CustomPresence:a\","
                   "\"state\":\"away\",\"message\":\"lunch\"}");
    assert_printed(&(struct change){ .kind = CHANGE_MAILBOX,
                                     .mailbox = { .mailbox = STR("1@default"),
                                                  .source = STR("ctl"),
                                                  .exists = true,
                                                  .new_count = 2 } },
                   "1@default",
                   "{\"at_ms\":0,\"kind\":\"mailbox\",\"mailbox\":\"1@default\",\"by\":\"ctl\","
                   "\"exists\":true,\"new\":2,\"old\":0}");
    snapshot_unref(was);
    snapshot_unref(is);
}

static struct snapshot *snapshot_with(const char *package, const char *extension,
                                      const struct event_state *published)
{
    struct snapshot *s;

    assert_int_equal(snapshot_create(&s, &(struct snapshot_spec){ .sequence = 1,
                                                                  .state = EXTENSION_UNAVAILABLE,
                                                                  .published = published,
                                                                  .package = str_of(package),
                                                                  .extension = str_of(extension) }),
                     0);
    return s;
}

static struct snapshot *list_with(const struct list_item *items, size_t n)
{
    struct event_state *e;
    struct snapshot *s;

    assert_int_equal(event_state_create(&e), 0);
    e->has_list = true;
    assert_int_equal(list_state_create((struct list_state **)&e->list,
                                       &(struct list_spec){ .items = items, .n = n }),
                     0);
    s = snapshot_with("dialog list", "lamps", e);
    event_state_unref(e);
    return s;
}

/* What is no lamp: a list, and who of it has changed; messages. */
static void test_contents(void **state)
{
    struct snapshot *idle = snapshot_of(EXTENSION_IDLE), *busy = snapshot_of(EXTENSION_BUSY);
    struct list_item items[] = { { .user = STR("in"), .is_list = true },
                                 { .user = STR("1"), .snapshot = idle },
                                 { .user = STR("2"), .snapshot = idle } };
    struct snapshot *was = list_with(items, 3), *is, *other;
    struct event_state *messages;

    (void)state;
    items[2].snapshot = busy;
    is = list_with(items, 3);
    assert_printed(&(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = is, .former = was },
                   "lamps",
                   "{\"at_ms\":0,\"kind\":\"snapshot\",\"resource\":\"lamps\","
                   "\"package\":\"dialog list\",\"sequence\":1,\"members\":3,"
                   "\"published\":true,"
                   "\"changed\":[\"2\"]}");
    other = list_with(&items[1], 2); /* in other places */
    items[0] = (struct list_item){ .user = STR("3") };
    snapshot_unref(was);
    was = list_with(items, 3);
    assert_printed(&(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = was, .former = other },
                   "lamps",
                   "{\"at_ms\":0,\"kind\":\"snapshot\",\"resource\":\"lamps\","
                   "\"package\":\"dialog list\",\"sequence\":1,\"members\":3,"
                   "\"published\":true,"
                   "\"changed\":[\"3\"]}");
    snapshot_unref(other);
    snapshot_unref(was);
    snapshot_unref(is);
    snapshot_unref(busy);
    snapshot_unref(idle);
    assert_int_equal(event_state_create(&messages), 0);
    messages->has_messages = true;
    messages->messages.counts[ES_MESSAGES_VOICE] =
        (struct es_message_count){ .given = true, .new_count = 3, .old_count = 1 };
    is = snapshot_with("message-summary", "alice", messages);
    event_state_unref(messages);
    assert_printed(&(struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = is }, "alice",
                   "{\"at_ms\":0,\"kind\":\"snapshot\",\"resource\":\"alice\","
                   "\"package\":\"message-summary\",\"sequence\":1,"
                   "\"new\":3,\"old\":1,\"published\":true}");
    snapshot_unref(is);
}

static void test_exchanges(void **state)
{
    struct snapshot *s = snapshot_of(EXTENSION_BUSY);
    const struct change_watcher alice = { .endpoint = STR("alice"),
                                          .package = STR("dialog"),
                                          .call_id = STR("c1") };

    (void)state;
    assert_printed(&(struct change){ .kind = CHANGE_NOTIFY,
                                     .snapshot = s,
                                     .notify = { .what = EXCHANGE_UNANSWERED,
                                                 .watcher = alice,
                                                 .cseq = 3,
                                                 .status = 408,
                                                 .took_ms = 32000,
                                                 .caused = true,
                                                 .late_ms = 4,
                                                 .coalesced = 2,
                                                 .last = true } },
                   "1000@users",
                   "{\"at_ms\":0,\"kind\":\"notify\",\"what\":\"unanswered\","
                   "\"resource\":\"1000@users\",\"sequence\":7,\"state\":\"Busy\","
                   "\"endpoint\":\"alice\",\"event\":\"dialog\",\"call_id\":\"c1\",\"cseq\":3,"
                   "\"status\":408,\"took_ms\":32000,\"late_ms\":4,\"coalesced\":2,\"last\":true}");
    assert_printed(&(struct change){ .kind = CHANGE_PUBLISH,
                                     .snapshot = s,
                                     .publish = { .what = EXCHANGE_SENT,
                                                  .step = PUBLISH_REFRESH,
                                                  .section = STR("esc"),
                                                  .package = STR("dialog"),
                                                  .server = STR("sip:192.0.2.1"),
                                                  .cseq = 9 } },
                   "1000@users",
                   "{\"at_ms\":0,\"kind\":\"publish\",\"what\":\"sent\",\"step\":\"refresh\","
                   "\"resource\":\"1000@users\",\"sequence\":7,\"state\":\"Busy\","
                   "\"section\":\"esc\",\"event\":\"dialog\",\"server\":\"sip:192.0.2.1\","
                   "\"cseq\":9}");
    snapshot_unref(s);
}

static void test_contacts(void **state)
{
    (void)state;
    assert_printed(&(struct change){ .kind = CHANGE_CONTACT,
                                     .contact = { .what = CONTACT_CHANGE_UNKNOWN,
                                                  .added = true,
                                                  .aor = STR("a"),
                                                  .contact = STR("sip:a@h"),
                                                  .endpoint = STR("alice") } },
                   "a",
                   "{\"at_ms\":0,\"kind\":\"contact\",\"aor\":\"a\",\"contact\":\"sip:a@h\","
                   "\"what\":\"unknown\",\"added\":true,\"endpoint\":\"alice\"}");
    assert_printed(&(struct change){ .kind = CHANGE_CONTACT,
                                     .contact = { .what = CONTACT_CHANGE_REACHABLE,
                                                  .aor = STR("a"),
                                                  .contact = STR("sip:a:pw@h"),
                                                  .rtt_ms = 7 } },
                   "a",
                   "{\"at_ms\":0,\"kind\":\"contact\",\"aor\":\"a\","
                   "\"contact\":\"sip:a:(not shown)@h\","
                   "\"what\":\"reachable\",\"rtt_ms\":7}");
    assert_printed(
        &(struct change){ .kind = CHANGE_ENDPOINT, .endpoint = { STR("alice"), false } }, "alice",
        "{\"at_ms\":0,\"kind\":\"endpoint\",\"endpoint\":\"alice\",\"reachable\":false}");
}

/* One whose resource nobody knows is about the user that was asked for. */
static void test_refusals(void **state)
{
    static const struct {
        const char *uri, *context, *name;
    } cases[] = {
        { "sip:1000@192.0.2.1:5060;transport=tcp", "", "1000" },
        { "sip:1000@192.0.2.1", "users", "1000@users" },
        { "sip:192.0.2.1", "users", "" },
        { "nonsense", "", "" },
        { "", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct change c = { .kind = CHANGE_REFUSAL,
                                  .subscription = { .what = SUBSCRIPTION_REFUSED,
                                                    .uri = str_of(cases[i].uri),
                                                    .context = str_of(cases[i].context),
                                                    .status = 404 } };
        char room[64];
        struct buf b;

        buf_init_on(&b, room, sizeof(room));
        change_print_name(&c, &b);
        assert_true(str_equal(buf_str(&b), str_of(cases[i].name)));
    }
}

static void test_lost(void **state)
{
    (void)state;
    assert_printed(
        &(struct change){ .kind = CHANGE_LOST,
                          .lost = { 3, CHANGE_BIT(CHANGE_NOTIFY) | CHANGE_BIT(CHANGE_DEVICE) } },
        "", "{\"at_ms\":0,\"kind\":\"lost\",\"n\":3,\"kinds\":[\"device\",\"notify\"]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),    cmocka_unit_test(test_contents),
        cmocka_unit_test(test_exchanges), cmocka_unit_test(test_contacts),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
