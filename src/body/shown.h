// SPDX-License-Identifier: MIT
/* shown.h - a resource's presence with no more in it than a watcher is granted: the privacy
 * filtering of RFC 5025 section 3.3.
 *
 * It is another snapshot, made once for each view, which hangs on the real one; bodies are made of
 * it as of any other, so that no generator needs to know of views. Of a snapshot:
 *
 *   a service   each published tuple; and the resource itself, by its hint or its dialogs, called
 *               by the extension, with a URI of scheme sip
 *   the person  the published one, or else one called by the extension. To be in a call is an
 *               activity, whoever tells it: a hint, a dialog, the person
 *   a device    each published one
 *
 * What a provider says (away, "in a meeting") is an activity, and its message a note. What is
 * neither told of a service, a person nor a device is not shown. Threads: any. */
#pragma once
#include "state/snapshot.h"
#include "state/view.h"

/* Borrowed from the snapshot, with its resource id and sequence. 0 or -ENOMEM. */
NODISCARD int snapshot_shown(const struct snapshot **out, const struct snapshot *s,
                             const struct view *view);
