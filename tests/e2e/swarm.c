// SPDX-License-Identifier: MIT
/* swarm - thousands of watchers in one process, for the end-to-end tests.
 *
 *   swarm SERVER FROM EXTENSION-BASE EXTENSIONS WATCHERS
 *
 * Watcher i subscribes to extension BASE + i % EXTENSIONS, repeating its SUBSCRIBE until it is
 * answered, and answers every NOTIFY. Prints "subscribed" when all are. Then each line on standard
 * input is answered by one line for every extension, "EXTENSION STATE=WATCHERS ...", and "end";
 * STATE is what the last NOTIFY (by CSeq) showed. Ends with standard input. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "sip/print.h"

enum { SOCKETS = 16, T1_MS = 500, T2_MS = 4000, STATES = 5, WINDOW = 500 };

static const char *const state_names[STATES] = { "none", "terminated", "early", "confirmed",
                                                 "held" };

struct watcher {
    unsigned extension;
    bool answered;
    uint64_t next_ms, interval_ms;
    uint32_t cseq; /* of the newest NOTIFY seen */
    int state;
};

struct swarm {
    struct addr server, local[SOCKETS];
    int fd[SOCKETS];
    const char *from;
    unsigned base, extensions, n, answered, started;
    struct watcher *watchers;
};

static uint64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

static void transmit(struct swarm *s, unsigned socket, const struct buf *b)
{
    if (!b->error)
        (void)!sendto(s->fd[socket], b->p, b->n, 0, &s->server.sa, addr_socklen(&s->server));
}

static void send_subscribe(struct swarm *s, unsigned i)
{
    unsigned k = i % SOCKETS, extension = s->base + s->watchers[i].extension;
    struct buf b, host, local;
    char room[2048], host_room[64], local_room[64];

    buf_init_on(&b, room, sizeof(room));
    buf_init_on(&host, host_room, sizeof(host_room));
    buf_init_on(&local, local_room, sizeof(local_room));
    addr_print(&host, &s->server);
    addr_print(&local, &s->local[k]);
    buf_printf(
        &b,
        "SUBSCRIBE sip:%u@%.*s SIP/2.0\r\nVia: SIP/2.0/UDP "
        "%.*s;rport;branch=z9hG4bKswarm%u\r\nMax-Forwards: 70\r\n"
        "From: <sip:%s@%.*s>;tag=w%u\r\nTo: <sip:%u@%.*s>\r\nCall-ID: swarm-%u\r\nCSeq: 1 "
        "SUBSCRIBE\r\n"
        "Contact: <sip:w%u@%.*s>\r\nEvent: dialog\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n",
        extension, STR_FMT(buf_str(&host)), STR_FMT(buf_str(&local)), i, s->from,
        STR_FMT(buf_str(&host)), i, extension, STR_FMT(buf_str(&host)), i, i,
        STR_FMT(buf_str(&local)));
    transmit(s, k, &b);
}

static int state_of(struct str body)
{
    char text[4096];

    if (body.n >= sizeof(text))
        return 0;
    memcpy(text, body.p, body.n);
    text[body.n] = '\0';
    if (strstr(text, "+sip.rendering"))
        return 4;
    for (int i = 1; i < 4; i++) {
        char wanted[64];

        snprintf(wanted, sizeof(wanted), "<state>%s</state>", state_names[i]);
        if (strstr(text, wanted))
            return i;
    }
    return 0;
}

static struct watcher *watcher_of(struct swarm *s, const struct sip_message *m)
{
    uint32_t i;

    if (!str_starts(m->call_id, STR("swarm-")) ||
        str_to_u32(&i, str_sub(m->call_id, 6, m->call_id.n)) || i >= s->n)
        return NULL;
    return &s->watchers[i];
}

static void on_message(struct swarm *s, unsigned k, struct str datagram)
{
    struct sip_message m;
    struct watcher *w;

    if (sip_message_parse(&m, datagram, NULL))
        return;
    w = watcher_of(s, &m);
    if (!w)
        return;
    if (!m.request) {
        if (m.status != 200) {
            fprintf(stderr, "swarm: %u\n", m.status);
            exit(1);
        }
        s->answered += !w->answered;
        w->answered = true;
    } else if (m.method == SIP_NOTIFY) {
        struct sip_reply reply = { .status = 200 };
        struct buf b;
        char room[2048];

        if (m.cseq > w->cseq) {
            w->cseq = m.cseq;
            w->state = state_of(m.body);
        }
        buf_init_on(&b, room, sizeof(room));
        sip_print_response(&b, &m, &s->server, false, &reply);
        transmit(s, k, &b);
    }
}

