// SPDX-License-Identifier: MIT
#include "publication/compose_internal.h"
#include "publication/compose_testing.h"

#define EARLY "|at=2026-01-01T00:00:00Z"
#define LATE "|at=2026-01-01T09:00:00+01:00" /* 08:00 */
#define LATER "|at=2026-01-01T08:30:00Z"

static const struct composition_case tuple_cases[] = {
    { "the union",
      { { "presence tuple:a=open" }, { "presence tuple:b=closed" } },
      "presence tuple:a=open tuple:b=closed",
      DEVICE_NOT_INUSE },
    { "one that is closed changes no other",
      { { "presence tuple:a=closed|c=sip:a" }, { "presence tuple:b=open|c=sip:b" } },
      "presence tuple:a=closed|c=sip:a tuple:b=open|c=sip:b",
      DEVICE_NOT_INUSE },
    { "ids are made unique, without contacts they are two",
      { { "presence tuple:a=open" }, { "presence tuple:a=closed" } },
      "presence tuple:a=open tuple:a-2=closed",
      DEVICE_NOT_INUSE },
    { "an id that is missing",
      { { "presence tuple:=open" }, { "presence tuple:=open" } },
      "presence tuple:tuple=open tuple:tuple-2=open",
      DEVICE_NOT_INUSE },
    { "ids are of the document, whatever they name",
      { { "presence tuple:a=open person:a|a=busy device:a|d=u" } },
      "presence tuple:a=open person:a-1.1|a=busy device:a-1|d=u",
      DEVICE_INUSE },
    { "one contact is told by who came last",
      { { .document = "presence tuple:a=open|c=sip:a|n=:old", .changed = 3 },
        { .document = "presence tuple:b=closed|c=sip:a", .changed = 2 } },
      "presence tuple:a=open|c=sip:a|n=:old",
      DEVICE_NOT_INUSE },
    { "be it closed",
      { { "presence tuple:a=open|c=sip:a" }, { "presence tuple:b=closed|c=sip:a" } },
      "presence tuple:b=closed|c=sip:a",
      DEVICE_UNAVAILABLE },
    { "one contact with another description is another service",
      { { "presence tuple:a=open|c=sip:a|x=<caps/>" }, { "presence tuple:b=closed|c=sip:a" } },
      "presence tuple:a=open|c=sip:a|x=<caps/> tuple:b=closed|c=sip:a",
      DEVICE_NOT_INUSE },
    { "the time told counts before the arrival",
      { { "presence tuple:a=open|c=sip:a" LATE }, { "presence tuple:b=closed|c=sip:a" EARLY } },
      "presence tuple:a=open|c=sip:a" LATE,
      DEVICE_NOT_INUSE },
    { "without a time it is newer than what had come",
      { { "presence tuple:a=open|c=sip:a" LATE }, { "presence tuple:b=closed|c=sip:a" } },
      "presence tuple:b=closed|c=sip:a",
      DEVICE_UNAVAILABLE },
    { "and older than a later time",
      { { "presence tuple:a=open|c=sip:a" LATE },
        { "presence tuple:b=closed|c=sip:a" },
        { "presence tuple:d=open|c=sip:a" LATER } },
      "presence tuple:d=open|c=sip:a" LATER,
      DEVICE_NOT_INUSE },
    { "not than an earlier one",
      { { "presence tuple:a=open|c=sip:a" LATE },
        { "presence tuple:b=closed|c=sip:a" },
        { "presence tuple:d=open|c=sip:a" EARLY } },
      "presence tuple:b=closed|c=sip:a",
      DEVICE_UNAVAILABLE },
    { "a time that cannot be read is none",
      { { "presence tuple:a=open|c=sip:a" LATE },
        { "presence tuple:b=closed|c=sip:a|at=yesterday" } },
      "presence tuple:b=closed|c=sip:a|at=yesterday",
      DEVICE_UNAVAILABLE },
    { "priority before any time",
      { { .document = "presence tuple:a=open|c=sip:a" EARLY, .priority = 1 },
        { "presence tuple:b=closed|c=sip:a" LATE } },
      "presence tuple:a=open|c=sip:a" EARLY,
      DEVICE_NOT_INUSE },
    { "the loser's id is free",
      { { "presence tuple:a=open|c=sip:a" }, { "presence tuple:a=closed|c=sip:a" } },
      "presence tuple:a=closed|c=sip:a",
      DEVICE_UNAVAILABLE },
};

#define IN(sphere) "e=sphere:<sphere>" sphere "</sphere>"
#define DURING(times, sphere) "e@" times "=sphere:<sphere>" sphere "</sphere>"

