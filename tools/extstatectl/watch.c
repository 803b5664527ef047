// SPDX-License-Identifier: MIT
/* extstatectl watch: a real SIP subscription, and every NOTIFY it brings. What a phone would see,
 * without a phone. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "extstatectl.h"
#include "sip/print.h"

enum { T1_MS = 500, T2_MS = 4000, HINT_MS = 3000, ANSWER_MS = 32000 };

struct watch {
    const struct invocation *in;
    const char *extension, *event, *accept, *from;
    uint32_t expires_s;
    uint32_t count; /* stop after this many NOTIFYs; 0: never */
    int fd;
    struct addr server, local;
    char call_id[40], from_tag[20];
    struct str to;     /* with the notifier's tag once known; owned */
    struct str target; /* its Contact; owned */
    uint32_t cseq;
    uint64_t branch;
    struct rng rng;
    struct buf request; /* the SUBSCRIBE under way, for retransmissions */
    uint64_t next_send_ms, interval_ms, hint_ms, give_up_ms, refresh_ms;
    bool context_given, pending, leaving, over;
    int code;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static uint64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

static void print_uri(struct buf *b, const char *user, const struct addr *host)
{
    buf_add(b, STR("sip:"));
    buf_add(b, str_of(user));
    buf_add_char(b, '@');
    addr_print(b, host);
}

static void finish(struct watch *w, int code)
{
    w->over = true;
    w->code = code;
}

/* The kernel knows: an ICMP error came back. Once there is a dialog it may be a restart. */
static void on_socket_error(struct watch *w, const char *what)
{
    if (errno == EAGAIN || (errno == ECONNREFUSED && w->to.n))
        return;
    if (errno == ECONNREFUSED)
        fputs("extstatectl: nobody listens at that address\n", stderr);
    else
        fprintf(stderr, "extstatectl: %s: %s\n", what, strerror(errno));
    if (!w->to.n)
        finish(w, EXIT_FAILED);
}

static void send_request(struct watch *w)
{
    if (send(w->fd, w->request.p, w->request.n, 0) < 0)
        on_socket_error(w, "send");
}

static void subscribe(struct watch *w, uint32_t expires_s)
{
    struct buf *b = &w->request;

    buf_reset(b);
    w->branch = rng_u64(&w->rng);
    buf_add(b, STR("SUBSCRIBE "));
    if (w->target.n)
        buf_add(b, w->target);
    else
        print_uri(b, w->extension, &w->server);
    buf_add(b, STR(" SIP/2.0\r\nVia: SIP/2.0/UDP "));
    addr_print(b, &w->local);
    buf_printf(b, ";rport;branch=z9hG4bK%016llx\r\nMax-Forwards: 70\r\nFrom: <",
               (unsigned long long)w->branch);
    print_uri(b, w->from, &w->server);
    buf_printf(b, ">;tag=%s\r\nTo: ", w->from_tag);
    if (w->to.n) {
        sip_print_unfolded(b, w->to);
    } else {
        buf_add_char(b, '<');
        print_uri(b, w->extension, &w->server);
        buf_add_char(b, '>');
    }
    buf_printf(b, "\r\nCall-ID: %s\r\nCSeq: %u SUBSCRIBE\r\nContact: <", w->call_id, ++w->cseq);
    print_uri(b, w->from, &w->local);
    buf_printf(b, ">\r\nEvent: %s\r\n", w->event);
    if (w->accept)
        sip_print_header(b, STR("Accept"), str_of(w->accept));
    buf_printf(b, "Expires: %u\r\nUser-Agent: extstatectl watch\r\nContent-Length: 0\r\n\r\n",
               expires_s);
    w->pending = true;
    w->interval_ms = T1_MS;
    w->next_send_ms = now_ms() + T1_MS;
    w->hint_ms = now_ms() + HINT_MS;
    w->give_up_ms = now_ms() + ANSWER_MS;
    send_request(w);
}

