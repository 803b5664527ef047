// SPDX-License-Identifier: MIT
/* The socket and its clients. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl_internal.h"

#define CTL_WAITS                                                                   \
    "client-" /* and the number of its request: a client that waits for the upgrade \
               */

enum { AGAIN_MS = 20 };

struct ctl {
    struct ctl_config cfg;
    struct commands *commands;
    struct str path;
    uv_pipe_t listener;
    uv_timer_t again;    /* there was no memory for who has come, and nobody else comes before */
    struct list clients; /* who has been silent for longest first */
    size_t n_clients;    /* of those, open */
    size_t refs;         /* handles that are not closed yet, and who has it */
    uint64_t next_client;
    bool closed, paused;
};

struct client {
    struct list link;
    uv_pipe_t pipe;
    struct ctl *ctl;
    uint64_t id;
    unsigned under_way;   /* requests without an answer */
    struct buf line;      /* an incomplete request */
    size_t pending_bytes; /* written, not yet taken by the client */
    char room[16384];
};

struct pending_write {
    uv_write_t uv;
    struct client *client;
    struct str bytes;
};

static void ctl_unref(struct ctl *c)
{
    if (--c->refs)
        return;
    str_free(&c->path);
    free(c);
}

/* ---- clients ---- */

static void on_client_closed(uv_handle_t *h)
{
    struct client *cl = h->data;
    struct ctl *c = cl->ctl;

    list_remove(&cl->link);
    buf_fini(&cl->line);
    free(cl);
    ctl_unref(c);
}

static void client_close(struct client *cl)
{
    if (uv_is_closing((uv_handle_t *)&cl->pipe))
        return;
    cl->ctl->n_clients--;
    uv_close((uv_handle_t *)&cl->pipe, on_client_closed);
}

static struct client *client_find(struct ctl *c, uint64_t id)
{
    LIST_FOREACH (it, &c->clients) {
        struct client *cl = CONTAINER_OF(it, struct client, link);

        if (cl->id == id && !uv_is_closing((uv_handle_t *)&cl->pipe))
            return cl;
    }
    return NULL;
}

static void on_written(uv_write_t *uv, int status)
{
    struct pending_write *w = CONTAINER_OF(uv, struct pending_write, uv);

    w->client->pending_bytes -= w->bytes.n;
    if (status)
        client_close(w->client);
    str_free(&w->bytes);
    free(w);
}

/* Takes the bytes. */
static void client_write(struct client *cl, struct str bytes)
{
    struct pending_write *w = malloc(sizeof(*w));
    uv_buf_t b;

    if (!w || cl->pending_bytes + bytes.n > cl->ctl->cfg.max_output_bytes) {
        log_warn(cl->ctl->cfg.log, "ctl.client_cut_off",
                 KV_U("bytes", cl->pending_bytes + bytes.n));
        free(w);
        str_free(&bytes);
        client_close(cl);
        return;
    }
    *w = (struct pending_write){ .client = cl, .bytes = bytes };
    cl->pending_bytes += bytes.n;
    b = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);
    if (uv_write(&w->uv, (uv_stream_t *)&cl->pipe, &b, 1, on_written)) {
        cl->pending_bytes -= bytes.n;
        str_free(&w->bytes);
        free(w);
        client_close(cl);
    }
}

/* ---- requests ---- */

static void line_finish(struct ctl_request *q,
                        void (*more)(struct ctl_request *q, struct json *out))
{
    struct json out = json_on(&q->out);

    json_add_object(&out, NULL);
    json_add_i64(&out, "id", q->id);
    json_add_bool(&out, "ok", !q->error);
    if (q->error) {
        json_add_str(&out, "error", str_of(q->error));
        json_add_str(&out, "message", buf_str(&q->message));
    } else {
        json_add_u64(&out, "rows", q->rows);
        if (more)
            more(q, &out);
    }
    json_end_object(&out);
    buf_add_char(&q->out, '\n');
}

static void client_answer(struct ctl_request *q)
{
    struct client *cl = client_find(q->ctx, q->client_id);
    struct str bytes;

    if (cl)
        cl->under_way--;
    if (cl && buf_take(&q->out, &bytes) == 0)
        client_write(cl, bytes);
    else if (cl)
        client_close(cl);
}

static struct ctl_request *client_ask(struct client *cl)
{
    static const struct request_end end = { .finish = line_finish, .answered = client_answer };
    struct ctl_request *q = request_create(cl->ctl->commands, &end);

    if (!q) {
        client_close(cl);
        return NULL;
    }
    q->ctx = cl->ctl;
    q->client_id = cl->id;
    cl->under_way++;
    list_remove(&cl->link);
    list_append(&cl->ctl->clients, &cl->link);
    return q;
}

/* Every row tells whose it is: answers come in order of completion. */
static void client_identify(struct ctl_request *q, json_int_t id)
{
    struct buf before;

    q->id = id;
    buf_init_on(&before, q->row_room, sizeof(q->row_room));
    buf_printf(&before, "{\"id\":%lld,\"row\":", (long long)id);
    q->before_row = buf_str(&before);
    q->after_row = STR("}\n");
}

