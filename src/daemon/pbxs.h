// SPDX-License-Identifier: MIT
/* pbxs.h - the PBXs whose states are followed, on the edge thread: each source of the settings with
 * its connection. Private to the daemon folder. Threads: the edge thread. */
#pragma once
#include "base/random.h"
#include "daemon/threads.h"

struct pbxs; /* opaque: see pbxs.c */

struct pbxs_config {
    struct loop *loop;
    struct log *log;
    struct state_thread *state;
    const struct settings *settings; /* until pbxs_apply */
    struct feed_writer *changes;     /* where it is told when one is lost, is back or is stale */
    /* All hints that a source has, as text for added_hints_set; on the edge thread. */
    void (*hints)(void *ctx, struct str source, struct str text);
    void *ctx;
};
/* Before the state thread runs. They connect as soon as the loop does. */
NODISCARD int pbxs_create(struct pbxs **out, const struct pbxs_config *cfg);
/* Before the loop ends: connections are closed by it. */
void pbxs_destroy(struct pbxs *all); /* NULL is fine */
/* Those of the settings from now on: one that is the same goes on, one that is gone is forgotten
 * with all that it has told. */
void pbxs_apply(struct pbxs *all, const struct settings *settings);
void pbxs_each(const struct pbxs *all, ctl_source_fn each, void *ctx);
