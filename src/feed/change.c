// SPDX-License-Identifier: MIT
#include "feed/change.h"

static struct str name_in(const char *const *names, size_t n, unsigned which)
{
    return which < n ? str_of(names[which]) : STR_EMPTY;
}

struct str change_kind_name(enum change_kind kind)
{
    static const char *const names[] = {
        [CHANGE_DEVICE] = "device",
        [CHANGE_PRESENCE] = "presence",
        [CHANGE_SNAPSHOT] = "snapshot",
        [CHANGE_MAILBOX] = "mailbox",
        [CHANGE_PUBLICATION] = "publication",
        [CHANGE_CONTACT] = "contact",
        [CHANGE_ENDPOINT] = "endpoint",
        [CHANGE_SUBSCRIPTION] = "subscription",
        [CHANGE_REFUSAL] = "refusal",
        [CHANGE_NOTIFY] = "notify",
        [CHANGE_PUBLISH] = "publish",
        [CHANGE_SOURCE] = "source",
        [CHANGE_LOST] = "lost",
    };

    return name_in(names, ARRAY_LEN(names), kind);
}

struct str publication_change_name(enum publication_change what)
{
    static const char *const names[] = { "initial", "refreshed", "modified",
                                         "removed", "expired",   "refused" };

    return name_in(names, ARRAY_LEN(names), what);
}

struct str contact_change_name(enum contact_change what)
{
    static const char *const names[] = { "unqualified", "unknown", "reachable", "unreachable",
                                         "removed" };

    return name_in(names, ARRAY_LEN(names), what);
}

struct str subscription_change_name(enum subscription_change what)
{
    static const char *const names[] = { "accepted", "refreshed", "ended", "refused", "given-up" };

    return name_in(names, ARRAY_LEN(names), what);
}

struct str exchange_change_name(enum exchange_change what)
{
    static const char *const names[] = { "sent", "answered", "unanswered" };

    return name_in(names, ARRAY_LEN(names), what);
}

struct str publish_step_name(enum publish_step step)
{
    static const char *const names[] = { "initial", "modify", "refresh", "remove" };

    return name_in(names, ARRAY_LEN(names), step);
}
