// SPDX-License-Identifier: MIT
#include "body/document.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define PROLOG "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static const struct es_document_api *const api = &document_api;

static void start(struct es_document *d)
{
    document_init(d, ES_TEXT("TOKEN"));
}

/* What the document prints, with a '|' before and behind each slot's number and each token. Ends
 * the document. */
static const char *finish(struct es_document *d)
{
    static char out[200 * 1024];
    struct buf text, segments, marked;
    const char *at;

    buf_init(&text, DOCUMENT_TEXT_MAX);
    buf_init(&segments, DOCUMENT_TEXT_MAX);
    buf_init_on(&marked, out, sizeof(out));
    assert_int_equal(document_print(d, &text, &segments), 0);
    at = text.p;
    for (size_t i = 0; i < segments.n / sizeof(struct segment); i++) {
        struct segment s;

        memcpy(&s, segments.p + i * sizeof(s), sizeof(s));
        if (s.kind == SEGMENT_SLOT)
            buf_printf(&marked, "|%u|", s.slot);
        else if (s.kind == SEGMENT_UNIQUE)
            buf_printf(&marked, "|%.*s|", (int)s.length, at);
        else
            buf_add(&marked, (struct str){ at, s.length });
        at += s.length;
    }
    assert_ptr_equal(at, text.p + text.n); /* segments cover the text */
    buf_add_char(&marked, '\0');
    assert_int_equal(marked.error, 0);
    buf_fini(&text);
    buf_fini(&segments);
    document_fini(d);
    return out;
}

/* The document is spoiled with this error, and stays so. */
static void finish_error(struct es_document *d, int error)
{
    struct buf text, segments;

    buf_init(&text, 1024);
    buf_init(&segments, 1024);
    assert_int_equal(d->error, error);
    assert_null(api->root(d, "more"));
    api->raw(d, ES_TEXT("more"));
    assert_int_equal(document_print(d, &text, &segments), error);
    assert_int_equal(text.n, 0);
    buf_fini(&text);
    buf_fini(&segments);
    document_fini(d);
}

static void test_layout(void **state)
{
    struct es_document d;
    struct es_node *root, *middle, *leaf;

    (void)state;
    start(&d);
    root = api->root(&d, "root");
    api->attribute(root, "xmlns:a", ES_TEXT("urn:a"));
    api->attribute(root, "empty", ES_TEXT(""));
    middle = api->child(root, "a:middle");
    leaf = api->child(middle, "leaf");
    api->attribute(leaf, "n", ES_TEXT("1"));
    api->text(leaf, ES_TEXT("one "));
    api->text(leaf, ES_TEXT("line"));
    api->child(middle, "void");
    api->attribute(api->child(middle, "void"), "n", ES_TEXT("2"));
    api->text(api->child(root, "blank"), ES_TEXT(""));
    assert_string_equal(finish(&d), PROLOG "<root xmlns:a=\"urn:a\" empty=\"\">\n"
                                           " <a:middle>\n"
                                           "  <leaf n=\"1\">one line</leaf>\n"
                                           "  <void />\n"
                                           "  <void n=\"2\" />\n"
                                           " </a:middle>\n"
                                           " <blank />\n"
                                           "</root>\n");
}

static void test_root_alone(void **state)
{
    struct es_document d;

    (void)state;
    start(&d);
    assert_true(document_empty(&d));
    api->root(&d, "presence");
    assert_ptr_equal(api->root(&d, "other"), api->root(&d, "presence"));
    assert_false(document_empty(&d));
    assert_string_equal(finish(&d), PROLOG "<presence />\n");
}

static void test_slots(void **state)
{
    struct es_document d;
    struct es_node *root, *leaf;

    (void)state;
    start(&d);
    root = api->root(&d, "r");
    api->attribute_slot(root, "version", ES_SLOT_VERSION, NULL);
    api->attribute_slot(root, "uri", ES_SLOT_LOCAL, ";x=<1>");
    leaf = api->child(root, "leaf");
    api->text(leaf, ES_TEXT("to "));
    api->text_slot(leaf, ES_SLOT_REMOTE);
    api->text(leaf, ES_TEXT("!"));
    api->text_slot(api->child(root, "only"), ES_SLOT_LOCAL);
    assert_string_equal(finish(&d), PROLOG "<r version=\"|0|\" uri=\"|1|;x=&lt;1&gt;\">\n"
                                           " <leaf>to |2|!</leaf>\n"
                                           " <only>|1|</only>\n"
                                           "</r>\n");
}

