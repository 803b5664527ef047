// SPDX-License-Identifier: MIT
/* contacts_fixture.h - for tests: a table of contacts whose time moves by hand, and what it tells.
 */
#pragma once
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/keep_testing.h"
#include "registrar/contacts_internal.h"
#include "registrar/registrar.h"
#include "txn/settings_fixture.h"

#define FIXTURE_WALL_MS 1700000000000

struct fixture {
    struct wheel wheel;
    struct clock clock;
    uint64_t now_ms; /* since the beginning */
    int64_t wall_shift_ms;
    struct rng rng;
    struct log *log;
    int log_fd;
    struct keep_testing kept;
    struct settings *settings;
    struct state_core *core;
    struct contacts *contacts;
    uint64_t incarnation;
    struct buf told; /* "+uri ", "~uri ", "-uri " of contacts, "PJSIP/alice=STATE " of devices */
    char told_room[4096];
    struct buf answer; /* "uri=left " of each contact in the last answer */
    struct buf heard;  /* "uri:12 ", "uri:gone ", "uri:? " of contacts, "alice+ " of endpoints */
    char heard_room[1024];
};

static inline uint64_t fixture_monotonic(void *ctx)
{
    return ((const struct fixture *)ctx)->now_ms;
}

static inline uint64_t fixture_wall(void *ctx)
{
    const struct fixture *f = ctx;

    return FIXTURE_WALL_MS + f->now_ms + (uint64_t)f->wall_shift_ms;
}

static inline void fixture_on_contact(void *ctx, const struct contact *now,
                                      const struct contact *former)
{
    struct fixture *f = ctx;

    assert_true(now || former);
    if (now && former)
        assert_int_equal(now->id, former->id);
    buf_add_char(&f->told, !former ? '+' : now ? '~' : '-');
    buf_add(&f->told, now ? now->uri : former->uri);
    buf_add_char(&f->told, ' ');
}

static inline void fixture_on_reached(void *ctx, const struct contact *c, enum contact_reach reach,
                                      uint32_t rtt_ms)
{
    struct fixture *f = ctx;

    buf_add(&f->heard, c->uri);
    buf_add_char(&f->heard, ':');
    if (reach == CONTACT_REACHED)
        buf_add_u64(&f->heard, rtt_ms);
    else
        buf_add(&f->heard, reach == CONTACT_UNREACHED ? STR("gone") : STR("?"));
    buf_add_char(&f->heard, ' ');
}

static inline void fixture_on_endpoint(void *ctx, struct str endpoint, bool reachable)
{
    struct fixture *f = ctx;

    buf_add(&f->heard, endpoint);
    buf_add(&f->heard, reachable ? STR("+ ") : STR("- "));
}

static inline void fixture_on_device(void *ctx, const struct state_device_change *c)
{
    struct fixture *f = ctx;

    if (c->state == c->former)
        return;
    buf_add(&f->told, c->device);
    buf_add_char(&f->told, '=');
    buf_add(&f->told, device_state_name(c->state));
    buf_add_char(&f->told, ' ');
}

static inline void fixture_begin(struct fixture *f)
{
    const struct state_port port = { .ctx = f, .device = fixture_on_device };

    assert_int_equal(state_create(&f->core, &(struct state_config){ .port = port,
                                                                    .clock = &f->clock,
                                                                    .log = f->log,
                                                                    .rng = &f->rng }),
                     0);
    assert_int_equal(contacts_create(&f->contacts,
                                     &(struct contacts_config){ .port = { f, fixture_on_contact,
                                                                          fixture_on_reached,
                                                                          fixture_on_endpoint },
                                                                .core = f->core,
                                                                .wheel = &f->wheel,
                                                                .clock = &f->clock,
                                                                .log = f->log,
                                                                .keep = keep_testing_port(&f->kept),
                                                                .incarnation = ++f->incarnation }),
                     0);
}

/* As the state engine applies a configuration. */
static inline void fixture_configure(struct fixture *f, const char *pjsip_conf,
                                     const char *extstate_conf)
{
    struct settings *s = settings_fixture_with(pjsip_conf, extstate_conf);
    struct str devices[16];
    enum device_state states[16];
    char names[16][32];

    settings_unref(f->settings);
    f->settings = s;
    assert_int_equal(contacts_configure(f->contacts, s), 0);
    for (size_t i = 0; i < s->n_endpoints; i++) {
        int n = snprintf(names[i], sizeof(names[i]), "PJSIP/%.*s", STR_FMT(s->endpoints[i].id));

        devices[i] = (struct str){ names[i], (size_t)n };
        states[i] = contacts_device_default(f->contacts, &s->endpoints[i]);
    }
    assert_int_equal(state_device_defaults(f->core, devices, states, s->n_endpoints), 0);
}

static inline struct fixture *fixture_create(void)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    wheel_init(&f->wheel, 0);
    f->clock = (struct clock){ fixture_monotonic, fixture_wall, f };
    rng_init_seeded(&f->rng, 42);
    f->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(log_create(&f->log, f->log_fd, LOG_LEVEL_DEBUG, &f->clock), 0);
    buf_init_on(&f->told, f->told_room, sizeof(f->told_room)); /* memory may be short */
    buf_init_on(&f->heard, f->heard_room, sizeof(f->heard_room));
    buf_init(&f->answer, 1 << 20);
    fixture_begin(f);
    return f;
}

