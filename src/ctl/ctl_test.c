// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory_testing.h"
#include "ctl/ctl_testing.h"

static void publish(struct fixture *f)
{
    const struct publication_request rq = { .package = STR("dialog"),
                                            .context = STR("users"),
                                            .extension = STR("1000"),
                                            .publisher = STR("pbx"),
                                            .call_id = STR("c1"),
                                            .content_type = STR("application/dialog-info+xml"),
                                            .body = STR("<x/>"),
                                            .expires_s = 600 };
    struct publication_request full = rq;
    struct publication_answer answer;
    struct event_state *document;

    assert_int_equal(event_state_create(&document), 0);
    document->has_dialogs = true;
    full.document = document;
    assert_int_equal(publication_apply(f->publications, &full, &answer), 0);
    event_state_unref(document);
}

static int dial(const struct fixture *f)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(to.sun_path, f->path, strlen(f->path));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct ctl_config cfg;

    assert_non_null(f);
    snprintf(f->directory, sizeof(f->directory), "/tmp/ctl_test.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/socket", f->directory);
    uv_loop_init(&f->loop);
    make_core(f);
    cfg = config_of(f);
    assert_int_equal(ctl_create(&f->ctl, &cfg), 0);
    f->fd = dial(f);
    *state = f;
    return 0;
}

/* Whoever asked for it is let go. */
static void upgrade_end(struct fixture *f, const char *why)
{
    if (f->upgrade)
        f->upgrade->failed(f->upgrade, str_of(why));
    f->upgrade = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    upgrade_end(f, "the test is over");
    ctl_destroy(f->former);
    ctl_destroy(f->ctl);
    close(f->fd);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    asterisk_sources_destroy(f->sources);
    mailboxes_destroy(f->mailboxes);
    publication_store_destroy(f->publications);
    wheel_fini(&f->wheel);
    state_destroy(f->core);
    assert_int_equal(rmdir(f->directory), 0); /* the socket file is gone */
    free(f);
    return 0;
}

/* Everything the daemon says until `lines` complete lines are there, or it hangs up. */
static const char *read_lines(struct fixture *f, size_t lines)
{
    f->n = 0;
    for (int turn = 0; turn < 1000; turn++) {
        ssize_t n;
        size_t have = 0;

        uv_run(&f->loop, UV_RUN_NOWAIT);
        n = read(f->fd, f->answer + f->n, sizeof(f->answer) - 1 - f->n);
        if (n > 0)
            f->n += (size_t)n;
        for (size_t i = 0; i < f->n; i++)
            have += f->answer[i] == '\n';
        if (have >= lines || n == 0)
            break;
    }
    f->answer[f->n] = '\0';
    return f->answer;
}

static const char *ask(struct fixture *f, const char *request, size_t lines)
{
    assert_int_equal(write(f->fd, request, strlen(request)), (ssize_t)strlen(request));
    assert_int_equal(write(f->fd, "\n", 1), 1);
    return read_lines(f, lines);
}

