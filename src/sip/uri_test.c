// SPDX-License-Identifier: MIT
#include "sip/sip_test.h"

#define LONG_LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
#define HOST_256 LONG_LABEL LONG_LABEL LONG_LABEL LONG_LABEL

static const struct {
    const char *text;
    const char *scheme, *user, *password, *host;
    uint16_t port;
    const char *params, *headers;
    bool sip, ipv6;
} good_uris[] = {
    { "sip:example.com", "sip", "", "", "example.com", 0, "", "", true, false },
    { "sip:100@example.com", "sip", "100", "", "example.com", 0, "", "", true, false },
    { "SIPS:100:pw@example.com:5061;transport=tcp;lr?Subject=x&a=b", "SIPS", "100", "pw",
      "example.com", 5061, ";transport=tcp;lr", "?Subject=x&a=b", true, false },
    { "sip:[2001:db8::1]", "sip", "", "", "2001:db8::1", 0, "", "", true, true },
    { "sip:a@[2001:db8::1]:5062;lr", "sip", "a", "", "2001:db8::1", 5062, ";lr", "", true, true },
    { "sip:a@[2001:db8:::192.0.2.1]", "sip", "a", "", "2001:db8:::192.0.2.1", 0, "", "", true,
      true },
    { "sip:a@192.0.2.1:65535", "sip", "a", "", "192.0.2.1", 65535, "", "", true, false },
    { "sip:a@h:05060", "sip", "a", "", "h", 5060, "", "", true, false },
    { "sip:user;par=u%40example.net@example.com", "sip", "user;par=u%40example.net", "",
      "example.com", 0, "", "", true, false },
    { "sip:who?/me,=&$+@example.com", "sip", "who?/me,=&$+", "", "example.com", 0, "", "", true,
      false },
    { "sip:*21*30#@pbx_1.lan", "sip", "*21*30#", "", "pbx_1.lan", 0, "", "", true, false },
    { "sip:a:@h", "sip", "a", "", "h", 0, "", "", true, false },
    { "sip:@h", "sip", "", "", "h", 0, "", "", true, false },
    { "sip:h.", "sip", "", "", "h.", 0, "", "", true, false },
    { "sip:h;a=;b", "sip", "", "", "h", 0, ";a=;b", "", true, false },
    { "sip:h;x=[]/:&+$%20", "sip", "", "", "h", 0, ";x=[]/:&+$%20", "", true, false },
    { "sip:h?a=%0d%0a", "sip", "", "", "h", 0, "", "?a=%0d%0a", true, false },
    { "sip:\xc3\xa4@h", "sip", "\xc3\xa4", "", "h", 0, "", "", true, false },
    { "tel:+358-555;phone-context=a?x=y", "tel", "+358-555", "", "", 0, ";phone-context=a", "?x=y",
      false, false },
    { "http://www.example.com/a;b?c;d", "http", "//www.example.com/a", "", "", 0, ";b", "?c;d",
      false, false },
    { "urn:service:sos", "urn", "service:sos", "", "", 0, "", "", false, false },
    { "soap.beep://192.0.2.103:3002", "soap.beep", "//192.0.2.103:3002", "", "", 0, "", "", false,
      false },
    { "sipx:a@b@c", "sipx", "a@b@c", "", "", 0, "", "", false, false },
};

static void test_uris(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good_uris); i++) {
        const char *row = good_uris[i].text;
        struct sip_uri u;
        struct buf b;

        if (sip_uri_parse(&u, str_of(row)))
            fail_msg("%s: refused", row);
        assert_text(row, u.scheme, good_uris[i].scheme);
        assert_text(row, u.user, good_uris[i].user);
        assert_text(row, u.password, good_uris[i].password);
        assert_text(row, u.host, good_uris[i].host);
        assert_text(row, u.params, good_uris[i].params);
        assert_text(row, u.headers, good_uris[i].headers);
        assert_number(row, u.port, good_uris[i].port);
        assert_number(row, u.sip, good_uris[i].sip);
        assert_number(row, u.host_ipv6, good_uris[i].ipv6);
        assert_number(row, u.secure, u.scheme.n == 4 && u.sip);

        buf_init(&b, 1000);
        sip_uri_print(&b, &u);
        if (!strchr(row, '@') || (u.user.n && !strstr(row, ":@") && u.port != 5060))
            assert_text(row, buf_str(&b), row);
        buf_fini(&b);
    }
}

