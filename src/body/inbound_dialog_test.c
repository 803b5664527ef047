// SPDX-License-Identifier: MIT
#include "body/inbound_cases.h"

#define OPEN "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\""
#define FULL OPEN " version=\"7\" state=\"full\" entity=\"sip:201@pbx.example\">\n"
#define END "</dialog-info>\n"
#define IN(more) FULL "<dialog id='a'>" more "<state>early</state></dialog>" END
#define D "dialog", DIALOG_INFO

static void test_asterisk(void **state)
{
    static const struct accepted cases[] = {
        { "idle", D,
          PROLOG FULL " <dialog id=\"201\">\n  <state>terminated</state>\n </dialog>\n" END,
          "full 7\ndialog 201 terminated\n= NOT_INUSE\n" },
        { "in use", D,
          PROLOG FULL " <dialog id=\"201\">\n  <state>confirmed</state>\n </dialog>\n" END,
          "full 7\ndialog 201 confirmed\n= INUSE\n" },
        { "ringing, published", D,
          PROLOG FULL
          " <dialog id=\"201\" direction=\"recipient\">\n  <state>early</state>\n </dialog>\n" END,
          "full 7\ndialog 201 early recipient\n= RINGING\n" },
        { "ringing, the caller known; parties before the state", D,
          PROLOG FULL " <dialog id=\"201\" direction=\"recipient\">\n"
                      "  <remote>\n"
                      "   <identity display=\"Zo\xc3\xab\">sip:305@pbx.example</identity>\n"
                      "   <target uri=\"sip:305@pbx.example\" />\n"
                      "  </remote>\n"
                      "  <local>\n"
                      "   <identity display=\"Max\">sip:201@pbx.example</identity>\n"
                      "   <target uri=\"sip:201@pbx.example\" />\n"
                      "  </local>\n"
                      "  <state>early</state>\n"
                      " </dialog>\n" END,
          "full 7\ndialog 201 early recipient\n"
          " local sip:201@pbx.example display=Max target=sip:201@pbx.example\n"
          " remote sip:305@pbx.example display=Zo\xc3\xab target=sip:305@pbx.example\n"
          "= RINGING\n" },
        { "on hold: pvalue, and local behind the state", D,
          PROLOG FULL " <dialog id=\"201\">\n"
                      "  <state>confirmed</state>\n"
                      "  <local>\n"
                      "   <target uri=\"sip:201@pbx.example\">\n"
                      "    <param pname=\"+sip.rendering\" pvalue=\"no\" />\n"
                      "   </target>\n"
                      "  </local>\n"
                      " </dialog>\n" END,
          "full 7\ndialog 201 confirmed held\n"
          " local target=sip:201@pbx.example +sip.rendering=no\n= ONHOLD\n" },
        { "two elements local", D,
          FULL "<dialog id='201'><local><identity>sip:201@x</identity></local>"
               "<state>confirmed</state><local><target uri='sip:201@x'>"
               "<param pname='sip.rendering' pval='NO'/></target></local></dialog>" END,
          "full 7\ndialog 201 confirmed held\n"
          " local sip:201@x target=sip:201@x sip.rendering=NO\n= ONHOLD\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_accepted(&cases[i]);
}

static void test_others(void **state)
{
    static const struct accepted cases[] = {
        { "no dialogs", D, FULL END, "full 7\n= NOT_INUSE\n" },
        { "an attribute of an RFC example", D,
          OPEN " version=\"0\" notify-state=\"full\" entity=\"sip:a@x\">\n" END,
          "full 0\n= NOT_INUSE\n" },
        { "no state, no version, no entity", D, OPEN "/>", "full 0\n= NOT_INUSE\n" },
        { "more of them", D,
          FULL
          "<dialog id='a' direction='receiver'><state reason='mine'>early</state></dialog>" END,
          "full 7\ndialog a early recipient\n= RINGING\n" },
        { "where its schema is", D,
          OPEN " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' version='3' "
               "xsi:schemaLocation='urn:ietf:params:xml:ns:dialog-info dialog-info.xsd'/>",
          "full 3\n= NOT_INUSE\n" },
        { "numbers with a plus", D,
          OPEN " version=' +12'><dialog id='a'><state code='+180'>early</state><duration> +5"
               "</duration><remote><cseq>+4</cseq></remote></dialog>" END,
          "full 12\ndialog a early code=180\n= RINGING\n" },
        { "a version padded with blanks", D, OPEN " version=\"        12 \" state=\"full\"/>",
          "full 12\n= NOT_INUSE\n" },
        { "partial", D,
          OPEN " version='1' state='partial'><dialog id='a'><state>trying</state></dialog>" END,
          "partial 1\ndialog a trying\n= INUSE\n" },
        { "pua_dialoginfo", D,
          PROLOG OPEN " version=\"0\" state=\"full\" entity=\"sip:bob@proxy.example\">\n"
                      "  <dialog id=\"OTk2NjIyNzM@192.0.2.7\" call-id=\"OTk2NjIyNzM@192.0.2.7\" "
                      "local-tag=\"as5d3e\" remote-tag=\"77bc\" direction=\"recipient\">\n"
                      "    <state>early</state>\n"
                      "    <remote>\n"
                      "      <identity>sip:alice@proxy.example</identity>\n"
                      "      <target uri=\"sip:alice@proxy.example\"/>\n"
                      "    </remote>\n"
                      "    <local>\n"
                      "      <identity>sip:bob@proxy.example</identity>\n"
                      "      <target uri=\"sip:bob@proxy.example\"/>\n"
                      "    </local>\n"
                      "  </dialog>\n" END,
          "full 0\ndialog OTk2NjIyNzM@192.0.2.7 early recipient call-id=OTk2NjIyNzM@192.0.2.7 "
          "local-tag=as5d3e remote-tag=77bc\n"
          " local sip:bob@proxy.example target=sip:bob@proxy.example\n"
          " remote sip:alice@proxy.example target=sip:alice@proxy.example\n= RINGING\n" },
        { "everything of RFC 4235", D,
          FULL "<dialog id='a' call-id='c&quot;1&apos;' local-tag='l' remote-tag='r' "
               "direction='initiator'>"
               "<state event='rejected' code='486'>terminated</state><duration>145</duration>"
               "<replaces call-id='old' local-tag='1' remote-tag='2'/>"
               "<referred-by display='Bob'>sip:bob@x</referred-by>"
               "<route-set><hop>sip:p1@x;lr</hop><hop>sip:p2@x;lr</hop></route-set>"
               "<local><identity display-name='A &amp; B'>sip:a@x</identity>"
               "<target uri='sip:a@192.0.2.1'><param pname='+sip.rendering' pval='yes'/>"
               "<param pname='audio' pval='true'/></target>"
               "<session-description type='application/sdp'>v=0\ns=-\n</session-description>"
               "<cseq>4</cseq></local>"
               "<remote><identity>sip:b@x</identity></remote></dialog>" END,
          "full 7\ndialog a terminated initiator event=rejected code=486 call-id=c\"1' "
          "local-tag=l remote-tag=r\n"
          " local sip:a@x display=A & B target=sip:a@192.0.2.1 +sip.rendering=yes audio=true "
          "session=application/sdp v=0\ns=-\n\n"
          " remote sip:b@x\n"
          " details <replaces xmlns=\"urn:ietf:params:xml:ns:dialog-info\" call-id=\"old\" "
          "local-tag=\"1\" remote-tag=\"2\"/><referred-by "
          "xmlns=\"urn:ietf:params:xml:ns:dialog-info\" "
          "display=\"Bob\">sip:bob@x</referred-by><route-set "
          "xmlns=\"urn:ietf:params:xml:ns:dialog-info\"><hop>sip:p1@x;lr</hop>"
          "<hop>sip:p2@x;lr</hop></route-set>\n= NOT_INUSE\n" },
        { "other prefixes, and elements of others", D,
          "<x:dialog-info xmlns:x='urn:ietf:params:xml:ns:dialog-info' "
          "xmlns:sa='urn:ietf:params:xml:ns:sa-dialog-info' xmlns='urn:other' version='3'>"
          "<x:dialog id='a'><sa:appearance>2</sa:appearance><x:state>early</x:state>"
          "<mine><x:state>confirmed</x:state></mine></x:dialog><dialog id='b'/></x:dialog-info>",
          "full 3\ndialog a early\n"
          " extensions <sa:appearance xmlns:sa=\"urn:ietf:params:xml:ns:sa-dialog-info\">2"
          "</sa:appearance><mine xmlns=\"urn:other\" "
          "xmlns:x=\"urn:ietf:params:xml:ns:dialog-info\"><x:state>confirmed</x:state></mine>\n"
          "= RINGING\n" },
        { "twice the same id: the last counts, in the first's place", D,
          FULL "<dialog id='a'><state>early</state></dialog>"
               "<dialog id='b'><state>confirmed</state></dialog>"
               "<dialog id='a'><state>terminated</state></dialog>" END,
          "full 7\ndialog a terminated\ndialog b confirmed\n= INUSE\n" },
        { "every state", D,
          FULL "<dialog id='1'><state>trying</state></dialog>"
               "<dialog id='2' direction='recipient'><state> proceeding </state></dialog>"
               "<dialog id='3'><state><![CDATA[early]]></state></dialog>"
               "<dialog id='4'><state>con<!-- x -->firmed</state></dialog>"
               "<dialog id='5'><state>&#116;erminated</state></dialog>" END,
          "full 7\ndialog 1 trying\ndialog 2 proceeding recipient\ndialog 3 early\n"
          "dialog 4 confirmed\ndialog 5 terminated\n= RINGINUSE\n" },
        { "for presence", "presence", DIALOG_INFO,
          FULL "<dialog id='a'><state>confirmed</state></dialog>" END,
          "full 7\ndialog a confirmed\n= INUSE\n" },
        { "with a charset, in any case", "dialog",
          "Application/Dialog-Info+XML ; charset=\"utf-8\"", FULL END, "full 7\n= NOT_INUSE\n" },
        { "with a byte order mark", D, "\xef\xbb\xbf" PROLOG FULL END, "full 7\n= NOT_INUSE\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_accepted(&cases[i]);
}

static void test_refused(void **state)
{
    static const struct refused cases[] = {
        { "no id", D, PROLOG FULL "\n<dialog><state>early</state></dialog>" END, INBOUND_MALFORMED,
          "line 4, dialog: must have the attribute 'id'" },
        { "an empty id", D, FULL "<dialog id=''><state>early</state></dialog>" END,
          INBOUND_MALFORMED, "line 2, dialog: no id" },
        { "no state", D, FULL "<dialog id='a'/>" END, INBOUND_MALFORMED,
          "line 2, dialog: must have the element 'state'" },
        { "an unknown state", D, FULL "<dialog id='a'>\n<state>busy</state></dialog>" END,
          INBOUND_MALFORMED, "line 3, state: unknown state 'busy'" },
        { "an empty state", D, FULL "<dialog id='a'><state/></dialog>" END, INBOUND_MALFORMED,
          "line 2, state: unknown state ''" },
        { "elements in the state", D, FULL "<dialog id='a'><state>early<b/></state></dialog>" END,
          INBOUND_MALFORMED, "line 2, b: may not stand in 'state'" },
        { "a state in another namespace", D,
          FULL "<dialog id='a'><state xmlns='u'>early</state></dialog>" END, INBOUND_MALFORMED,
          "line 2, dialog: must have the element 'state'" },
        { "a code that is none", D,
          FULL "<dialog id='a'><state code='99'>early</state></dialog>" END, INBOUND_MALFORMED,
          "line 2, state: not a number in its range: '99'" },
        { "a direction", D, FULL "<dialog id='a' direction='up'><state>early</state></dialog>" END,
          INBOUND_MALFORMED, "line 2, dialog: unknown direction 'up'" },
        { "a parameter without a name", D,
          FULL "<dialog id='a'><state>early</state><local><target uri='sip:a@x'><param pval='1'/>"
               "</target></local></dialog>" END,
          INBOUND_MALFORMED, "line 2, param: must have the attribute 'pname'" },
        { "a word beside the elements", D, IN("stray"), INBOUND_MALFORMED,
          "line 2, dialog: may not have text: 'stray'" },
        { "an element of its own that it has not", D, IN("<bogus/>"), INBOUND_MALFORMED,
          "line 2, bogus: may not stand in 'dialog'" },
        { "an element without a namespace", D, IN("<bar xmlns=''/>"), INBOUND_MALFORMED,
          "line 2, bar: may not stand in 'dialog'" },
        { "an element of another dialog", D, IN("<dialog id='b'><state>early</state></dialog>"),
          INBOUND_MALFORMED, "line 2, dialog: may not stand in 'dialog'" },
        { "two states", D, IN("<state>early</state>"), INBOUND_MALFORMED,
          "line 2, state: may be there once in 'dialog'" },
        { "two targets", D, IN("<local><target uri='a'/><target uri='b'/></local>"),
          INBOUND_MALFORMED, "line 2, target: may be there once in 'local'" },
        { "a target without URI", D, IN("<local><target/></local>"), INBOUND_MALFORMED,
          "line 2, target: must have the attribute 'uri'" },
        { "what it replaces in part", D, IN("<replaces call-id='old' local-tag='a'/>"),
          INBOUND_MALFORMED, "line 2, replaces: must have the attribute 'remote-tag'" },
        { "an attribute that it has not", D,
          IN("<replaces call-id='a' local-tag='b' remote-tag='c' d='e'/>"), INBOUND_MALFORMED,
          "line 2, replaces: may not have the attribute 'd'" },
        { "an attribute of another namespace", D,
          IN("<referred-by xml:lang='de'>sip:b@x</referred-by>"), INBOUND_MALFORMED,
          "line 2, referred-by: may not have the attribute 'lang'" },
        { "no hops", D, IN("<route-set/>"), INBOUND_MALFORMED,
          "line 2, route-set: must have the element 'hop'" },
        { "something between hops", D, IN("<route-set><hop>sip:p1@x</hop><skip/></route-set>"),
          INBOUND_MALFORMED, "line 2, skip: may not stand in 'route-set'" },
        { "a parameter that is another's", D,
          IN("<local><target uri='a'><x:param xmlns:x='urn:x'/></target></local>"),
          INBOUND_MALFORMED, "line 2, param: may not stand in 'target'" },
        { "a session without type", D,
          IN("<remote><session-description>v=0</session-description></remote>"), INBOUND_MALFORMED,
          "line 2, session-description: must have the attribute 'type'" },
        { "a duration", D, IN("<duration>soon</duration>"), INBOUND_MALFORMED,
          "line 2, duration: not a number: 'soon'" },
        { "an empty duration", D, IN("<duration/>"), INBOUND_MALFORMED,
          "line 2, duration: not a number: ''" },
        { "a sequence number", D, IN("<local><cseq>-1</cseq></local>"), INBOUND_MALFORMED,
          "line 2, cseq: not a number: '-1'" },
        { "a sequence number of a sign", D, IN("<local><cseq>+</cseq></local>"), INBOUND_MALFORMED,
          "line 2, cseq: not a number: '+'" },
        { "a duration with two", D, IN("<duration>-+5</duration>"), INBOUND_MALFORMED,
          "line 2, duration: not a number: '-+5'" },
        { "a version of a sign", D, OPEN " version='+'/>", INBOUND_MALFORMED,
          "line 1, dialog-info: not a number in its range: ''" },
        { "an event", D, FULL "<dialog id='a'><state event='foo'>early</state></dialog>" END,
          INBOUND_MALFORMED, "line 2, state: unknown event 'foo'" },
        { "an attribute of a dialog", D,
          FULL "<dialog id='a' mine='1'><state>early</state></dialog>" END, INBOUND_MALFORMED,
          "line 2, dialog: may not have the attribute 'mine'" },
        { "an element of its own beside the dialogs", D, FULL "<bogus/>" END, INBOUND_MALFORMED,
          "line 2, bogus: may not stand in 'dialog-info'" },
        { "an attribute of the root", D, OPEN " version='1' mine='2'/>", INBOUND_MALFORMED,
          "line 1, dialog-info: may not have the attribute 'mine'" },
        { "a version", D, OPEN " version='-1'/>", INBOUND_MALFORMED,
          "line 1, dialog-info: not a number in its range: '-1'" },
        { "a version over 32 bits", D, OPEN " version='4294967296'/>", INBOUND_MALFORMED,
          "line 1, dialog-info: not a number in its range: '4294967296'" },
        { "neither full nor partial", D, OPEN " version='1' state='some'/>", INBOUND_MALFORMED,
          "line 1, dialog-info: neither full nor partial but 'some'" },
        { "no namespace", D, "<dialog-info version='1'/>", INBOUND_MALFORMED,
          "line 1, dialog-info: is not a root element for this type; its namespace is ''" },
        { "another root", D, "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>", INBOUND_MALFORMED,
          "line 1, presence: is not a root element for this type; its namespace is "
          "'urn:ietf:params:xml:ns:pidf'" },
        { "the empty attribute of Asterisk", D, FULL "<dialog id><state>early</state></dialog>" END,
          INBOUND_MALFORMED, NULL },
        { "cut off", D, FULL "<dialog id='a'><state>ear", INBOUND_MALFORMED, NULL },
        { "nothing", D, "", INBOUND_MALFORMED, "line 1: no document" },
        { "blanks", D, " \n", INBOUND_MALFORMED, NULL },
        { "plain text", D, "hello", INBOUND_MALFORMED, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asterisk),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_refused),
    };

    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