static void test_answers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *request;
        size_t lines;
        const char *expected; /* part of the answer */
    } cases[] = {
        { "{\"id\":1,\"command\":\"ping\"}", 1, "{\"id\":1,\"ok\":true,\"rows\":0}" },
        { "{\"id\":2,\"command\":\"nonsense\"}", 1, "\"error\":\"unknown_command\"" },
        { "{\"id\":3}", 1, "\"error\":\"usage\",\"message\":\"there is no \\\"command\\\"\"" },
        { "[1]", 1, "\"error\":\"usage\"" },
        { "{broken", 1, "\"error\":\"usage\"" },
        { "{\"id\":1,\"id\":2}", 1, "\"error\":\"usage\"" },
        { "{\"id\":4,\"command\":\"devstate.set\",\"device\":\"custom:1000\",\"state\":\"inuse\"}",
          1, "\"ok\":true" },
        { "{\"id\":5,\"command\":\"devstate.list\"}", 2,
          "\"device\":\"Custom:1000\",\"state\":\"INUSE\"" },
        { "{\"id\":6,\"command\":\"devstate.set\",\"device\":\"Custom:1000\",\"state\":\"BUZY\"}",
          1, "\\\"BUZY\\\" is no device state" },
        { "{\"id\":7,\"command\":\"devstate.set\",\"device\":\"\",\"state\":\"BUSY\"}", 1,
          "\"error\":\"usage\"" },
        { "{\"id\":8,\"command\":\"hints\",\"prefix\":\"1000@\"}", 2, "\"extension\":\"1000\"" },
        { "{\"id\":8,\"command\":\"hints\",\"prefix\":\"1000@\"}", 2, "\"state\":\"InUse\"" },
        { "{\"id\":9,\"command\":\"hints\"}", 3, "\"rows\":2}" },
        { "{\"id\":9,\"command\":\"hint.get\",\"extension\":\"1000\",\"context\":\"users\"}", 2,
          "\"extension\":\"1000\",\"context\":\"users\",\"hint\":\"Custom:1000,CustomPresence:"
          "1000\"," },
        { "{\"id\":9,\"command\":\"hint.get\",\"extension\":\"7\",\"context\":\"users\"}", 1,
          "\"ok\":true,\"rows\":0}" },
        { "{\"id\":9,\"command\":\"global.get\",\"name\":\"NOTHING\"}", 2,
          "\"name\":\"NOTHING\",\"value\":\"\"" },
        { "{\"id\":9,\"command\":\"devstate.get\",\"device\":\"SIP/x\"}", 2,
          "\"device\":\"SIP/x\",\"state\":\"INVALID\",\"text\":\"Invalid\"" },
        { "{\"id\":9,\"command\":\"devstate.get\",\"device\":\"custom:1000\"}", 2,
          "\"state\":\"INUSE\"" },
        { "{\"id\":9,\"command\":\"hint.add\",\"extension\":\"2\",\"context\":\"c\",\"hint\":"
          "\"x\"}",
          1, "\"ok\":true" },
        { "{\"id\":9,\"command\":\"hint.add\",\"extension\":\"2\",\"context\":\"c\"}", 1,
          "there is no \\\"hint\\\"" },
        { "{\"id\":9,\"command\":\"hint.add\",\"extension\":\"1000\",\"context\":\"c\",\"hint\":"
          "\"x\"}",
          1, "there is a hint 1000@c already" },
        { "{\"id\":9,\"command\":\"hint.add\",\"extension\":\"none\",\"context\":\"c\",\"hint\":"
          "\"x\"}",
          1, "no hint can be called none@c" },
        { "{\"id\":9,\"command\":\"hint.remove\",\"extension\":\"1000\",\"context\":\"c\",\"hint\":"
          "\"x\"}",
          1, "\"ok\":true" },
        { "{\"id\":9,\"command\":\"hint.remove\",\"extension\":\"2\",\"context\":\"c\"}", 1,
          "\"error\":\"not_found\"" },
        { "{\"id\":9,\"command\":\"contexts\"}", 2,
          "\"row\":{\"context\":\"users\",\"autohints\":false,\"includes\":[]}}" },
        { "{\"id\":9,\"command\":\"contexts\",\"prefix\":\"none\"}", 1, "\"rows\":0}" },
        { "{\"id\":9,\"command\":\"include.add\",\"context\":\"a\",\"include\":\"b\"}", 1,
          "\"ok\":true" },
        { "{\"id\":9,\"command\":\"include.add\",\"context\":\"a\",\"include\":\"c\"}", 1,
          "a includes c already" },
        { "{\"id\":9,\"command\":\"include.add\",\"context\":\"a\"}", 1, "name two contexts" },
        { "{\"id\":9,\"command\":\"include.remove\",\"context\":\"a\",\"include\":\"c\"}", 1,
          "\"ok\":true" },
        { "{\"id\":9,\"command\":\"include.remove\",\"context\":\"a\",\"include\":\"b\"}", 1,
          "a does not include b" },
        { "{\"id\":10,\"command\":\"presence.set\",\"provider\":\"CustomPresence:1000\",\"state\":"
          "\"dnd\","
          "\"subtype\":\"a\",\"message\":\"b\"}",
          1, "\"ok\":true" },
        { "{\"id\":11,\"command\":\"presence.list\"}", 2,
          "\"state\":\"dnd\",\"subtype\":\"a\",\"message\":\"b\"" },
        { "{\"id\":12,\"command\":\"presence.set\",\"provider\":\"Custom:1\",\"state\":\"dnd\"}", 1,
          "CustomPresence:NAME" },
        { "{\"id\":13,\"command\":\"presence.set\",\"provider\":\"CustomPresence:1\",\"state\":"
          "\"asleep\"}",
          1, "is no presence state" },
        { "{\"id\":14,\"command\":\"devstate.forget\",\"device\":\"Custom:1000\"}", 1,
          "\"ok\":true" },
        { "{\"id\":14,\"command\":\"devstate.forget\",\"device\":\"Custom:1000\"}", 1,
          "\"error\":\"not_found\",\"message\":\"source \\\"ctl\\\" says nothing about" },
        { "{\"id\":15,\"command\":\"status\"}", 1, "\"version\":\"0.0\"" },
        { "{\"id\":15,\"command\":\"status\"}", 1, "\"publications\":{\"publications\":1," },
        { "{\"id\":19,\"command\":\"publications.inbound\"}", 2,
          "\"event\":\"dialog\",\"publisher\":\"pbx\"" },
        { "{\"id\":20,\"command\":\"mailbox.set\",\"mailbox\":\"100@x\",\"new\":2,\"old\":1}", 1,
          "\"ok\":true" },
        { "{\"id\":21,\"command\":\"mailbox.list\"}", 2,
          "\"mailbox\":\"100@x\",\"new\":2,\"old\":1,\"source\":\"ctl\"" },
        { "{\"id\":22,\"command\":\"devstate.list\",\"prefix\":\"MWI\"}", 2,
          "\"device\":\"MWI:100@x\",\"state\":\"INUSE\"" },
        { "{\"id\":23,\"command\":\"mailbox.set\",\"mailbox\":\"100@x\",\"new\":-2,\"old\":1}", 1,
          "\"error\":\"usage\"" },
        { "{\"id\":24,\"command\":\"mailbox.set\",\"mailbox\":\"\",\"new\":2,\"old\":1}", 1,
          "\"error\":\"usage\"" },
        { "{\"id\":25,\"command\":\"mailbox.forget\",\"mailbox\":\"100@x\"}", 1, "\"ok\":true" },
        { "{\"id\":25,\"command\":\"mailbox.forget\",\"mailbox\":\"100@x\"}", 1,
          "\"error\":\"not_found\"" },
        { "{\"id\":26,\"command\":\"mailbox.list\"}", 1, "\"rows\":0}" },
        { "{\"id\":26,\"command\":\"sources\"}", 3, "\"eid\":\"02:00:00:00:51:60\"" },
        { "{\"id\":26,\"command\":\"sources\"}", 3, "\"source\":\"pbx-a\"" },
        { "{\"id\":26,\"command\":\"sources\"}", 2,
          "\"devices\":1,\"mailboxes\":0,\"publications\":0,\"lapses_s\":" },
        { "{\"id\":26,\"command\":\"status\"}", 1, "\"sources\":{\"servers\":1,\"states\":1," },
        { "{\"id\":27,\"command\":\"drain\",\"reason\":\"tired\",\"rate\":1,\"retry_after_s\":0}",
          1, "reason is deactivated or probation" },
        { "{\"id\":28,\"command\":\"drain\",\"reason\":\"probation\",\"rate\":0,\"retry_after_s\":"
          "0}",
          1, "rate is a number" },
        { "{\"id\":29,\"command\":\"drain\",\"reason\":\"probation\",\"rate\":9,\"retry_after_s\":"
          "60}",
          1, "\"ok\":true" },
        { "{\"id\":30,\"command\":\"drain.stop\"}", 1, "\"ok\":true" },
        { "{\"id\":16,\"command\":\"log.level\",\"level\":\"loud\"}", 1, "\"error\":\"usage\"" },
        { "{\"id\":17,\"command\":\"watch.hint\",\"context\":\"users\"}", 1, "\"from\":\"users\"" },
        { "{\"id\":18,\"command\":\"reload\"}", 1, "pjsip.conf:3: warning" },
        { "{\"command\":\"reload\",\"dry_run\":true}", 3,
          "{\"kind\":\"endpoint\",\"name\":\"alice\",\"change\":\"changed\",\"options\":"
          "\"context\"}" },
        { "{\"command\":\"reload\",\"dry_run\":true}", 3, "\"change\":\"stop\",\"count\":3}" },
    };

    publish(f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = ask(f, cases[i].request, cases[i].lines);

        if (!strstr(got, cases[i].expected))
            fail_msg("%s\ngave     %sexpected %s", cases[i].request, got, cases[i].expected);
    }
}