static void client_upgraded(struct client *cl, json_int_t id, const struct ctl_upgraded *how)
{
    struct ctl_request *q = client_ask(cl);

    if (!q)
        return;
    client_identify(q, id);
    request_upgraded(q, how);
}

static void client_request(struct client *cl, struct str line)
{
    struct ctl_request *q = client_ask(cl);
    json_error_t why;

    if (!q)
        return;
    q->arguments = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(q->arguments)) {
        request_fail(q, "usage", "a request is one JSON object on one line: %s",
                     q->arguments ? "not an object" : why.text);
        request_finish(q, NULL);
        request_answer(q);
        return;
    }
    client_identify(q, json_integer_value(json_object_get(q->arguments, "id")));
    command_dispatch(q);
}

static void client_lines(struct client *cl)
{
    struct str rest = buf_str(&cl->line);
    size_t used = 0;

    for (;;) {
        struct str here = str_sub(rest, used, rest.n);
        size_t end = str_find_char(here, '\n');
        struct str line = str_trim(str_sub(here, 0, end));

        if (end == here.n)
            break;
        used += end + 1;
        if (line.n)
            client_request(cl, line);
        if (uv_is_closing((uv_handle_t *)&cl->pipe))
            return;
    }
    if (used) {
        memmove(cl->line.p, cl->line.p + used, cl->line.n - used);
        cl->line.n -= used;
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct client *cl = h->data;

    (void)suggested;
    *out = uv_buf_init(cl->room, sizeof(cl->room));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct client *cl = stream->data;

    if (n < 0) {
        client_close(cl);
        return;
    }
    buf_add(&cl->line, (struct str){ b->base, (size_t)n });
    if (cl->line.error) {
        log_warn(cl->ctl->cfg.log, "ctl.request_too_long", KV_U("limit", CTL_REQUEST_MAX));
        client_close(cl);
        return;
    }
    client_lines(cl);
}

/* Connections that somebody forgot must not lock the operator out: who has been silent for longest,
 * and waits for nothing, goes. False when all wait for an answer. */
static bool clients_make_room(struct ctl *c)
{
    LIST_FOREACH (it, &c->clients) {
        struct client *cl = CONTAINER_OF(it, struct client, link);

        if (cl->under_way || uv_is_closing((uv_handle_t *)&cl->pipe))
            continue;
        log_warn(c->cfg.log, "ctl.idle_client_cut_off", KV_U("clients", c->n_clients));
        client_close(cl);
        return true;
    }
    return false;
}

static void client_refuse(struct client *cl)
{
    static const char line[] = "{\"id\":0,\"ok\":false,\"error\":\"busy\","
                               "\"message\":\"too many clients wait for an answer; try again\"}\n";
    struct str bytes;

    log_warn(cl->ctl->cfg.log, "ctl.client_refused", KV_U("clients", cl->ctl->n_clients - 1));
    if (str_dup(&bytes, str_of(line)) == 0)
        client_write(cl, bytes);
    client_close(cl);
}

static void client_listen(struct client *cl)
{
    if (!cl->ctl->paused && uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read))
        client_close(cl);
}

static struct client *client_create(struct ctl *c)
{
    struct client *cl = calloc(1, sizeof(*cl));

    if (!cl)
        return NULL;
    cl->ctl = c;
    cl->id = ++c->next_client;
    buf_init(&cl->line, CTL_REQUEST_MAX);
    uv_pipe_init(c->cfg.loop, &cl->pipe, 0);
    cl->pipe.data = cl;
    c->refs++;
    c->n_clients++;
    list_init(&cl->link);
    list_append(&c->clients, &cl->link);
    return cl;
}

/* The mode of the file may have been changed, or be that of a service manager's. */
static bool is_permitted(const struct client *cl)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t n = sizeof(peer);
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&cl->pipe, &fd) ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n))
        return false;
    if (peer.uid == 0 || peer.uid == geteuid())
        return true;
    log_warn(cl->ctl->cfg.log, "ctl.client_denied", KV_U("uid", peer.uid),
             KV_U("pid", (uint64_t)peer.pid));
    return false;
}

static void on_again(uv_timer_t *t);

static void on_connection(uv_stream_t *listener, int status)
{
    struct ctl *c = listener->data;
    struct client *cl;
    bool room;

    if (status)
        return;
    room = c->n_clients < c->cfg.max_clients || clients_make_room(c);
    cl = client_create(c);
    if (!cl) {
        log_error(c->cfg.log, "ctl.client", KV_ERR(-ENOMEM));
        uv_timer_start(&c->again, on_again, AGAIN_MS, 0);
        return;
    }
    if (uv_accept(listener, (uv_stream_t *)&cl->pipe) || !is_permitted(cl))
        client_close(cl);
    else if (!room)
        client_refuse(cl);
    else
        client_listen(cl);
}

