// SPDX-License-Identifier: MIT
#include "net/shed.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
    KEY_WINDOWS = 250, /* then another one */
    CALM_WINDOWS = 50, /* then it is over */
    CAPACITY_MIN = 16 * SHED_PARTS,
    CAPACITY_MAX = 1 << 24,
};
#define WINDOW_NS (UINT64_C(1000000) * SHED_WINDOW_MS)

/* ---- what the kernel says ---- */

static bool memory_read(int fd, uint32_t out[SK_MEMINFO_VARS])
{
    socklen_t len = SK_MEMINFO_VARS * sizeof(*out);

    memset(out, 0, len);
    return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, out, &len) == 0;
}

bool shed_is_needed(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS];

    return memory_read(fd, memory) && memory[SK_MEMINFO_RMEM_ALLOC] > memory[SK_MEMINFO_RCVBUF] / 2;
}

uint64_t shed_lost(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS];

    return memory_read(fd, memory) ? memory[SK_MEMINFO_DROPS] : 0;
}

/* ---- sources ---- */

/* Of IPv6 the first 64 bits, as everywhere: limits.h. The filter computes the same. */
static uint32_t source_number(const struct shed *s, const struct sockaddr *from)
{
    uint32_t words[2] = { 0 };

    if (from->sa_family == AF_INET6)
        memcpy(words, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, sizeof(words));
    else
        memcpy(words, &((const struct sockaddr_in *)(const void *)from)->sin_addr, sizeof(*words));
    return (ntohl(words[0]) ^ ntohl(words[1])) * s->key >> 24;
}

static bool is_heavy(const struct shed *s, size_t source)
{
    return s->heavy[source / 32] >> source % 32 & 1;
}

bool shed_is_heavy(const struct shed *s, const struct sockaddr *from)
{
    return is_heavy(s, source_number(s, from));
}

/* Another key. Nobody is light before he was seen to be. */
static void sources_reset(struct shed *s, struct rng *rng)
{
    uint64_t sent = 0;

    for (size_t i = 0; i < SHED_SOURCES; i++)
        sent += s->sent[i];
    for (size_t i = 0; i < SHED_SOURCES; i++)
        s->sent[i] = sent / SHED_SOURCES;
    s->key = (uint32_t)rng_u64(rng) | 1;
    s->age = 0;
}

/* Half of the weight is the past's, so that a window of luck changes little. Returns what was let
 * in. */
static uint64_t sources_smooth(struct shed *s, uint64_t elapsed_ns)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SHED_SOURCES; i++) {
        uint64_t sent = WINDOW_NS * SHED_PARTS * s->seen[i] / elapsed_ns;

        sum += sent;
        if (is_heavy(s, i))
            sent = sent * SHED_ALL / s->share;
        s->sent[i] = (s->sent[i] + sent) / 2;
        s->seen[i] = 0;
    }
    return sum;
}

/* What is let in when nobody gets more than `each`. */
static uint64_t sources_let_in(const struct shed *s, uint64_t each)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SHED_SOURCES; i++)
        sum += s->sent[i] < each ? s->sent[i] : each;
    return sum;
}

/* Who sends less than his part may, and what he leaves of it is the others'. */
static void sources_share(struct shed *s)
{
    uint64_t fair = 0, more = s->capacity, light = 0, heavy = 0;

    while (fair < more) {
        uint64_t middle = (fair + more + 1) / 2;

        if (sources_let_in(s, middle) <= s->capacity)
            fair = middle;
        else
            more = middle - 1;
    }
    memset(s->heavy, 0, sizeof(s->heavy));
    for (size_t i = 0; i < SHED_SOURCES; i++) {
        if (s->sent[i] <= fair) {
            light += s->sent[i];
            continue;
        }
        heavy += s->sent[i];
        s->heavy[i / 32] |= UINT32_C(1) << i % 32;
    }
    s->share = heavy ? (uint32_t)((s->capacity - light) * SHED_ALL / heavy) : SHED_ALL;
    s->share = s->share ? s->share : 1;
}

/* ---- windows ---- */

void shed_begin(struct shed *s, struct rng *rng, struct shed_times now)
{
    *s = (struct shed){
        .watching = true, .full = true, .share = SHED_ALL, .capacity = CAPACITY_MAX, .begun = now
    };
    sources_reset(s, rng);
}

