// SPDX-License-Identifier: MIT
/* sphere.h - the sphere that a person is in (RFC 4480 section 3.11), for the rules that depend on
 * it. Its value is the local name of the one element in it: `work`. Threads: any. */
#pragma once
#include "state/event_state.h"
#include "xml/xml.h"

bool element_is_sphere(const struct es_element *e);
/* Have both the same value? Those of which one has none have not. 0 or -ENOMEM. */
NODISCARD int spheres_agree(bool *out, const struct es_element *a, const struct es_element *b);

/* That of a composite, in `room`: RFC 5025 section 3.1.2. Empty (undefined) when nobody tells one,
 * or not all the same. `s` may be NULL. 0; or -ENOMEM, then *out is empty. */
NODISCARD int sphere_of(struct str *out, const struct event_state *s, char room[XML_NAME_MAX]);
