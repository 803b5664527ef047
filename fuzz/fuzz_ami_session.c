// SPDX-License-Identifier: MIT
/* What a client of the manager interface sends, however it is cut. The first byte says whether it
 * has logged in, how the bytes are cut, and when its questions are answered. Each message has one
 * response, and what is sent is read as messages. */
#include "ami/message.h"
#include "ami/server_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rows[] =
    "{\"extension\":\"1000\",\"context\":\"users\",\"hint\":\"Custom:1\",\"name\":\"A\",\"state\":"
    "\"Busy\",\"presence\":\"dnd\",\"device\":\"Custom:1\",\"sources\":[1],\"text\":\"In use\","
    "\"provider\":\"CustomPresence:1\",\"subtype\":\"s\",\"message\":\"m\",\"mailbox\":\"a@b\","
    "\"new\":2,\"old\":1,\"endpoint\":\"alice\",\"call_id\":\"c\",\"event\":\"dialog\","
    "\"resource\":\"1000\",\"value\":\"v\",\"number\":0,\"at_ms\":1000,"
    "\"sent\":true,\"peer\":\"192.0.2.1:5060\"}";

static unsigned responses(struct str sent)
{
    struct ami_reader r;
    struct ami_message m;
    unsigned n = 0;
    int rc;

    ami_reader_init(&r, 65536, 4096);
    r.greeting = true;
    while ((rc = ami_read(&r, &sent, &m)) > 0) {
        BUG_UNLESS(m.fault == AMI_FAULT_NONE);
        n += ami_get(&m, STR("Response")).n > 0;
    }
    BUG_UNLESS(rc == 0);
    ami_reader_fini(&r);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data + 1, size - 1 };
    static struct stage s; /* reading a configuration takes longer than all the rest */
    struct stage_client *client = &s.clients[0];
    struct ami_counters before, after;
    unsigned how;

    if (!size)
        return 0;
    how = data[0];
    if (!s.server)
        stage_init(&s, STAGE_MANAGER);
    ami_counters_get(s.server, &before);
    s.rows = how & 2 ? rows : NULL;
    s.error = how & 4 ? "failed" : NULL;
    BUG_UNLESS(stage_connect(&s, 0) == 0);
    if (how & 1)
        stage_input(&s, 0, STR("Action: Login\nUsername: admin\nSecret: secret\n\n"));
    s.hold = how & 8;
    while (rest.n) {
        size_t piece = 1 + how / 16 * 9;

        stage_input(&s, 0, str_sub(rest, 0, piece));
        rest = str_sub(rest, piece, rest.n);
    }
    while (s.n_held)
        stage_answer(&s);
    if (client->paused)
        stage_step(&s, 1100); /* a login was refused */
    ami_counters_get(s.server, &after);
    BUG_UNLESS(responses(buf_str(&client->out)) == after.actions - before.actions);
    ami_session_destroy(client->session);
    client->session = NULL;
    client->closed = client->paused = false;
    buf_reset(&client->out);
    return 0;
}
