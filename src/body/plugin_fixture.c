// SPDX-License-Identifier: MIT
/* plugin_fixture.c - plugins for plugin_test, one shared object for each way to be wrong, which
 * meson.build defines. Built as anybody would build one. */
#include "extstate/body.h"

struct fixture_options {
    bool shout;
    uint32_t times;
    const char *greeting;
};

static const struct es_option fixture_options[] = {
    { "shout", ES_OPTION_BOOL, offsetof(struct fixture_options, shout), "no",
      "end with an exclamation mark" },
    { "times", ES_OPTION_U32, offsetof(struct fixture_options, times), "1", "how often" },
    { "greeting", ES_OPTION_TEXT, offsetof(struct fixture_options, greeting), "hello",
      "what to say" },
    { .name = NULL },
};

static int fixture_generate(const struct es_body_request *rq, struct es_document *out)
{
    const struct fixture_options *o = rq->options;

    for (uint32_t i = 0; i < o->times; i++)
        rq->api->raw(out, es_text_of(o->greeting));
    if (o->shout)
        rq->api->raw(out, ES_TEXT("!"));
    return 0;
}

#ifdef FIXTURE_FAILS
static int fixture_fail(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->root(out, "half");
    return -5;
}
#endif

static bool fixture_accepts(const struct es_subscriber *s)
{
    const struct fixture_options *o = s->options;

    return o && o->times < 1000;
}

static const struct es_body_generator greeting = {
    .size = sizeof(greeting),
    .name = "greeting",
    .package = "greeting",
    .content_type = "text/plain",
    .accepts = fixture_accepts,
    .generate = fixture_generate,
};

#ifdef FIXTURE_FAILS
static const struct es_body_generator failing = {
    .size = sizeof(failing),
    .name = "failing",
    .package = "greeting",
    .content_type = "text/plain",
    .priority = 1,
    .generate = fixture_fail,
};
#endif

static const struct es_body_generator *const generators[] = {
#ifdef FIXTURE_FAILS
    &failing,
#endif
    &greeting,
    NULL,
};

#ifdef FIXTURE_WRONG_ABI
enum { FIXTURE_ABI = 99 };
#else
enum { FIXTURE_ABI = ES_PLUGIN_ABI };
#endif

#ifdef FIXTURE_BAD_SCHEMA
enum { FIXTURE_OPTIONS_SIZE = 4 }; /* too small for the second option */
#else
enum { FIXTURE_OPTIONS_SIZE = sizeof(struct fixture_options) };
#endif

#ifdef FIXTURE_NO_SYMBOL
#define FIXTURE_EXPORT __attribute__((used)) static const struct es_plugin unseen
#else
#define FIXTURE_EXPORT ES_PLUGIN
#endif

FIXTURE_EXPORT = {
    .abi = FIXTURE_ABI,
    .size = sizeof(struct es_plugin),
    .name = "fixture",
    .version = "1",
    .description = "for tests",
    .generators = generators,
    .options = fixture_options,
    .options_size = FIXTURE_OPTIONS_SIZE,
};