/* ---- what comes back ---- */

static void keep(struct str *slot, struct str value)
{
    struct str copy;

    if (str_dup(&copy, value))
        return;
    str_free(slot);
    *slot = copy;
}

static void keep_target(struct watch *w, const struct sip_message *m)
{
    struct sip_name_addr contact;

    if (sip_name_addr_parse(&contact, sip_header_value(m, SIP_H_CONTACT)) == 0)
        keep(&w->target, contact.uri);
}

static void print_context_hint(const char *extension)
{
    fprintf(stderr,
            "extstatectl: no context was given, so that it is \"default\"; for another one: "
            "extstatectl watch %s@CONTEXT\n",
            extension);
}

static void on_response(struct watch *w, const struct sip_message *m)
{
    const struct sip_header *h;
    uint32_t granted = w->expires_s;

    if (!w->pending || m->cseq != w->cseq || m->status < 200)
        return;
    w->pending = false;
    if (m->status >= 300) {
        fprintf(stderr, "extstatectl: the server answered %u ", m->status);
        printable_print(stderr, m->reason, "");
        for (h = sip_header_first(m, SIP_H_WARNING); h; h = sip_header_next(m, h)) {
            fputs("\n  ", stderr);
            printable_print(stderr, h->value, "");
        }
        fputc('\n', stderr);
        if (m->status == 404 && !w->context_given)
            print_context_hint(w->extension);
        finish(w, m->status == 404 ? EXIT_NOTHING : EXIT_FAILED);
        return;
    }
    keep(&w->to, m->to);
    keep_target(w, m);
    if (sip_delta_seconds_parse(&granted, sip_header_value(m, SIP_H_EXPIRES)) == 0 && granted)
        w->refresh_ms = now_ms() + (uint64_t)granted * 1000 / 2;
}

static void print_body(const struct sip_message *m)
{
    struct str rest = m->body;

    while (rest.n) {
        size_t end = str_find_char(rest, '\n');
        struct str line = str_sub(rest, 0, end);

        if (str_ends(line, STR("\r")))
            line.n--;
        fputs("    ", stdout);
        printable_print(stdout, line, "\t");
        putchar('\n');
        rest = str_sub(rest, end + 1, rest.n);
    }
}

static void print_notify(const struct watch *w, const struct sip_message *m)
{
    struct str state = sip_header_value(m, SIP_H_SUBSCRIPTION_STATE);
    char stamp[16];
    time_t now = time(NULL);
    struct tm tm;

    if (w->in->options->json) {
        json_t *line = json_pack("{sI ss# ss# ss#}", "cseq", (json_int_t)m->cseq,
                                 "subscription_state", state.p, (int)state.n, "content_type",
                                 sip_header_value(m, SIP_H_CONTENT_TYPE).p,
                                 (int)sip_header_value(m, SIP_H_CONTENT_TYPE).n, "body",
                                 m->body.p ? m->body.p : "", (int)m->body.n);

        if (line) {
            json_dumpf(line, stdout, JSON_COMPACT);
            putchar('\n');
        }
        json_decref(line);
    } else {
        strftime(stamp, sizeof(stamp), "%H:%M:%S", localtime_r(&now, &tm));
        printf("%s  %s  NOTIFY %u  ", stamp, w->extension, m->cseq);
        printable_print(stdout, state, "");
        putchar('\n');
        print_body(m);
    }
    fflush(stdout);
}

