// SPDX-License-Identifier: MIT
/* From the body of a request to what is kept of it. */
#include "body/inbound.h"
#include "publication/compose.h"
#include "publication/store_internal.h"
#include "state/dialogs.h"

#include <stdlib.h>

void publication_document_fini(struct publication_store *store, struct publication_document *d)
{
    event_state_unref(d->state);
    published_word_put(store, d->content_type);
    str_free(&d->body);
    *d = (struct publication_document){ .state = NULL };
}

int published_refuse(struct publication_store *store, struct publication_answer *answer,
                     unsigned status, struct str why)
{
    size_t n = why.n < sizeof(store->why) ? why.n : sizeof(store->why);

    if (n)
        memcpy(store->why, why.p, n);
    *answer = (struct publication_answer){ .status = status, .why = { store->why, n } };
    return PUBLICATION_BAD_BODY;
}

/* RFC 5264 section 4.2: who publishes differences begins with a pidf-full of this type. */
static bool may_be_patched(struct str content_type)
{
    return str_equal_nocase(str_next(&content_type, ';'), STR("application/pidf-diff+xml"));
}

/* A partial dialog-info changes the dialogs told before; without any it is all there is. */
static int document_merge(struct publication_store *store, const struct publication_request *rq,
                          const struct publication_document *former, const struct event_state **out,
                          struct publication_answer *answer)
{
    struct event_state *merged;
    int r;

    if (rq->document->version <= former->version)
        return published_refuse(store, answer, 400,
                                STR("the version is not higher than that of the last document"));
    r = dialogs_merge(&merged, former->state, rq->document);
    if (r == 0)
        *out = merged;
    return r;
}

/* The document as it will be: *out has one reference. */
static int document_whole(struct publication_store *store, const struct publication_request *rq,
                          const struct publication_document *former, const struct event_state **out,
                          struct publication_answer *answer)
{
    struct event_state *packed;
    int r;

    if (rq->document->partial && former && former->state->has_dialogs)
        return document_merge(store, rq, former, out, answer);
    r = event_state_pack(&packed, rq->document);
    if (r == 0)
        *out = packed;
    return r;
}

/* What the port makes of a diff; the new body is what the next one changes. */
static int document_patch(struct publication_store *store, const struct publication_request *rq,
                          const struct publication_document *former,
                          struct publication_document *out, struct publication_answer *answer)
{
    const struct publication_patch patch = { .package = rq->package,
                                             .content_type =
                                                 published_word_text(former->content_type),
                                             .base = former->body,
                                             .diff = rq->body };
    char reason[sizeof(store->why)];
    struct event_state *document = NULL, *packed = NULL;
    struct buf body, why;
    int r;

    buf_init(&body, INBOUND_BODY_MAX);
    buf_init_on(&why, reason, sizeof(reason));
    r = store->cfg.port.patch(store->cfg.port.ctx, &patch, &body, &document, &why);
    if (r > 0)
        r = published_refuse(store, answer, (unsigned)r, buf_str(&why));
    if (r == 0)
        r = event_state_pack(&packed, document);
    if (r == 0)
        r = buf_take(&body, &out->body);
    if (r == 0) {
        out->state = packed;
        packed = NULL;
    }
    event_state_unref(document);
    event_state_unref(packed);
    buf_fini(&body);
    return r;
}

static int diff_make(struct publication_store *store, const struct publication_request *rq,
                     const struct publication_document *former, struct publication_document *out,
                     struct publication_answer *answer)
{
    if (!store->cfg.port.patch)
        return published_refuse(store, answer, 415, STR("differences are not taken here"));
    if (!former)
        return published_refuse(store, answer, 400,
                                STR("a difference cannot begin a publication: RFC 5264"));
    if (!former->body.n)
        return published_refuse(store, answer, 400,
                                STR("what was published before is no pidf-full document"));
    return document_patch(store, rq, former, out, answer);
}

static int full_make(struct publication_store *store, const struct publication_request *rq,
                     const struct publication_document *former, struct publication_document *out,
                     struct publication_answer *answer)
{
    int r = document_whole(store, rq, former, &out->state, answer);

    if (r == 0 && may_be_patched(rq->content_type))
        r = str_dup(&out->body, rq->body);
    return r;
}

int publication_document_make(struct publication_store *store, const struct publication_request *rq,
                              const struct publication_document *former,
                              struct publication_document *out, struct publication_answer *answer)
{
    struct publication_document d = { .priority = rq->priority,
                                      .body_len = (uint32_t)rq->body.n,
                                      .changed_wall_ms = clock_wall_ms(store->cfg.clock) };
    int r = rq->diff ? diff_make(store, rq, former, &d, answer)
                     : full_make(store, rq, former, &d, answer);

    if (r == 0)
        r = published_word_get(store, WORD_TYPE,
                               rq->diff ? published_word_text(former->content_type)
                                        : rq->content_type,
                               &d.content_type);
    if (r) {
        publication_document_fini(store, &d);
        return r;
    }
    d.version = d.state->version;
    if (d.body.n)
        d.body_len = (uint32_t)d.body.n;
    *out = d;
    return 0;
}
