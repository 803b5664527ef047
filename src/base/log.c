// SPDX-License-Identifier: MIT
#include "base/log.h"
#include "base/buf.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 2048, /* below PIPE_BUF: lines of several threads do not mix in a pipe */
    TRACE_MAX_BYTES = 512 * 1024, /* a datagram of nothing but escapes, or line ends */
    RATE_SLOTS = 512,             /* power of two, some times the number of names */
    RATE_PROBES = 8,
    RATE_NAME_MAX = 48,
    /* In thousandths of a line: 20 at once, then 10 a second. */
    RATE_LINE = 1000,
    RATE_BURST = 20 * RATE_LINE,
    RATE_PER_MS = 10 * RATE_LINE / 1000,
};

/* A token bucket. The name is copied, since a plugin's constants go with the plugin. */
struct rate {
    char name[RATE_NAME_MAX]; /* empty: free */
    uint64_t hash;
    uint64_t filled_ms;
    uint32_t credit;
    uint32_t suppressed;
};

struct log {
    int fd;
    _Atomic int level;
    const struct clock *clock;
    pthread_mutex_t lock; /* of `rates` */
    struct rate rates[RATE_SLOTS];
};

static const char *const level_names[LOG_LEVELS] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

int log_create(struct log **out, int fd, enum log_level level, const struct clock *clock)
{
    struct log *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    l->fd = fd;
    l->clock = clock;
    atomic_init(&l->level, (int)level);
    pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return 0;
}

void log_destroy(struct log *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void log_level_set(struct log *l, enum log_level level)
{
    atomic_store_explicit(&l->level, (int)level, memory_order_relaxed);
}

enum log_level log_level_get(const struct log *l)
{
    return (enum log_level)atomic_load_explicit(&l->level, memory_order_relaxed);
}

int log_level_parse(enum log_level *out, struct str name)
{
    for (int i = 0; i < LOG_LEVELS; i++)
        if (str_equal(name, str_of(level_names[i]))) {
            *out = (enum log_level)i;
            return 0;
        }
    return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_enabled(const struct log *l, enum log_level level)
{
    return l && level <= log_level_get(l);
}

/* FNV-1a: names are our own constants, nobody chooses them to collide. */
static uint64_t name_hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325ull;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3ull;
    return hash;
}

static bool rate_is(const struct rate *r, uint64_t hash, const char *name)
{
    return r->hash == hash && strncmp(r->name, name, RATE_NAME_MAX - 1) == 0;
}

/* The bucket of `name`; where too many names meet, the one unused for longest makes room. */
static struct rate *rate_find(struct log *l, const char *name, uint64_t now_ms)
{
    uint64_t hash = name_hash(name);
    struct rate *victim = NULL;

    for (unsigned i = 0; i < RATE_PROBES; i++) {
        struct rate *r = &l->rates[(hash + i) % RATE_SLOTS];

        if (rate_is(r, hash, name))
            return r;
        if (!victim || (victim->name[0] && (!r->name[0] || r->filled_ms < victim->filled_ms)))
            victim = r;
    }
    *victim = (struct rate){ .hash = hash, .filled_ms = now_ms, .credit = RATE_BURST };
    memcpy(victim->name, name, strnlen(name, RATE_NAME_MAX - 1));
    return victim;
}

/* May a line of this name be written? Then `*suppressed` is how many were not since the last one.
 */
static bool rate_allows(struct log *l, const char *name, uint32_t *suppressed)
{
    uint64_t now_ms = clock_monotonic_ms(l->clock), passed_ms;
    struct rate *r;
    bool allowed;

    pthread_mutex_lock(&l->lock);
    r = rate_find(l, name, now_ms);
    /* Another thread may have read the clock after us and locked before us. */
    passed_ms = now_ms > r->filled_ms ? now_ms - r->filled_ms : 0;
    r->filled_ms += passed_ms;
    if (passed_ms > (RATE_BURST - r->credit) / RATE_PER_MS)
        r->credit = RATE_BURST;
    else
        r->credit += (uint32_t)passed_ms * RATE_PER_MS;
    allowed = r->credit >= RATE_LINE;
    *suppressed = r->suppressed;
    if (allowed) {
        r->credit -= RATE_LINE;
        r->suppressed = 0;
    } else if (r->suppressed < UINT32_MAX) {
        r->suppressed++;
    }
    pthread_mutex_unlock(&l->lock);
    return allowed;
}

static void add_time(struct buf *b, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof(tm));
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ ", tm.tm_year + 1900, tm.tm_mon + 1,
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(wall_ms % 1000));
}

