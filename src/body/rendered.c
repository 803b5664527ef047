// SPDX-License-Identifier: MIT
/* rendered.c - a body rendered once for a snapshot, and filled in for each subscriber. It is
 * complete before it is hung on the snapshot, and nothing writes to it afterwards: any thread may
 * read it without a lock. */
#include "body/builtin.h"
#include "body/document.h"
#include "body/registry.h"
#include <endian.h>
#include <stdlib.h>

struct rendered_body {
    struct snapshot_body base; /* key: of the profile, which may be gone, with its registry */
    struct str content_type;   /* behind the text, or the snapshot's */
    uint64_t digest;
    size_t text_length;
    size_t slot_uses[ES_SLOTS];
    size_t n_segments;
    const char *text; /* behind the segments */
    struct segment segments[];
};

struct rendering { /* one call of body_render that found nothing */
    const struct body_profile *profile;
    struct es_snapshot snapshot;
    struct es_text content_type, content; /* which the snapshot points to, */
    struct es_dialog *dialogs;            /* also to these, on the heap; or NULL */
    struct es_body_request request;
    char unique[36];
    uint64_t skipped; /* bit set of supplements that failed */
    bool no_memory;
};

/* ---- making one ---- */

static void rendered_destroy(struct snapshot_body *b)
{
    free(CONTAINER_OF(b, struct rendered_body, base));
}

/* It may be stored and compared by a later process, so it depends on nothing but the body: no key,
 * and little-endian words everywhere. Who can write a body's text can also leave it as it is, so a
 * collision is worth nothing to anybody. */
static uint64_t digest_add(uint64_t digest, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    digest = (digest ^ n) * 0xff51afd7ed558ccdu;
    while (n) {
        size_t part = n < sizeof(uint64_t) ? n : sizeof(uint64_t);
        uint64_t word = 0;

        memcpy(&word, p, part);
        digest = (digest ^ le64toh(word)) * 0x9e3779b97f4a7c15u;
        digest ^= digest >> 29;
        p += part;
        n -= part;
    }
    return digest;
}

/* The type counts where the profile does not say it. */
static void rendered_count(struct rendered_body *b, bool any_type)
{
    uint64_t digest = 0xcbf29ce484222325u;
    const char *at = b->text;

    for (size_t i = 0; i < b->n_segments; i++) {
        const struct segment *s = &b->segments[i];
        const unsigned char mark[2] = { s->kind, s->slot };

        if (s->kind == SEGMENT_SLOT)
            b->slot_uses[s->slot]++;
        if (s->kind == SEGMENT_TEXT)
            digest = digest_add(digest, at, s->length);
        else
            digest = digest_add(digest, mark, sizeof(mark));
        at += s->length;
    }
    if (any_type)
        digest = digest_add(digest, b->content_type.p, b->content_type.n);
    b->digest = digest;
}

/* Print on the caller's stack, as far as it reaches; a longer body on the heap. */
static int print_roomy(const struct es_document *d, struct buf *text, struct buf *segments)
{
    int r = document_print(d, text, segments);

    if (r != -EMSGSIZE || d->error)
        return r;
    buf_init(text, DOCUMENT_TEXT_MAX);
    buf_init(segments, DOCUMENT_TEXT_MAX);
    return document_print(d, text, segments);
}

static int rendered_create(struct rendered_body **out, const struct rendering *g,
                           const struct es_document *d)
{
    struct rendered_body *b = NULL;
    char text_room[4096], segments_room[512];
    struct buf text, segments;
    struct str type = body_profile_content_type(g->profile);
    bool any_type = body_type_is_any(type);
    char *behind;
    int r;

    buf_init_on(&text, text_room, sizeof(text_room));
    buf_init_on(&segments, segments_room, sizeof(segments_room));
    r = print_roomy(d, &text, &segments);
    if (r)
        goto out;
    b = calloc(1, sizeof(*b) + segments.n + text.n + type.n);
    if (!b) {
        r = -ENOMEM;
        goto out;
    }
    b->base.key = g->profile->key;
    b->base.destroy = rendered_destroy;
    b->text_length = text.n;
    b->n_segments = segments.n / sizeof(struct segment);
    b->text = (const char *)b->segments + segments.n;
    memcpy(b->segments, segments.p, segments.n);
    behind = (char *)b->segments + segments.n;
    if (text.n) /* a raw body may be nothing but a slot */
        memcpy(behind, text.p, text.n);
    behind += text.n;
    b->content_type = any_type ? es_str(g->content_type) : type;
    if (!any_type)
        str_keep(&b->content_type, &behind);
    rendered_count(b, any_type);
    *out = b;
out:
    buf_fini(&segments);
    buf_fini(&text);
    return r;
}

/* ---- asking generators and supplements ---- */

static void failure_count(struct body_part *p, const char *name, int error)
{
    struct body_registry *r = p->registry;

    atomic_fetch_add_explicit(&r->failures, 1, memory_order_relaxed);
    log_warn(r->log, name, KV("plugin", p->plugin), KV("name", p->name),
             KV("content_type", p->content_type), KV_ERR(error));
}

