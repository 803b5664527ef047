// SPDX-License-Identifier: MIT
/* apply.h - a configuration as the state core understands it. Threads: the core's. */
#pragma once
#include "config/settings.h"
#include "state/state.h"

struct state_switches configuration_switches(const struct settings *settings);

/* Give the core its switches, what devices are while nobody reports them (PJSIP/<endpoint> is idle
 * when a static contact makes it reachable, otherwise unavailable), and the dialplan, in this
 * order, so that a hint that comes with its endpoint is told once, as it is. The dialplan is taken
 * on 0. */
NODISCARD int configuration_apply(struct state_core *core, const struct settings *settings,
                                  struct dialplan *dp);
