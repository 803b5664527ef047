// SPDX-License-Identifier: MIT
/* pjsip.conf: inbound-publication, asterisk-publication, and outbound-publish of their packages. */
#include "config/settings_testing.h"

#define STREAM "[p]\ntype=outbound-publish\nserver_uri=sip:in@192.0.2.5\n" /* lines 4 to 6 */

static void test_publications(void **state)
{
    struct loaded l = load(UDP "[b]\ntype=endpoint\n"
                               "[out]\ntype=outbound-publish\nserver_uri=sip:in@192.0.2.5\n"
                               "event=asterisk-devicestate\n"
                               "[in]\ntype=inbound-publication\nendpoint=b\n"
                               "event_asterisk-devicestate=here\nevent_asterisk-mwi=boxes\n"
                               "[here]\ntype=asterisk-publication\ndevice_state=yes\n"
                               "device_state_filter=^pjsip/\ndevicestate_publish=out\n"
                               "[boxes]\ntype=asterisk-publication\nmailbox_state=yes\n"
                               "mailbox_state_filter=@default$\n",
                           NULL);
    const struct inbound_publication_settings *in = settings_inbound_publication(l.s, STR("in"));
    const struct asterisk_publication_settings *devices, *mailboxes;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_non_null(in);
    assert_str(in->id, "in");
    assert_str(in->endpoint, "b");
    devices = settings_asterisk_publication(l.s, in, ASTERISK_DEVICES);
    mailboxes = settings_asterisk_publication(l.s, in, ASTERISK_MAILBOXES);
    assert_str(devices->id, "here");
    assert_true(devices->device_state);
    assert_false(devices->mailbox_state);
    assert_true(regex_matches(devices->device_filter, STR("PJSIP/1"), NULL));
    assert_false(regex_matches(devices->device_filter, STR("Custom:PJSIP/1"), NULL));
    assert_null(devices->mailbox_filter);
    assert_str(mailboxes->id, "boxes");
    assert_true(mailboxes->mailbox_state);
    assert_false(regex_matches(mailboxes->mailbox_filter, STR("1@other"), NULL));
    assert_null(settings_asterisk_publication(l.s, in, STR("dialog")));
    assert_true(settings_takes_package(l.s, ASTERISK_MAILBOXES));
    assert_true(settings_publish_asks(l.s, settings_publish(l.s, STR("out"))));
    unload(&l);
}

static void test_defaults(void **state)
{
    struct loaded l = load(UDP "[in]\ntype=inbound-publication\nevent_asterisk-mwi=a\n"
                               "[a]\ntype=asterisk-publication\n" STREAM "event=asterisk-mwi\n",
                           NULL);
    const struct asterisk_publication_settings *a = &l.s->asterisk_publications[0];

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_str(l.s->inbound_publications[0].endpoint, "");
    assert_false(a->device_state || a->mailbox_state || a->device_filter || a->mailbox_filter);
    assert_false(settings_takes_package(l.s, ASTERISK_DEVICES));
    assert_false(settings_publish_asks(l.s, &l.s->publishes[0]));
    assert_null(l.s->publishes[0].state);
    assert_str(l.s->general.entityid, "");
    assert_int_equal(l.s->general.source_grace_s, 30);
    unload(&l);
}