/* Markup stands where it was put, as it is, and nobody sees it who walks the tree. */
static void test_markup(void **state)
{
    struct es_document d;
    struct es_node *root, *first, *last;

    (void)state;
    start(&d);
    root = api->root(&d, "r");
    api->xml(root, ES_TEXT("<x:a xmlns:x=\"urn:x\" b='&amp;'>1<x:c/></x:a>"));
    first = api->child(root, "first");
    api->xml(root, ES_TEXT("<b>\n<c/>\n</b><d/>"));
    last = api->child(root, "last");
    api->xml(last, ES_TEXT("TOKEN"));
    api->xml(last, ES_TEXT(""));
    api->xml(last, (struct es_text){ NULL, 0 });
    api->xml(NULL, ES_TEXT("<e/>"));
    api->text(api->child_before(last, "before"), ES_TEXT("it"));
    assert_null(api->find(root, "x:a"));
    assert_null(api->find(root, ""));
    assert_ptr_equal(api->find(root, "first"), first);
    assert_string_equal(api->name(api->next(first)), "before");
    assert_null(api->next(last));
    assert_string_equal(finish(&d), PROLOG "<r>\n"
                                           " <x:a xmlns:x=\"urn:x\" b='&amp;'>1<x:c/></x:a>\n"
                                           " <first />\n"
                                           " <b>\n<c/>\n</b><d/>\n"
                                           " <before>it</before>\n"
                                           " <last>\n"
                                           "  |TOKEN|\n"
                                           " </last>\n"
                                           "</r>\n");
}

/* It is a child like others: none stands beside text or below the deepest level, and it counts. */
static void test_markup_limits(void **state)
{
    static char big[DOCUMENT_TEXT_MAX / 2 + 1];
    struct es_document d;
    struct es_node *n;

    (void)state;
    memset(big, 'x', sizeof(big));
    start(&d);
    api->text(api->root(&d, "r"), ES_TEXT("text"));
    api->xml(api->root(&d, "r"), ES_TEXT("<a/>"));
    finish_error(&d, -EINVAL);
    start(&d);
    api->xml(api->root(&d, "r"), ES_TEXT("<a/>"));
    api->text(api->root(&d, "r"), ES_TEXT("text"));
    finish_error(&d, -EINVAL);
    start(&d);
    n = api->root(&d, "r");
    for (int i = 1; i < DOCUMENT_DEPTH_MAX; i++)
        n = api->child(n, "n");
    assert_int_equal(d.error, 0);
    api->xml(n, ES_TEXT("<a/>"));
    finish_error(&d, -EMSGSIZE);
    start(&d);
    api->xml(api->root(&d, "r"), (struct es_text){ big, sizeof(big) });
    assert_int_equal(d.error, 0);
    api->xml(api->root(&d, "r"), (struct es_text){ big, sizeof(big) });
    finish_error(&d, -EMSGSIZE);
}

/* The token is set apart where it is a whole value, and only there. */
static void test_unique(void **state)
{
    struct es_document d;
    struct es_node *root;

    (void)state;
    start(&d);
    root = api->root(&d, "r");
    api->attribute(root, "id", ES_TEXT("TOKEN"));
    api->attribute(root, "longer", ES_TEXT("TOKEN1"));
    api->attribute(root, "shorter", ES_TEXT("TOKE"));
    api->text(api->child(root, "leaf"), ES_TEXT("TOKEN"));
    assert_string_equal(finish(&d), PROLOG "<r id=\"|TOKEN|\" longer=\"TOKEN1\" shorter=\"TOKE\">\n"
                                           " <leaf>|TOKEN|</leaf>\n"
                                           "</r>\n");
}

static void test_escaping(void **state)
{
    struct es_document d;
    struct es_node *root;

    (void)state;
    start(&d);
    root = api->root(&d, "r");
    api->attribute(root, "a", ES_TEXT("<>&\"'\r\n\x01\xff"));
    api->text(api->child(root, "t"), ES_TEXT("]]><!-- \xc3\xa4 -->"));
    assert_string_equal(finish(&d), PROLOG "<r a=\"&lt;&gt;&amp;&quot;&apos;&#13;&#10;??\">\n"
                                           " <t>]]&gt;&lt;!-- \xc3\xa4 --&gt;</t>\n"
                                           "</r>\n");
}

