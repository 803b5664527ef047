// SPDX-License-Identifier: MIT
/* Other plugins under running subscriptions. */
#include "event/notifier_fixture.h"

static int generate_lamp(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->raw(out, rq->snapshot->state == ES_EXTENSION_INUSE ? ES_TEXT("on") : ES_TEXT("off"));
    return 0;
}

static int add_shape(const struct es_body_request *rq, struct es_document *d)
{
    rq->api->attribute(rq->api->root(d, "dialog-info"), "shape", ES_TEXT("round"));
    return 0;
}

static const struct es_body_generator lamp = { .size = sizeof(lamp),
                                               .name = "lamp",
                                               .package = "dialog",
                                               .content_type = "text/plain",
                                               .generate = generate_lamp };
static const struct es_body_supplement shape = { .size = sizeof(shape),
                                                 .name = "shape",
                                                 .content_type = "application/dialog-info+xml",
                                                 .supplement = add_shape };
static const struct es_body_generator *const generators[] = { &lamp, NULL };
static const struct es_body_supplement *const supplements[] = { &shape, NULL };
static const struct es_plugin with_lamp = {
    .abi = ES_PLUGIN_ABI, .size = sizeof(with_lamp), .name = "lamp", .generators = generators
};
static const struct es_plugin with_shape = {
    .abi = ES_PLUGIN_ABI, .size = sizeof(with_shape), .name = "shape", .supplements = supplements
};

/* A reload that changes nothing but the plugins: `plugin` is all there is, or NULL. */
static void plugins_become(struct fixture *f, const struct es_plugin *plugin)
{
    struct body_registry *bodies;
    char reason[256];
    struct buf why;

    buf_init_on(&why, reason, sizeof(reason));
    assert_int_equal(body_registry_create(&bodies, f->log, f->bodies), 0);
    if (plugin)
        assert_int_equal(body_registry_add(bodies, plugin, NULL, &why), 0);
    body_registry_unref(f->bodies);
    f->bodies = bodies;
    notifier_bodies_set(f->notifier, bodies);
    notifier_settings_set(f->notifier, f->settings);
}

static void begin(struct fixture *f, const char *call_id, const char *accept, const char *body)
{
    struct sub s = sub_plain(call_id);

    s.accept = accept;
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", body);
    answer_last(f, 200);
}

static void test_what_changes_is_told(void **state)
{
    struct fixture *f = fixture_create(NULL);

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    begin(f, "xml", "application/dialog-info+xml", "confirmed");
    begin(f, "pidf", "application/pidf+xml", "On the phone");
    plugins_become(f, &with_shape);
    expect_notify(f, "active;expires=600", "shape=\"round\"");
    answer_last(f, 200);
    expect_nothing(f); /* of the other one nothing is different */
    plugins_become(f, &with_shape);
    expect_nothing(f);
    plugins_become(f, NULL);
    assert_false(str_contains_nocase(expect_notify(f, "active;expires=600", "confirmed")->body,
                                     STR("shape")));
    answer_last(f, 200);
    fixture_state(f, "100", EXTENSION_IDLE);
    fixture_destroy(f);
}

/* While one is under way the former plugin writes it again, and the next is by what there is. */
static void test_retransmission(void **state)
{
    struct fixture *f = fixture_create(NULL);
    size_t first;

    (void)state;
    fixture_state(f, "100", EXTENSION_IDLE);
    plugins_become(f, &with_shape);
    begin(f, "xml", "application/dialog-info+xml", "shape=\"round\"");
    fixture_state(f, "100", EXTENSION_INUSE);
    first = f->seen;
    expect_notify(f, "active;expires=600", "shape=\"round\"");
    plugins_become(f, NULL);
    fixture_pass(f, 5000);
    assert_true(f->n_sent > f->seen + 2);
    for (; f->seen < f->n_sent; f->seen++)
        assert_true(str_equal(f->sent[f->seen].bytes, f->sent[first].bytes));
    answer_last(f, 200);
    assert_false(str_contains_nocase(expect_notify(f, "active;expires=595", "confirmed")->body,
                                     STR("shape")));
    fixture_destroy(f);
}

/* What nothing makes any more ends, with a last look, and its subscriber is offered what there is.
 */
static void test_type_that_is_gone(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("again");

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    plugins_become(f, &with_lamp);
    begin(f, "lamp", "text/plain, application/pidf+xml;q=0.5", "on");
    begin(f, "pidf", "application/pidf+xml", "On the phone");
    plugins_become(f, NULL);
    expect_notify(f, "terminated;reason=deactivated", "on");
    answer_last(f, 200);
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).subscriptions, 1);
    s.accept = "text/plain, application/pidf+xml;q=0.5";
    sub_send(f, &s);
    expect_status(f, 200);
    expect_notify(f, "active;expires=600", "On the phone");
    s.call_id = "never";
    s.accept = "text/plain";
    sub_send(f, &s);
    expect_status(f, 406);
    fixture_destroy(f);
}

/* One that waits for its resource meanwhile is told to come back. */
static void test_gone_while_it_is_asked(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct sub s = sub_plain("lamp");

    (void)state;
    fixture_state(f, "100", EXTENSION_INUSE);
    plugins_become(f, &with_lamp);
    s.accept = "text/plain";
    sub_send(f, &s);
    plugins_become(f, NULL);
    fixture_answer_questions(f, 1);
    expect_status(f, 503);
    assert_int_equal(fixture_counters(f).subscriptions, 0);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_changes_is_told),
        cmocka_unit_test(test_retransmission),
        cmocka_unit_test(test_type_that_is_gone),
        cmocka_unit_test(test_gone_while_it_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
