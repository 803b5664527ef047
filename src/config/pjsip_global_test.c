// SPDX-License-Identifier: MIT
/* pjsip.conf: every option of global and system that we know. What those that have an effect do is
 * tested where they do it. */
#include "config/settings_testing.h"

/* ---- a setting as text ---- */

enum field_type { NUMBER, YES_NO, TEXT, ORDER };

static const struct field {
    const char *option;
    enum field_type type;
    size_t at;
} fields[] = {
    { "max_forwards", NUMBER, offsetof(struct global_settings, max_forwards) },
    { "user_agent", TEXT, offsetof(struct global_settings, user_agent) },
    { "endpoint_identifier_order", ORDER, offsetof(struct global_settings, identifier_order) },
    { "disable_multi_domain", YES_NO, offsetof(struct global_settings, disable_multi_domain) },
    { "ignore_uri_user_options", YES_NO,
      offsetof(struct global_settings, ignore_uri_user_options) },
    { "mwi_disable_initial_unsolicited", YES_NO,
      offsetof(struct global_settings, mwi_disable_initial_unsolicited) },
    { "timer_t1", NUMBER, offsetof(struct global_settings, timer_t1_ms) },
    { "timer_b", NUMBER, offsetof(struct global_settings, timer_b_ms) },
    { "compact_headers", YES_NO, offsetof(struct global_settings, compact_headers) },
    { "disable_rport", YES_NO, offsetof(struct global_settings, disable_rport) },
};

static void print_order(struct buf *out, const unsigned *order)
{
    static const struct {
        unsigned bit;
        char letter;
    } names[] = { { IDENTIFY_USERNAME, 'u' },    { IDENTIFY_AUTH_USERNAME, 'a' },
                  { IDENTIFY_IP, 'i' },          { IDENTIFY_HEADER, 'h' },
                  { IDENTIFY_REQUEST_URI, 'r' }, { IDENTIFY_ANONYMOUS, 'n' } };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            if (names[k].bit == order[i])
                buf_add_char(out, names[k].letter);
}

static void print_field(struct buf *out, const struct field *f, const struct global_settings *g)
{
    const void *p = (const char *)g + f->at;

    switch (f->type) {
    case NUMBER:
        buf_add_u64(out, *(const uint32_t *)p);
        break;
    case YES_NO:
        buf_add(out, *(const bool *)p ? STR("yes") : STR("no"));
        break;
    case TEXT:
        buf_add(out, *(const struct str *)p);
        break;
    case ORDER:
        print_order(out, p);
        break;
    }
}

static void print_setting(struct buf *out, const struct settings *s, const char *option)
{
    static const char *const algorithms[] = {
        [DIGEST_MD5] = "MD5", [DIGEST_SHA256] = "SHA-256", [DIGEST_SHA512_256] = "SHA-512-256"
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(fields[i].option, option) == 0)
            print_field(out, &fields[i], &s->global);
    if (strcmp(option, "debug") == 0)
        buf_printf(out, "%s%.*s", s->global.debug ? "yes" : "no", STR_FMT(s->global.debug_host));
    if (strcmp(option, "default_auth_algorithms_uac") == 0) /* of the auth section below */
        for (unsigned a = 0; a < ARRAY_LEN(algorithms); a++)
            if (s->auths[0].credential.algorithms & BIT(a))
                buf_printf(out, "%s ", algorithms[a]);
}

/* ---- options with an effect ---- */

#define TEXT_255                                                                               \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
    "8901234567890123456789012345678901234567890123456789012345678901234567890123456789012345" \
    "6789012345678901234567890123456789012345678901234567890123456789012345678901234"
#define YES_OR_NO .fallback = "no", .good = { { "yes", "yes" }, { "off", "no" }, { "1", "yes" } }

/* What stands in the tables of Asterisk's options for this program; where limits or defaults differ
 * doc/compatibility.md says so. */
static const struct row {
    const char *section, *option, *fallback;
    struct {
        const char *value, *is;
    } good[5];
    const char *bad[6];
} rows[] = {
    { "global",
      "max_forwards",
      "70",
      { { "20", "20" }, { "1", "1" }, { "255", "255" } },
      { "0", "256", "20 hops", "-1", "0x10", "" } },
    { "global",
      "user_agent",
      "extstate",
      { { "Lamps 1.0 (test)", "Lamps 1.0 (test)" }, { "a\\;b", "a;b" }, { TEXT_255, TEXT_255 } },
      { TEXT_255 "5" } },
    { "global",
      "endpoint_identifier_order",
      "iunahr",
      { { "username,IP,username,header", "uiharn" },
        { " anonymous , request_uri ", "nruaih" },
        { "username,ip,anonymous,header,auth_username,request_uri", "uinhar" } },
      { "name", "ip+username", "" } },
    { "global", "disable_multi_domain", YES_OR_NO },
    { "global", "ignore_uri_user_options", YES_OR_NO },
    { "global", "mwi_disable_initial_unsolicited", YES_OR_NO },
    { "global",
      "default_auth_algorithms_uac",
      "MD5 ",
      { { "SHA-256", "SHA-256 " },
        { "sha-512-256, MD5", "MD5 SHA-512-256 " },
        { "MD5,SHA-256,SHA-512-256", "MD5 SHA-256 SHA-512-256 " } },
      { "crc", "SHA", "" } },
    { "global",
      "debug",
      "no",
      { { "yes", "yes" },
        { "192.0.2.9", "yes192.0.2.9" },
        { "no", "no" },
        { "2001:db8::/32", "yes2001:db8::/32" },
        { "", "no" } },
      { "maybe", "phone.example", "192.0.2.300", "192.0.2.0/40" } },
    { "system",
      "timer_t1",
      "500",
      { { "100", "100" }, { "1000", "1000" }, { "10000", "10000" } },
      { "99", "10001", "500ms", "-500", "0.5", "" } },
    { "system",
      "timer_b",
      "32000",
      { { "32000", "32000" }, { "40000", "40000" }, { "640000", "640000" } },
      { "640001", "32s", "-1", "" } },
    { "system", "compact_headers", YES_OR_NO },
    { "system", "disable_rport", YES_OR_NO },
};