void shed_count(struct shed *s, const struct sockaddr *from, uint64_t took_ns)
{
    s->seen[source_number(s, from)]++;
    s->busy_ns += took_ns;
}

/* Less when the socket fills, and when the thread is busy, unless something else than requests
 * makes it so; then again more, by little, because how much is too much is found out by trying. */
static uint64_t capacity_next(const struct shed *s, uint64_t seen, struct shed_times took)
{
    uint64_t may_ns = took.clock - took.clock / 4, next;
    uint64_t spent_ns = took.thread + took.elsewhere, busy_ns = s->busy_ns + took.elsewhere;

    if (s->full && seen / SHED_PARTS >= s->answers)
        next = (seen < s->capacity ? seen : s->capacity) / 2;
    else if (spent_ns > may_ns && busy_ns > took.clock / 16)
        next = seen * may_ns / spent_ns;
    else
        next = (seen > s->capacity ? seen : s->capacity) * 9 / 8;
    return next < CAPACITY_MIN ? CAPACITY_MIN : next > CAPACITY_MAX ? CAPACITY_MAX : next;
}

void shed_step(struct shed *s, struct rng *rng, struct shed_times now)
{
    struct shed_times took = { now.clock - s->begun.clock + 1, now.thread - s->begun.thread,
                               now.elsewhere - s->begun.elsewhere };
    uint64_t seen = sources_smooth(s, took.clock);

    s->capacity = capacity_next(s, seen, took);
    if (++s->age == KEY_WINDOWS)
        sources_reset(s, rng);
    sources_share(s);
    s->calm = s->full || s->share < SHED_ALL ? 0 : s->calm + 1;
    s->full = false;
    s->busy_ns = s->answers = 0;
    s->begun = now;
}

bool shed_is_over(const struct shed *s)
{
    return s->calm >= CALM_WINDOWS;
}

/* ---- the filter ---- */

/* It sees the header of UDP first. What is too short to be seen into is refused. */
static size_t filter_print(struct sock_filter *out, const struct shed *s, bool v6)
{
    enum { ANSWER = 0x5349502f /* "SIP/" */, PAYLOAD = 8, V4_SOURCE = 12, V6_SOURCE = 8 };
    enum { WORDS = SHED_SOURCES / 32, EACH = 3 };
    const uint32_t source = (uint32_t)SKF_NET_OFF + (v6 ? V6_SOURCE : V4_SOURCE);
    struct sock_filter *at = out;
    const struct sock_filter before[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, PAYLOAD),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ANSWER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_LDX | BPF_IMM, 0),
    };
    const struct sock_filter half[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, source + 4),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
    };
    const struct sock_filter hash[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, source),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, s->key),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 24),
        BPF_STMT(BPF_ST, 0),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 31),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_MEM, 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 5),
    };
    const struct sock_filter after[] = {
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, s->share, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };

    memcpy(at, before, sizeof(before));
    at += ARRAY_LEN(before);
    memcpy(at, half, sizeof(half));
    at += v6 ? ARRAY_LEN(half) : 0;
    memcpy(at, hash, sizeof(hash));
    at += ARRAY_LEN(hash);
    for (uint32_t i = 0; i < WORDS; i++, at += EACH) {
        const struct sock_filter word[EACH] = {
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 2),
            BPF_STMT(BPF_LD | BPF_IMM, s->heavy[i]),
            BPF_STMT(BPF_JMP | BPF_JA, (WORDS - 1 - i) * EACH),
        };
        memcpy(at, word, sizeof(word));
    }
    memcpy(at, after, sizeof(after));
    at += ARRAY_LEN(after);
    return (size_t)(at - out);
}

int shed_apply(struct shed *s, int fd, bool v6)
{
    struct sock_filter code[64];
    struct sock_fprog program = { .filter = code };
    int unused = 0;

    if (s->share == SHED_ALL) {
        if (s->filtering && setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)))
            return -errno;
        s->filtering = false;
        return 0;
    }
    program.len = (unsigned short)filter_print(code, s, v6);
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
        return -errno;
    s->filtering = true;
    return 0;
}
