// SPDX-License-Identifier: MIT
/* watcher.h - what is told about one who watches a resource. Source: RFC 3857 section 4.7.1. */
#pragma once
#include "state/snapshot.h"

/* Watcher information of a package is a package of its own: `presence.winfo`. */
#define WINFO_SUFFIX ".winfo"

/* RFC 3857 section 4.10: how often it is told at most. */
enum { WINFO_PACE_MS = 5000 };

struct watcher_report { /* everything is borrowed for the call */
    /* What is watched: its package is named for extensions, too ("presence"), as it is spelt in the
     * configuration. */
    struct resource_name of;
    uint64_t generation; /* of notifier_winfo_start; 0: nobody asked, see ES_WATCHER_WAITING */
    uint64_t number;     /* of the subscription, in its worker */
    struct str endpoint, uri, display;
    enum es_watcher_status status;
    enum es_watcher_event event;
};

/* What "presence.winfo" is about: "presence"; empty for any other package. */
static inline struct str winfo_watched(struct str package)
{
    const size_t suffix = sizeof(WINFO_SUFFIX) - 1;
    size_t n = package.n > suffix ? package.n - suffix : 0;

    return n && str_equal_nocase(str_sub(package, n, package.n), STR(WINFO_SUFFIX))
               ? str_sub(package, 0, n)
               : STR_EMPTY;
}
