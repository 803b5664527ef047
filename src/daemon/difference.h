// SPDX-License-Identifier: MIT
/* difference.h - what a reload would change, one by one, as `extstatectl reload --dry-run` tells
 * it. Private to the daemon folder. Threads: the main thread. */
#pragma once
#include "ctl/ctl.h"
#include "daemon/configuration.h"

void difference_tell(const struct configuration *from, const struct configuration *to,
                     ctl_change_fn each, void *ctx);