static void on_readable(struct swarm *s, unsigned k)
{
    static char room[SIP_MESSAGE_MAX];

    for (int i = 0; i < 64; i++) {
        ssize_t n = recv(s->fd[k], room, sizeof(room), MSG_DONTWAIT);

        if (n < 0)
            return;
        on_message(s, k, (struct str){ room, (size_t)n });
    }
}

static void on_time(struct swarm *s)
{
    uint64_t now = now_ms();

    while (s->started < s->n && s->started - s->answered < WINDOW)
        s->watchers[s->started++].next_ms = now;
    for (unsigned i = 0; i < s->started; i++) {
        struct watcher *w = &s->watchers[i];

        if (w->answered || now < w->next_ms)
            continue;
        send_subscribe(s, i);
        w->interval_ms = w->interval_ms ? w->interval_ms * 2 : T1_MS;
        w->interval_ms = w->interval_ms > T2_MS ? T2_MS : w->interval_ms;
        w->next_ms = now + w->interval_ms;
    }
}

static void report(const struct swarm *s)
{
    for (unsigned e = 0; e < s->extensions; e++) {
        unsigned counts[STATES] = { 0 };

        for (unsigned i = e; i < s->n; i += s->extensions)
            counts[s->watchers[i].state]++;
        printf("%u", s->base + e);
        for (int i = 0; i < STATES; i++)
            if (counts[i])
                printf(" %s=%u", state_names[i], counts[i]);
        printf("\n");
    }
    printf("end\n");
    fflush(stdout);
}

static void open_sockets(struct swarm *s)
{
    for (unsigned k = 0; k < SOCKETS; k++) {
        struct sockaddr_in any = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int size = 8 << 20;
        socklen_t n = sizeof(s->local[k].v4);

        s->fd[k] = socket(AF_INET, SOCK_DGRAM, 0);
        setsockopt(s->fd[k], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        if (s->fd[k] < 0 || bind(s->fd[k], (struct sockaddr *)&any, sizeof(any)) ||
            getsockname(s->fd[k], &s->local[k].sa, &n)) {
            perror("swarm: socket");
            exit(1);
        }
    }
}

static void run(struct swarm *s)
{
    struct pollfd p[SOCKETS + 1];
    bool told = false;
    char line[64];

    for (;;) {
        for (unsigned k = 0; k < SOCKETS; k++)
            p[k] = (struct pollfd){ .fd = s->fd[k], .events = POLLIN };
        p[SOCKETS] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
        poll(p, SOCKETS + 1, 20);
        for (unsigned k = 0; k < SOCKETS; k++)
            if (p[k].revents)
                on_readable(s, k);
        if (p[SOCKETS].revents) {
            if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
                return;
            report(s);
        }
        on_time(s);
        if (!told && s->answered == s->n) {
            told = true;
            printf("subscribed\n");
            fflush(stdout);
        }
    }
}

int main(int argc, char **argv)
{
    struct swarm s = { 0 };

    if (argc != 6 || addr_parse(&s.server, str_of(argv[1]), 5060)) {
        fprintf(stderr, "usage: swarm SERVER FROM EXTENSION-BASE EXTENSIONS WATCHERS\n");
        return 2;
    }
    s.from = argv[2];
    s.base = (unsigned)strtoul(argv[3], NULL, 10);
    s.extensions = (unsigned)strtoul(argv[4], NULL, 10);
    s.n = (unsigned)strtoul(argv[5], NULL, 10);
    if (!s.extensions)
        return 2;
    s.watchers = calloc(s.n, sizeof(*s.watchers));
    if (!s.watchers)
        return 1;
    for (unsigned i = 0; i < s.n; i++)
        s.watchers[i].extension = i % s.extensions;
    open_sockets(&s);
    run(&s);
    free(s.watchers);
    return 0;
}