/* Each answer names the field. */
static void test_fields(void **state)
{
    static const struct {
        const char *request, *expected;
    } cases[] = {
        { "{\"id\":\"7\",\"command\":\"ping\"}", "\\\"id\\\" must be a whole number" },
        { "{\"id\":1.5,\"command\":\"ping\"}", "\\\"id\\\" must be" },
        { "{\"command\":7}", "\\\"command\\\" must be a string" },
        { "{\"command\":\"hints\",\"prefix\":{}}", "\\\"prefix\\\" must be a string" },
        { "{\"command\":\"hints\",\"prefix\":null}", "\\\"prefix\\\" must be a string" },
        { "{\"command\":\"trace\",\"peers\":\"x\"}", "\\\"peers\\\" must be a list" },
        { "{\"command\":\"trace\",\"all\":1}", "\\\"all\\\" must be true or false" },
        { "{\"command\":\"trace\",\"peers\":[7]}", "is no address" },
        { "{\"command\":\"devstate.set\",\"device\":[\"Custom:1\"],\"state\":\"BUSY\"}",
          "\\\"device\\\" must be a string" },
        { "{\"command\":\"devstate.set\",\"device\":\"Custom:1\",\"state\":2}",
          "\\\"state\\\" must be a string" },
        { "{\"command\":\"devstate.set\",\"device\":\"Custom:a\\r\\nb\",\"state\":\"BUSY\"}",
          "\\\"device\\\" has a control character" },
        { "{\"command\":\"devstate.set\",\"device\":\"Custom:\\u001b[2J\",\"state\":\"BUSY\"}",
          "\\\"device\\\" has a control character" },
        { "{\"command\":\"devstate.set\",\"device\":\"Custom:\\u0000\",\"state\":\"BUSY\"}",
          "\"error\":\"usage\"" },
        { "{\"command\":\"devstate.set\",\"device\":\"Custom:1\",\"state\":\"BUSY\",\"source\":"
          "\"\\u009b\"}",
          "\\\"source\\\" has a control character" },
        { "{\"command\":\"presence.set\",\"provider\":\"CustomPresence:\\u007f\",\"state\":"
          "\"away\"}",
          "\\\"provider\\\" has a control character" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = ask(f, cases[i].request, 1);

        if (!strstr(got, "\"error\":\"usage\"") || !strstr(got, cases[i].expected))
            fail_msg("%s\ngave     %sexpected %s", cases[i].request, got, cases[i].expected);
    }
    /* None came to be: there is the one the fixture began with. */
    assert_non_null(strstr(ask(f, "{\"command\":\"devstate.list\"}", 2), "\"rows\":1"));
    /* What no command knows is left alone, and a name may be in any language. */
    assert_non_null(strstr(ask(f,
                               "{\"command\":\"devstate.set\",\"device\":\"Custom:M\u00fcller\","
                               "\"state\":\"BUSY\",\"colour\":{}}",
                               1),
                           "\"ok\":true"));
}

static void test_presence_text_has_a_limit(void **state)
{
    static const char *const names[] = { "subtype", "message" };
    struct fixture *f = *state;
    char request[2048], text[1302];

    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (int n = 1300; n <= 1301; n++) {
            const char *got;

            snprintf(request, sizeof(request),
                     "{\"command\":\"presence.set\",\"provider\":\"CustomPresence:1000\","
                     "\"state\":\"away\",\"%s\":\"%.*s\"}",
                     names[i], n, text);
            got = ask(f, request, 1);
            assert_non_null(strstr(got, n == 1300 ? "\"ok\":true" : "is longer than 1300 bytes"));
        }
    }
}

