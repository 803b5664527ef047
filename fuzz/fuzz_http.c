// SPDX-License-Identifier: MIT
/* A request of HTTP: who asks, which path, arguments, JSON and forms. The other threads are busy,
 * so that whatever gets as far as a command is answered 503. */
#include "config/settings.h"
#include "http/http_testing.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_busy(void *ctx, struct ctl_job *job)
{
    (void)ctx;
    (void)job;
    return -EAGAIN;
}

static void on_ready(struct exchange *x)
{
    (void)x;
}

static int read_nothing(void *ctx, struct str path, struct str *text)
{
    (void)ctx;
    (void)path;
    (void)text;
    return -ENOENT;
}

static struct http *server(void)
{
    static struct str overrides[] = { STR_INIT("http.token=desk,write,0123456789abcdef"),
                                      STR_INIT("http.hosts=a.example") };
    static uv_loop_t loop;
    static struct http *h;
    struct settings *s;
    struct diag diag;

    if (h)
        return h;
    diag_init(&diag);
    BUG_UNLESS(settings_read(&s,
                             &(struct settings_source){ .directory = STR("etc"),
                                                        .state_directory = STR("var"),
                                                        .overrides = overrides,
                                                        .n_overrides = ARRAY_LEN(overrides),
                                                        .files = { .read = read_nothing } },
                             &diag) == 0);
    diag_fini(&diag);
    uv_loop_init(&loop);
    h = malloc(sizeof(*h));
    BUG_UNLESS(h && http_init(h, &(struct http_config){ .loop = &loop,
                                                        .clock = &clock_system,
                                                        .settings = s,
                                                        .port = { .on_state = is_busy,
                                                                  .on_workers = is_busy } }) == 0);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange *x = exchange_create(server(), on_ready, NULL);

    BUG_UNLESS(x);
    BUG_UNLESS(addr_parse(&x->rq.peer, STR("127.0.0.1:5"), 0) == 0);
    http_testing_read(x, (struct str){ (const char *)data, size });
    access_init(&x->http->access, &x->http->rng); /* nothing is left of the one before */
    exchange_begin(x);
    exchange_go(x);
    BUG_UNLESS(x->answered && x->status >= 200 && x->status < 600);
    exchange_destroy(x);
    access_fini(&server()->access);
    return 0;
}
