// SPDX-License-Identifier: MIT
/* What a PBX says, to the source that follows it, and what becomes of it in the states. The first
 * byte says by which protocol, and what is followed; the second how the stream is cut. */
#include "source/source_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source_settings settings = { 0 };
    struct str stream;
    struct bench b;

    if (size < 2)
        return 0;
    settings.protocol = data[0] & 1 ? SOURCE_ESL : SOURCE_AMI;
    settings.login = data[0] & 2 ? SOURCE_LOGIN_PLAIN : SOURCE_LOGIN_MD5;
    settings.presence = data[0] & 4;
    settings.mailboxes = data[0] & 8;
    settings.hints = data[0] & 16;
    settings.calls = data[0] & 32;
    stream = (struct str){ (const char *)data + 2, size - 2 };
    bench_init(&b, &settings);
    bench_step(&b, 10);
    source_opened(b.source);
    for (size_t at = 0; at < stream.n; at += data[1] + 1u) {
        source_received(b.source, str_sub(stream, at, at + data[1] + 1u));
        bench_step(&b, 10);
    }
    source_ended(b.source, STR("the end"));
    bench_step(&b, 40000);
    bench_fini(&b);
    return 0;
}