#define AUTH "[user]\ntype=auth\nusername=u\npassword=p\n" /* lines 4 to 7 */

/* One text as pjsip.conf. Without `problem` there must be none, else the report begins so. */
static void check_setting(const struct row *row, const char *text, const char *is,
                          const char *problem)
{
    struct loaded l = load(text, NULL);
    struct buf b;

    buf_init(&b, 1000);
    assert_int_equal(l.result, 0);
    if (problem ? !str_starts(buf_str(&l.diag.text), str_of(problem)) : l.diag.text.n > 0)
        fail_msg("%s\nsays\n%.*s", text, STR_FMT(buf_str(&l.diag.text)));
    print_setting(&b, l.s, row->option);
    test_assert_text(row->option, text, buf_str(&b), is);
    buf_fini(&b);
    unload(&l);
}

static void check_good(const struct row *row, const char *value, const char *is)
{
    char upper[64] = { 0 }, text[2000];

    for (size_t i = 0; row->option[i]; i++)
        upper[i] = (char)(row->option[i] >= 'a' && row->option[i] <= 'z' ? row->option[i] - 32
                                                                         : row->option[i]);
    snprintf(text, sizeof(text), UDP AUTH "[%s]\n%s=%s\n", row->section, row->option, value);
    check_setting(row, text, is, NULL);
    snprintf(text, sizeof(text), UDP AUTH "[any]\ntype=%s\n%s = %s\n", row->section, upper, value);
    check_setting(row, text, is, NULL);
    /* The last one counts. */
    for (size_t i = 0; i < ARRAY_LEN(row->good) && row->good[i].value; i++) {
        snprintf(text, sizeof(text), UDP AUTH "[%s]\n%s=%s\n%s=%s\n", row->section, row->option,
                 row->good[i].value, upper, value);
        check_setting(row, text, is, NULL);
    }
}

static void check_bad(const struct row *row, const char *value)
{
    char text[2000], problem[600];

    snprintf(text, sizeof(text), UDP AUTH "[%s]\n%s=%s\n%s=%s\n", row->section, row->option,
             row->good[0].value, row->option, value);
    snprintf(problem, sizeof(problem), "etc/pjsip.conf:10: error: %s = %.200s: ", row->option,
             value);
    check_setting(row, text, row->fallback, problem);
}

static void test_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];

        check_setting(row, UDP AUTH, row->fallback, NULL);
        for (size_t k = 0; k < ARRAY_LEN(row->good) && row->good[k].value; k++)
            check_good(row, row->good[k].value, row->good[k].is);
        for (size_t k = 0; k < ARRAY_LEN(row->bad) && row->bad[k]; k++)
            check_bad(row, row->bad[k]);
    }
}

/* Or a value would become a header field of its own. */
static void test_control_characters(void **state)
{
    static const char *const values[] = { "a\rEvil: 1", "a\vb", "a\x7f", "a\x01z" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char text[200];
        struct loaded l;

        snprintf(text, sizeof(text), UDP "[global]\nuser_agent=%s\n", values[i]);
        l = load(text, NULL);
        assert_str(l.s->global.user_agent, "extstate");
        assert_int_equal(l.diag.errors, 1);
        unload(&l);
    }
}