static const char *const lasting[] = {
    "{\"command\":\"devstate.set\",\"device\":\"Custom:1000\",\"state\":\"INUSE\"}",
    "{\"command\":\"presence.set\",\"provider\":\"CustomPresence:a\",\"state\":\"away\"}",
    "{\"command\":\"mailbox.set\",\"mailbox\":\"100@d\",\"new\":1,\"old\":0}",
    "{\"command\":\"devstate.forget\",\"device\":\"Custom:1000\"}",
    "{\"command\":\"mailbox.forget\",\"mailbox\":\"100@d\"}",
};

static void test_what_lasts_is_acknowledged_when_it_is_kept(void **state)
{
    struct fixture *f = *state;

    f->kept_result = -EIO;
    for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
        assert_non_null(strstr(ask(f, lasting[i], 1), "not written yet"));
    assert_non_null(strstr(ask(f, "{\"command\":\"devstate.list\"}", 2), "\"ok\":true"));
    /* What is wrong all the same is said first. */
    assert_non_null(strstr(ask(f, lasting[3], 1), "not_found"));
}

static void test_nothing_is_set_while_the_store_fails(void **state)
{
    struct fixture *f = *state;

    f->kept.fails = true;
    for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
        assert_non_null(strstr(ask(f, lasting[i], 1), "nothing has changed"));
    assert_int_equal(f->n_lasting, 0); /* nobody would be told that it is durable */
    assert_int_equal(state_device_get(f->core, STR("Custom:1000")), DEVICE_UNKNOWN);
    assert_non_null(strstr(ask(f, "{\"command\":\"mailbox.list\"}", 1), "\"rows\":0"));
    f->kept.fails = false;
    assert_non_null(strstr(ask(f, lasting[0], 1), "\"ok\":true"));
}

