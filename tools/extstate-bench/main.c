// SPDX-License-Identifier: MIT
/* extstate-bench: a load generator and meter for any SIP event server. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"

enum {
    EXIT_COMPLETE = 0,
    EXIT_INCOMPLETE = 1,
    EXIT_USAGE = 2,
    EXIT_BROKEN = 3, /* no sockets, no memory, no way to make changes */
    COMPLAINTS = 5,
    TICK_MS = 20, /* how late the end of a phase is seen */
};

static const char help[] =
    "Usage: extstate-bench --server ADDRESS[:PORT] [OPTION]... [PHASE[:n=N,rate=N,window=N]]...\n"
    "\n"
    "Loads a SIP event server and says what that costs it, and whether every watcher was\n"
    "told the truth. Phases, in the order they are named (without any: subscribe fanout refresh\n"
    "unsubscribe):\n"
    "  connect      TCP and TLS: the connections are made; happens by itself before the first "
    "phase\n"
    "  prime        every lamp is lit once; happens by itself before the first phase that needs "
    "it\n"
    "  subscribe    each watcher subscribes and is told its lamp\n"
    "  fanout       n changes (each resource once) are told to all watchers\n"
    "  refresh      each watcher refreshes its subscription\n"
    "  publish      n PUBLISHes (10000) for resources that nobody watches\n"
    "  storm        all phones at once, after a power cut: each subscribes anew\n"
    "  restart      --restart COMMAND, then until every lamp is right again\n"
    "  rest         nothing for n seconds (10): memory, when all is quiet\n"
    "  unsubscribe  each watcher ends its subscription\n"
    "  limit        what this machine could do: bare datagrams between two threads\n"
    "rate=N begins so many operations a second (open loop); window=N has so many under way.\n"
    "\n"
    "  --watchers N          subscriptions (1000)\n"
    "  --resources N         what they watch (100), the users BASE, BASE+1, ...\n"
    "  --base N              (1000)\n"
    "  --zipf EXPONENT       watchers per resource by Zipf's law (0: evenly)\n"
    "  --change HOW          publish (default), ctl:SOCKET of extstated, "
    "ami:HOST:PORT:USER:SECRET,\n"
    "                        command:COMMAND that reads lines \"DEVICE STATE\", or none\n"
    "  --device PREFIX       devices of the resources, for all but publish (Custom:)\n"
    "  --from USER           in From (bench)\n"
    "  --domain HOST         of the resources (the server's address)\n"
    "  --expires SECONDS     (3600)\n"
    "  --loss PERCENT        datagrams dropped, each way (0)\n"
    "  --dead PERCENT        watchers that never answer a NOTIFY (0)\n"
    "  --compositor          the server publishes the resources to us, at --local\n"
    "  --slow PERCENT        watchers that answer after --slow-ms (0, 1000)\n"
    "  --server-pid PID      or a file with it: CPU time and memory of its process tree\n"
    "  --restart COMMAND     stops and starts the server; ends when it is there again\n"
    "  --patience SECONDS    a phase in which nothing happens for so long is given up (40)\n"
    "  --transport HOW       udp (default), tcp or tls\n"
    "  --connections N       which the phones share (16); as many as watchers: one each\n"
    "  --local ADDRESS[:PORT] --sockets N (16)  where the phones are, over UDP\n"
    "  --json FILE           a JSON line for each phase; -: standard output, the table then goes "
    "to\n"
    "                        standard error\n"
    "Exit status: 0 everything was complete, 1 it was not, 2 usage, 3 it could not begin.\n";

void bench_complain(struct bench *b, const char *format, ...)
{
    va_list args;

    if (b->complaints++ >= COMPLAINTS)
        return;
    va_start(args, format);
    fputs("extstate-bench: ", stderr);
    vfprintf(stderr, format, args);
    fputs(b->complaints == COMPLAINTS ? "\nextstate-bench: more of that is not told\n" : "\n",
          stderr);
    va_end(args);
}

static void print_text(FILE *to, void (*print)(struct buf *, const struct report *),
                       const struct report *r)
{
    char room[4096];
    struct buf text;

    buf_init_on(&text, room, sizeof(room));
    print(&text, r);
    fwrite(text.p, 1, text.n, to);
    fflush(to);
}

static void print_title(struct buf *out, const struct report *r)
{
    (void)r;
    report_print_title(out);
}

