// SPDX-License-Identifier: MIT
#include "txn/identify.h"

#include <stdlib.h>

struct host_entry {
    struct addr host;
    size_t identify; /* which section */
};

struct identify_index {
    struct host_entry *hosts; /* by address, then by section */
    size_t n_hosts;
    size_t *wide; /* sections with a network to match, ascending */
    size_t n_wide;
};

static bool is_host(const struct identify_match *m)
{
    return m->net.prefix == (m->net.base.sa.sa_family == AF_INET6 ? 128u : 32u);
}

static int compare_host(const struct addr *a, const struct addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return a->sa.sa_family < b->sa.sa_family ? -1 : 1;
    if (a->sa.sa_family == AF_INET6)
        return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr));
    return memcmp(&a->v4.sin_addr, &b->v4.sin_addr, sizeof(a->v4.sin_addr));
}

static int compare_entry(const void *a, const void *b)
{
    const struct host_entry *x = a, *y = b;
    int r = compare_host(&x->host, &y->host);

    return r ? r : (x->identify > y->identify) - (x->identify < y->identify);
}

/* A section is wide when a network may match; its hosts need no entry of their own then. */
static bool is_wide(const struct identify_settings *id)
{
    for (size_t i = 0; i < id->n_matches; i++) {
        if (!id->matches[i].negated && !is_host(&id->matches[i]))
            return true;
    }
    return false;
}

static void index_section(struct identify_index *ix, const struct settings *s, size_t at)
{
    const struct identify_settings *id = &s->identifies[at];

    if (is_wide(id)) {
        ix->wide[ix->n_wide++] = at;
        return;
    }
    for (size_t i = 0; i < id->n_matches; i++) {
        if (!id->matches[i].negated)
            ix->hosts[ix->n_hosts++] = (struct host_entry){ id->matches[i].net.base, at };
    }
}

int identify_index_create(struct identify_index **out, const struct settings *s)
{
    struct identify_index *ix = calloc(1, sizeof(*ix));
    size_t n_matches = 0;
    int r = -ENOMEM;

    if (!ix)
        goto out;
    for (size_t i = 0; i < s->n_identifies; i++)
        n_matches += s->identifies[i].n_matches;
    ix->hosts = calloc(n_matches + 1, sizeof(*ix->hosts));
    ix->wide = calloc(s->n_identifies + 1, sizeof(*ix->wide));
    if (!ix->hosts || !ix->wide)
        goto out;
    for (size_t i = 0; i < s->n_identifies; i++)
        index_section(ix, s, i);
    qsort(ix->hosts, ix->n_hosts, sizeof(*ix->hosts), compare_entry);
    *out = ix;
    ix = NULL;
    r = 0;
out:
    identify_index_destroy(ix);
    return r;
}

void identify_index_destroy(struct identify_index *ix)
{
    if (!ix)
        return;
    free(ix->hosts);
    free(ix->wide);
    free(ix);
}

/* The rules of one section in order, the last that fits decides, as Asterisk's do. */
static bool section_matches(const struct identify_settings *id, const struct addr *source)
{
    bool matches = false;

    for (size_t i = 0; i < id->n_matches; i++) {
        const struct identify_match *m = &id->matches[i];

        if ((!m->port || m->port == addr_port(source)) && addr_net_contains(&m->net, source))
            matches = !m->negated;
    }
    return matches;
}

/* The endpoint this section gives for `source`, or NULL. What its identify_by says does not matter,
 * as in Asterisk. */
static const struct endpoint_settings *section_endpoint(const struct settings *s, size_t at,
                                                        const struct addr *source)
{
    return section_matches(&s->identifies[at], source)
               ? settings_endpoint(s, s->identifies[at].endpoint)
               : NULL;
}

/* The first entry of that host, or n_hosts. */
static size_t first_entry(const struct identify_index *ix, const struct addr *host)
{
    size_t low = 0, high = ix->n_hosts;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_host(&ix->hosts[middle].host, host) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct endpoint_settings *identify_by_address(const struct settings *s,
                                                    const struct identify_index *ix,
                                                    const struct addr *source)
{
    const struct endpoint_settings *found = NULL;
    size_t host, wide = 0, n = ix ? ix->n_wide : s->n_identifies, limit = s->n_identifies;

    /* The section of a single host first: wide ones behind it in the file need not be looked at. */
    for (host = ix ? first_entry(ix, source) : 0; ix && !found && host < ix->n_hosts; host++) {
        if (compare_host(&ix->hosts[host].host, source) != 0)
            break;
        limit = ix->hosts[host].identify;
        found = section_endpoint(s, limit, source);
    }
    if (!found)
        limit = s->n_identifies;
    for (; wide < n; wide++) {
        size_t at = ix ? ix->wide[wide] : wide;
        const struct endpoint_settings *earlier;

        if (at > limit)
            break;
        earlier = section_endpoint(s, at, source);
        if (earlier)
            return earlier;
    }
    return found;
}
