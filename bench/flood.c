// SPDX-License-Identifier: MIT
/* flood HOST PORT KIND - as many datagrams as there is room for, of people whom nobody knows, from
 * 64 sockets of this machine, until it is ended. KIND: subscribe, options, garbage, or tags:
 * SUBSCRIBEs in what looks like a dialog of one worker after the other. At the end how many there
 * were. For scripts/bench-flood. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS = 64, BATCH = 64, SIZE = 600, GARBAGE = 400, WORKERS = 4 };

static volatile sig_atomic_t ended;

static void on_term(int signal)
{
    (void)signal;
    ended = 1;
}

/* Each is another transaction of another dialog. */
static size_t request_print(char *out, const char *method, uint64_t n, bool tagged)
{
    char tag[40] = "";

    if (tagged)
        snprintf(tag, sizeof(tag), ";tag=es%02x%016llx", (unsigned)(n % WORKERS),
                 (unsigned long long)n);
    return (size_t)snprintf(
        out, SIZE,
        "%s sip:1000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
        "127.0.0.1:9;rport;branch=z9hG4bKf%llx\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:stranger%llu@127.0.0.1>;tag=f%llx\r\n"
        "To: <sip:1000@127.0.0.1>%s\r\nCall-ID: f%llx@flood\r\nCSeq: 1 %s\r\n"
        "Contact: <sip:stranger@127.0.0.1:9>\r\nEvent: dialog\r\nExpires: 600\r\n"
        "Content-Length: 0\r\n\r\n",
        method, (unsigned long long)n, (unsigned long long)(n % 1000), (unsigned long long)n, tag,
        (unsigned long long)n, method);
}

static size_t garbage_print(char *out, uint64_t n)
{
    for (size_t i = 0; i < GARBAGE; i++) {
        n = n * 6364136223846793005u + 1442695040888963407u;
        out[i] = (char)(n >> 56);
    }
    return GARBAGE;
}

static size_t datagram_print(char *out, const char *kind, uint64_t n)
{
    if (strcmp(kind, "garbage") == 0)
        return garbage_print(out, n);
    return request_print(out, strcmp(kind, "options") == 0 ? "OPTIONS" : "SUBSCRIBE", n,
                         strcmp(kind, "tags") == 0);
}

static bool sockets_open(int *fds, const struct sockaddr_in *to)
{
    for (size_t i = 0; i < SOCKETS; i++) {
        const struct sockaddr_in from = { .sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(0x7f000100u + (uint32_t)i) };

        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
        if (fds[i] < 0 || bind(fds[i], (const struct sockaddr *)&from, sizeof(from)) ||
            connect(fds[i], (const struct sockaddr *)to, sizeof(*to)))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static char texts[BATCH][SIZE];
    struct sockaddr_in to = { .sin_family = AF_INET };
    struct mmsghdr messages[BATCH] = { 0 };
    struct iovec pieces[BATCH];
    int fds[SOCKETS];
    uint64_t n = (uint64_t)getpid() << 32, sent = 0;

    if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: flood HOST PORT subscribe|options|garbage|tags\n");
        return 1;
    }
    to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    if (!sockets_open(fds, &to)) {
        perror("flood");
        return 1;
    }
    signal(SIGTERM, on_term);
    for (unsigned turn = 0; !ended; turn = (turn + 1) % SOCKETS) {
        int r;

        for (size_t i = 0; i < BATCH; i++) {
            pieces[i] = (struct iovec){ texts[i], datagram_print(texts[i], argv[3], n++) };
            messages[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
        }
        r = sendmmsg(fds[turn], messages, BATCH, 0);
        sent += r > 0 ? (uint64_t)r : 0;
    }
    printf("%llu\n", (unsigned long long)sent);
    return 0;
}