static void test_bad_uris(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        "sip",
        "sip:",
        "sips:",
        "1sip:a",
        "s p:a",
        ":a",
        "tel:",
        "a%:b",
        "<sip:a@b>",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@c",
        "sip:a@b c",
        " sip:a@b",
        "sip:a@b ",
        "sip:a\r\n b@c",
        "sip:a\001@b",
        "sip:a@b\177",
        "sip:a@b:",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@b:123456",
        "sip:a@b:-1",
        "sip:a@b:5060x",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[]",
        "sip:[::1]x",
        "sip:[1:2]",
        "sip:[2001:db8::zz]",
        "sip:[fe80::1%25eth0]",
        "sip:[0000:0000:0000:0000:0000:0000:0000:0000:0000:00000]",
        "sip:a:b:c@d",
        "sip::b@c",
        "sip::@c",
        "sip:a%4@b",
        "sip:a%zz@b",
        "sip:a@b%41",
        "sip:a@b;",
        "sip:a@b;;lr",
        "sip:a@b;=x",
        "sip:a@b;x=y z",
        "sip:a@b;x=%4",
        "sip:a@b?",
        "sip:a@b?x=y z",
        "sip:a@b?x=%",
        "sip:a@b;x=\"y\"",
        "sip:a@.b",
        "sip:a@-b",
        "sip:" HOST_256,
        "sip:a@b,sip:c@d",
        "sip:\"a\"@b",
        "tel:+1 2",
        "tel:<1>",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sip_uri u = { .port = 7 };

        if (sip_uri_parse(&u, str_of(bad[i])) != -EBADMSG)
            fail_msg("%s: taken", bad[i]);
        assert_number(bad[i], u.port, 7);
    }
}

static void test_uri_users(void **state)
{
    static const struct {
        const char *user, *decoded;
    } decoded[] = {
        { "alice", "alice" },
        { "%61lice", "alice" },
        { "a%2520b", "a%20b" },
        { "%C3%a4", "\xc3\xa4" },
        { "", "" },
        { "%", "%" },
        { "%4", "%4" },
        { "%zz%41", "%zzA" },
    };
    static const struct {
        const char *uri, *user, *printed;
    } replaced[] = {
        { "sip:100:pw@h:5061;lr?a=b", "200", "sip:200:pw@h:5061;lr?a=b" },
        { "sip:[2001:db8::1]:5060", "a b%", "sip:a%20b%25@[2001:db8::1]:5060" },
        { "sip:100:pw@h", "", "sip:h" },
        { "sips:100@h", "*21#;x=y", "sips:*21%23;x=y@h" },
        { "sip:h", "\xc3\xa4@", "sip:%C3%A4%40@h" },
        { "tel:100;x=y", "200", "tel:200;x=y" },
    };
    char storage[100];
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(decoded); i++) {
        buf_init_on(&b, storage, sizeof(storage));
        sip_uri_user_decode(&b, str_of(decoded[i].user));
        assert_text(decoded[i].user, buf_str(&b), decoded[i].decoded);
    }
    buf_init_on(&b, storage, 3);
    sip_uri_user_decode(&b, STR("abcd"));
    assert_int_equal(b.error, -EMSGSIZE);
    for (size_t i = 0; i < ARRAY_LEN(replaced); i++) {
        struct sip_uri u;

        assert_int_equal(sip_uri_parse(&u, str_of(replaced[i].uri)), 0);
        buf_init_on(&b, storage, sizeof(storage));
        sip_uri_print_with_user(&b, &u, str_of(replaced[i].user));
        assert_text(replaced[i].uri, buf_str(&b), replaced[i].printed);
    }
}

