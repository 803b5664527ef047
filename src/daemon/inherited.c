// SPDX-License-Identifier: MIT
#include "daemon/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"

enum { FIRST_FD = 3, NAMES_BYTES_MAX = 64 << 20 };

static const char *const variables[] = { "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES" };

/* ---- what it is ---- */

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

static enum inherited_kind kind_of(int fd)
{
    bool listens = option_of(fd, SO_ACCEPTCONN) == 1;

    switch (option_of(fd, SO_DOMAIN)) {
    case AF_UNIX:
        if (option_of(fd, SO_TYPE) != SOCK_STREAM)
            return INHERITED_OTHER;
        return listens ? INHERITED_CONTROL : INHERITED_CLIENT;
    case AF_INET:
    case AF_INET6:
        break;
    default:
        return INHERITED_OTHER;
    }
    switch (option_of(fd, SO_PROTOCOL)) {
    case IPPROTO_UDP:
        return INHERITED_UDP;
    case IPPROTO_TCP:
        return listens ? INHERITED_LISTENER : INHERITED_CONNECTION;
    default:
        return INHERITED_OTHER;
    }
}

static int find_address(struct inherited_socket *s)
{
    union {
        struct sockaddr sa;
        struct sockaddr_un un;
        struct sockaddr_storage room;
    } bound = { .sa.sa_family = AF_UNSPEC };
    socklen_t len = sizeof(bound.room);

    if (getsockname(s->fd, &bound.sa, &len))
        return -errno;
    if (bound.sa.sa_family != AF_UNIX)
        return addr_from_sockaddr(&s->local, &bound.sa);
    if (len <= offsetof(struct sockaddr_un, sun_path))
        return 0;
    return str_dup(&s->path, (struct str){ bound.un.sun_path,
                                           strnlen(bound.un.sun_path,
                                                   len - offsetof(struct sockaddr_un, sun_path)) });
}

int inherited_add(struct inherited *in, int fd, struct str name)
{
    struct inherited_socket s = { .kind = kind_of(fd), .fd = fd };
    int r = 0;

    if (ARRAY_GROW(in->list, in->n))
        return -ENOMEM;
    if (s.kind != INHERITED_OTHER)
        r = find_address(&s);
    if (r == 0)
        r = str_dup(&s.name, name);
    if (r) {
        str_free(&s.path);
        return r;
    }
    in->list[in->n++] = s;
    return 0;
}

/* ---- the environment ---- */

static int number_of(const char *variable, uint32_t *out)
{
    const char *text = getenv(variable);

    return text ? str_to_u32(out, str_of(text)) : -ENOENT;
}

/* They are passed without a gap. */
static int read_next(struct inherited *in, struct str name)
{
    int fd = FIRST_FD + (int)in->n;

    if (in->n >= INHERITED_MAX || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return -EINVAL;
    return inherited_add(in, fd, name);
}

static int read_all(struct inherited *in, uint32_t n)
{
    const char *names = getenv("LISTEN_FDNAMES");
    struct str rest = str_of(names);
    int r = n > INHERITED_MAX ? -EINVAL : 0;

    for (uint32_t i = 0; i < n && r == 0; i++)
        r = read_next(in, str_next(&rest, ':'));
    return r;
}

int inherited_read(struct inherited *in, bool whoever)
{
    uint32_t n = 0, pid = 0;
    int r = number_of("LISTEN_FDS", &n);

    if (r == -ENOENT)
        return 0;
    if (r == 0 && !whoever && (number_of("LISTEN_PID", &pid) || pid != (uint32_t)getpid()))
        n = 0; /* they are somebody else's */
    r = r ? -EINVAL : read_all(in, n);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        unsetenv(variables[i]);
    return r;
}

int inherited_read_behind(struct inherited *in, int names)
{
    struct stat st;
    struct str rest;
    char *text;
    int r = fstat(names, &st) ? -errno : st.st_size > NAMES_BYTES_MAX ? -EINVAL : 0;

    if (r)
        return r;
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return -ENOMEM;
    if (pread(names, text, (size_t)st.st_size, 0) != st.st_size)
        r = -EIO;
    rest = (struct str){ text, (size_t)st.st_size };
    while (r == 0 && rest.n)
        r = read_next(in, str_next(&rest, '\n'));
    free(text);
    return r;
}

/* ---- taking ---- */

struct inherited_socket *inherited_take(struct inherited *in, enum inherited_kind kind,
                                        const struct addr *bind, struct str name)
{
    for (size_t i = 0; i < in->n; i++) {
        struct inherited_socket *s = &in->list[i];
        bool there;

        if (s->kind != kind || s->taken)
            continue;
        there = addr_port(bind) ? addr_equal(&s->local, bind)
                                : addr_equal_host(&s->local, bind) && str_equal(s->name, name);
        if (!there)
            continue;
        s->taken = true;
        return s;
    }
    return NULL;
}

struct inherited_socket *inherited_take_path(struct inherited *in, enum inherited_kind kind,
                                             struct str path)
{
    for (size_t i = 0; i < in->n; i++) {
        struct inherited_socket *s = &in->list[i];

        if (s->kind != kind || s->taken || !str_equal(s->path, path))
            continue;
        s->taken = true;
        return s;
    }
    return NULL;
}

void inherited_report(const struct inherited *in, struct log *log)
{
    for (size_t i = 0; i < in->n; i++) {
        const struct inherited_socket *s = &in->list[i];
        struct buf text;
        char room[128];

        if (s->taken || s->kind == INHERITED_CLIENT)
            continue;
        buf_init_on(&text, room, sizeof(room));
        if (s->local.sa.sa_family)
            addr_print(&text, &s->local);
        else
            buf_add(&text, s->path);
        log_warn(log, "inherited.not_used", KV("name", s->name), KV("address", buf_str(&text)),
                 KV("why", "nothing is configured there; it is closed"));
    }
}

void inherited_close(struct inherited *in)
{
    for (size_t i = 0; i < in->n; i++) {
        if (!in->list[i].lent)
            close(in->list[i].fd);
        str_free(&in->list[i].path);
        str_free(&in->list[i].name);
    }
    free(in->list);
    *in = (struct inherited){ 0 };
}