/* What was changed before the store began to fail is waited for, whatever became of the others. */
static void test_changes_wait_though_one_is_refused(void **state)
{
    struct fixture *f = *state;
    unsigned before = f->n_lasting;
    const char *answer;

    f->kept.fails_after = 3; /* for all of it, and for each */
    answer = ask(f,
                 "{\"command\":\"changes\",\"changes\":["
                 "{\"device\":\"Custom:1000\",\"state\":\"INUSE\"},"
                 "{\"device\":\"Custom:1001\",\"state\":\"INUSE\"}]}",
                 2);
    assert_non_null(strstr(answer, "\"index\":1"));
    assert_null(strstr(answer, "\"index\":0"));
    assert_int_equal(f->n_lasting, before + 1);
}

static void test_settings_reach_the_port(void **state)
{
    struct fixture *f = *state;

    ask(f, "{\"command\":\"log.level\",\"level\":\"debug\"}", 1);
    assert_int_equal(f->level, LOG_LEVEL_DEBUG);
    ask(f, "{\"command\":\"trace\",\"all\":true}", 1);
    assert_true(f->trace_all);
    ask(f, "{\"command\":\"trace\",\"peers\":[\"127.0.0.1\",\"10.0.0.0/8\"]}", 1);
    assert_false(f->trace_all);
    assert_int_equal(f->n_peers, 2);
    assert_non_null(
        strstr(ask(f, "{\"command\":\"trace\",\"peers\":[\"somewhere\"]}", 1), "is no address"));
    assert_int_equal(f->n_peers, 2);
}

