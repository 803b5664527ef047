// SPDX-License-Identifier: MIT
/* What one thing costs in instructions, for scripts/bench-instructions: the state core and one
 * engine on the scenarios' stepped clock, and peers that answer everything. Callgrind counts within
 * the functions measured_..., and dumps at the end of each phase_...; what we print is the name of
 * each phase and how many operations it had. Nothing here depends on time, addresses or chance, so
 * that two runs differ by nothing. */
#include "../tests/scenario/scenario.h"

#include <stdio.h>
#include <stdlib.h>

#include "sip/digest.h"

enum {
    RESOURCES = 100, /* 1000 ...: hints with watchers */
    WATCHERS = 10,   /* of each */
    ALONE = 1000,    /* 2000 ...: hints that nobody watches; 3000 ...: hints that are published */
    PUBLICATIONS = 500,
    CHANGES = 5, /* of each resource */
};

#define PEER_ADDR "192.0.2.2"

struct bench {
    struct world world;
    struct addr peer;
    struct buf out;
    bool measuring;
    unsigned n_sent;  /* requests of ours */
    unsigned n_asked; /* requests of the product's, all of them answered */
    struct subscriber {
        char to_tag[64];
    } subscribers[RESOURCES * WATCHERS];
    char etags[PUBLICATIONS][64];
    struct digest_question challenge; /* the last one */
    char nonce[128];
};

/* ---- what is measured ---- */

static __attribute__((noinline)) void measured_receive(struct bench *b, struct str datagram)
{
    world_receive(&b->world, &b->peer, datagram);
}

/* Between the phases nothing is measured. */
static void receive(struct bench *b, struct str datagram)
{
    if (b->measuring)
        measured_receive(b, datagram);
    else
        world_receive(&b->world, &b->peer, datagram);
}

static __attribute__((noinline)) void measured_change(struct bench *b, struct str device,
                                                      enum device_state state)
{
    BUG_UNLESS(state_device_set(b->world.state.core, STR("bench"), device, state) == 0);
    world_settle(&b->world);
}

/* ---- the peers ---- */

static struct waiting *waiting_take(struct bench *b)
{
    struct list *sent = &b->world.sent;
    struct waiting *m = list_empty(sent) ? NULL : CONTAINER_OF(sent->next, struct waiting, link);

    if (m)
        list_remove(&m->link);
    return m;
}

/* The answers of a phone and of a compositor. */
static void answer(struct bench *b, const struct sip_message *request)
{
    bool publish = request->method == SIP_PUBLISH;
    char room[64];
    struct buf headers;

    buf_init_on(&headers, room, sizeof(room));
    if (publish)
        buf_printf(&headers, "SIP-ETag: e%u\r\nExpires: 3600\r\n", b->n_asked);
    buf_reset(&b->out);
    sip_print_response(&b->out, request, &b->world.local, true,
                       &(struct sip_reply){ .status = 200,
                                            .headers = buf_str(&headers),
                                            .to_tag = publish ? STR("esc") : STR_EMPTY });
    BUG_UNLESS(!b->out.error);
    b->n_asked++;
    receive(b, buf_str(&b->out));
}

/* Until nothing is on its way: requests are answered, and of the last 2xx to us is kept what `keep`
 * wants. */
static void converse(struct bench *b, void (*keep)(void *to, const struct sip_message *response),
                     void *to)
{
    struct waiting *m;

    while ((m = waiting_take(b))) {
        struct sip_message msg;

        BUG_UNLESS(sip_message_parse(&msg, m->bytes, NULL) == 0);
        if (msg.request) {
            answer(b, &msg);
        } else {
            BUG_UNLESS(msg.status == 200 || (keep && msg.status == 401));
            if (keep)
                keep(to, &msg);
        }
        waiting_free(m);
    }
}

static void keep_str(char *out, struct str text)
{
    BUG_UNLESS(text.n < 64);
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
}