static bool is_plain(struct str s)
{
    size_t begin, end = 0;

    if (str_next_password(s, &begin, &end))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=')
            return false;
    return s.n > 0;
}

/* Byte by byte, so that a text too long for the line is cut where the line ends and never inside an
 * escape. Only ASCII gets out: nobody paints on the terminal of who reads the log. */
static void add_escaped(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n && !b->error; i++) {
        char c = s.p[i];

        if (c == '"')
            buf_add(b, STR("\\\""));
        else if (c == '\\')
            buf_add(b, STR("\\\\"));
        else if (c == '\n')
            buf_add(b, STR("\\n"));
        else if (c < ' ' || c >= 0x7f)
            buf_printf(b, "\\x%02x", (unsigned)(unsigned char)c);
        else
            buf_add_char(b, c);
    }
}

/* Passwords are in no log, those of SIP URIs neither. */
static void add_quoted(struct buf *b, struct str s)
{
    buf_add_char(b, '"');
    buf_add_masked_by(b, s, add_escaped);
    buf_add_char(b, '"');
}

static void add_plain(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n && !b->error; i++)
        buf_add_char(b, s.p[i]);
}

static void add_pair(struct buf *b, const struct log_kv *kv)
{
    buf_add_char(b, ' ');
    add_plain(b, str_of(kv->key));
    buf_add_char(b, '=');
    switch (kv->kind) {
    case LOG_KV_STR:
        if (is_plain(kv->text))
            add_plain(b, kv->text);
        else
            add_quoted(b, kv->text);
        return;
    case LOG_KV_U64:
        buf_add_u64(b, kv->u);
        return;
    case LOG_KV_I64:
        buf_printf(b, "%lld", (long long)kv->i);
        return;
    }
}

/* All of it unless the descriptor is full or broken: logging never stops the work. */
static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

void log_write(struct log *l, enum log_level level, const char *name, const struct log_kv *kv,
               size_t n)
{
    static const char cut[] = "…"; /* marks a line that was too long */
    char line[LINE_MAX_BYTES];
    uint32_t suppressed;
    struct buf b;

    if (!l || !rate_allows(l, name, &suppressed))
        return;
    /* Room for the mark, and in place of its NUL for the line end. */
    buf_init_on(&b, line, sizeof(line) - sizeof(cut));
    add_time(&b, clock_wall_ms(l->clock));
    buf_add(&b, str_of(level_names[level]));
    buf_add_char(&b, ' ');
    add_plain(&b, str_of(name));
    if (suppressed)
        add_pair(&b, &(struct log_kv){ .key = "suppressed", .kind = LOG_KV_U64, .u = suppressed });
    for (size_t i = 0; i < n; i++)
        add_pair(&b, &kv[i]);
    if (b.error) {
        memcpy(line + b.n, cut, sizeof(cut) - 1);
        b.n += sizeof(cut) - 1;
    }
    line[b.n++] = '\n';
    write_all(l->fd, line, b.n);
}

/* As in add_quoted, nothing that steers a terminal gets out, nor does a CR that would let a line be
 * written over; a line end stays as it came. */
static void add_wire(struct buf *b, struct str line)
{
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        bool line_end = c == '\r' && i + 1 == line.n;

        if (c != '\t' && !line_end && (c < ' ' || c >= 0x7f))
            buf_printf(b, "\\x%02x", (unsigned)(unsigned char)c);
        else
            buf_add_char(b, c);
    }
}

void log_trace(struct log *l, struct str head, struct str bytes)
{
    struct buf b;

    if (!l)
        return;
    buf_init(&b, TRACE_MAX_BYTES);
    add_time(&b, clock_wall_ms(l->clock));
    buf_add(&b, STR("trace "));
    buf_add(&b, head);
    buf_add_char(&b, '\n');
    while (bytes.n > 0) {
        size_t end = str_find_char(bytes, '\n');

        buf_add(&b, STR("    "));
        add_wire(&b, str_sub(bytes, 0, end));
        buf_add_char(&b, '\n');
        bytes = str_sub(bytes, end + 1, bytes.n);
    }
    write_all(l->fd, b.p, b.n);
    buf_fini(&b);
}