/* What anybody may write becomes a user part, and one that is one stays as it is. */
static void test_user_texts(void **state)
{
    static const struct {
        const char *text, *printed;
    } rows[] = {
        { "", "" },
        { "alice", "alice" },
        { "*98", "*98" },
        { "a;b?c/d,e", "a;b?c/d,e" },
        { "a b", "a%20b" },
        { "a%20b", "a%20b" },
        { "%zz%41%", "%25zz%41%25" },
        { "%%41%4", "%25%41%254" },
        { "<\"a@b\">:#\t", "%3C%22a%40b%22%3E%3A%23%09" },
        { "\xc3\xa4\x7f", "%C3%A4%7F" },
    };
    static const struct {
        const char *a, *b;
        bool equal;
    } pairs[] = {
        { "alice", "alice", true },   { "alice", "Alice", false },    { "a%20b", "a%20b", true },
        { "%61lice", "alice", true }, { "%c3%a4", "\xc3\xa4", true }, { "a%3bb", "a;b", false },
    };
    char storage[100];
    struct sip_uri u;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_init_on(&b, storage, sizeof(storage));
        buf_add(&b, STR("sip:"));
        sip_user_print(&b, str_of(rows[i].text));
        assert_text(rows[i].text, str_sub(buf_str(&b), 4, b.n), rows[i].printed);
        buf_add(&b, rows[i].printed[0] ? STR("@h") : STR("h"));
        assert_int_equal(sip_uri_parse(&u, buf_str(&b)), 0);
        assert_text(rows[i].text, u.user, rows[i].printed);
    }
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        assert_int_equal(sip_user_equal(str_of(pairs[i].a), str_of(pairs[i].b)), pairs[i].equal);
}

static void test_hosts(void **state)
{
    static const char *const rows[][2] = { { "h.example", "h.example" },
                                           { "192.0.2.1", "192.0.2.1" },
                                           { "2001:db8::1", "[2001:db8::1]" } };
    char storage[32];
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_init_on(&b, storage, sizeof(storage));
        sip_host_print(&b, str_of(rows[i][0]));
        assert_text(rows[i][0], buf_str(&b), rows[i][1]);
    }
}

static void test_params(void **state)
{
    static const struct {
        const char *params, *name, *value; /* value NULL: not there */
    } rows[] = {
        { ";a=1;b;c=3", "a", "1" },
        { ";a=1;b;c=3", "B", "" },
        { ";a=1;b;c=3", "c", "3" },
        { ";a=1;b;c=3", "d", NULL },
        { ";tag=x;TAG=y", "Tag", "x" },
        { " ; a\r\n = \t1 ; b = 2", "b", "2" },
        { ";a=\"x;b=2\";b=3", "b", "3" },
        { ";a=\"x\\\";b=2\";b=3", "a", "\"x\\\";b=2\"" },
        { ";a=", "a", "" },
        { ";rport=;branch=1", "branch", "1" },
        { ";x/y=1;lr", "lr", "" },
        { ";received=2001:db8::9:255", "received", "2001:db8::9:255" },
        { ";a=b=c", "a", "b=c" },
        { ";a=\"open;b=1", "b", NULL },
        { ";;b=1", "b", NULL },
        { "b=1", "b", NULL },
        { "", "b", NULL },
    };
    struct str value = STR("untouched");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool found = sip_param_find(str_of(rows[i].params), str_of(rows[i].name), &value);

        assert_number(rows[i].params, found, rows[i].value != NULL);
        if (found)
            assert_text(rows[i].params, value, rows[i].value);
    }
    assert_true(sip_param_find(STR(";lr"), STR("lr"), NULL));
    assert_false(sip_param_find(STR_EMPTY, STR("lr"), NULL));
}

#define FOURTEEN ";1;2;3;4;5;6;7;8;9;10;11;12;13;14"
#define MANY FOURTEEN ";15;16;17"

static struct sip_uri_key key_of(struct str text)
{
    struct sip_uri_key key;
    struct sip_uri uri;

    assert_int_equal(sip_uri_parse(&uri, text), 0);
    sip_uri_key_init(&key, &uri);
    return key;
}

