// SPDX-License-Identifier: MIT
#include "net/names.h"

#include <stdatomic.h>
#include <stdlib.h>

struct net_names {
    atomic_uint refs;
    size_t n;
    struct str texts[]; /* what they are of is behind them */
};

int net_names_create(struct net_names **out, const struct str *texts, size_t n)
{
    size_t size = sizeof(struct net_names) + n * sizeof(*texts);
    struct net_names *names;
    char *at;

    for (size_t i = 0; i < n; i++)
        size += texts[i].n;
    names = malloc(size);
    if (!names)
        return -ENOMEM;
    atomic_init(&names->refs, 1);
    names->n = n;
    at = (char *)&names->texts[n];
    for (size_t i = 0; i < n; i++) {
        names->texts[i] = texts[i];
        str_keep(&names->texts[i], &at);
    }
    *out = names;
    return 0;
}

static struct net_names *mutable(const struct net_names *n)
{
    return (struct net_names *)(uintptr_t)n; /* but for its count it is not */
}

struct net_names *net_names_ref(const struct net_names *n)
{
    if (n)
        atomic_fetch_add_explicit(&mutable(n)->refs, 1, memory_order_relaxed);
    return mutable(n);
}

void net_names_unref(const struct net_names *n)
{
    if (n && atomic_fetch_sub_explicit(&mutable(n)->refs, 1, memory_order_acq_rel) == 1)
        free(mutable(n));
}

/* Behind "sip:", without port and parameters; false unless it is one. */
static bool sip_text(struct str text, struct str *user, struct str *host)
{
    size_t at;

    if (!str_starts_nocase(text, STR("sip:")))
        return false;
    text = str_sub(text, 4, text.n);
    at = str_find_char(text, '@');
    *user = at < text.n ? str_sub(text, 0, at) : STR_EMPTY;
    text = at < text.n ? str_sub(text, at + 1, text.n) : text;
    text = str_sub(text, 0, str_find_char(text, ';'));
    *host = str_sub(text, 0, str_find_char(text, ':'));
    return true;
}

static bool is_host(struct str name, struct str host, bool wildcards)
{
    if (str_equal_nocase(name, host))
        return true;
    return wildcards && str_starts(name, STR("*.")) &&
           str_equal_nocase(str_sub(name, 1, name.n),
                            str_sub(host, str_find_char(host, '.'), host.n));
}

bool net_names_host(const struct net_names *n, struct str host, bool wildcards)
{
    bool by_uri = false, by_dns = false, has_uri = false;
    struct str user, domain;

    for (size_t i = 0; n && i < n->n; i++) {
        struct str text = n->texts[i];

        if (str_starts(text, STR("dns:"))) {
            by_dns |= is_host(str_sub(text, 4, text.n), host, wildcards);
        } else if (sip_text(text, &user, &domain) && !user.n && domain.n) {
            has_uri = true;
            by_uri |= is_host(domain, host, wildcards);
        }
    }
    return has_uri ? by_uri : by_dns;
}

bool net_names_have(const struct net_names *n, struct str identity)
{
    struct str user, host, other_user, other_host;
    size_t at;

    if (str_starts_nocase(identity, STR("sip:")))
        identity = str_sub(identity, 4, identity.n);
    at = str_find_char(identity, '@');
    if (at == identity.n)
        return net_names_host(n, identity, false);
    user = str_sub(identity, 0, at);
    host = str_sub(identity, at + 1, identity.n);
    for (size_t i = 0; n && i < n->n; i++)
        if (sip_text(n->texts[i], &other_user, &other_host) && other_user.n &&
            str_equal(user, other_user) && str_equal_nocase(host, other_host))
            return true;
    return false;
}