static void on_again(uv_timer_t *t)
{
    struct ctl *c = t->data;

    on_connection((uv_stream_t *)&c->listener, 0);
}

/* ---- from one process to the next ---- */

void ctl_pause(struct ctl *c, bool paused)
{
    if (c->paused == paused)
        return;
    c->paused = paused;
    LIST_FOREACH (it, &c->clients) {
        struct client *cl = CONTAINER_OF(it, struct client, link);

        if (uv_is_closing((uv_handle_t *)&cl->pipe))
            continue;
        if (paused)
            uv_read_stop((uv_stream_t *)&cl->pipe);
        else
            client_listen(cl);
    }
}

size_t ctl_unanswered(const struct ctl *c)
{
    return commands_unanswered(c->commands);
}

static void client_hand_over(const struct client *cl, const struct ctl_request *q,
                             void (*each)(void *ctx, int fd, const char *name), void *ctx)
{
    bool waits = q && cl->id == q->client_id;
    char name[32] = "client";
    uv_os_fd_t fd;

    if (cl->under_way != waits || cl->line.n || cl->pending_bytes ||
        uv_fileno((const uv_handle_t *)&cl->pipe, &fd))
        return;
    if (waits)
        snprintf(name, sizeof(name), CTL_WAITS "%lld", (long long)q->id);
    each(ctx, fd, name);
}

void ctl_hand_over(struct ctl *c, const struct ctl_upgrade *u,
                   void (*each)(void *ctx, int fd, const char *name), void *ctx)
{
    const struct ctl_request *q = u ? CONTAINER_OF(u, struct ctl_request, upgrade) : NULL;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&c->listener, &fd) == 0)
        each(ctx, fd, "control");
    LIST_FOREACH (it, &c->clients) {
        struct client *cl = CONTAINER_OF(it, struct client, link);

        if (!uv_is_closing((uv_handle_t *)&cl->pipe))
            client_hand_over(cl, q, each, ctx);
    }
}

void ctl_adopt(struct ctl *c, int fd, const char *name, const struct ctl_upgraded *how)
{
    struct client *cl = client_create(c);

    if (!cl || uv_pipe_open(&cl->pipe, fd)) {
        close(fd);
        if (cl)
            client_close(cl);
        return;
    }
    if (strncmp(name, CTL_WAITS, strlen(CTL_WAITS)) == 0)
        client_upgraded(cl, strtoll(name + strlen(CTL_WAITS), NULL, 10), how);
    client_listen(cl);
}

/* ---- life ---- */

/* A socket file that nobody answers is left over from a process that died. */
static int path_claim(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    struct stat st;
    int fd, r;

    if (n >= sizeof(to.sun_path))
        return -ENAMETOOLONG;
    if (lstat(path, &st))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK; /* whatever it is, it is not ours to remove */
    memcpy(to.sun_path, path, n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : -EADDRINUSE;
    close(fd);
    if (r == -ECONNREFUSED)
        r = unlink(path) ? -errno : 0;
    return r;
}

static void on_handle_closed(uv_handle_t *h)
{
    ctl_unref(h->data);
}

static void listener_close(struct ctl *c)
{
    uv_close((uv_handle_t *)&c->listener, on_handle_closed);
    uv_close((uv_handle_t *)&c->again, on_handle_closed);
}

int ctl_create(struct ctl **out, const struct ctl_config *cfg)
{
    struct ctl *c = calloc(1, sizeof(*c));
    int r = -ENOMEM;

    if (!c)
        return r;
    c->cfg = *cfg;
    c->refs = 1;
    list_init(&c->clients);
    r = str_dup(&c->path, cfg->path);
    if (r)
        goto out;
    r = commands_create(&c->commands, cfg->loop, &cfg->port);
    if (r)
        goto out;
    r = cfg->listens ? 0 : path_claim(c->path.p);
    if (r)
        goto out;
    uv_pipe_init(cfg->loop, &c->listener, 0);
    uv_timer_init(cfg->loop, &c->again);
    c->listener.data = c->again.data = c;
    c->refs++;
    r = cfg->listens ? uv_pipe_open(&c->listener, cfg->listener)
                     : uv_pipe_bind(&c->listener, c->path.p);
    if (r == 0 && !cfg->listens)
        r = chmod(c->path.p, 0600) ? -errno : 0;
    if (r == 0)
        r = uv_listen((uv_stream_t *)&c->listener, 16, on_connection);
    if (r) {
        commands_destroy(c->commands);
        listener_close(c);
        return r;
    }
    *out = c;
    return 0;
out:
    commands_destroy(c->commands);
    ctl_unref(c);
    return r;
}

void ctl_destroy(struct ctl *c)
{
    if (!c || c->closed)
        return;
    c->closed = true;
    commands_destroy(c->commands);
    LIST_FOREACH (it, &c->clients)
        client_close(CONTAINER_OF(it, struct client, link));
    unlink(c->path.p);
    listener_close(c);
}
