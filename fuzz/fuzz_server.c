// SPDX-License-Identifier: MIT
/* What peers send to a whole server on a clock that is stepped: requests of any kind, in dialogs
 * and out of them, and answers to what it sends. The input is steps with 0x1e between them. The
 * first byte of each says who, what becomes of the server's own requests, and how much time passes
 * then; the rest is a message, in which $t stands for the tag and $e for the entity-tag of the last
 * answer. Whatever the server sends can be read, but for what it repeats of a request that cannot;
 * when everybody has fallen silent nothing is left of it but what lasts. */
#include "../tests/scenario/scenario.h"

#include <stdlib.h>

#include "xml/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP_END = 0x1e, TEXT_MAX = 64, END_MS = 7200000, ROUNDS_MAX = 64 };

struct answers { /* what was seen in them */
    char tag[TEXT_MAX], etag[TEXT_MAX];
};

struct step {         /* the bits of its first byte */
    unsigned who;     /* 2 */
    unsigned answer;  /* 2: to what the server asks */
    unsigned seconds; /* 3: an exponent; 0: no time passes */
    bool device;      /* no message: the state of a device changes */
};

static const char pjsip[] =
    "[udp]\ntype=transport\nbind=192.0.2.1:5060\n"
    "[alice]\ntype=endpoint\ncontext=office\naors=alice\nmailboxes=100@x\n"
    "[alice]\ntype=aor\ncontact=sip:alice@192.0.2.10\nmailboxes=100@x\n"
    "[bob]\ntype=endpoint\ncontext=office\n@watch_deny=2000\n"
    "[carol]\ntype=endpoint\ncontext=office\nauth=carol\n"
    "[carol]\ntype=auth\nauth_type=userpass\nusername=carol\npassword=p\n"
    "[esc]\ntype=outbound-publish\nserver_uri=sip:esc@192.0.2.13\nevent=dialog\nmulti_user=yes\n"
    "@body=application/dialog-info+xml\n@exten=^1000$\n"
    "[team]\ntype=resource_list\nevent=dialog\nlist_item=1000\nlist_item=2000\nfull_state=no\n";
static const char extensions[] =
    "[office]\nexten => 1000,hint,Custom:1000,CustomPresence:1000\n"
    "exten => 2000,hint,Custom:2000\nexten => _3XX,hint,Custom:${EXTEN}\n"
    "exten => alice,hint,Custom:1000\n";
static const char extstate[] =
    "[compositor]\ndomains=example.com\ncontext=office\npublish=any\nopaque=x-test\n"
    "[authorization]\nconfirm=^bob$, ^alice@office$, presence\n";

static void world_begin(struct world *w)
{
    char room[4096];
    struct buf problems;

    world_init(w, 7, false);
    w->store = STORE_WORKS; /* which looks at each record */
    w->files[0].name = STR("pjsip.conf");
    w->files[0].text = str_of(pjsip);
    w->files[1].name = STR("extensions.conf");
    w->files[1].text = str_of(extensions);
    w->files[2].name = STR("extstate.conf");
    w->files[2].text = str_of(extstate);
    w->n_files = 3;
    buf_init_on(&problems, room, sizeof(room));
    if (world_start(w, &problems) || world_restore(w) || problems.n) {
        fprintf(stderr, "%.*s", STR_FMT(buf_str(&problems)));
        abort();
    }
}

static struct addr address_of(unsigned who)
{
    struct addr a;

    BUG_UNLESS(addr_parse(&a, STR("192.0.2.10"), 5060) == 0);
    a.v4.sin_addr.s_addr = htonl(ntohl(a.v4.sin_addr.s_addr) + who);
    return a;
}

static void note(char *room, struct str text)
{
    snprintf(room, TEXT_MAX, "%.*s", (int)(text.n < TEXT_MAX ? text.n : TEXT_MAX - 1), text.p);
}

