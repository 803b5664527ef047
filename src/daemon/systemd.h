// SPDX-License-Identifier: MIT
/* systemd.h - telling the service manager how we are: sd_notify(3) without its library. */
#pragma once

/* Send e.g. "READY=1" to $NOTIFY_SOCKET; nothing happens without one. */
void systemd_notify(const char *state);
/* RELOADING=1, with the time that systemd wants beside it; READY=1 is to follow. */
void systemd_notify_reloading(void);