/* RFC 3261 section 17.1.1.2: timer B is 64 times T1; ours may be more, not less. */
static void test_timer_b(void **state)
{
    static const struct {
        const char *lines;
        unsigned timer_b_ms;
        const char *diag;
    } cases[] = {
        { "timer_t1=1000\n", 64000, "" },
        { "timer_t1=100\n", 32000, "" },
        { "timer_t1=100\ntimer_b=6400\n", 6400, "" },
        { "timer_t1=100\ntimer_b=6399\n", 6400,
          "etc/pjsip.conf:6: warning: timer_b = 6399 is less than 64 times timer_t1; 6400 is used "
          "instead\n" },
        { "timer_b=0\n", 32000,
          "etc/pjsip.conf:5: warning: timer_b = 0 is less than 64 times timer_t1; 32000 is used "
          "instead\n" },
        { "timer_t1=10000\n", 640000, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        struct loaded l;

        snprintf(text, sizeof(text), UDP "[system]\n%s", cases[i].lines);
        l = load(text, NULL);
        test_assert_text("diag", cases[i].lines, buf_str(&l.diag.text), cases[i].diag);
        assert_int_equal(l.s->global.timer_b_ms, cases[i].timer_b_ms);
        unload(&l);
    }
}

/* ---- options without one ---- */

/* They are known: even strict_objects takes them, and the manual says what they are worth. */
static void test_without_effect(void **state)
{
    static const struct {
        const char *section, *options;
    } groups[] = {
        { "global", "unidentified_request_count unidentified_request_period "
                    "unidentified_request_prune_interval keep_alive_interval "
                    "taskprocessor_overload_trigger contact_expiration_check_interval "
                    "default_outbound_endpoint regcontext "
                    "use_callerid_contact send_contact_status_on_update_registration norefersub "
                    "allow_sending_180_after_183 all_codecs_on_empty_reinvite" },
        { "system", "disable_tcp_switch taskpool_minimum_size taskpool_initial_size "
                    "taskpool_auto_increment taskpool_idle_timeout taskpool_max_size "
                    "threadpool_minimum_size threadpool_initial_size threadpool_auto_increment "
                    "threadpool_idle_timeout threadpool_max_size follow_early_media_fork "
                    "accept_multiple_sdp_answers" },
    };
    struct buf manual;

    (void)state;
    buf_init(&manual, 1 << 20);
    settings_print_reference(&manual);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        struct str rest = str_of(groups[i].options);

        while (rest.n) {
            struct str option = str_next(&rest, ' ');
            char text[200], *quoted;
            struct loaded l;

            snprintf(text, sizeof(text), UDP "[%s]\n%.*s=1\n", groups[i].section, STR_FMT(option));
            l = load(text, "[compatibility]\nstrict_objects=yes\n");
            test_assert_text("diag", text, buf_str(&l.diag.text), "");
            unload(&l);
            assert_true(asprintf(&quoted, "`%.*s`", STR_FMT(option)) > 0);
            assert_true(str_contains_nocase(buf_str(&manual), str_of(quoted)));
            free(quoted);
        }
    }
    buf_fini(&manual);
}

/* ---- as a whole ---- */

/* With more than one none counts; what is wrong with each is told. */
static void test_several(void **state)
{
    static const char text[] = UDP "[global]\nmax_forwards=x\n[g]\ntype=global\nmax_forwards=20\n"
                                   "debug=x\n[system]\ntimer_t1=100\n[system]\ntype=system\n";
    struct loaded l = load(text, NULL);

    (void)state;
    assert_int_equal(l.s->global.max_forwards, 70);
    assert_int_equal(l.s->global.timer_t1_ms, 500);
    unload(&l);
    check_diag(text + sizeof(UDP) - 1, NULL,
               "etc/pjsip.conf:5: error: max_forwards = x: not a whole number from 1 to 255; the "
               "default 70 is used instead\n"
               "etc/pjsip.conf:6: error: another section of type = global; the defaults are used "
               "instead of all of them, keep one\n"
               "etc/pjsip.conf:9: error: debug = x: neither yes or no, nor an address or network "
               "(192.0.2.1); the default no is used instead\n"
               "etc/pjsip.conf:12: error: another section of type = system; the defaults are used "
               "instead of all of them, keep one\n");
}

static void test_problems(void **state)
{
    struct loaded l;

    (void)state;
    check_diag("[system]\ntimer_t1=50\ntimer_b=100\n", NULL,
               "etc/pjsip.conf:5: error: timer_t1 = 50: not a whole number from 100 to 10000; the "
               "default 500 is used "
               "instead\n"
               "etc/pjsip.conf:6: warning: timer_b = 100 is less than 64 times timer_t1; 32000 is "
               "used instead\n");
    check_diag("[global]\nmax_forward=10\nendpoint_identifier_order=name,ip\ndefault_auth_"
               "algorithms_uac=crc\n",
               NULL,
               "etc/pjsip.conf:5: warning: unknown option max_forward in global is ignored; did "
               "you mean max_forwards?\n"
               "etc/pjsip.conf:6: error: endpoint_identifier_order = name: not one of username, "
               "auth_username, ip, header, "
               "request_uri, anonymous; it is left out\n"
               "etc/pjsip.conf:7: error: default_auth_algorithms_uac = crc: not one of MD5, "
               "SHA-256, SHA-512-256; it is "
               "left out\n"
               "etc/pjsip.conf:7: error: default_auth_algorithms_uac = crc: no algorithm that is "
               "known; the default MD5 is "
               "used instead\n");
    /* A section of that name with another type is not the one. */
    l = load(UDP "[global]\ntype=endpoint\nmax_forwards=3\n", NULL);
    assert_int_equal(l.s->global.max_forwards, 70);
    assert_int_equal(l.s->n_endpoints, 1);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options), cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_timer_b), cmocka_unit_test(test_without_effect),
        cmocka_unit_test(test_several), cmocka_unit_test(test_problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
