// SPDX-License-Identifier: MIT
/* configuration.h - all configuration files read in one go, and the plugins they name. Private to
 * the daemon folder. */
#pragma once
#include "body/body.h"
#include "config/settings.h"
#include "daemon/daemon.h"
#include "daemon/listeners.h"

struct configuration {
    struct settings *settings;
    struct dialplan *dialplan;
    struct body_registry *bodies;     /* of a reload that changes no plugin the former one */
    const struct settings *bodies_of; /* whose plugins those are; borrowed */
};

struct configuration_former { /* what a reload replaces */
    const struct settings *settings;
    struct dialplan *dialplan;
    struct body_registry *bodies;
    const struct settings *bodies_of;  /* whose plugins those are */
    struct listeners_draft *listeners; /* with the listeners before; has what is claimed after */
};

/* Reads pjsip.conf, extstate.conf and extensions.conf, and loads the plugins. `former` is NULL at
 * the start. 0; -EINVAL when one of them cannot be used: `diag` has what is wrong with all of them.
 */
NODISCARD int configuration_read(struct configuration *out, const struct daemon_options *options,
                                 const struct configuration_former *former, struct log *log,
                                 struct diag *diag);
void configuration_fini(struct configuration *c);

/* Which of the files are there: a bit each. A reload refuses when one has vanished, as it does in
 * the moment in which an editor or a deployment replaces it. */
unsigned configuration_present(const struct daemon_options *options);
/* Adds an error for each file in `before` that is not in `now`. 0 or -ENOENT. */
NODISCARD int configuration_check_vanished(unsigned before, unsigned now, struct diag *diag);

/* All of the above for its messages only, as far as one gets with files that cannot be used. 0;
 * -EINVAL when there was an error; another negative errno. */
NODISCARD int configuration_check(const struct daemon_options *options, struct log *log,
                                  struct diag *diag);