/* What a plugin's function came to: its own answer, or what it did to the document. Anything but a
 * negated errno is a mistake of the plugin. */
static int outcome(int answer, const struct es_document *d, bool may_be_empty)
{
    if (answer)
        return answer < 0 && answer >= -4095 ? answer : -EINVAL;
    if (d->error)
        return d->error;
    return document_empty(d) && !may_be_empty ? -ENODATA : 0;
}

enum { RENDER_AGAIN = 1 };

/* 0; RENDER_AGAIN: it failed and is to be left out; -ENOMEM. */
static int try_supplement(struct rendering *g, size_t i, struct es_document *d)
{
    struct body_part *u = g->profile->parts[g->profile->n_generators + i];
    int r;

    g->request.options = u->options;
    r = outcome(u->supplement(&g->request, d), d, false);
    if (!r || d->error == -ENOMEM)
        return r ? -ENOMEM : 0;
    g->skipped |= (uint64_t)1 << i;
    failure_count(u, "body.supplement_failed", r);
    return RENDER_AGAIN;
}

/* The document of one generator and the supplements that have not failed so far. A failure leaves
 * it half-changed, and generators are pure: RENDER_AGAIN asks to start over without that
 * supplement, which happens at most 64 times. */
static int try_once(struct rendering *g, struct body_part *part, struct rendered_body **out)
{
    struct es_document d;
    bool is_tree;
    int r;

    document_init(&d, g->request.unique);
    g->request.options = part->options;
    r = outcome(part->generate(&g->request, &d), &d, body_type_is_any(str_of(part->content_type)));
    is_tree = !document_is_raw(&d) && !document_empty(&d);
    for (size_t i = 0; !r && is_tree && i < g->profile->n_supplements; i++)
        if (!(g->skipped >> i & 1))
            r = try_supplement(g, i, &d);
    g->no_memory = d.error == -ENOMEM; /* and not what a plugin may have answered */
    if (!r) {
        r = rendered_create(out, g, &d);
        g->no_memory = r == -ENOMEM;
    }
    document_fini(&d);
    return r;
}

/* Without memory nobody is to blame, and the next generator would only make another body than the
 * one that was chosen. */
static int render(struct rendering *g, struct rendered_body **out)
{
    int r = -ENODATA;

    for (size_t i = 0; r && i < g->profile->n_generators; i++) {
        struct body_part *part = g->profile->parts[i];

        g->skipped = 0;
        do
            r = try_once(g, part, out);
        while (r == RENDER_AGAIN);
        if (r && g->no_memory)
            return -ENOMEM;
        if (r)
            failure_count(part, "body.generator_failed", r);
    }
    return r;
}

/* A random UUID (RFC 4122 section 4.4): unique enough for an atomid, and of the length people know.
 */
static struct es_text unique_make(char out[static 36], struct rng *rng)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    size_t n = 0;

    rng_fill(rng, bytes, sizeof(bytes));
    bytes[6] = (unsigned char)(0x40 | (bytes[6] & 0x0f));
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[n++] = '-';
        out[n++] = digits[bytes[i] >> 4];
        out[n++] = digits[bytes[i] & 15];
    }
    return (struct es_text){ out, n };
}

static enum es_extension_state state_of(enum extension_state s)
{
    if (s == EXTENSION_REMOVED || s == EXTENSION_DEACTIVATED)
        return ES_EXTENSION_REMOVED;
    return (enum es_extension_state)s;
}

/* What was published, as far as anything was. */
static void rendering_published(struct rendering *g, const struct event_state *published)
{
    struct es_snapshot *s = &g->snapshot;

    if (published->has_dialogs) {
        s->dialogs = published->dialogs;
        s->n_dialogs = published->n_dialogs;
        s->has_dialogs = true;
    }
    if (published->has_presence)
        s->published_presence = &published->presence;
    if (published->has_messages)
        s->messages = &published->messages;
    if (published->has_opaque) {
        g->content_type = es_text_from(published->opaque.content_type);
        g->content = es_text_from(published->opaque.body);
        s->content_type = &g->content_type;
        s->content = &g->content;
    }
    if (published->has_watchers) {
        s->watchers = published->watchers;
        s->n_watchers = published->n_watchers;
    }
}

/* Both lists begin with what matters most, and so does what they make together. */
static int rendering_calls(struct rendering *g, const struct event_state *calls)
{
    struct es_snapshot *s = &g->snapshot;
    size_t n = calls->n_dialogs + s->n_dialogs, at[2] = { 0, 0 };
    const struct es_dialog *lists[] = { calls->dialogs, s->dialogs };
    const size_t lengths[] = { calls->n_dialogs, s->n_dialogs };

    g->dialogs = calloc(n + 1, sizeof(*g->dialogs));
    if (!g->dialogs)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        unsigned list = at[0] == lengths[0] ||
                        (at[1] < lengths[1] && builtin_dialog_rank(&lists[1][at[1]]) >
                                                   builtin_dialog_rank(&lists[0][at[0]]));

        g->dialogs[i] = lists[list][at[list]++];
    }
    s->dialogs = g->dialogs;
    s->n_dialogs = n;
    s->has_dialogs = s->calls_known = true;
    return 0;
}

