// SPDX-License-Identifier: MIT
/* What a client of the control socket sends, however it is cut. The first byte says how. Each
 * request has one end, and each line of the answers is a JSON object. */
#include "ctl/ctl_testing.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct fixture f;
    struct feed feed;
    struct inbox home;
    struct ctl_edge edge;
    int fd; /* the client's */
    struct buf answers;
};

static struct world *the_world;

static int on_edge(void *ctx, struct ctl_job *job)
{
    job->run(job, the_world);
    job->done(job);
    return 0;
}

static const struct ctl_edge *seen(const void *subject)
{
    return &((const struct world *)subject)->edge;
}

static int backup(void *ctx, struct str file, char *why, size_t why_n)
{
    snprintf(why, why_n, "not to %.*s", STR_FMT(file));
    return -EIO;
}

static int verify(void *ctx, struct ctl_verification *found, char *why, size_t why_n)
{
    found->n = 1;
    found->tables[0] = (struct ctl_table){ .name = "devices", .records = 2, .wrong = 1 };
    snprintf(why, why_n, "damaged");
    return -EUCLEAN;
}

static void upgrade(void *ctx, struct ctl_upgrade *u)
{
    u->failed(u, STR("not now"));
}

static int endpoint(void *ctx, struct str id, struct str *context)
{
    *context = STR("users");
    return str_equal(id, STR("alice")) ? 0 : str_equal(id, STR("eve")) ? -EPERM : -ENOENT;
}

/* Nobody connects: the client is adopted. */
static int listener_open(void)
{
    const struct sockaddr_un nowhere = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    BUG_UNLESS(fd >= 0 && bind(fd, (const struct sockaddr *)&nowhere, sizeof(sa_family_t)) == 0);
    return fd;
}

static void world_begin(struct world *w)
{
    struct fixture *f = &w->f;
    struct ctl_config cfg = config_of(f);
    int pair[2];

    uv_loop_init(&f->loop);
    make_core(f);
    f->state.keep = (struct keep){ .ctx = NULL };
    feed_init(&w->feed, NULL);
    inbox_init(&w->home, NULL, 1000, NULL, NULL);
    feed_open(&w->feed, &w->home);
    BUG_UNLESS(recent_create(&w->edge.recent, &w->feed) == 0);
    BUG_UNLESS(followers_create(&w->edge.followers, &w->feed, &clock_system) == 0);
    cfg.path = STR("/dev/null/socket");
    cfg.listens = true;
    cfg.listener = listener_open();
    cfg.port.on_edge = on_edge;
    cfg.port.seen = seen;
    cfg.port.backup = backup;
    cfg.port.verify = verify;
    cfg.port.upgrade = upgrade;
    cfg.port.endpoint = endpoint;
    BUG_UNLESS(ctl_create(&f->ctl, &cfg) == 0);
    BUG_UNLESS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    ctl_adopt(f->ctl, pair[0], "client", NULL);
    w->fd = pair[1];
    buf_init(&w->answers, 64 << 20);
}

static void world_end(struct world *w)
{
    struct fixture *f = &w->f;

    ctl_destroy(f->ctl);
    close(w->fd);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    BUG_UNLESS(uv_loop_close(&f->loop) == 0);
    followers_destroy(w->edge.followers);
    recent_destroy(w->edge.recent);
    inbox_fini(&w->home);
    asterisk_sources_destroy(f->sources);
    mailboxes_destroy(f->mailboxes);
    publication_store_destroy(f->publications);
    wheel_fini(&f->wheel);
    state_destroy(f->core);
    buf_fini(&w->answers);
}

/* False: it has hung up. */
static bool hear(struct world *w)
{
    char room[65536];
    ssize_t n;

    while ((n = read(w->fd, room, sizeof(room))) > 0)
        buf_add(&w->answers, (struct str){ room, (size_t)n });
    return n < 0;
}

/* False: it has hung up. */
static bool say(struct world *w, struct str bytes)
{
    bool open = true;

    while (open && bytes.n) {
        ssize_t n = write(w->fd, bytes.p, bytes.n);

        bytes = str_sub(bytes, n > 0 ? (size_t)n : 0, bytes.n);
        uv_run(&w->f.loop, UV_RUN_NOWAIT);
        open = hear(w);
    }
    return open;
}

static size_t requests_in(struct str sent)
{
    size_t n = 0;

    for (size_t end; (end = str_find_char(sent, '\n')) < sent.n;
         sent = str_sub(sent, end + 1, sent.n))
        n += str_trim(str_sub(sent, 0, end)).n > 0;
    return n;
}

static size_t ends_in(struct str answers)
{
    size_t ends = 0;

    while (answers.n) {
        size_t end = str_find_char(answers, '\n');
        json_t *line = json_loadb(answers.p, end, JSON_REJECT_DUPLICATES, NULL);
        const json_t *ok = json_object_get(line, "ok");

        BUG_UNLESS(end < answers.n && json_is_object(line));
        BUG_UNLESS(json_is_boolean(ok) || json_is_object(json_object_get(line, "row")));
        ends += ok != NULL;
        json_decref(line);
        answers = str_sub(answers, end + 1, answers.n);
    }
    return ends;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str sent = { (const char *)data + 1, size - 1 }, rest = sent;
    bool open = true;
    struct world *w;

    if (!size)
        return 0;
    w = calloc(1, sizeof(*w));
    BUG_UNLESS(w);
    the_world = w;
    world_begin(w);
    while (open && rest.n) {
        size_t piece = 1 + data[0] * 16u;

        open = say(w, str_sub(rest, 0, piece));
        rest = str_sub(rest, piece, rest.n);
    }
    while (ctl_unanswered(w->f.ctl))
        uv_run(&w->f.loop, UV_RUN_ONCE);
    uv_run(&w->f.loop, UV_RUN_NOWAIT);
    open = hear(w);
    BUG_UNLESS(open && !w->answers.error);
    BUG_UNLESS(ends_in(buf_str(&w->answers)) == requests_in(sent));
    world_end(w);
    free(w);
    return 0;
}