static void test_attribute_twice(void **state)
{
    struct es_document d;
    struct es_node *root;

    (void)state;
    start(&d);
    root = api->root(&d, "r");
    api->attribute(root, "a", ES_TEXT("1"));
    api->attribute(root, "b", ES_TEXT("2"));
    api->attribute_slot(root, "a", ES_SLOT_LOCAL, NULL);
    api->attribute(root, "b", ES_TEXT("3"));
    assert_string_equal(finish(&d), PROLOG "<r a=\"|1|\" b=\"3\" />\n");
}

static void test_moving_about(void **state)
{
    struct es_document d;
    struct es_node *root, *b, *n;

    (void)state;
    start(&d);
    root = api->root(&d, "r");
    b = api->child(root, "b");
    api->child_before(b, "a");
    api->child(root, "d");
    api->child_before(api->find(root, "d"), "c");
    assert_null(api->find(root, "e"));
    assert_null(api->find(b, "a"));
    n = api->find(root, "a");
    for (const char *name = "abcd"; *name; name++) {
        assert_int_equal(api->name(n)[0], *name);
        n = api->next(n);
    }
    assert_null(n);
    assert_string_equal(finish(&d), PROLOG "<r>\n <a />\n <b />\n <c />\n <d />\n</r>\n");
}

static void test_remove(void **state)
{
    struct es_document d;
    struct es_node *root, *last;

    (void)state;
    start(&d);
    root = api->root(&d, "r");
    api->child(root, "a");
    api->child(api->child(root, "b"), "below");
    last = api->child(root, "c");
    api->remove(last);
    api->remove(last); /* harmless */
    api->child(last, "nowhere");
    api->remove(api->find(root, "a"));
    api->child(root, "d"); /* behind what is last now */
    assert_string_equal(finish(&d), PROLOG "<r>\n <b>\n  <below />\n </b>\n <d />\n</r>\n");
}

static void test_remove_root(void **state)
{
    struct es_document d;

    (void)state;
    start(&d);
    api->child(api->root(&d, "r"), "a");
    api->remove(api->root(&d, "r"));
    assert_true(document_empty(&d));
    api->root(&d, "s");
    assert_string_equal(finish(&d), PROLOG "<s />\n");
}

static void test_raw(void **state)
{
    struct es_document d;

    (void)state;
    start(&d);
    assert_false(document_is_raw(&d));
    api->raw(&d, ES_TEXT("Account: "));
    api->raw_slot(&d, ES_SLOT_LOCAL);
    api->raw(&d, ES_TEXT("\r\n\0<&>"));
    assert_true(document_is_raw(&d));
    assert_memory_equal(finish(&d), "Account: |1|\r\n\0<&>", 19);
}

/* No call minds a missing element: a generator need not check one. */
static void test_nothing(void **state)
{
    struct es_document d;

    (void)state;
    start(&d);
    assert_null(api->child(NULL, "a"));
    assert_null(api->child_before(NULL, "a"));
    assert_null(api->find(NULL, "a"));
    assert_null(api->next(NULL));
    assert_string_equal(api->name(NULL), "");
    api->attribute(NULL, "a", ES_TEXT("b"));
    api->attribute_slot(NULL, "a", ES_SLOT_LOCAL, NULL);
    api->text(NULL, ES_TEXT("a"));
    api->text_slot(NULL, ES_SLOT_LOCAL);
    api->remove(NULL);
    assert_int_equal(d.error, 0);
    document_fini(&d);
}

static void test_names(void **state)
{
    static const char *const bad[] = { "",  "1a", "a b", "a>",       "a\n",
                                       ":", "a:", "-a",  "\xc3\xa4", "a=\"b\"" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct es_document d;

        start(&d);
        assert_null(api->root(&d, bad[i]));
        finish_error(&d, -EINVAL);
        start(&d);
        api->attribute(api->root(&d, "r"), bad[i], ES_TEXT(""));
        finish_error(&d, -EINVAL);
    }
}

static void spoil_beside_root(struct es_document *d)
{
    api->child_before(api->root(d, "r"), "a");
}