static inline void fixture_end(struct fixture *f)
{
    contacts_destroy(f->contacts);
    state_destroy(f->core);
}

static inline void fixture_destroy(struct fixture *f)
{
    fixture_end(f);
    settings_unref(f->settings);
    log_destroy(f->log);
    close(f->log_fd);
    buf_fini(&f->told);
    buf_fini(&f->answer);
    wheel_fini(&f->wheel);
    free(f);
}

static inline void fixture_advance(struct fixture *f, uint64_t ms)
{
    f->now_ms += ms;
    wheel_advance(&f->wheel, f->now_ms);
}

/* Another process, with what was kept. */
static inline void fixture_restart(struct fixture *f, const char *pjsip_conf,
                                   const char *extstate_conf)
{
    fixture_end(f);
    buf_reset(&f->told);
    fixture_begin(f);
    for (size_t i = 0; i < f->kept.n; i++)
        if (f->kept.kept[i].record.table == KEEP_CONTACT ||
            f->kept.kept[i].record.table == KEEP_SILENT_CONTACT) {
            const struct keep_record record = f->kept.kept[i].record;

            assert_int_equal(contacts_restore(f->contacts, &record), 0);
        }
    fixture_configure(f, pjsip_conf, extstate_conf);
}

static inline struct contact *fixture_contact(const struct registration *r, struct str uri,
                                              uint32_t expires_s)
{
    const struct contact what = { .aor = r->aor,
                                  .uri = uri,
                                  .target = uri,
                                  .endpoint = r->endpoint,
                                  .call_id = r->call_id,
                                  .cseq = r->cseq,
                                  .q = CONTACT_NO_Q,
                                  .expires_s = expires_s,
                                  .flow = { .local = { .v4 = { .sin_family = AF_INET } },
                                            .remote = { .v4 = { .sin_family = AF_INET } } } };
    struct contact *c;

    assert_int_equal(contact_create(&c, &what), 0);
    return c;
}

static inline void fixture_bind(struct registration *r, struct str uri, uint32_t seconds)
{
    struct sip_uri parts;

    assert_int_equal(sip_uri_parse(&parts, uri), 0);
    sip_uri_key_init(&r->keys[r->n], &parts);
    r->contacts[r->n++] = fixture_contact(r, uri, seconds);
}

/* "uri=seconds uri=seconds", "*" or "". */
static inline struct registration *fixture_registration(const char *aor, const char *call_id,
                                                        uint32_t cseq, const char *what)
{
    struct registration *r = calloc(1, sizeof(*r));
    struct str rest = str_of(what), part;

    assert_non_null(r);
    *r = (struct registration){
        .aor = str_of(aor), .endpoint = STR("alice"), .call_id = str_of(call_id), .cseq = cseq
    };
    r->all = str_equal(rest, STR("*"));
    if (r->all)
        return r;
    r->contacts = calloc(16, sizeof(struct contact *));
    r->keys = calloc(16, sizeof(*r->keys));
    assert_non_null(r->contacts);
    assert_non_null(r->keys);
    while (rest.n) {
        uint32_t seconds;
        size_t at;

        part = str_next(&rest, ' ');
        at = part.n;
        while (at && part.p[at - 1] != '=')
            at--;
        assert_int_equal(str_to_u32(&seconds, str_sub(part, at, part.n)), 0);
        fixture_bind(r, str_sub(part, 0, at - 1), seconds);
    }
    return r;
}

static inline int fixture_register(struct fixture *f, const char *call_id, uint32_t cseq,
                                   const char *what)
{
    struct registration *r = fixture_registration("alice", call_id, cseq, what);
    int result = contacts_apply(f->contacts, r);

    assert_int_equal(result, r->result);
    buf_reset(&f->answer);
    for (size_t i = 0; i < r->n_bound; i++) {
        buf_add(&f->answer, r->bound[i].contact->uri);
        buf_add_char(&f->answer, '=');
        buf_add_u64(&f->answer, r->bound[i].left_s);
        buf_add_char(&f->answer, ' ');
    }
    registration_destroy(r);
    return result;
}

static inline void fixture_expect(struct buf *b, const char *text, const char *file, int line)
{
    if (!str_equal(buf_str(b), str_of(text))) {
        print_error("got:    %.*s\nwanted: %s\n", STR_FMT(buf_str(b)), text);
        _fail(file, line);
    }
    buf_reset(b);
}
#define expect_told(f, text) fixture_expect(&(f)->told, text, __FILE__, __LINE__)
#define expect_heard(f, text) fixture_expect(&(f)->heard, text, __FILE__, __LINE__)
#define expect_answer(f, text) fixture_expect(&(f)->answer, text, __FILE__, __LINE__)

static inline uint64_t fixture_contact_id(const struct fixture *f, const char *uri)
{
    LIST_FOREACH (link, &f->contacts->aors)
        LIST_FOREACH (it, &aor_at(link)->entries)
            if (str_equal(entry_at(it)->contact->uri, str_of(uri)))
                return entry_at(it)->contact->id;
    fail_msg("no contact %s", uri);
    return 0;
}
