// SPDX-License-Identifier: MIT
/* change_json.h - a change as JSON, for whoever stores it or passes it on. Threads: pure functions.
 */
#pragma once
#include "base/json.h"
#include "feed/change.h"

/* Members of an open object: "at_ms", "kind", "cause", "source", then what the kind has, as
 * doc/control-socket.md says. */
void change_print_json(const struct change *c, struct json *out);
/* "1000@users"; what is in no context, as the messages of an AOR are, is named alone: "alice". */
void change_print_resource(struct buf *out, struct str context, struct str extension);
/* Of what is no lamp, as members of an open object: "new" and "old" messages, or how many "members"
 * a resource list has. Of anything else nothing. */
void change_print_contents(const struct snapshot *s, struct json *out);
/* "sip:1000@192.0.2.1;transport=tcp": 1000; empty where there is none. */
struct str change_uri_user(struct str uri);
/* What it is about: "1000@users" of resources, the name of a device, provider, mailbox or source;
 * of a SUBSCRIBE whose resource is not known the user of its Request-URI, in the context where its
 * endpoint looks; or nothing. */
void change_print_name(const struct change *c, struct buf *out);