static void keep_tag(void *to, const struct sip_message *response)
{
    keep_str(((struct subscriber *)to)->to_tag, response->to_tag);
}

static void keep_etag(void *to, const struct sip_message *response)
{
    keep_str(to, sip_header_value(response, SIP_H_SIP_ETAG));
}

static void keep_challenge(void *to, const struct sip_message *response)
{
    struct bench *b = to;
    struct sip_challenge c;

    if (response->status != 401)
        return;
    BUG_UNLESS(sip_challenge_parse(&c, sip_header_value(response, SIP_H_WWW_AUTHENTICATE)) == 0);
    BUG_UNLESS(c.nonce.n < sizeof(b->nonce));
    memcpy(b->nonce, c.nonce.p, c.nonce.n);
    b->challenge = (struct digest_question){ .algorithm = DIGEST_MD5,
                                             .nonce = { b->nonce, c.nonce.n },
                                             .method = STR_INIT("SUBSCRIBE"),
                                             .uri = STR_INIT("sip:1000@192.0.2.1"),
                                             .nc = STR_INIT("00000001"),
                                             .cnonce = STR_INIT("0a4f113b") };
}

/* As phones write it. */
static void print_head_from(struct bench *b, const char *method, unsigned user, unsigned who,
                            const char *to_tag, unsigned cseq, const char *from)
{
    buf_reset(&b->out);
    buf_printf(&b->out,
               "%s sip:%u@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP " PEER_ADDR
               ":5060;rport;branch=z9hG4bK%08u-bench\r\n"
               "Max-Forwards: 70\r\nFrom: \"Phone %u\" <sip:%s@192.0.2.1>;tag=from%u\r\nTo: "
               "<sip:%u@192.0.2.1>%s%s\r\n"
               "Call-ID: %u.%s@" PEER_ADDR "\r\nCSeq: %u %s\r\nUser-Agent: Phone 1.0\r\n",
               method, user, ++b->n_sent, who, from, who, user, *to_tag ? ";tag=" : "", to_tag, who,
               method, cseq, method);
}

static void print_head(struct bench *b, const char *method, unsigned user, unsigned who,
                       const char *to_tag, unsigned cseq)
{
    print_head_from(b, method, user, who, to_tag, cseq, "bench");
}

static void subscribe(struct bench *b, unsigned i, unsigned cseq, unsigned expires_s)
{
    struct subscriber *s = &b->subscribers[i];

    print_head(b, "SUBSCRIBE", 1000 + i % RESOURCES, i, s->to_tag, cseq);
    buf_printf(&b->out,
               "Contact: <sip:phone%u@" PEER_ADDR
               ":5060>\r\nEvent: dialog\r\nAccept: application/dialog-info+xml\r\n"
               "Expires: %u\r\nContent-Length: 0\r\n\r\n",
               i, expires_s);
    receive(b, buf_str(&b->out));
    converse(b, keep_tag, s);
}

static void publish(struct bench *b, unsigned i, const char *state, unsigned version)
{
    char *etag = b->etags[i];
    char room[512];
    struct buf body;

    buf_init_on(&body, room, sizeof(room));
    buf_printf(
        &body,
        "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" "
        "version=\"%u\" "
        "state=\"full\" entity=\"sip:%u@192.0.2.1\">\n<dialog id=\"bench\" direction=\"initiator\">"
        "<state>%s</state></dialog>\n</dialog-info>\n",
        version, 4000 + i, state);
    print_head(b, "PUBLISH", 4000 + i, 5000 + i, "", version + 1);
    if (*etag)
        buf_printf(&b->out, "SIP-If-Match: %s\r\n", etag);
    buf_printf(&b->out,
               "Event: dialog\r\nExpires: 3600\r\nContent-Type: "
               "application/dialog-info+xml\r\nContent-Length: %zu\r\n\r\n",
               body.n);
    buf_add(&b->out, buf_str(&body));
    receive(b, buf_str(&b->out));
    converse(b, keep_etag, etag);
}