static void test_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        /* The examples of RFC 3261 section 19.1.4. */
        { "sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true },
        { "sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true },
        { "sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true },
        { "sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true },
        { "sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false },
        { "SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false },
        { "sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false },
        { "sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false },
        { "sip:bob@biloxi.com;transport=udp", "sip:bob@biloxi.com:6000;transport=tcp", false },
        { "sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false },
        { "sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false },
        /* And others. */
        { "sip:a@h", "sips:a@h", false },
        { "sip:a@h", "sip:b@h", false },
        { "sip:a@h", "sip:aa@h", false },
        { "sip:h", "sip:a@h", false },
        { "sip:a:pw@h", "sip:a@h", false },
        { "sip:a%3bb@h", "sip:a;b@h", false },
        { "sip:a%3bb@h", "sip:a%3Bb@h", true },
        { "sip:a@[2001:db8::A]", "sip:a@[2001:db8::a]", true },
        { "sip:a@h;lr", "sip:a@h", true },
        { "sip:a@h;maddr=x", "sip:a@h", false },
        { "sip:a@h", "sip:a@h;user=phone", false },
        { "sip:a@h;x=%61", "sip:a@h;x=A", true },
        { "sip:a@h;%78=1", "sip:a@h;X=2", false },
        { "sip:a@h;x=1;y=2;z", "sip:a@h;z;y=2;w;x=1", true },
        { "sip:a@h;x=1;y=2;z", "sip:a@h;z;y=3;w;x=1", false },
        { "sip:a@h;transport=tcp;x", "sip:a@h;y;transport=TCP", true },
        { "sip:a@h?b=%31", "sip:a@h?B=1", true },
        { "sip:a%25;b@h", "sip:a%3bb@h", false },
        { "sip:a%2525@h", "sip:a%25@h", false },
        { "sip:a%00@h", "sip:a@h", false },
        { "sip:a@1.2.3.4", "sip:a@[1::2]", false },
        /* One of which is there twice, and too many, when they are written alike. */
        { "sip:a@h;x=1;x=2", "sip:a@h;x=1;x=2", true },
        { "sip:a@h;x=1;x=2", "sip:a@h;x=2;x=1", false },
        { "sip:a@h;x=1;x=2", "sip:a@h;x=1", false },
        { "sip:A@h" MANY, "SIP:A@H" MANY, true },
        { "sip:a@h" MANY, "sip:a@h;b" MANY, false },
        { "sip:a@h" MANY, "sip:a@h", false },
        { "sip:a@h;b;c" FOURTEEN, "sip:a@h" FOURTEEN ";c", true },
        { "sip:a@h;b;c" FOURTEEN, "sip:a@h" FOURTEEN ";maddr=c", false },
        { "tel:1", "tel:1", true },
        { "tel:1", "TEL:1", true },
        { "tel:1", "tel:1;x=y", false },
        { "tel:1", "sip:1", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sip_uri_key a = key_of(str_of(rows[i].a)), b = key_of(str_of(rows[i].b));

        assert_number(rows[i].a, sip_uri_keys_equal(&a, &a), true);
        assert_number(rows[i].a, sip_uri_keys_equal(&a, &b), rows[i].equal);
        assert_number(rows[i].b, sip_uri_keys_equal(&b, &a), rows[i].equal);
    }
}

/* Longer parts are compared, too, as they are written. */
static void test_equal_long(void **state)
{
    static const struct {
        const char *begins;
        int user, value; /* as many digits */
        bool equal;
    } rows[] = { { "00", 2000, 2000, true },
                 { "00", 2001, 2000, false },
                 { "00", 2000, 2001, false },
                 { "0%30", 2000, 2000, false } };
    struct sip_uri_key first = { 0 }, key;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_reset(&b);
        buf_printf(&b, "sip:%s%0*d@h;x=%0*d", rows[i].begins, rows[i].user, 1, rows[i].value, 2);
        key = key_of(buf_str(&b));
        if (i == 0)
            first = key;
        assert_int_equal(sip_uri_keys_equal(&first, &key), rows[i].equal);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uris),      cmocka_unit_test(test_bad_uris),
        cmocka_unit_test(test_uri_users), cmocka_unit_test(test_user_texts),
        cmocka_unit_test(test_hosts),     cmocka_unit_test(test_params),
        cmocka_unit_test(test_equal),     cmocka_unit_test(test_equal_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
