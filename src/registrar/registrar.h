// SPDX-License-Identifier: MIT
/* registrar.h - one worker's side of the registrar: it answers REGISTER. Source: RFC 3261 section
 * 10.3, RFC 3327.
 *
 * The To names the AOR, which has to be one of the endpoint's. What a request wants bound is read
 * and judged here, as far as it can be without the bindings that there are; then it is applied by
 * the owner of the table (contacts.h), and answered here when that is durable. Requests of one
 * worker are applied in the order they came in. Threads: the worker that owns it. */
#pragma once
#include "registrar/contacts.h"
#include "txn/uas.h"

struct registrar; /* opaque: see registrar.c */

enum {
    REGISTRAR_PENDING_MAX = 10000, /* requests that wait for the table; more get 503 */
    REGISTRAR_CONTACTS_MAX = 64,   /* in one request; more get 400 */
};

struct registrar_port {
    void *ctx;
    /* Apply this in the table's thread, and give it back by registrar_answer, or, when there is
     * nobody any more to answer, to registration_destroy. Never from inside. Takes ownership on 0.
     * Negative: nothing was asked, and 503 is the answer. */
    int (*apply)(void *ctx, struct registration *r);
    /* The id of the transport with that number; empty: there is none. */
    struct str (*transport)(void *ctx, uint32_t number);
};

struct registrar_config {
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    const struct settings *settings; /* a reference is taken */
    struct registrar_port port;
};
NODISCARD int registrar_create(struct registrar **out, const struct registrar_config *cfg);
/* NULL is fine. Requests that still wait are not answered. */
void registrar_destroy(struct registrar *g);

/* The handler of REGISTER while [registrar] is enabled: register with uas_method_set, ctx the
 * struct registrar. */
void registrar_register(void *registrar, const struct uas_request *rq);
#define REGISTRAR_EXTENSIONS "path"
/* Takes ownership of `r`, whose result says what became of it. */
void registrar_answer(struct registrar *g, struct registration *r);
void registration_destroy(struct registration *r); /* NULL is fine; any thread */
void registrar_settings_set(struct registrar *g, const struct settings *settings);
/* From now on every new REGISTER is answered 503: the server is about to stop. */
void registrar_stop(struct registrar *g);
/* Requests that wait for the table: it may have done already what they ask. */
size_t registrar_unanswered(const struct registrar *g);

struct registrar_counters {
    uint64_t requests, accepted, pending;
    uint64_t refused_400, refused_403, refused_404, refused_420, refused_423, refused_500,
        refused_503, refused_other;
};
void registrar_counters_get(const struct registrar *g, struct registrar_counters *out);