static void spoil_text_over_child(struct es_document *d)
{
    api->child(api->root(d, "r"), "a");
    api->text(api->root(d, "r"), ES_TEXT("mixed"));
}

static void spoil_child_over_text(struct es_document *d)
{
    api->text_slot(api->root(d, "r"), ES_SLOT_LOCAL);
    api->child(api->root(d, "r"), "a");
}

static void spoil_slot(struct es_document *d)
{
    api->text_slot(api->root(d, "r"), ES_SLOTS);
}

static void spoil_raw_over_root(struct es_document *d)
{
    api->root(d, "r");
    api->raw(d, ES_TEXT("raw"));
}

static void spoil_root_over_raw(struct es_document *d)
{
    api->raw_slot(d, ES_SLOT_LOCAL);
    api->root(d, "r");
}

static void spoil_null_name(struct es_document *d)
{
    api->root(d, NULL);
}

static void test_misuse(void **state)
{
    static void (*const misuse[])(struct es_document *) = {
        spoil_beside_root,   spoil_text_over_child, spoil_child_over_text, spoil_slot,
        spoil_raw_over_root, spoil_root_over_raw,   spoil_null_name,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(misuse); i++) {
        struct es_document d;

        start(&d);
        misuse[i](&d);
        finish_error(&d, -EINVAL);
    }
}

static void test_depth(void **state)
{
    struct es_document d;
    struct es_node *n;

    (void)state;
    start(&d);
    n = api->root(&d, "r");
    for (unsigned i = 1; i < DOCUMENT_DEPTH_MAX; i++)
        n = api->child(n, "n");
    assert_non_null(n);
    assert_int_equal(d.error, 0);
    assert_null(api->child(n, "n"));
    finish_error(&d, -EMSGSIZE);
}

static void test_too_much_text(void **state)
{
    static char text[DOCUMENT_TEXT_MAX];
    struct es_document d;

    (void)state;
    memset(text, 'x', sizeof(text));
    start(&d);
    api->text(api->root(&d, "r"), (struct es_text){ text, sizeof(text) - 64 });
    assert_int_equal(d.error, 0);
    assert_int_equal(strlen(finish(&d)), sizeof(text) - 64 + strlen(PROLOG "<r></r>\n"));
    start(&d);
    for (int i = 0; i < 5; i++)
        api->attribute(api->root(&d, "r"), "a", (struct es_text){ text, sizeof(text) / 4 });
    finish_error(&d, -EMSGSIZE);
}

/* It fits into the tree, and not on paper. */
static void test_too_much_escaped(void **state)
{
    static char text[DOCUMENT_TEXT_MAX / 2];
    struct es_document d;
    struct buf out, segments;

    (void)state;
    memset(text, '"', sizeof(text));
    start(&d);
    api->text(api->root(&d, "r"), (struct es_text){ text, sizeof(text) });
    assert_int_equal(d.error, 0);
    buf_init(&out, DOCUMENT_TEXT_MAX);
    buf_init(&segments, DOCUMENT_TEXT_MAX);
    assert_int_equal(document_print(&d, &out, &segments), -EMSGSIZE);
    buf_fini(&out);
    buf_fini(&segments);
    document_fini(&d);
}

static void test_too_many_nodes(void **state)
{
    struct es_document d;

    (void)state;
    start(&d);
    for (int i = 0; i < 100000; i++)
        api->child(api->root(&d, "r"), "n");
    finish_error(&d, -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),         cmocka_unit_test(test_root_alone),
        cmocka_unit_test(test_slots),          cmocka_unit_test(test_markup),
        cmocka_unit_test(test_markup_limits),  cmocka_unit_test(test_unique),
        cmocka_unit_test(test_escaping),       cmocka_unit_test(test_attribute_twice),
        cmocka_unit_test(test_moving_about),   cmocka_unit_test(test_remove),
        cmocka_unit_test(test_remove_root),    cmocka_unit_test(test_raw),
        cmocka_unit_test(test_nothing),        cmocka_unit_test(test_names),
        cmocka_unit_test(test_misuse),         cmocka_unit_test(test_depth),
        cmocka_unit_test(test_too_much_text),  cmocka_unit_test(test_too_much_escaped),
        cmocka_unit_test(test_too_many_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
