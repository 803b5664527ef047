// SPDX-License-Identifier: MIT
/* NOTIFYs of a telephone that we have subscribed to, each ending with a form feed: what follows the
 * fields that make it one of that dialog. What we send because of it can be read, and when the
 * contact goes nothing is left. */
#include "registrar/qualifier_testing.h"
#include "registrar/watch.h"
#include "state/dialogs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONF                                                                                  \
    "[udp]\ntype=transport\nbind=192.0.2.1:5060\n[alice]\ntype=endpoint\naors=alice\n[alice]" \
    "\ntype=aor\n"

static void sent_look_right(struct bench *b)
{
    for (size_t i = 0; i < b->n_sent; i++) {
        struct sip_message m;

        BUG_UNLESS(sip_message_parse(&m, b->sent[i].bytes, NULL) == 0);
        BUG_UNLESS(m.method == SIP_SUBSCRIBE && m.request_uri.sip);
    }
}

static void dialogs_look_right(const struct bench *b)
{
    size_t n = 0;

    for (size_t i = 0; b->dialogs && i < b->dialogs->n_dialogs; i++)
        n += dialog_is_live(&b->dialogs->dialogs[i]);
    BUG_UNLESS(n <= WATCH_DIALOGS_MAX);
    BUG_UNLESS(!b->dialogs || !b->dialogs->partial);
}

static void notify(struct bench *b, struct str what, unsigned serial)
{
    const struct contact_request *r;
    struct buf text;

    if (!b->n_sent)
        return;
    buf_init(&text, SIP_MESSAGE_MAX);
    r = &CONTAINER_OF(b->qualifier->all.next, struct qualified, link)->watch->request;
    buf_printf(&text,
               "NOTIFY sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK%u\r\n"
               "To: <sip:h>;tag=%.*s\r\nCall-ID: %.*s\r\nCSeq: %u NOTIFY\r\n",
               serial, STR_FMT(contact_request_tag(r)), STR_FMT(contact_request_call_id(r)),
               serial);
    buf_add(&text, what);
    if (!text.error)
        txn_receive(b->txn, &b->sent[b->n_sent - 1].to, buf_str(&text));
    buf_fini(&text);
}

/* Whatever is sent is answered. */
static void pass(struct bench *b, unsigned status, uint64_t ms)
{
    for (uint64_t end = b->wheel.now_ms + ms; b->wheel.now_ms < end;) {
        bench_tick(b);
        while (bench_await(b, 0))
            bench_answer(b, status, "");
    }
}

static void forget(struct bench *b)
{
    while (b->n_sent)
        str_free(&b->sent[--b->n_sent].bytes);
    b->seen = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data, size };
    static struct bench *b;
    static unsigned serial = 1;
    struct contact what = contact_static("sip:alice@192.0.2.7"), *c;

    if (!b) {
        xml_init();
        b = bench_create(
            settings_fixture_with(CONF, "[registrar]\nenabled=yes\nwatch_dialogs=yes\n"));
    }
    BUG_UNLESS(contact_create(&c, &what) == 0);
    BUG_UNLESS(qualifier_contact(b->qualifier, c, NULL) == 0);
    pass(b, 200, 20);
    while (rest.n) {
        size_t end = str_find_char(rest, '\f');

        notify(b, str_sub(rest, 0, end), serial++);
        rest = str_sub(rest, end + 1, rest.n);
        dialogs_look_right(b);
        pass(b, 200, 100);
        if (b->n_sent > BENCH_SENT / 2)
            break;
    }
    sent_look_right(b);
    BUG_UNLESS(qualifier_contact(b->qualifier, NULL, c) == 0);
    contact_unref(c);
    pass(b, 481, 1000);
    BUG_UNLESS(list_empty(&b->qualifier->leaving) && !b->qualifier->watches.count);
    BUG_UNLESS(!b->dialogs && !b->qualifier->requests.seeking.count);
    forget(b);
    return 0;
}
