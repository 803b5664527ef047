// SPDX-License-Identifier: MIT
/* Publications as people ask for them, and the counters. */
#include "publisher/publisher_internal.h"

/* Its turn does not come before the server answers, or is found. */
static bool is_held_up(const struct publication *pub)
{
    const struct section *s = pub->section;

    return pub->state == PUBLICATION_READY && (s->down || !s->resolved || timer_running(&s->pause));
}

static const char *state_word(const struct publication *pub)
{
    if (pub->removing)
        return "removing";
    if (pub->state == PUBLICATION_IDLE)
        return "published";
    if (pub->state == PUBLICATION_WAITING)
        return pub->refused ? "refused" : "waiting";
    return is_held_up(pub) ? "waiting" : "publishing";
}

static uint32_t seconds_up(uint64_t ms)
{
    return (uint32_t)((ms + 999) / 1000);
}

static uint32_t retry_s(const struct publication *pub)
{
    const struct wheel *w = pub->section->publisher->cfg.wheel;

    if (pub->state == PUBLICATION_WAITING)
        return seconds_up(timer_left_ms(w, &pub->timer));
    return is_held_up(pub) ? seconds_up(timer_left_ms(w, &pub->section->pause)) : 0;
}

static void publication_show(const struct publication *pub,
                             void (*each)(void *ctx, const struct publication_view *v), void *ctx)
{
    const struct section *s = pub->section;
    uint64_t now = publisher_now(s->publisher);
    struct publication_view v = {
        .section = s->terms.settings->id,
        .context = pub->newest->context,
        .extension = pub->newest->extension,
        .package = s->terms.settings->event,
        .content_type = body_profile_content_type(s->terms.profile),
        .server_uri = s->terms.settings->server_uri,
        .entity_tag = pub->entity_tag,
        .last_reason = pub->last_reason,
        .state = state_word(pub),
        .expires_s = pub->granted_until_ms > now ? seconds_up(pub->granted_until_ms - now) : 0,
        .retry_s = retry_s(pub),
        .last_status = pub->last_status,
        .queued = pub->state == PUBLICATION_SENDING && pub->sent != pub->newest,
        .cseq = pub->cseq,
        .failures = pub->failures,
        .told_sequence = pub->told ? pub->told->sequence : 0,
        .current_sequence = pub->newest->sequence,
        .flow = s->resolved ? &s->flow : NULL,
    };

    if (!s->resolved && !pub->last_status) {
        v.last_status = 503;
        v.last_reason = s->missing.n ? s->missing : STR("no address");
    }
    each(ctx, &v);
}

void publisher_each(const struct publisher *p,
                    void (*each)(void *ctx, const struct publication_view *v), void *ctx)
{
    LIST_FOREACH (it, &p->sections) {
        const struct section *s = CONTAINER_OF(it, struct section, link);

        LIST_FOREACH (node, &s->publications)
            publication_show(CONTAINER_OF(node, struct publication, of_section), each, ctx);
    }
}

void publisher_sections_each(const struct publisher *p,
                             void (*each)(void *ctx, const struct publisher_view *v), void *ctx)
{
    LIST_FOREACH (it, &p->sections) {
        const struct section *s = CONTAINER_OF(it, struct section, link);
        const struct publisher_view v = { .section = s->terms.settings->id,
                                          .server_uri = s->terms.settings->server_uri,
                                          .publications = s->n_publications,
                                          .outstanding = s->outstanding,
                                          .resolved = s->resolved,
                                          .down = s->down,
                                          .failures = s->down ? s->down_failures : 0,
                                          .retired = s->retired };

        each(ctx, &v);
    }
}

void publisher_resource_each(const struct publisher *p, const struct snapshot *of,
                             void (*each)(void *ctx, const struct publication_view *v), void *ctx)
{
    LIST_FOREACH (it, &p->sections) {
        const struct publication *pub =
            publication_find(CONTAINER_OF(it, const struct section, link), of);

        if (pub)
            publication_show(pub, each, ctx);
    }
}

void publisher_counters_get(const struct publisher *p, struct publisher_counters *out)
{
    *out = p->counters;
    out->publication_bytes = p->heap.publications.bytes;
    out->resource_bytes = p->heap.resources.bytes;
    out->table_bytes = map_bytes(&p->publications) + map_bytes(&p->resources);
}