void report_tell(struct bench *b, const struct report *r)
{
    if (!b->titled)
        print_text(b->table, print_title, r);
    b->titled = true;
    print_text(b->table, report_print_row, r);
    if (b->json)
        print_text(b->json, report_print_json, r);
    b->incomplete |= !report_complete(r);
}

/* ---- the loop ---- */

static void on_tick(uv_timer_t *t)
{
    (void)t; /* the flush hook does the work */
}

static void on_pace(uv_poll_t *poll, int status, int events)
{
    struct bench *b = poll->data;
    uint64_t times;

    (void)status;
    (void)events;
    (void)!read(b->pacer_fd, &times, sizeof(times));
}

static int loop_open(struct bench *b)
{
    int r = loop_init(&b->loop, &clock_system, b, 16);

    if (r)
        return r;
    b->loop_open = true;
    b->pacer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    r = b->pacer_fd < 0 ? -errno : loop_result(uv_poll_init(&b->loop.uv, &b->pacer, b->pacer_fd));
    if (r)
        return r;
    uv_poll_start(&b->pacer, UV_READABLE, on_pace);
    b->pacer.data = b;
    uv_idle_init(&b->loop.uv, &b->busy);
    uv_timer_init(&b->loop.uv, &b->tick);
    uv_timer_start(&b->tick, on_tick, TICK_MS, TICK_MS);
    loop_flush_hook(&b->loop, phase_turn, b);
    return 0;
}

/* As many files as we may have: each connection is one. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)!setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int bench_open(struct bench *b)
{
    const struct options *o = b->options;
    int r = loop_open(b);

    signal(SIGPIPE, SIG_IGN); /* writing says it too */
    rng_init_system(&b->rng);
    b->run = (uint32_t)rng_u64(&b->rng);
    raise_file_limit();
    if (r == 0)
        r = wire_open(b);
    if (r == 0) {
        b->resources = calloc(o->resources, sizeof(*b->resources));
        r = b->resources ? watchers_create(b) : -ENOMEM;
    }
    if (r == 0)
        r = publications_create(b);
    if (r == 0)
        r = compositor_create(b);
    if (r == 0)
        r = change_open(b);
    return r;
}

static void bench_close(struct bench *b)
{
    if (!b->loop_open)
        return;
    change_close(b);
    publications_destroy(b);
    compositor_destroy(b);
    watchers_destroy(b);
    wire_close(b);
    free(b->resources);
    uv_close((uv_handle_t *)&b->tick, NULL);
    uv_close((uv_handle_t *)&b->busy, NULL);
    uv_close((uv_handle_t *)&b->pacer, NULL);
    loop_fini(&b->loop);
    change_end(b);
    close(b->pacer_fd);
}

static int run_phases(struct bench *b)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < b->options->n_phases; i++) {
        const struct phase_spec *spec = &b->options->phases[i];

        r = spec->kind == PHASE_LIMIT ? limit_run(b, spec) : phase_run(b, spec);
    }
    return r;
}

static int open_outputs(struct bench *b)
{
    const char *path = b->options->json;
    bool on_stdout = path && strcmp(path, "-") == 0;

    b->table = on_stdout ? stderr : stdout;
    b->json = on_stdout ? stdout : path ? fopen(path, "we") : NULL;
    if (!path || b->json)
        return 0;
    fprintf(stderr, "extstate-bench: %s: %s\n", path, strerror(errno));
    return -EIO;
}

static int bench_run(const struct options *o)
{
    struct bench *b = calloc(1, sizeof(*b)); /* its histograms are large */
    int r = -ENOMEM;

    if (!b)
        return EXIT_BROKEN;
    b->options = o;
    list_init(&b->late);
    r = open_outputs(b);
    if (r == 0 && o->has_server)
        r = bench_open(b);
    if (r == 0)
        r = run_phases(b);
    bench_close(b);
    if (b->json && b->json != stdout)
        fclose(b->json);
    r = r ? EXIT_BROKEN : b->incomplete ? EXIT_INCOMPLETE : EXIT_COMPLETE;
    free(b);
    return r;
}

int main(int argc, char **argv)
{
    struct options options;

    switch (options_parse(&options, argc, argv)) {
    case 0:
        return bench_run(&options);
    case OPTIONS_HELP:
        fputs(help, stdout);
        return EXIT_COMPLETE;
    case OPTIONS_VERSION:
        puts("extstate-bench " EXTSTATE_VERSION);
        return EXIT_COMPLETE;
    default:
        fputs("Try extstate-bench --help.\n", stderr);
        return EXIT_USAGE;
    }
}