/* Notes what an answer has; a request is answered, if it is to be. */
static void hear(struct world *w, const struct waiting *m, unsigned answer, struct answers *seen)
{
    static const unsigned statuses[] = { 200, 0, 481, 500 };
    const struct sip_reply reply = { .status = statuses[answer],
                                     .to_tag = STR("peer"),
                                     .headers = STR("SIP-ETag: theirs\r\nExpires: 600\r\n") };
    struct sip_message said;
    struct buf b;

    if (sip_message_parse(&said, m->bytes, NULL)) {
        /* To a request that cannot be read. */
        BUG_UNLESS(str_starts(m->bytes, STR("SIP/2.0 4")) ||
                   str_starts(m->bytes, STR("SIP/2.0 505")));
        return;
    }
    if (!said.request) {
        note(seen->tag, said.to_tag);
        if (said.first[SIP_H_SIP_ETAG])
            note(seen->etag, sip_header_value(&said, SIP_H_SIP_ETAG));
        return;
    }
    if (!reply.status)
        return;
    buf_init(&b, SIP_MESSAGE_MAX);
    sip_print_response(&b, &said, &w->local, true, &reply);
    if (!b.error)
        world_receive(w, &m->to, buf_str(&b));
    buf_fini(&b);
}

static void hear_all(struct world *w, unsigned answer, struct answers *seen)
{
    for (unsigned i = 0; i < ROUNDS_MAX && !list_empty(&w->sent); i++) {
        struct waiting *m = CONTAINER_OF(w->sent.next, struct waiting, link);

        list_remove(&m->link);
        hear(w, m, answer, seen);
        waiting_free(m);
    }
}

static void message_print(struct buf *b, struct str text, const struct answers *seen)
{
    for (size_t i = 0; i < text.n; i++) {
        char next = i + 1 < text.n ? text.p[i + 1] : '\0';

        if (text.p[i] != '$' || (next != 't' && next != 'e')) {
            buf_add_char(b, text.p[i]);
            continue;
        }
        buf_add(b, str_of(next == 't' ? seen->tag : seen->etag));
        i++;
    }
}

static void run(struct world *w, const struct step *step, struct str text, struct answers *seen)
{
    const struct addr from = address_of(step->who);
    struct buf b;

    if (step->device) {
        (void)!state_device_set(w->state.core, STR("pbx"),
                                step->who & 1 ? STR("Custom:1000") : STR("Custom:2000"),
                                (enum device_state)(text.n % DEVICE_STATES));
        world_settle(w);
    } else {
        buf_init(&b, SIP_MESSAGE_MAX);
        message_print(&b, text, seen);
        if (!b.error)
            world_receive(w, &from, buf_str(&b));
        buf_fini(&b);
    }
    hear_all(w, step->answer, seen);
    if (step->seconds)
        world_advance(w, 1000u << 2 * (step->seconds - 1));
    hear_all(w, step->answer, seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data, size };
    struct answers seen = { { 0 }, { 0 } };
    struct world *w = calloc(1, sizeof(*w));

    BUG_UNLESS(w);
    xml_init();
    world_begin(w);
    while (rest.n) {
        struct str text = str_sub(rest, 0, str_find_char(rest, STEP_END));
        unsigned bits = text.n ? (unsigned char)text.p[0] : 0;
        const struct step step = { bits & 3, bits >> 2 & 3, bits >> 4 & 7, bits >> 7 };

        run(w, &step, str_sub(text, 1, text.n), &seen);
        rest = str_sub(rest, text.n + 1, rest.n);
    }
    /* Nobody answers any more: subscriptions and publications end by themselves, in an hour at
     * most. */
    for (unsigned i = 0; i < 4; i++) {
        world_advance(w, END_MS / 4);
        hear_all(w, 1, &seen);
    }
    BUG_UNLESS(w->admitted == 0);
    world_fini(w);
    free(w);
    return 0;
}
