// SPDX-License-Identifier: MIT
/* Accept negotiation. The first byte chooses the package and the flags, the rest is the header
 * field's value. Whatever it says, the answer is one of our types or none, and always the same;
 * what it names alone is what it gets; and what it gets it accepts. */
#include "body/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct body_registry *registry(void)
{
    static struct body_registry *r;

    BUG_UNLESS(r || body_registry_create(&r, NULL, NULL) == 0);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const packages[] = { "presence", "dialog", "message-summary", BODY_OPAQUE };
    struct es_subscriber s = { .size = sizeof(s) };
    const struct body_profile *p = NULL, *again = NULL;
    struct str accept, package;
    int r;

    if (!size)
        return 0;
    s.package = es_text_of(packages[data[0] & 3]);
    package = (struct str){ s.package.p, s.package.n };
    accept = (struct str){ (const char *)data + 1, size - 1 };
    r = body_negotiate(registry(), &s, accept, data[0] >> 4, &p);
    BUG_UNLESS(r == 0 || r == BODY_NO_GENERATOR);
    BUG_UNLESS((r == 0) == (p != NULL));
    BUG_UNLESS(body_negotiate(registry(), &s, accept, data[0] >> 4, &again) == r && again == p);
    if (r)
        return 0;
    BUG_UNLESS(body_type_known(registry(), package, body_profile_content_type(p)));
    BUG_UNLESS(body_type_accepted(accept, body_profile_content_type(p)));
    BUG_UNLESS(body_negotiate(registry(), &s, body_profile_content_type(p), data[0] >> 4, &again) ==
                   0 &&
               again == p);
    return 0;
}
