// SPDX-License-Identifier: MIT
/* certificates.h - certificates, keys and lists of authorities that are read only when they are
 * needed, by [http] and by sources: whoever reads the configuration is told at once when that will
 * not go well. Those of transports and of the manager interface are read with the configuration. Of
 * those that we show to who connects, that they have ended, or do soon. */
#pragma once
#include "config/settings.h"

void certificates_check(const struct settings *settings, uint64_t now_wall_ms, struct diag *diag);