static void change(struct bench *b, unsigned user, enum device_state state)
{
    char room[32];
    struct buf device;

    buf_init_on(&device, room, sizeof(room));
    buf_printf(&device, "Custom:%u", user);
    measured_change(b, buf_str(&device), state);
    converse(b, NULL, NULL);
}

/* ---- the phases; each returns how many operations it had ---- */

static unsigned phase_subscribe(struct bench *b)
{
    unsigned before = b->n_asked;

    for (unsigned i = 0; i < RESOURCES * WATCHERS; i++)
        subscribe(b, i, 1, 3600);
    BUG_UNLESS(b->n_asked - before == RESOURCES * WATCHERS);
    return RESOURCES * WATCHERS;
}

/* Sent and acknowledged, a tenth of the change that they tell included. */
static unsigned phase_notify(struct bench *b)
{
    unsigned before = b->n_asked;

    for (unsigned n = 0; n < CHANGES; n++)
        for (unsigned i = 0; i < RESOURCES; i++)
            change(b, 1000 + i, n % 2 ? DEVICE_NOT_INUSE : DEVICE_INUSE);
    BUG_UNLESS(b->n_asked - before == CHANGES * RESOURCES * WATCHERS);
    return CHANGES * RESOURCES * WATCHERS;
}

static unsigned phase_refresh(struct bench *b)
{
    for (unsigned i = 0; i < RESOURCES * WATCHERS; i++)
        subscribe(b, i, 2, 3600);
    return RESOURCES * WATCHERS;
}

static unsigned phase_unsubscribe(struct bench *b)
{
    for (unsigned i = 0; i < RESOURCES * WATCHERS; i++)
        subscribe(b, i, 3, 0);
    return RESOURCES * WATCHERS;
}

/* Challenged, and once more with the answer; the caller's own hashes are not measured. */
static unsigned phase_subscribe_digest(struct bench *b)
{
    unsigned before = b->n_asked;
    struct digest_hex a1, response;

    BUG_UNLESS(digest_a1(&a1, DIGEST_MD5, STR("locked"), STR("asterisk"), STR("secret")) == 0);
    for (unsigned i = 0; i < RESOURCES * WATCHERS; i++)
        for (unsigned cseq = 1; cseq <= 2; cseq++) {
            print_head_from(b, "SUBSCRIBE", 1000, 10000 + i, "", cseq, "locked");
            buf_printf(&b->out,
                       "Contact: <sip:phone%u@" PEER_ADDR
                       ":5060>\r\nEvent: dialog\r\nAccept: application/dialog-info+xml\r\n"
                       "Expires: 3600\r\n",
                       i);
            if (cseq == 2) {
                b->challenge.a1 = digest_hex_str(&a1);
                BUG_UNLESS(digest_response(&response, &b->challenge) == 0);
                buf_printf(&b->out,
                           "Authorization: Digest username=\"locked\", realm=\"asterisk\", "
                           "nonce=\"%.*s\", uri=\"sip:1000@192.0.2.1\", response=\"%.*s\", "
                           "algorithm=MD5, qop=auth, nc=00000001, cnonce=\"0a4f113b\"\r\n",
                           STR_FMT(b->challenge.nonce), STR_FMT(digest_hex_str(&response)));
            }
            buf_add(&b->out, STR("Content-Length: 0\r\n\r\n"));
            receive(b, buf_str(&b->out));
            converse(b, keep_challenge, b);
        }
    BUG_UNLESS(b->n_asked - before == RESOURCES * WATCHERS);
    return RESOURCES * WATCHERS;
}

static unsigned phase_state_change(struct bench *b)
{
    unsigned before = b->n_asked;

    for (unsigned n = 0; n < 2; n++)
        for (unsigned i = 0; i < ALONE; i++)
            change(b, 2000 + i, n % 2 ? DEVICE_NOT_INUSE : DEVICE_INUSE);
    BUG_UNLESS(b->n_asked == before);
    return 2 * ALONE;
}