static void rendering_init(struct rendering *g, const struct body_profile *p,
                           const struct snapshot *s, struct rng *rng)
{
    g->profile = p;
    g->skipped = 0;
    g->no_memory = false;
    g->content_type = g->content = ES_TEXT("");
    g->dialogs = NULL;
    g->snapshot = (struct es_snapshot){
        .size = sizeof(g->snapshot),
        .state = state_of(s->state),
        .extension = es_text_from(s->extension),
        .context = es_text_from(s->context),
        .hint_name = es_text_from(s->hint_name),
        .presence = es_text_from(presence_state_name(s->presence)),
        .presence_subtype = es_text_from(s->presence_subtype),
        .presence_message = es_text_from(s->presence_message),
        .has_hint = s->has_hint,
        .hint_state = state_of(s->hint_state),
        .package = es_text_from(s->package),
    };
    if (s->published)
        rendering_published(g, s->published);
    g->request = (struct es_body_request){
        .size = sizeof(g->request),
        .snapshot = &g->snapshot,
        .flags = p->flags,
        .unique = unique_make(g->unique, rng),
        .api = &document_api,
    };
}

int body_render(const struct body_profile *p, const struct snapshot *s, struct rng *rng,
                const struct rendered_body **out)
{
    struct snapshot_body *found = snapshot_body_find(s, p->key);
    struct body_registry *registry = p->registry;
    struct rendered_body *made = NULL;
    struct rendering g;
    int r;

    if (found) {
        atomic_fetch_add_explicit(&registry->reused, 1, memory_order_relaxed);
        *out = CONTAINER_OF(found, struct rendered_body, base);
        return 0;
    }
    rendering_init(&g, p, s, rng);
    r = s->calls ? rendering_calls(&g, s->calls) : 0;
    r = r ? r : render(&g, &made);
    free(g.dialogs);
    if (r)
        return r;
    atomic_fetch_add_explicit(&registry->rendered, 1, memory_order_relaxed);
    *out = CONTAINER_OF(snapshot_body_add(s, &made->base), struct rendered_body, base);
    return 0;
}

/* ---- filling one in ---- */

struct str body_content_type(const struct rendered_body *b)
{
    return b->content_type;
}

static size_t decimal_length(uint32_t n)
{
    size_t length = 1;

    while (n >= 10) {
        n /= 10;
        length++;
    }
    return length;
}

/* What stands between the user and the parameters: "sip:1000@example.com:5060;user=phone". */
static struct str domain_of(struct str uri)
{
    size_t at = str_find_char(uri, '@');
    struct str host =
        at < uri.n ? str_sub(uri, at + 1, uri.n) : str_sub(uri, str_find_char(uri, ':') + 1, uri.n);

    host.n = str_find_char(host, ';');
    host.n = str_find_char(host, '?');
    return host;
}

static struct str slot_text(const struct body_slots *slots, unsigned slot)
{
    switch (slot) {
    case ES_SLOT_LOCAL:
        return slots->local;
    case ES_SLOT_REMOTE:
        return slots->remote;
    default:
        return domain_of(slots->local);
    }
}

size_t body_length(const struct rendered_body *b, const struct body_slots *slots)
{
    size_t n = b->text_length + b->slot_uses[ES_SLOT_VERSION] * decimal_length(slots->version);

    for (unsigned slot = ES_SLOT_LOCAL; slot < ES_SLOTS; slot++)
        if (b->slot_uses[slot])
            n += b->slot_uses[slot] * slot_text(slots, slot).n;
    return n;
}

void body_print(const struct rendered_body *b, const struct body_slots *slots, struct buf *out)
{
    const char *at = b->text;

    for (size_t i = 0; i < b->n_segments; i++) {
        const struct segment *s = &b->segments[i];

        buf_add(out, (struct str){ at, s->length });
        at += s->length;
        if (s->kind != SEGMENT_SLOT)
            continue;
        if (s->slot == ES_SLOT_VERSION)
            buf_add_u64(out, slots->version);
        else
            buf_add(out, slot_text(slots, s->slot));
    }
}

bool body_same(const struct rendered_body *a, const struct rendered_body *b)
{
    const char *at_a = a->text, *at_b = b->text;

    if (a == b)
        return true;
    if (a->digest != b->digest || a->n_segments != b->n_segments ||
        !str_equal(a->content_type, b->content_type))
        return false;
    for (size_t i = 0; i < a->n_segments; i++) {
        const struct segment *x = &a->segments[i], *y = &b->segments[i];

        if (x->kind != y->kind || x->slot != y->slot)
            return false;
        if (x->kind == SEGMENT_TEXT &&
            (x->length != y->length || memcmp(at_a, at_b, x->length) != 0))
            return false;
        at_a += x->length;
        at_b += y->length;
    }
    return true;
}

uint64_t body_digest(const struct rendered_body *b)
{
    return b->digest;
}