static void test_busy_and_failed_reload(void **state)
{
    struct fixture *f = *state;

    f->busy = true;
    assert_non_null(strstr(ask(f, "{\"command\":\"hints\"}", 1), "\"error\":\"busy\""));
    f->busy = false;
    f->reload_result = -EINVAL;
    assert_non_null(
        strstr(ask(f, "{\"command\":\"reload\"}", 1), "\"ok\":false,\"error\":\"failed\""));
    f->reload_result = CTL_RELOAD_PARTLY;
    assert_non_null(strstr(ask(f, "{\"command\":\"reload\"}", 1),
                           "\"ok\":true,\"rows\":0,\"partly\":true,\"report\":\"pjsip.conf:3: "));
    f->reload_result = 0;
    f->worker_jobs = 0;
    assert_non_null(strstr(ask(f, "{\"command\":\"reload\"}", 1), "\"partly\":false"));
    assert_int_equal(f->worker_jobs, 1); /* the answer has waited for them */
    f->busy = true;
    assert_non_null(strstr(ask(f, "{\"command\":\"reload\"}", 1), "\"partly\":false"));
    f->busy = false;
    ask(f, "{\"command\":\"trace\",\"all\":true}", 1);
    assert_int_equal(f->worker_jobs, 2);
}

static void test_several_lines_at_once_and_pieces(void **state)
{
    struct fixture *f = *state;
    const char *got = ask(f, "{\"id\":1,\"command\":\"ping\"}\n{\"id\":2,\"command\":\"ping\"}", 2);

    assert_non_null(strstr(got, "\"id\":1,"));
    assert_non_null(strstr(got, "\"id\":2,"));
    assert_int_equal(write(f->fd, "{\"id\":3,", 8), 8);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_non_null(strstr(ask(f, "\"command\":\"ping\"}", 1), "\"id\":3,"));
}