/* RFC 5025 section 3.1.2: what is shown is as of any other element. */
static const struct composition_case sphere_cases[] = {
    { "they agree",
      { { "presence person:p|" IN("<work/>") },
        { "presence person:q" },
        { "presence person:r|" IN("<Work></Work>") } },
      "presence person:p|" IN("<Work></Work>"),
      DEVICE_UNAVAILABLE },
    { "they do not",
      { { "presence person:p|" IN("<work/>") }, { "presence person:q|" IN("<home/>") } },
      "presence person:p|" IN("<home/>") " spheres:differ",
      DEVICE_UNAVAILABLE },
    { "one of them has no value",
      { { "presence person:p|" IN("<work/>") }, { "presence person:q|" IN("") } },
      "presence person:p|" IN("") " spheres:differ",
      DEVICE_UNAVAILABLE },
    { "who loses has a say, too",
      { { .document = "presence person:p|" IN("<work/>"), .priority = 1 },
        { "presence person:q|" IN("<home/>") } },
      "presence person:p|" IN("<work/>") " spheres:differ",
      DEVICE_UNAVAILABLE },
    { "two persons of one document",
      { { "presence person:p|" IN("<work/>") " person:q|" IN("<home/>") } },
      "presence person:p|" IN("<home/>") " spheres:differ",
      DEVICE_UNAVAILABLE },
    { "one person twice",
      { { "presence person:p|" IN("<work/>") "|" IN("<home/>") } },
      "presence person:p|" IN("<work/>") "|" IN("<home/>") " spheres:differ",
      DEVICE_UNAVAILABLE },
    { .what = "in force",
      .inputs = { { "presence person:p|" IN("<work/>") "|" DURING("1000-2000", "<home/>") } },
      .composite = "presence person:p|" IN("<work/>") "|" IN("<home/>") " spheres:differ",
      .device = DEVICE_UNAVAILABLE,
      .wall_ms = 1999 },
    { .what = "not any more",
      .inputs = { { "presence person:p|" IN("<work/>") "|" DURING("1000-2000", "<home/>") } },
      .composite = "presence person:p|" IN("<work/>"),
      .device = DEVICE_UNAVAILABLE,
      .wall_ms = 2000 },
};

static const struct composition_case person_cases[] = {
    { "exactly one, with the activities of all",
      { { "presence person:p|a=busy" }, { "presence person:q|a=away" } },
      "presence person:p|a=away|a=busy",
      DEVICE_UNAVAILABLE },
    { "two in one document",
      { { "presence person:p|a=busy person:q|a=away" } },
      "presence person:p|a=away|a=busy",
      DEVICE_UNAVAILABLE },
    { "the same activity is told once, as the newer has it",
      { { "presence person:p|a=other:<x/>|a=busy" }, { "presence person:q|a=other:<y/>" } },
      "presence person:p|a=other:<y/>|a=busy",
      DEVICE_UNAVAILABLE },
    { "unknown says nothing beside another",
      { { "presence person:p|a=unknown" }, { "presence person:q|a=away" } },
      "presence person:p|a=away",
      DEVICE_UNAVAILABLE },
    { "unknown alone",
      { { "presence person:p|a=unknown" }, { "presence person:q|a=unknown" } },
      "presence person:p|a=unknown",
      DEVICE_UNAVAILABLE },
    { "of single elements the newest wins",
      { { "presence person:p|e=mood:<happy/>|e=sphere:<work/>" EARLY },
        { "presence person:q|e=mood:<sad/>" LATE } },
      "presence person:p|e=mood:<sad/>|e=sphere:<work/>" LATE,
      DEVICE_UNAVAILABLE },
    { "by its time, not by its arrival",
      { { "presence person:p|e=mood:<happy/>" LATE }, { "presence person:q|e=mood:<sad/>" EARLY } },
      "presence person:p|e=mood:<happy/>" LATE,
      DEVICE_UNAVAILABLE },
    { "several of one name stay together",
      { { "presence person:p|e=class:<a/>|e=class:<b/>" }, { "presence person:q|e=mood:<m/>" } },
      "presence person:p|e=mood:<m/>|e=class:<a/>|e=class:<b/>",
      DEVICE_UNAVAILABLE },
    { "one note for each language",
      { { "presence person:p|n=en:old|n=de:alt" }, { "presence person:q|n=en:new|n=:none" } },
      "presence person:p|n=en:new|n=:none|n=de:alt",
      DEVICE_UNAVAILABLE },
    { "one without an id gets one",
      { { "presence person:|a=busy" } },
      "presence person:person|a=busy",
      DEVICE_UNAVAILABLE },
    { "priority",
      { { .document = "presence person:p|e=mood:<a/>", .priority = 1 },
        { "presence person:q|e=mood:<b/>" } },
      "presence person:p|e=mood:<a/>",
      DEVICE_UNAVAILABLE },
};

#define LUNCH "presence tuple:t=open person:p|a=away|a@1000-2000=on-the-phone|n@1000-2000=en:lunch"

