// SPDX-License-Identifier: MIT
/* inherited.h - sockets that were open before this program began: passed by a service manager, or
 * by the extstated whose place it takes (upgrade.h), both as sd_listen_fds(3) has it.
 *
 * What each one is for is found out by what it is and where it is bound, so that neither has to
 * know of the other's names. Whoever makes use of one takes it and makes a descriptor of its own,
 * but of connections, of which there may be too many for that; these here stay open until the
 * process serves, because one that cannot start may have to pass them on. Private to the daemon
 * folder. Threads: the main thread. */
#pragma once
#include "base/addr.h"
#include "base/log.h"

enum inherited_kind {
    INHERITED_UDP,
    INHERITED_LISTENER,   /* of a stream transport */
    INHERITED_CONNECTION, /* of one */
    INHERITED_CONTROL,    /* a Unix stream socket that listens */
    INHERITED_CLIENT,     /* one of its connections */
    INHERITED_OTHER,      /* of no use */
};

struct inherited_socket {
    enum inherited_kind kind;
    int fd;
    struct addr local; /* of IP */
    struct str path;   /* of the others; may be empty */
    struct str name;   /* given to it */
    bool taken;
    bool lent;      /* whoever took it closes it: only its number may still be passed on */
    unsigned place; /* whoever took it may say where it is now */
};

enum { INHERITED_MAX = 65536 }; /* descriptors that are passed */

struct inherited { /* begins as { 0 } */
    struct inherited_socket *list;
    size_t n;
};

/* What the environment says is passed to this process; to any, if `whoever`. It says so no more
 * afterwards, and no child has them. 0; -EINVAL when it is not understood, -ENOMEM. */
NODISCARD int inherited_read(struct inherited *in, bool whoever);
/* Those behind them, whose names are in this file, a line each. 0; -EINVAL, -ENOMEM, or as reading
 * fails: then some of them may be in the table. */
NODISCARD int inherited_read_behind(struct inherited *in, int names);
/* One more, which is this table's from now on. */
NODISCARD int inherited_add(struct inherited *in, int fd, struct str name);
/* The next one of this kind that nobody has taken and that is bound there; where `bind` leaves the
 * port to the kernel, the one with this name. NULL: there is none. */
struct inherited_socket *inherited_take(struct inherited *in, enum inherited_kind kind,
                                        const struct addr *bind, struct str name);
/* The same by path. */
struct inherited_socket *inherited_take_path(struct inherited *in, enum inherited_kind kind,
                                             struct str path);
/* Log those that nobody has taken; the control socket's clients come last, and need nobody to. */
void inherited_report(const struct inherited *in, struct log *log);
void inherited_close(struct inherited *in);
