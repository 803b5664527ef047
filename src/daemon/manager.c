// SPDX-License-Identifier: MIT
#include "daemon/manager.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

static const char *const ids[AMI_LISTENERS] = {
    [AMI_PLAIN] = "manager", [AMI_TLS] = "manager-tls"
};

struct wanted {
    bool enabled;
    const struct addr *at;
    struct diag_place place;
};

static struct wanted wanted_of(const struct manager_settings *s, size_t i)
{
    return i == AMI_TLS ? (struct wanted){ s->tls, &s->tls_bind, s->tls_at }
                        : (struct wanted){ s->enabled, &s->bind, s->bind_at };
}

static int tls_make(struct net_tls **out, const struct manager_settings *s, struct diag *diag)
{
    const struct net_tls_spec spec = { .cert_file = s->cert_file,
                                       .key_file = s->key_file,
                                       .cipher = s->cipher,
                                       .version = NET_TLS_1_2 };
    const char *option = NULL;
    char room[256];
    struct buf why;
    int r;

    buf_init_on(&why, room, sizeof(room));
    r = net_tls_create(out, &spec, &option, &why);
    if (r == NET_TLS_BAD)
        diag_add(diag, DIAG_ERROR, s->tls_at, "%s: %.*s; the manager interface goes on without it",
                 strcmp(option, "cert_file") == 0       ? "tlscertfile"
                 : strcmp(option, "priv_key_file") == 0 ? "tlsprivatekey"
                                                        : "tlscipher",
                 STR_FMT(buf_str(&why)));
    return r;
}

static int copy_of(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return copy < 0 ? -errno : copy;
}

/* A descriptor, or a negative errno. */
static int socket_of(const struct manager_listen_config *cfg, size_t i, const struct addr *at)
{
    const struct manager_listeners *former = cfg->former;
    struct inherited_socket *passed;
    struct addr local;
    int fd, r;

    if (former && former->fds[i] >= 0 && addr_equal(&former->at[i], at))
        return copy_of(former->fds[i]);
    passed = cfg->inherited ? inherited_take(cfg->inherited, INHERITED_LISTENER, at, str_of(ids[i]))
                            : NULL;
    if (passed)
        return copy_of(passed->fd);
    r = net_bind_stream(&fd, &(struct net_udp_spec){ .bind = *at }, &local);
    return r ? r : fd;
}

static void stay(struct manager_listeners *out, const struct manager_listeners *former, size_t i)
{
    if (!former || former->fds[i] < 0)
        return;
    out->fds[i] = copy_of(former->fds[i]);
    out->at[i] = former->at[i];
}

static int listen_at(struct manager_listeners *out, const struct manager_listen_config *cfg,
                     size_t i)
{
    struct wanted w = wanted_of(cfg->settings, i);
    struct buf address;
    char room[80];
    int fd;

    if (!w.enabled)
        return 0;
    fd = socket_of(cfg, i, w.at);
    if (fd == -ENOMEM)
        return fd;
    if (fd >= 0) {
        out->fds[i] = fd;
        out->at[i] = *w.at;
        return 0;
    }
    buf_init_on(&address, room, sizeof(room));
    addr_print(&address, w.at);
    diag_add(cfg->diag, DIAG_ERROR, w.place,
             "the manager interface cannot listen at %.*s: %s; it goes on without it",
             STR_FMT(buf_str(&address)), strerror(-fd));
    stay(out, cfg->former, i);
    return 0;
}

int manager_listen(struct manager_listeners *out, const struct manager_listen_config *cfg)
{
    struct manager_listeners m = MANAGER_LISTENERS_NONE;
    int r = cfg->settings->tls ? tls_make(&m.tls, cfg->settings, cfg->diag) : 0;
    bool bad = r == NET_TLS_BAD;

    r = bad ? 0 : r;
    if (r == 0)
        r = listen_at(&m, cfg, AMI_PLAIN);
    if (r == 0 && bad) {
        stay(&m, cfg->former, AMI_TLS);
        m.tls = cfg->former ? net_tls_ref(cfg->former->tls) : NULL;
    } else if (r == 0) {
        r = listen_at(&m, cfg, AMI_TLS);
    }
    if (r)
        manager_listeners_fini(&m);
    else
        *out = m;
    return r;
}

void manager_listeners_fini(struct manager_listeners *m)
{
    for (size_t i = 0; i < AMI_LISTENERS; i++)
        if (m->fds[i] >= 0)
            close(m->fds[i]);
    net_tls_unref(m->tls);
    *m = MANAGER_LISTENERS_NONE;
}

void manager_listeners_move(struct manager_listeners *to, struct manager_listeners *from)
{
    manager_listeners_fini(to);
    *to = *from;
    *from = MANAGER_LISTENERS_NONE;
}

void manager_listeners_share(const struct manager_listeners *m, struct ami_listeners *out)
{
    *out = (struct ami_listeners){ .tls = net_tls_ref(m->tls) };
    for (size_t i = 0; i < AMI_LISTENERS; i++)
        out->fds[i] = m->fds[i] < 0 ? -1 : copy_of(m->fds[i]);
}

void manager_each_socket(const struct manager_listeners *m,
                         void (*each)(void *ctx, struct str id, int fd), void *ctx)
{
    for (size_t i = 0; i < AMI_LISTENERS; i++)
        if (m->fds[i] >= 0)
            each(ctx, str_of(ids[i]), m->fds[i]);
}

void manager_check(const struct manager_settings *s, struct diag *diag)
{
    struct net_tls *tls = NULL;

    if (s->tls && tls_make(&tls, s, diag) == 0)
        net_tls_unref(tls);
}