static void test_endless_request_is_cut_off(void **state)
{
    struct fixture *f = *state;
    char junk[4096];
    ssize_t n = 1;

    memset(junk, 'x', sizeof(junk));
    for (int i = 0; i < 100 && n > 0; i++) {
        n = send(f->fd, junk, sizeof(junk), MSG_NOSIGNAL);
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    assert_string_equal(read_lines(f, 1), "");
    assert_int_equal(read(f->fd, junk, 1), 0); /* hung up */
}

static void turn(struct fixture *f)
{
    for (int i = 0; i < 20; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_idle_clients_make_room(void **state)
{
    struct fixture *f = *state;
    int second = dial(f), third, fourth;
    char c;

    turn(f);
    ask(f, "{\"command\":\"ping\"}", 1); /* now the second is the idler one */
    third = dial(f);
    turn(f);
    assert_int_equal(read(second, &c, 1), 0);
    assert_int_equal(read(third, &c, 1), -1);
    assert_non_null(strstr(ask(f, "{\"command\":\"ping\"}", 1), "\"ok\":true"));
    fourth = dial(f);
    turn(f);
    assert_int_equal(read(third, &c, 1), 0);
    assert_int_equal(read(fourth, &c, 1), -1);
    close(second);
    close(third);
    close(fourth);
}

static void test_too_many_clients_that_wait(void **state)
{
    static const char request[] = "{\"command\":\"devstate.list\"}\n";
    struct fixture *f = *state;
    int second = dial(f), first = f->fd;

    f->hold = true;
    assert_true(write(first, request, sizeof(request) - 1) > 0);
    assert_true(write(second, request, sizeof(request) - 1) > 0);
    turn(f);
    assert_int_equal(f->n_held, 2);
    f->fd = dial(f);
    assert_non_null(strstr(read_lines(f, 1), "\"error\":\"busy\",\"message\":\"too many clients"));
    assert_int_equal(read(f->fd, f->answer, 1), 0);
    close(f->fd);
    for (size_t i = 0; i < 2; i++) {
        f->held[i]->run(f->held[i], &f->state);
        f->held[i]->done(f->held[i]);
    }
    f->fd = first;
    assert_non_null(strstr(read_lines(f, 1), "\"ok\":true"));
    close(second);
}

static void test_live_socket_is_not_taken(void **state)
{
    struct fixture *f = *state;
    struct ctl_config cfg = config_of(f);
    struct ctl *other;

    assert_int_equal(ctl_create(&other, &cfg), -EADDRINUSE);
    assert_non_null(strstr(ask(f, "{\"command\":\"ping\"}", 1), "\"ok\":true"));
}

/* A job that comes home after the socket is gone frees itself and nothing else. */
static void test_job_outlives_the_socket(void **state)
{
    struct fixture *f = *state;
    struct ctl_config cfg = config_of(f);

    f->hold = true;
    ask(f, "{\"command\":\"devstate.list\"}", 0);
    turn(f);
    assert_int_equal(f->n_held, 1);
    ctl_destroy(f->ctl);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    f->held[0]->run(f->held[0], &f->state);
    f->held[0]->done(f->held[0]);
    f->hold = false;
    assert_int_equal(ctl_create(&f->ctl, &cfg), 0);
}

/* ---- another process takes the place ---- */

static void pass(void *ctx, int fd, const char *name)
{
    struct fixture *f = ctx;

    assert_true(f->n_passed < ARRAY_LEN(f->passed));
    f->passed[f->n_passed] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    snprintf(f->passed_names[f->n_passed++], sizeof(f->passed_names[0]), "%s", name);
}

/* Another user is not heard, even where the file's mode lets him in. */
static void test_who_is_heard(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    int status;
    pid_t other;

    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    if (geteuid()) /* nobody can be another user */
        skip();
    assert_int_equal(chmod(f->path, 0666), 0);
    assert_int_equal(chmod(f->directory, 0711), 0);
    other = fork();
    if (other == 0) {
        char byte;
        int fd;

        if (setuid(65534))
            _exit(2);
        fd = dial(f);
        fcntl(fd, F_SETFL, 0);
        (void)!write(fd, "{\"command\":\"status\"}\n", 21);
        _exit(read(fd, &byte, 1) <= 0 ? 0 : 1);
    }
    while (waitpid(other, &status, WNOHANG) == 0) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
    assert_int_equal(status, 0);
    assert_non_null(strstr(ask(f, "{\"command\":\"devstate.list\"}", 1), "\"ok\":true"));
}

/* Who could not be taken in is tried again. */
static bool is_answered(struct fixture *f)
{
    ssize_t r = -1;

    for (unsigned k = 0; k < 100 && !f->n && r < 0; k++) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        r = read(f->fd, f->answer, sizeof(f->answer));
        usleep(1000);
    }
    return f->n || r >= 0;
}

/* Each allocation of what these take fails in turn, once: whoever asks gets an answer, or is hung
 * up on, and the next one is heard. jansson's and libuv's own cannot fail here. */
static void test_no_memory(void **state)
{
    static const char *const requests[] = {
        "{\"command\":\"devstate.set\",\"device\":\"Custom:x\",\"state\":\"INUSE\"}",
        "{\"command\":\"devstate.list\"}",
        "{\"command\":\"hints\"}",
        "{\"command\":\"status\"}",
        "{\"command\":\"reload\"}",
        "{\"command\":\"mailbox.set\",\"mailbox\":\"1@default\",\"new\":1,\"old\":0}",
        "{\"command\":\"mailbox.list\"}",
        "{\"command\":\"nonsense\"}",
    };
    struct fixture *f = *state;
    long n = 0;

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        do {
            memory.failed = false;
            memory.left = n++;
            memory_guard(true);
            close(f->fd);
            f->fd = dial(f);
            (void)ask(f, requests[i], 1);
            memory_guard(false);
            if (!is_answered(f))
                fail_msg("%s: nothing comes without allocation %ld", requests[i], n - 1);
        } while (memory.failed);
        n = 0;
        memory.left = -1;
    }
}

static void test_upgrade_refused(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(ask(f, "{\"command\":\"upgrade\",\"binary\":\"extstated\"}", 1),
                           "\"error\":\"usage\""));
    assert_null(f->upgrade);
    assert_non_null(
        strstr(ask(f, "{\"command\":\"upgrade\",\"timeout_s\":0}", 1), "\"error\":\"usage\""));
    assert_null(f->upgrade);
    ask(f, "{\"id\":8,\"command\":\"upgrade\",\"binary\":\"/x\",\"timeout_s\":5}", 0);
    turn(f);
    assert_true(str_equal(f->upgrade->program, STR("/x")));
    assert_int_equal(f->upgrade->timeout_s, 5);
    upgrade_end(f, "it is no program");
    assert_non_null(strstr(read_lines(f, 1), "{\"id\":8,\"ok\":false,\"error\":\"failed\","
                                             "\"message\":\"it is no program\"}"));
}