static void on_notify(struct watch *w, const struct sip_message *m, const struct addr *from)
{
    bool ours =
        str_equal(m->call_id, str_of(w->call_id)) && str_equal(m->to_tag, str_of(w->from_tag));
    struct sip_reply reply = { .status = ours ? 200 : 481 };
    struct buf b;

    buf_init(&b, SIP_MESSAGE_MAX);
    sip_print_response(&b, m, from, true, &reply);
    if (!b.error && sendto(w->fd, b.p, b.n, 0, &from->sa, addr_socklen(from)) < 0)
        perror("extstatectl: send");
    buf_fini(&b);
    if (!ours)
        return;
    keep_target(w, m);
    print_notify(w, m);
    if (str_starts_nocase(sip_header_value(m, SIP_H_SUBSCRIPTION_STATE), STR("terminated")))
        finish(w, EXIT_OK);
    else if (w->count && --w->count == 0)
        interrupted = 1; /* unsubscribe in order */
}

static void on_datagram(struct watch *w)
{
    static char room[SIP_MESSAGE_MAX];
    struct sockaddr_storage from;
    socklen_t n_from = sizeof(from);
    ssize_t n =
        recvfrom(w->fd, room, sizeof(room), MSG_DONTWAIT, (struct sockaddr *)&from, &n_from);
    struct sip_message m;
    struct addr peer;

    if (n < 0)
        on_socket_error(w, "receive");
    if (n <= 0 || addr_from_sockaddr(&peer, (struct sockaddr *)&from) ||
        sip_message_parse(&m, (struct str){ room, (size_t)n }, NULL))
        return;
    if (m.request && m.method == SIP_NOTIFY)
        on_notify(w, &m, &peer);
    else if (!m.request && m.method == SIP_SUBSCRIBE && str_equal(m.call_id, str_of(w->call_id)))
        on_response(w, &m);
}

/* ---- the loop ---- */

static void on_time(struct watch *w)
{
    uint64_t now = now_ms();

    if (interrupted && !w->leaving) {
        w->leaving = true;
        if (!w->to.n) {
            finish(w, EXIT_FAILED);
            return;
        }
        subscribe(w, 0);
        w->give_up_ms = now + 2000;
    }
    if ((w->pending || w->leaving) && now >= w->give_up_ms) {
        if (!w->leaving)
            fprintf(stderr, "extstatectl: nobody answers at that address\n");
        finish(w, w->leaving ? EXIT_OK : EXIT_FAILED);
    } else if (w->pending && now >= w->next_send_ms) {
        w->interval_ms = w->interval_ms * 2 > T2_MS ? T2_MS : w->interval_ms * 2;
        w->next_send_ms = now + w->interval_ms;
        send_request(w);
    } else if (w->pending && !w->leaving && now >= w->hint_ms) {
        w->hint_ms = UINT64_MAX;
        fprintf(stderr,
                "extstatectl: no answer yet; is that the right address, and does UDP get there and "
                "back? Giving up after %d s\n",
                ANSWER_MS / 1000);
    } else if (!w->pending && !w->leaving && w->refresh_ms && now >= w->refresh_ms) {
        subscribe(w, w->expires_s);
    }
}

