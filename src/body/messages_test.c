// SPDX-License-Identifier: MIT
#include "body/published_testing.h"

#define SUMMARY "application/simple-message-summary"

static int setup(void **state)
{
    struct body_registry *r;

    if (body_registry_create(&r, NULL, NULL))
        return -1;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    body_registry_unref(*state);
    return 0;
}

static void test_summaries(void **state)
{
    static const struct {
        struct es_messages messages;
        const char *body;
    } cases[] = {
        { { .waiting = false }, "Messages-Waiting: no\r\n" },
        { { .waiting = true, .account = ES_TEXT("sip:alice@vmail.example") },
          "Messages-Waiting: yes\r\n"
          "Message-Account: sip:alice@vmail.example\r\n" },
        { { .waiting = true, .counts = { [ES_MESSAGES_VOICE] = { true, 2, 8, 0, 0 } } },
          "Messages-Waiting: yes\r\n"
          "Voice-Message: 2/8 (0/0)\r\n" },
        { { .waiting = true,
            .account = ES_TEXT("sip:a@h"),
            .counts = { { true, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX },
                        { true, 1, 2, 3, 4 },
                        { true, 5, 6, 7, 8 },
                        { true, 9, 10, 11, 12 },
                        { true, 13, 14, 15, 16 },
                        { true, 17, 18, 19, 20 } } },
          "Messages-Waiting: yes\r\n"
          "Message-Account: sip:a@h\r\n"
          "Voice-Message: 4294967295/4294967295 (4294967295/4294967295)\r\n"
          "Fax-Message: 1/2 (3/4)\r\n"
          "Pager-Message: 5/6 (7/8)\r\n"
          "Multimedia-Message: 9/10 (11/12)\r\n"
          "Text-Message: 13/14 (15/16)\r\n"
          "None: 17/18 (19/20)\r\n" },
        { { .account = ES_TEXT("*9 7<@\""),
            .counts = { [ES_MESSAGES_VOICE] = { true, 1, 0, 0, 0 } } },
          "Messages-Waiting: no\r\n"
          "Message-Account: sip:*9%207%3C%40%22@pbx.example:5160\r\n"
          "Voice-Message: 1/0 (0/0)\r\n" },
        { { .counts = { [ES_MESSAGES_VOICE] = { false, 1, 1, 1, 1 },
                        [ES_MESSAGES_FAX] = { .given = true } } },
          "Messages-Waiting: no\r\n"
          "Fax-Message: 0/0 (0/0)\r\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct published_resource of = { .messages = &cases[i].messages };

        check_published(*state, watcher("message-summary", ""), SUMMARY, 0, &of, cases[i].body);
        check_published(*state, watcher("message-summary", ""), SUMMARY, ES_FLAG_ASTERISK, &of,
                        cases[i].body);
    }
}

/* Where nothing is known there is nothing new, and something to read. */
static void test_nothing(void **state)
{
    const struct published_resource of = { .state = EXTENSION_UNAVAILABLE };

    check_published(*state, watcher("message-summary", ""), SUMMARY, 0, &of,
                    "Messages-Waiting: no\r\n"
                    "Voice-Message: 0/0 (0/0)\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summaries),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