/* Nobody notices: who asked for it is answered, and who comes in between is served by the new one.
 */
static void check_upgrade(struct fixture *f, const struct ctl_upgraded *how, const char *answer)
{
    struct ctl_config cfg = config_of(f);
    int asked = f->fd, other = dial(f), late;

    ask(f, "{\"id\":-7,\"command\":\"upgrade\"}", 0);
    turn(f);
    assert_int_equal(ctl_unanswered(f->ctl), 1);
    ctl_pause(f->ctl, true);
    f->fd = other;
    ask(f, "{\"id\":9,\"command\":\"ping\"}", 0);
    turn(f);
    assert_int_equal(ctl_unanswered(f->ctl), 1); /* it is not read */
    ctl_hand_over(f->ctl, f->upgrade, pass, f);
    assert_int_equal(f->n_passed, 3);
    late = dial(f);

    f->former = f->ctl;
    f->ctl = NULL;
    cfg.listens = true;
    for (size_t i = 0; i < f->n_passed; i++)
        if (strcmp(f->passed_names[i], "control") == 0)
            cfg.listener = f->passed[i];
    assert_int_equal(ctl_create(&f->ctl, &cfg), 0);
    for (size_t i = 0; i < f->n_passed; i++)
        if (strcmp(f->passed_names[i], "control") != 0)
            ctl_adopt(f->ctl, f->passed[i], f->passed_names[i], how);
    assert_non_null(strstr(read_lines(f, 1), "{\"id\":9,\"ok\":true"));
    f->fd = asked;
    assert_non_null(strstr(read_lines(f, 1), answer));
    assert_non_null(strstr(ask(f, "{\"command\":\"ping\"}", 1), "\"ok\":true"));
    close(other);
    close(late);
}

static void test_upgrade(void **state)
{
    const struct ctl_upgraded how = { .version = "2.0", .former = "1.0", .took_ms = 12 };

    check_upgrade(*state, &how,
                  "{\"id\":-7,\"ok\":true,\"rows\":0,\"version\":\"2.0\",\"former\":\"1.0\","
                  "\"took_ms\":12}");
}

static void test_upgrade_taken_back(void **state)
{
    const struct ctl_upgraded how = { .version = "1.0", .former = "1.0", .failed = "no disk" };

    check_upgrade(*state, &how, "the former one serves again: no disk\"}");
}

static void test_pause_is_taken_back(void **state)
{
    struct fixture *f = *state;

    turn(f);
    ctl_pause(f->ctl, true);
    ask(f, "{\"id\":1,\"command\":\"ping\"}", 0);
    turn(f);
    assert_string_equal(read_lines(f, 0), "");
    ctl_pause(f->ctl, false);
    assert_non_null(strstr(read_lines(f, 1), "{\"id\":1,\"ok\":true"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_presence_text_has_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_lasts_is_acknowledged_when_it_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_set_while_the_store_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_wait_though_one_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_reach_the_port, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_and_failed_reload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_lines_at_once_and_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_request_is_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_clients_make_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_clients_that_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live_socket_is_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_outlives_the_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upgrade_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upgrade, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upgrade_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause_is_taken_back, setup, teardown),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