static int watch_open(struct watch *w)
{
    struct sockaddr_storage local;
    socklen_t n = sizeof(local);

    w->fd = socket(w->server.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    /* Connected for a moment only, to learn our address; NOTIFYs may come from elsewhere. */
    if (w->fd < 0 || connect(w->fd, &w->server.sa, addr_socklen(&w->server)) ||
        getsockname(w->fd, (struct sockaddr *)&local, &n) ||
        addr_from_sockaddr(&w->local, (struct sockaddr *)&local)) {
        perror("extstatectl: socket");
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static void print_asking(const struct watch *w)
{
    struct buf text;
    char room[80];

    if (w->in->options->json)
        return;
    buf_init_on(&text, room, sizeof(room));
    addr_print(&text, &w->server);
    fprintf(stderr, "asking %.*s as %s ...\n", STR_FMT(buf_str(&text)), w->from);
}

static int watch_run(struct watch *w)
{
    struct sigaction action = { .sa_handler = on_interrupt };
    int r = watch_open(w);

    if (r != EXIT_OK)
        return r;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    buf_init(&w->request, SIP_MESSAGE_MAX);
    rng_init_system(&w->rng);
    snprintf(w->call_id, sizeof(w->call_id), "%016llx@extstatectl",
             (unsigned long long)rng_u64(&w->rng));
    snprintf(w->from_tag, sizeof(w->from_tag), "%016llx", (unsigned long long)rng_u64(&w->rng));
    print_asking(w);
    subscribe(w, w->expires_s);
    while (!w->over) {
        struct pollfd p = { .fd = w->fd, .events = POLLIN };

        if (poll(&p, 1, 50) > 0)
            on_datagram(w);
        if (!w->over)
            on_time(w);
    }
    buf_fini(&w->request);
    str_free(&w->to);
    str_free(&w->target);
    close(w->fd);
    return w->code;
}

/* Ask the daemon where it listens and as whom this context can be watched; NULL: the default one.
 */
static int ask_daemon(const struct invocation *in, const char *context, char **server, char **from)
{
    json_t *answer = NULL;
    int r = EXIT_OK;

    if (*server && *from)
        return r;
    r = call_simple(
        &(struct invocation){ .options = &(struct ctl_options){ .socket = in->options->socket } },
        json_pack("{ss ss}", "command", "watch.hint", "context", context ? context : "default"),
        &answer);
    if (r == EXIT_OK && !*server && *row_text(answer, "server"))
        *server = strdup(row_text(answer, "server"));
    if (r == EXIT_OK && !*from && *row_text(answer, "from"))
        *from = strdup(row_text(answer, "from"));
    json_decref(answer);
    if (r == EXIT_OK && !*server)
        fprintf(
            stderr,
            "extstatectl: the daemon has no UDP listener; name one with --server ADDRESS:PORT\n");
    else if (r == EXIT_OK && !*from)
        fprintf(stderr,
                "extstatectl: no endpoint in pjsip.conf watches context %s; name one with --from "
                "ENDPOINT\n",
                context ? context : "default");
    if (r == EXIT_OK && !*from && !context)
        print_context_hint(in->words[0]);
    return r == EXIT_OK && (!*server || !*from) ? EXIT_FAILED : r;
}

static int run_watch(const struct invocation *given)
{
    struct invocation in = *given;
    char *server = take_option(&in, "--server"), *from = take_option(&in, "--from");
    char *event = take_option(&in, "--event"), *accept = take_option(&in, "--accept");
    char *expires = take_option(&in, "--expires"), *count = take_option(&in, "--count");
    struct watch w = {
        .in = &in, .event = event ? event : "dialog", .accept = accept, .expires_s = 3600
    };
    char *given_server = server, *given_from = from;
    char *context;
    int r;

    if (take_flag(&in, "--once"))
        w.expires_s = 0;
    if (in.n != 1 || (expires && str_to_u32(&w.expires_s, str_of(expires))) ||
        (count && str_to_u32(&w.count, str_of(count))))
        return usage_of("watch");
    context = strchr(in.words[0], '@');
    if (context)
        *context++ = '\0';
    w.context_given = context || from; /* with an endpoint comes its context */
    r = ask_daemon(&in, context, &server, &from);
    if (r == EXIT_OK && addr_parse(&w.server, str_of(server), 5060)) {
        fprintf(stderr, "extstatectl: \"%s\" is no address\n", server);
        r = EXIT_USAGE;
    }
    if (r == EXIT_OK) {
        w.extension = in.words[0];
        w.from = from;
        r = watch_run(&w);
    }
    if (server != given_server)
        free(server);
    if (from != given_from)
        free(from);
    return r;
}

const struct command watch_commands[] = {
    { "watch",
      "EXTENSION[@CONTEXT] [--event dialog|presence] [--accept TYPE] [--from ENDPOINT] [--server "
      "ADDRESS:PORT]\n"
      "      [--expires SECONDS] [--count NOTIFYS] [--once]",
      "subscribe like a phone and print every NOTIFY", run_watch, false },
    { 0 },
};