static const struct composition_case time_cases[] = {
    { "not yet", { { LUNCH } }, "presence tuple:t=open person:p|a=away", DEVICE_NOT_INUSE, 999 },
    { "from then on",
      { { LUNCH } },
      "presence tuple:t=open person:p|a=away|a=on-the-phone|n=en:lunch",
      DEVICE_INUSE,
      1000 },
    { "until then",
      { { LUNCH } },
      "presence tuple:t=open person:p|a=away|a=on-the-phone|n=en:lunch",
      DEVICE_INUSE,
      1999 },
    { "and no longer",
      { { LUNCH } },
      "presence tuple:t=open person:p|a=away",
      DEVICE_NOT_INUSE,
      2000 },
    { "one time is enough",
      { { "presence person:p|a@1000-=busy|a@-1000=away" } },
      "presence person:p|a=busy",
      DEVICE_UNAVAILABLE,
      1000 },
    { "there and for a time is there once",
      { { "presence tuple:t=open person:p|a=busy|a@1-2=busy" } },
      "presence tuple:t=open person:p|a=busy",
      DEVICE_INUSE,
      1 },
    { "of several persons, each with her own",
      { { "presence person:o person:p|a@1-9=busy person:q|a@9-=meal|a@1-9=tv" },
        { "presence person:r|a@1-2=away|a=vacation" } },
      "presence person:o|a=vacation|a=away|a=tv|a=busy",
      DEVICE_UNAVAILABLE,
      1 },
    { "what is not so yet hides nothing that is",
      { { "presence person:p|e=mood:<old/>|n=en:old" },
        { "presence person:q|e@5-=mood:<new/>|n@5-=en:new" } },
      "presence person:p|e=mood:<old/>|n=en:old",
      DEVICE_UNAVAILABLE,
      4 },
    { "and then it does",
      { { "presence person:p|e=mood:<old/>|n=en:old" },
        { "presence person:q|e@5-=mood:<new/>|n@5-=en:new" } },
      "presence person:p|e=mood:<new/>|n=en:new",
      DEVICE_UNAVAILABLE,
      5 },
    { "dialogs beside it",
      { { "dialogs x=confirmed" }, { LUNCH }, { "presence person:z|a@1000-=meal" } },
      "dialogs x=confirmed presence tuple:t=open "
      "person:p|a=meal|a=away|a=on-the-phone|n=en:lunch",
      DEVICE_INUSE,
      1500 },
};

static const struct composition_case document_cases[] = {
    { "a device is told by the newest",
      { { .document = "presence device:a|d=u|e=class:<a/>", .changed = 2 },
        { .document = "presence device:b|d=u|e=class:<b/>", .changed = 1 },
        { .document = "presence device:b|d=v", .changed = 3 } },
      "presence device:a|d=u|e=class:<a/> device:b|d=v",
      DEVICE_UNAVAILABLE },
    { "devices without a device id are as many as they are",
      { { "presence device:a" }, { "presence device:a" } },
      "presence device:a device:a-2",
      DEVICE_UNAVAILABLE },
    { "one note for each language",
      { { .document = "presence note:en:old note:de:alt note::x", .changed = 2 },
        { .document = "presence note:en:new note:en:newer note:fr:neuf", .changed = 3 } },
      "presence note:en:new note:fr:neuf note:de:alt note::x",
      DEVICE_UNAVAILABLE },
    { "a note of high priority",
      { { .document = "presence note:en:old", .priority = 1 }, { "presence note:en:new" } },
      "presence note:en:old",
      DEVICE_UNAVAILABLE },
    { "other elements of all, the same once",
      { { "presence ext:<a/>" }, { "presence ext:<b/>" }, { "presence ext:<a/>" }, { "presence" } },
      "presence ext:<a/><b/>",
      DEVICE_UNAVAILABLE },
};

static void test_tuples(void **state)
{
    (void)state;
    assert_compositions(tuple_cases, ARRAY_LEN(tuple_cases));
}

static void test_persons(void **state)
{
    (void)state;
    assert_compositions(person_cases, ARRAY_LEN(person_cases));
}

/* That they do not agree is news, also where the same is shown. */
static void test_spheres(void **state)
{
    struct event_state *agree = event_state_of("presence person:p|" IN("<work/>"));
    struct event_state *differ =
        event_state_of("presence person:p|" IN("<work/>") " spheres:differ");

    (void)state;
    assert_compositions(sphere_cases, ARRAY_LEN(sphere_cases));
    assert_false(composite_same(agree, differ));
    event_state_unref(agree);
    event_state_unref(differ);
}

static void test_times(void **state)
{
    (void)state;
    assert_compositions(time_cases, ARRAY_LEN(time_cases));
}

static void test_documents(void **state)
{
    (void)state;
    assert_compositions(document_cases, ARRAY_LEN(document_cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tuples),    cmocka_unit_test(test_persons),
        cmocka_unit_test(test_spheres),   cmocka_unit_test(test_times),
        cmocka_unit_test(test_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
