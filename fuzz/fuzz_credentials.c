// SPDX-License-Identifier: MIT
/* Authorization, whatever is in it: read, compared, and its nonce looked at. Nobody is let in. */
#include "config/settings.h"
#include "txn/authenticate.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct nonces *nonces;
    struct rng rng;
    struct authenticator authenticator;
    struct settings settings;
} world;

static void world_begin(void)
{
    rng_init_seeded(&world.rng, 1);
    BUG_UNLESS(nonces_create(&world.nonces, &(struct nonces_config){ .clock = &clock_system }) ==
               0);
    world.settings.global = (struct global_settings){
        .algorithms_uas = { 3, { DIGEST_SHA512_256, DIGEST_SHA256, DIGEST_MD5 } },
        .default_realm = STR_INIT("office"),
    };
    authenticator_init(&world.authenticator, world.nonces, &world.rng);
    authenticator_settings_set(&world.authenticator, &world.settings);
}

/* What was found is in the value, and means the same once more. */
static void round_trip(struct str value, const struct sip_credentials *c)
{
    struct buf decoded;

    buf_init(&decoded, value.n + 1);
    sip_quoted_decode(&decoded, c->username);
    BUG_UNLESS(decoded.error == 0 && sip_quoted_equals(c->username, buf_str(&decoded)));
    BUG_UNLESS(c->nonce.n <= value.n && c->response.n <= value.n);
    buf_fini(&decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = { (const char *)data, size };
    struct sip_message msg = { .method_text = STR_INIT("SUBSCRIBE"), .n_headers = 1 };
    const struct nonce_scope scope = { &(struct addr){ .v4 = { .sin_family = AF_INET } },
                                       STR_INIT("office") };
    struct sip_credentials c;
    const char *why = NULL;
    enum authentication found;

    if (!world.nonces)
        world_begin();
    if (sip_credentials_parse(&c, value) == 0)
        round_trip(value, &c);
    msg.headers[0] = (struct sip_header){ SIP_H_AUTHORIZATION, STR("Authorization"), value };
    msg.first[SIP_H_AUTHORIZATION] = 1;
    found = authenticate(&world.authenticator, NULL, &msg, scope.source, &why);
    BUG_UNLESS(found != AUTHENTICATION_PASSED && found != AUTHENTICATION_STALE);
    BUG_UNLESS((found == AUTHENTICATION_BROKEN) == (why != NULL));
    BUG_UNLESS(!nonce_use(world.nonces, &scope, value, 1, UINT32_MAX));
    return 0;
}
