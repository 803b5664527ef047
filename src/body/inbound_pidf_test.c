// SPDX-License-Identifier: MIT
#include "body/inbound_cases.h"

#define OPEN "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\""
#define ASTERISK                                                  \
    PROLOG "<presence entity=\"sip:201@pbx.example\" "            \
           "xmlns=\"urn:ietf:params:xml:ns:pidf\" "               \
           "xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" " \
           "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\">\n"
#define RICH                                                   \
    OPEN " xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' " \
         "xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' "         \
         "xmlns:c='urn:ietf:params:xml:ns:pidf:caps' entity='pres:a@x'>"
#define END "</presence>\n"
#define P "presence", PIDF
#define R "{urn:ietf:params:xml:ns:pidf:rpid}"
#define RPID(name) R name "  <rpid:" name " xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n"

static void check_all(const struct accepted *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_accepted(&cases[i]);
}

static void test_asterisk(void **state)
{
    static const struct accepted cases[] = {
        { "on the phone: note first, a person without id", P,
          ASTERISK " <note>On the phone</note>\n"
                   " <tuple id=\"201\">\n"
                   "  <status>\n"
                   "   <basic>open</basic>\n"
                   "  </status>\n"
                   "  <contact priority=\"1\">sip:305@pbx.example</contact>\n"
                   " </tuple>\n"
                   " <dm:person>\n"
                   "  <rpid:activities>\n"
                   "   <rpid:on-the-phone />\n"
                   "  </rpid:activities>\n"
                   " </dm:person>\n" END,
          "tuple 201 open sip:305@pbx.example priority=1\n"
          "person p1\n"
          " activity " RPID("on-the-phone") " note :On the phone\n= INUSE\n" },
        { "idle, and the tuple for Digium phones", P,
          ASTERISK " <note>Ready</note>\n"
                   " <tuple id=\"201\">\n"
                   "  <status>\n"
                   "   <basic>open</basic>\n"
                   "  </status>\n"
                   "  <contact priority=\"1\">sip:305@pbx.example</contact>\n"
                   " </tuple>\n"
                   " <dm:person />\n"
                   " <tuple id=\"digium-presence\">\n"
                   "  <status>\n"
                   "   <digium_presence type=\"dnd\" subtype=\"lunch\">on &amp; off"
                   "</digium_presence>\n"
                   "  </status>\n"
                   " </tuple>\n" END,
          "tuple 201 open sip:305@pbx.example priority=1\n"
          "tuple digium-presence none\n"
          "person p1\n note :Ready\n= NOT_INUSE\n" },
        { "unavailable", P,
          ASTERISK " <note>Unavailable</note>\n <tuple id=\"201\">\n  <status>\n"
                   "   <basic>closed</basic>\n  </status>\n"
                   "  <contact priority=\"1\">sip:305@pbx.example</contact>\n </tuple>\n"
                   " <dm:person />\n" END,
          "tuple 201 closed sip:305@pbx.example priority=1\nperson p1\n note :Unavailable\n"
          "= UNAVAILABLE\n" },
        { "for the package dialog", "dialog", PIDF,
          ASTERISK " <note>Ready</note>\n <tuple id=\"201\"><status><basic>open</basic></status>"
                   "</tuple>\n" END,
          "tuple 201 open\n note :Ready\n= NOT_INUSE\n" },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

static void test_others(void **state)
{
    static const struct accepted cases[] = {
        { "nothing at all", P, OPEN " entity='pres:a@x'/>", "= UNAVAILABLE\n" },
        { "baresip: unknown is no basic, activities are empty", P,
          PROLOG OPEN "\n"
                      " xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\"\n"
                      " xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"\n"
                      " entity=\"sip:a@192.0.2.3\">\n"
                      "  <dm:person id=\"p4159\"><rpid:activities/></dm:person>\n"
                      "  <tuple id=\"t4109\">\n"
                      "    <status>\n"
                      "      <basic>unknown</basic>\n"
                      "    </status>\n"
                      "    <contact>sip:a@192.0.2.3</contact>\n"
                      "  </tuple>\n" END,
          "tuple t4109 none sip:a@192.0.2.3\nperson p4159\n= UNAVAILABLE\n" },
        { "Linphone", P,
          PROLOG "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:a@x\" "
                 "xmlns:pp=\"urn:ietf:params:xml:ns:pidf:person\" "
                 "xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" "
                 "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\">\n"
                 "<tuple id=\"kx9z2p\"><status><basic>open</basic></status>"
                 "<contact priority=\"0.8\">sip:a@192.0.2.4:5060;transport=tcp</contact>"
                 "<timestamp>2026-03-01T09:12:44Z</timestamp></tuple>"
                 "<dm:person id=\"q0t8aa\"><rpid:activities><rpid:away/>"
                 "<rpid:other>skiing</rpid:other></rpid:activities>"
                 "<dm:timestamp>2026-03-01T09:12:45.25+01:00</dm:timestamp></dm:person>\n" END,
          "tuple kx9z2p open sip:a@192.0.2.4:5060;transport=tcp priority=0.8 "
          "at=2026-03-01T09:12:44Z\n"
          "person q0t8aa at=2026-03-01T09:12:45.25+01:00\n"
          " activity " RPID("away") " activity " R "other  <rpid:other "
                                    "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\">skiing</"
                                    "rpid:other>\n= NOT_INUSE\n" },
        { "person, device, notes, and elements of others", P,
          RICH "<tuple id='a'><status><basic>open</basic><r:x y='1'/></status>"
               "<c:servcaps><c:audio>true</c:audio> <c:video>false</c:video></c:servcaps>"
               "<dm:deviceID>urn:x:1</dm:deviceID>"
               "<contact>sip:a@x</contact><note xml:lang='fr'> absent </note>"
               "<note>away</note></tuple>"
               "<note xml:lang='en'>Hello\nworld</note>"
               "<dm:person id='p'><r:activities><r:note>in a call</r:note><r:busy/>"
               "<z:a xmlns:z='urn:z'/></r:activities><r:mood><r:happy/></r:mood>"
               "<r:note>r</r:note><dm:note>dm</dm:note></dm:person>"
               "<dm:device id='d'><r:user-input idle-threshold='600'>idle</r:user-input>"
               "<dm:deviceID>urn:x:1</dm:deviceID><dm:note>desk</dm:note>"
               "<dm:timestamp>2026-03-01T09:12:44Z</dm:timestamp></dm:device>"
               "<z:b xmlns:z='urn:z' z:c='&lt;'/>" END,
          "tuple a open sip:a@x\n"
          " status <r:x xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" y=\"1\"/>\n"
          " extensions <c:servcaps xmlns:c=\"urn:ietf:params:xml:ns:pidf:caps\"><c:audio>true"
          "</c:audio><c:video>false</c:video></c:servcaps><dm:deviceID "
          "xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\">urn:x:1</dm:deviceID>\n"
          " note fr:absent\n note :away\n"
          "person p\n"
          " activity " R "busy  <r:busy xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n"
          " activity {urn:z}a  <z:a xmlns:z=\"urn:z\"/>\n"
          " element " R "mood  <r:mood xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"><r:happy/>"
          "</r:mood>\n note :in a call\n note :r\n note :dm\n"
          "device d urn:x:1 at=2026-03-01T09:12:44Z\n"
          " element " R "user-input  <r:user-input "
          "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" idle-threshold=\"600\">idle"
          "</r:user-input>\n note :desk\n"
          " note en:Hello\nworld\n"
          " extensions <z:b xmlns:z=\"urn:z\" z:c=\"&lt;\"/>\n= INUSE\n" },
        { "a language holds for what is inside", P,
          OPEN " xml:lang='de'><note>a</note><note xml:lang=''>b</note>" END,
          " note de:a\n note :b\n= UNAVAILABLE\n" },
        { "ids are given, and none that is there already", P,
          RICH "<tuple id='t1'/><tuple/><tuple id=' "
               "'/><dm:person/><dm:device><dm:deviceID>urn:x:1</dm:deviceID></dm:device>"
               "<dm:person id='p4'/>" END,
          "tuple t1 none\ntuple t2 none\ntuple t3 none\nperson p5\nperson p4\ndevice d6 urn:x:1\n"
          "= UNAVAILABLE\n" },
        { "other prefixes", P,
          "<p:presence xmlns:p='urn:ietf:params:xml:ns:pidf' "
          "xmlns='urn:ietf:params:xml:ns:pidf:data-model' entity='a'>"
          "<p:tuple id='a'><p:status><p:basic> OPEN\n</p:basic></p:status></p:tuple>"
          "<person id='x'><activities xmlns='urn:ietf:params:xml:ns:pidf:rpid'><busy/>"
          "</activities></person></p:presence>",
          "tuple a open\nperson x\n activity " R
          "busy  <busy xmlns=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n= INUSE\n" },
        { "a draft's activities, as words", P,
          OPEN " xmlns:es='urn:ietf:params:xml:ns:pidf:status:rpid-status' "
               "xmlns:et='urn:ietf:params:xml:ns:pidf:rpid-tuple' "
               "xmlns:ci='urn:ietf:params:xml:ns:pidf:cipid' entity='sip:a@gw'>"
               "<tuple id='x'><status><basic>open</basic><es:activities>"
               "<es:activity>on-the-phone</es:activity></es:activities></status>"
               "<et:class>auth</et:class><et:contact-type>device</et:contact-type>"
               "<contact priority='0.8'>sip:a@gw</contact>"
               "<ci:homepage>http://x/</ci:homepage></tuple>" END,
          "tuple x open sip:a@gw priority=0.8\n"
          " extensions <ci:homepage xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\">http://x/"
          "</ci:homepage>\nperson p1\n activity " RPID("on-the-phone") "= INUSE\n" },
        { "a later draft's, as elements; and a word that is none", P,
          RICH "<tuple id='x'><status><basic>open</basic>"
               "<activities xmlns='urn:ietf:params:xml:ns:pidf:status:rpid-status'>"
               "<note>n</note><meeting/><activity>fly fishing</activity></activities></status>"
               "</tuple><dm:person id='p1'/>" END,
          "tuple x open\nperson p1\nperson p2\n activity " RPID("meeting") " activity " RPID(
              "other") "= NOT_INUSE\n" },
        { "what holds for a time is kept apart, with its times", P,
          RICH "<dm:person id='p'><r:activities><r:away/></r:activities>"
               "<r:activities from='1970-01-01T01:00:01+01:00' until='1970-01-01T00:00:02.5'>"
               "<r:note>lunch</r:note><r:busy/></r:activities>"
               "<r:mood until='1970-01-01T00:00:03Z'><r:sad/></r:mood>"
               "<z:from xmlns:z='urn:z' from='never'/></dm:person>"
               "<tuple id='a'><status><basic>open</basic></status>"
               "<r:privacy from='2026-01-01T00:00:00Z'/></tuple>" END,
          "tuple a open\n extensions <r:privacy xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" "
          "from=\"2026-01-01T00:00:00Z\"/>\n"
          "person p\n activity " R "away  <r:away xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n"
          " element {urn:z}from  <z:from xmlns:z=\"urn:z\" from=\"never\"/>\n"
          " during 1000-2500 of 0 note :lunch\n"
          " during 1000-2500 of 0 activity " R
          "busy  <r:busy xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n"
          " during -3000 of 0 element " R "mood  <r:mood "
          "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" until=\"1970-01-01T00:00:03Z\"><r:sad/>"
          "</r:mood>\n= NOT_INUSE\n" },
        { "before 1970: it is over, or has begun", P,
          RICH
          "<dm:person id='p'><r:activities until='1969-12-31T23:59:59Z'><r:busy/>"
          "</r:activities><r:mood from='1960-01-01T00:00:00Z'><r:sad/></r:mood></dm:person>" END,
          "person p\n element " R "mood  <r:mood xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" "
          "from=\"1960-01-01T00:00:00Z\"><r:sad/></r:mood>\n during -0 of 0 activity " R
          "busy  <r:busy xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n= UNAVAILABLE\n" },
        { "activities described, a lunch, and words beside them", P,
          RICH "<dm:person id='p'><r:activities><r:away>at the dentist</r:away>away<r:lunch/>"
               "</r:activities></dm:person>" END,
          "person p\n activity " R "away  <r:away xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n"
          " activity " R "meal  <r:meal xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n"
          "= UNAVAILABLE\n" },
        { "words of RFC 4480's and RFC 5264's examples", P,
          RICH "<tuple id='a'><r:relationship>assistant</r:relationship></tuple>"
               "<dm:person id='p'><r:sphere>bowling league</r:sphere></dm:person>" END,
          "tuple a none\nperson p\n= UNAVAILABLE\n" },
        { "what two persons are for a time", P,
          RICH "<dm:person id='o'><r:activities until='1970-01-01T00:00:01Z'><r:busy/>"
               "</r:activities></dm:person>"
               "<dm:person id='p'><r:activities until='1970-01-01T00:00:02Z'><r:busy/>"
               "</r:activities></dm:person>" END,
          "person o\nperson p\n during -1000 of 0 activity " R
          "busy  <r:busy xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n"
          " during -2000 of 1 activity " R
          "busy  <r:busy xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n= UNAVAILABLE\n" },
        { "priorities with more decimals than can be told on, times without a zone", P,
          OPEN "><tuple id='b'><timestamp>2026-03-01T09:12:44</timestamp></tuple>"
               "<tuple id='c'><contact priority='0.80000'/></tuple>"
               "<tuple id='d'><contact priority=' 1.000 '/></tuple>" END,
          "tuple b none at=2026-03-01T09:12:44\n"
          "tuple c none priority=0.800\ntuple d none priority=1.000\n= UNAVAILABLE\n" },
        { "a whole document of the type for diffs", "presence", DIFF,
          PROLOG "<p:pidf-full xmlns=\"urn:ietf:params:xml:ns:pidf\" "
                 "xmlns:p=\"urn:ietf:params:xml:ns:pidf-diff\" entity=\"pres:a@x\" "
                 "version=\"567\">\n <tuple id=\"a\"><status><basic>open</basic></status></tuple>\n"
                 "</p:pidf-full>\n",
          "tuple a open\n= NOT_INUSE\n" },
        { "the same with the other root", "presence", DIFF,
          OPEN "><tuple id='a'><status><basic>open</basic></status></tuple>" END,
          "tuple a open\n= NOT_INUSE\n" },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

#define ATOM(status, substatus)                                                     \
    PROLOG "<presence>\n"                                                           \
           " <presentity uri=\"sip:201@pbx.example;method=SUBSCRIBE\" />\n"         \
           " <atom atomid=\"k3jf0s\" id=\"201\">\n"                                 \
           "  <address uri=\"sip:305@pbx.example;user=ip\" priority=\"0.80000\">\n" \
           "   <status status=\"" status "\" />\n"                                  \
           "   <msnsubstatus substatus=\"" substatus "\" />\n"                      \
           "  </address>\n </atom>\n</presence>\n"
#define IN_ADDRESS(x) "<presence><atom id='1'><address>" x "</address></atom></presence>"
#define TUPLE(basic) "tuple 201 " basic " sip:305@pbx.example priority=0.800\n"

static void test_xpidf(void **state)
{
    static const struct accepted cases[] = {
        { "idle", "presence", XPIDF, ATOM("open", "online"), TUPLE("open") "= NOT_INUSE\n" },
        { "in use", "presence", CPIM, ATOM("inuse", "onthephone"),
          TUPLE("open") "person person\n activity " RPID("on-the-phone") "= INUSE\n" },
        { "unavailable", "dialog", XPIDF, ATOM("closed", "offline"),
          TUPLE("closed") "= UNAVAILABLE\n" },
        { "in use without a substatus", "dialog", CPIM,
          "<presence><atom id='1'><address uri='sip:1@x'><status status='inuse'/></address></atom>"
          "<atom atomid='2'><address><status status='open'/><msnsubstatus substatus='away'/>"
          "</address></atom></presence>",
          "tuple 1 open sip:1@x\ntuple 2 open\nperson person\n activity " RPID(
              "on-the-phone") " activity " RPID("away") "= INUSE\n" },
        { "all of the draft", "presence", XPIDF,
          "<presence><display name='Joe'/><presentity uri='sip:joe@x'>Joe</presentity>"
          "<atom atomid='a' expires='2000000000'><postal>Main St</postal>"
          "<address uri='sip:joe@y' priority='0.5'><status status='Closed'/><class "
          "class='personal'/>"
          "<duplex duplex='full'/><feature feature='voicemail'/><mobility mobility='fixed'/>"
          "<note>at home</note><x:more xmlns:x='urn:x'/></address>"
          "<address uri='mailto:joe@z'><status status='open'/></address></atom></presence>",
          "tuple a closed sip:joe@y priority=0.5\ntuple a open mailto:joe@z\n= NOT_INUSE\n" },
        { "PIDF under its name", "presence", CPIM,
          OPEN "><tuple id='a'><status><basic>open</basic></status></tuple>" END,
          "tuple a open\n= NOT_INUSE\n" },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

static void test_refused(void **state)
{
    static const struct refused cases[] = {
        { "no namespace", P, "<presence/>", INBOUND_MALFORMED,
          "line 1, presence: is not a root element for this type; its namespace is ''" },
        { "pidf-full where it does not belong", P,
          "<pidf-full xmlns='urn:ietf:params:xml:ns:pidf-diff'/>", INBOUND_MALFORMED,
          "line 1, pidf-full: is not a root element for this type; its namespace is "
          "'urn:ietf:params:xml:ns:pidf-diff'" },
        { "a diff by itself", "presence", DIFF,
          "\n<pidf-diff xmlns='urn:ietf:params:xml:ns:pidf-diff'/>", INBOUND_MALFORMED,
          "line 2, pidf-diff: changes a document that was never published" },
        { "a diff for dialogs", "dialog", DIFF, OPEN "/>", INBOUND_WRONG_TYPE,
          "not a type, or not a charset, for this package: 'application/pidf-diff+xml'" },
        { "no atom", "presence", XPIDF, "<presence><presentity/></presence>", INBOUND_MALFORMED,
          "line 1, presence: no atom" },
        { "an atom without id", "presence", XPIDF, "<presence><atom><address/></atom></presence>",
          INBOUND_MALFORMED, "line 1, atom: no id" },
        { "an atom without address", "presence", XPIDF, "<presence><atom id='1'/></presence>",
          INBOUND_MALFORMED, "line 1, atom: no address" },
        { "a status that XPIDF has not", "presence", XPIDF, ATOM("maybe", "online"),
          INBOUND_MALFORMED, "line 6, status: none of its words: 'maybe'" },
        { "a substatus that it has not", "presence", XPIDF, ATOM("open", "sleepy"),
          INBOUND_MALFORMED, "line 7, msnsubstatus: none of its words: 'sleepy'" },
        { "a status that says nothing", "presence", CPIM, IN_ADDRESS("<status/>"),
          INBOUND_MALFORMED, "line 1, status: must have the attribute 'status'" },
        { "a second status", "presence", XPIDF,
          IN_ADDRESS("<status status='open'/><status status='closed'/>"), INBOUND_MALFORMED,
          "line 1, status: may be there once in 'address'" },
        { "words in an address", "presence", XPIDF, IN_ADDRESS("open"), INBOUND_MALFORMED,
          "line 1, address: may not have text: 'open'" },
        { "an element that an address has not", "presence", XPIDF, IN_ADDRESS("<basic/>"),
          INBOUND_MALFORMED, "line 1, basic: may not stand in 'address'" },
        { "one that the root has not", "dialog", XPIDF, "<presence><tuple/></presence>",
          INBOUND_MALFORMED, "line 1, tuple: may not stand in 'presence'" },
        { "an attribute that an atom has not", "presence", XPIDF,
          "<presence><atom id='1' version='1'><address/></atom></presence>", INBOUND_MALFORMED,
          "line 1, atom: may not have the attribute 'version'" },
        { "an atom until no time", "presence", XPIDF,
          "<presence><atom id='1' expires='soon'><address/></atom></presence>", INBOUND_MALFORMED,
          "line 1, atom: not a number: 'soon'" },
        { "an element that does not end", P, OPEN "><tuple></presence>", INBOUND_MALFORMED, NULL },
        { "two roots", P, OPEN "/>" OPEN "/>", INBOUND_MALFORMED, NULL },
        { "a prefix that nobody declared", P, OPEN "><dm:person/></presence>", INBOUND_MALFORMED,
          "line 1: Namespace prefix dm on person is not defined" },
        { "an attribute twice", P, OPEN " a='1' a='2'/>", INBOUND_MALFORMED,
          "line 1: Attribute a redefined" },
        { "activities until no time", P,
          RICH "<dm:person><r:activities until='tomorrow'><r:busy/></r:activities></dm:person>" END,
          INBOUND_MALFORMED, "line 1, activities: not a date and time: 'tomorrow'" },
        { "a mood from no time", P,
          RICH "<dm:person><r:mood from=''><r:sad/></r:mood></dm:person>" END, INBOUND_MALFORMED,
          "line 1, mood: not a date and time: ''" },
        { "a tuple's privacy until no day", P,
          RICH "<tuple><r:privacy until='2026-02-30T00:00:00Z'/></tuple>" END, INBOUND_MALFORMED,
          "line 1, privacy: not a date and time: '2026-02-30T00:00:00Z'" },
        { "words beside the tuples", P, RICH "\ntext" END, INBOUND_MALFORMED,
          "line 1, presence: may not have text: 'text'" },
        { "an element of its own that it has not", P, RICH "\n<bogus/>" END, INBOUND_MALFORMED,
          "line 2, bogus: may not stand in 'presence'" },
        { "an element without a namespace", P, RICH "\n<bar xmlns=''/>" END, INBOUND_MALFORMED,
          "line 2, bar: may not stand in 'presence'" },
        { "one in a status", P, RICH "\n<tuple><status><foo/></status></tuple>" END,
          INBOUND_MALFORMED, "line 2, foo: may not stand in 'status'" },
        { "one in a tuple", P, RICH "\n<tuple><bar xmlns=''/></tuple>" END, INBOUND_MALFORMED,
          "line 2, bar: may not stand in 'tuple'" },
        { "an element of others in a note", P, RICH "\n<note><z:b xmlns:z='urn:z'/></note>" END,
          INBOUND_MALFORMED, "line 2, b: may not stand in 'note'" },
        { "a basic", P, RICH "\n<tuple><status><basic>perhaps</basic></status></tuple>" END,
          INBOUND_MALFORMED, "line 2, basic: neither open nor closed but 'perhaps'" },
        { "two of them", P,
          RICH "\n<tuple><status><basic>open</basic><basic>open</basic></status></tuple>" END,
          INBOUND_MALFORMED, "line 2, basic: may be there once in 'status'" },
        { "a priority", P, RICH "\n<tuple><contact priority='high'>sip:a@x</contact></tuple>" END,
          INBOUND_MALFORMED, "line 2, contact: not a priority from 0 to 1: 'high'" },
        { "a priority over 1", P,
          RICH "\n<tuple><contact priority='1.5'>sip:a@x</contact></tuple>" END, INBOUND_MALFORMED,
          "line 2, contact: not a priority from 0 to 1: '1.5'" },
        { "a timestamp", P, RICH "\n<tuple><timestamp>yesterday</timestamp></tuple>" END,
          INBOUND_MALFORMED, "line 2, timestamp: not a date and time: 'yesterday'" },
        { "a timestamp with a blank", P,
          RICH "\n<tuple><timestamp>2026-03-01 09:12:44Z</timestamp></tuple>" END,
          INBOUND_MALFORMED, "line 2, timestamp: not a date and time: '2026-03-01 09:12:44Z'" },
        { "a zone of hours", P,
          RICH "\n<tuple><timestamp>2026-03-01T09:12:44+01</timestamp></tuple>" END,
          INBOUND_MALFORMED, "line 2, timestamp: not a date and time: '2026-03-01T09:12:44+01'" },
        { "an attribute of a tuple", P, RICH "\n<tuple id='a' mine='1'/>" END, INBOUND_MALFORMED,
          "line 2, tuple: may not have the attribute 'mine'" },
        { "twice the same id", P, RICH "\n<tuple id='a'/><tuple id=' a '/>" END, INBOUND_MALFORMED,
          "line 2, tuple: has the id of another: 'a'" },
        { "the id of a tuple", P, RICH "\n<tuple id='a'/><dm:person id='a'/>" END,
          INBOUND_MALFORMED, "line 2, person: has the id of another: 'a'" },
        { "an activity that RPID has not", P,
          RICH "\n<dm:person><r:activities><r:bogus/></r:activities></dm:person>" END,
          INBOUND_MALFORMED, "line 2, bogus: may not stand in 'activities'" },
        { "an activity with something in it", P,
          RICH "\n<dm:person><r:activities><r:busy><r:x/></r:busy></r:activities></dm:person>" END,
          INBOUND_MALFORMED, "line 2, x: may not stand in 'busy'" },
        { "unknown, and busy", P,
          RICH "\n<dm:person><r:activities><r:unknown/><r:busy/></r:activities></dm:person>" END,
          INBOUND_MALFORMED, "line 2, unknown: may not stand beside 'busy'" },
        { "a mood that RPID has not", P,
          RICH "\n<dm:person><r:mood><r:fine/></r:mood></dm:person>" END, INBOUND_MALFORMED,
          "line 2, fine: may not stand in 'mood'" },
        { "at home and at work", P,
          RICH "\n<dm:person><r:sphere><r:home/><r:work/></r:sphere></dm:person>" END,
          INBOUND_MALFORMED, "line 2, home: may not stand beside 'work'" },
        { "a place that is loud and quiet", P,
          RICH "\n<dm:person><r:place-is><r:audio><r:noisy/><r:quiet/></r:audio></r:place-is></"
               "dm:person>" END,
          INBOUND_MALFORMED, "line 2, noisy: may not stand beside 'quiet'" },
        { "an element of a person", P, RICH "\n<dm:person><dm:bogus/></dm:person>" END,
          INBOUND_MALFORMED, "line 2, bogus: may not stand in 'person'" },
        { "a person's timestamp, of another namespace", P,
          RICH "\n<dm:person><timestamp>now</timestamp></dm:person>" END, INBOUND_MALFORMED,
          "line 2, timestamp: not a date and time: 'now'" },
        { "a device without its name", P, RICH "\n<dm:device id='d'/>" END, INBOUND_MALFORMED,
          "line 2, device: must have the element 'deviceID'" },
        { "a device's user input", P,
          RICH "\n<dm:device><dm:deviceID>urn:x</dm:deviceID><r:user-input>asleep</r:user-input></"
               "dm:device>" END,
          INBOUND_MALFORMED, "line 2, user-input: none of its words: 'asleep'" },
        { "a threshold", P,
          RICH "\n<tuple><r:user-input idle-threshold='long'>idle</r:user-input></tuple>" END,
          INBOUND_MALFORMED, "line 2, user-input: not a number: 'long'" },
        { "a time offset with two signs", P,
          RICH "\n<tuple><r:time-offset>-+5</r:time-offset></tuple>" END, INBOUND_MALFORMED,
          "line 2, time-offset: not a number: '-+5'" },
        { "a time offset", P, RICH "\n<tuple><r:time-offset>+1h</r:time-offset></tuple>" END,
          INBOUND_MALFORMED, "line 2, time-offset: not a number: '+1h'" },
        { "a mood within another's element", P,
          RICH "\n<z:a xmlns:z='urn:z'><z:b><r:mood><r:fine/></r:mood></z:b></z:a>" END,
          INBOUND_MALFORMED, "line 2, fine: may not stand in 'mood'" },
        { "the relationship of two", P,
          RICH "\n<tuple><r:relationship><r:friend/><r:self/></r:relationship></tuple>" END,
          INBOUND_MALFORMED, "line 2, friend: may not stand beside 'self'" },
        { "an attribute twice, by namespaces", P,
          OPEN " xmlns:a='urn:x' xmlns:b='urn:x' a:z='1' b:z='2'/>", INBOUND_MALFORMED, NULL },
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
        cmocka_unit_test(test_xpidf),
        cmocka_unit_test(test_refused),
    };

    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
