// SPDX-License-Identifier: MIT
/* masked.h - a message as it may be shown: without what proves who somebody is. Private to src/net.
 */
#pragma once
#include "base/buf.h"

/* Not added, but "(not shown)" instead: of Authorization and Proxy-Authorization the response of
 * Digest, and all that is of other schemes; of Authentication-Info the rspauth; the passwords of
 * SIP URIs. The message need be none. */
void masked_add(struct buf *out, struct str message);
