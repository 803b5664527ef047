// SPDX-License-Identifier: MIT
/* http.h - the HTTP server: metrics, the REST and ARI interfaces, events, the page. doc/http.md is
 * what its clients read.
 *
 * libwebsockets moves the bytes on the loop that it is given; what is asked and changed goes the
 * way of the control socket's commands. Threads: the loop's, but for http_create and http_destroy
 * while it does not run. */
#pragma once
#include "base/clock.h"
#include "config/settings.h"
#include "ctl/ctl.h"
#include "feed/feed.h"

struct http; /* opaque: see http_internal.h */

struct http_config {
    uv_loop_t *loop;
    const struct clock *clock;
    struct log *log;
    const struct settings *settings; /* a reference is taken */
    struct feed *feed;               /* NULL: nothing is told as it happens */
    struct ctl_port port;            /* on_state, on_workers, status and watch_hint are called */
    struct str eid;                  /* our entity id, where the settings have none */
    int socket; /* listens already where it is to, and is copied; -1: there is none */
};
/* An address that cannot be had is no failure: it is logged, and tried again. 0 or -ENOMEM. */
NODISCARD int http_create(struct http **out, const struct http_config *cfg);
/* The socket that listens; -1: none does. */
int http_socket(const struct http *h);
/* Who is connected is cut off where TLS begins or ends, or HTTP does. */
void http_settings_set(struct http *h, const struct settings *settings);
/* Cuts everybody off; the loop turns a few times. */
void http_destroy(struct http *h);