static unsigned phase_publish_received(struct bench *b)
{
    for (unsigned i = 0; i < PUBLICATIONS; i++)
        publish(b, i, "early", 0);
    for (unsigned i = 0; i < PUBLICATIONS; i++)
        publish(b, i, "confirmed", 1);
    return 2 * PUBLICATIONS;
}

static unsigned phase_publish_sent(struct bench *b)
{
    unsigned before = b->n_asked;

    for (unsigned n = 0; n < 2; n++)
        for (unsigned i = 0; i < PUBLICATIONS; i++)
            change(b, 3000 + i, n % 2 ? DEVICE_NOT_INUSE : DEVICE_INUSE);
    BUG_UNLESS(b->n_asked - before == 2 * PUBLICATIONS);
    return 2 * PUBLICATIONS;
}

/* ---- the configuration ---- */

static void file_add(struct world *w, struct str name, struct str text)
{
    w->files[w->n_files].name = name;
    w->files[w->n_files].text = text;
    w->n_files++;
}

static void print_hints(struct buf *out, const char *context, unsigned first, unsigned n)
{
    buf_printf(out, "[%s]\n", context);
    for (unsigned i = first; i < first + n; i++)
        buf_printf(out, "exten => %u,hint,Custom:%u\n", i, i);
}

int main(void)
{
    static const struct {
        const char *name;
        unsigned (*run)(struct bench *b);
    } phases[] = {
        { "subscribe", phase_subscribe },       { "notify", phase_notify },
        { "refresh", phase_refresh },           { "unsubscribe", phase_unsubscribe },
        { "state_change", phase_state_change }, { "publish_received", phase_publish_received },
        { "publish_sent", phase_publish_sent }, { "subscribe_digest", phase_subscribe_digest },
    };
    struct bench *b = calloc(1, sizeof(*b));
    struct buf hints, problems;

    BUG_UNLESS(b && addr_parse(&b->peer, STR(PEER_ADDR), 5060) == 0);
    buf_init(&b->out, SIP_MESSAGE_MAX);
    buf_init(&hints, 1 << 20);
    buf_init(&problems, 1 << 16);
    print_hints(&hints, "users", 1000, RESOURCES);
    print_hints(&hints, "alone", 2000, ALONE);
    print_hints(&hints, "told", 3000, PUBLICATIONS);
    world_init(&b->world, 1, false);
    file_add(&b->world, STR("extensions.conf"), buf_str(&hints));
    file_add(&b->world, STR("extstate.conf"),
             STR("[compositor]\ndomains=192.0.2.1\ncontext=users\npublish=any\nmax_publications_"
                 "per_publisher=0\n"));
    file_add(
        &b->world, STR("pjsip.conf"),
        STR("[udp]\ntype=transport\nbind=192.0.2.1:5060\n[bench]\ntype=endpoint\ncontext=users\n"
            "[locked]\ntype=endpoint\ncontext=users\nauth=locked\n"
            "[locked]\ntype=auth\nusername=locked\npassword=secret\n"
            "[esc]\ntype=outbound-publish\nserver_uri=sip:192.0.2.50\nfrom_uri=sip:pbx."
            "example\nevent=dialog\n"
            "multi_user=yes\n@body=application/dialog-info+xml\n@context=^told\n"));
    if (world_start(&b->world, &problems)) {
        fprintf(stderr, "%.*s\n", STR_FMT(buf_str(&problems)));
        return 1;
    }
    BUG_UNLESS(world_restore(&b->world) == 0);
    converse(b, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        b->measuring = true;
        printf("%s %u\n", phases[i].name, phases[i].run(b));
        b->measuring = false;
        world_advance(&b->world, 40000); /* finished transactions go */
        converse(b, NULL, NULL);
    }
    world_fini(&b->world);
    buf_fini(&problems);
    buf_fini(&hints);
    buf_fini(&b->out);
    free(b);
    return 0;
}