/* A filter is that of the section's own event. */
static void test_stream_filters(void **state)
{
    static const struct {
        const char *text;
        const char *taken, *refused;
    } cases[] = {
        { "event=asterisk-devicestate\n@device_state_filter=^Custom:\n@mailbox_state_filter=x\n",
          "custom:1", "PJSIP/x" },
        { "event=asterisk-mwi\n@mailbox_state_filter=^1\n@device_state_filter=(\n", "1@a", "2@a" },
        { "event=asterisk-mwi\n@exten=(\n@context=(\n", NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text;
        struct loaded l;
        const struct publish_settings *p;

        assert_true(asprintf(&text, UDP STREAM "%s", cases[i].text) > 0);
        l = load(text, NULL);
        assert_int_equal(l.s->n_publishes, 1);
        p = l.s->publishes;
        assert_int_equal(p->state != NULL, cases[i].taken != NULL);
        if (cases[i].taken) {
            assert_true(regex_matches(p->state, str_of(cases[i].taken), NULL));
            assert_false(regex_matches(p->state, str_of(cases[i].refused), NULL));
        }
        assert_null(p->context);
        assert_null(p->exten);
        unload(&l);
        free(text);
    }
}

static void test_problems(void **state)
{
    static const struct {
        const char *text, *diag;
    } cases[] = {
        { "[in]\ntype=inbound-publication\nendpoint=nobody\nevent_asterisk-mwi=none\n",
          "etc/pjsip.conf:6: warning: inbound-publication [in]: endpoint nobody does not exist; "
          "define it or correct the name\n"
          "etc/pjsip.conf:7: warning: inbound-publication [in]: asterisk-publication none does not "
          "exist; define it or correct the name\n" },
        { "[in]\ntype=inbound-publication\n",
          "etc/pjsip.conf:4: warning: inbound-publication [in] takes nothing; add "
          "event_asterisk-devicestate or event_asterisk-mwi\n" },
        { "[in]\ntype=inbound-publication\nevent_presence=x\nevent_asterisk-mwi=a\n"
          "[a]\ntype=asterisk-publication\n",
          "etc/pjsip.conf:6: warning: unknown option event_presence in inbound-publication is "
          "ignored; remove it, or correct the name\n" },
        { "[a]\ntype=asterisk-publication\ndevice_state_filter=(\n",
          "etc/pjsip.conf:6: error: asterisk-publication [a] is refused: device_state_filter = ( "
          "is no regular expression: missing closing parenthesis at offset 1\n" },
        { "[a]\ntype=asterisk-publication\ndevicestate_publish=p\n" STREAM "event=asterisk-mwi\n",
          "etc/pjsip.conf:6: warning: asterisk-publication [a]: devicestate_publish names "
          "outbound-publish [p], whose event is not asterisk-devicestate; it is not used\n" },
        { "[a]\ntype=asterisk-publication\nmailboxstate_publish=p\n",
          "etc/pjsip.conf:6: warning: asterisk-publication [a]: outbound-publish p does not exist; "
          "define it or correct the name\n" },
        { STREAM "event=asterisk-devicestate\n@device_state_filter=(\n",
          "etc/pjsip.conf:8: error: outbound-publish [p] is refused: @device_state_filter = ( is "
          "no "
          "regular expression: missing closing parenthesis at offset 1\n" },
        { STREAM "event=asterisk-devicestate\nmulti_user=yes\n",
          "etc/pjsip.conf:8: warning: outbound-publish [p]: multi_user has no meaning with event "
          "asterisk-devicestate: its URIs stay as they are; write multi_user = no\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_diag(cases[i].text, NULL, cases[i].diag);
}

static void test_entityid(void **state)
{
    static const struct {
        const char *text, *entityid;
        unsigned errors;
    } cases[] = {
        { "entityid=02:00:5E:00:53:aB", "02:00:5e:00:53:ab", 0 },
        { "entityid=00:00:00:00:00:00", "00:00:00:00:00:00", 0 },
        { "entityid=02:00:5e:00:53", "", 1 },
        { "entityid=02-00-5e-00-53-01", "", 1 },
        { "entityid=02:00:5e:00:53:0g", "", 1 },
        { "entityid=02:00:5e:00:53:011", "", 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text;
        struct loaded l;

        assert_true(asprintf(&text, "[general]\n%s\n", cases[i].text) > 0);
        l = load(UDP, text);
        assert_int_equal(l.diag.errors, cases[i].errors);
        assert_str(l.s->general.entityid, cases[i].entityid);
        unload(&l);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publications),   cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_stream_filters), cmocka_unit_test(test_problems),
        cmocka_unit_test(test_entityid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
