// SPDX-License-Identifier: MIT
/* log.h - structured log lines: a constant dotted name plus typed pairs.
 *
 *     log_info(log, "subscription.accepted", KV("package", package), KV_U("expires_s", expires_s));
 *
 * error: someone must act; warn: we coped; info: wanted in a day's log; debug: decisions. Lines are
 * rate-limited per name (20 at once, then 10 a second; how many were left out is told with the next
 * one), so that a peer cannot flood the log. Secrets and whole messages never go here; the wire
 * trace (log_trace) is separate and explicit. Threads: any; a line is one write(2). */
#pragma once
#include "base/clock.h"
#include "base/str.h"
#include <stdatomic.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVELS };

struct log_kv {
    const char *key;
    enum { LOG_KV_STR, LOG_KV_U64, LOG_KV_I64 } kind;
    struct str text;
    uint64_t u;
    int64_t i;
};

struct log; /* opaque: see log.c */

static inline struct log_kv log_kv_str(const char *key, struct str value)
{
    return (struct log_kv){ .key = key, .kind = LOG_KV_STR, .text = value };
}
static inline struct log_kv log_kv_cstr(const char *key, const char *value)
{
    return (struct log_kv){ .key = key, .kind = LOG_KV_STR, .text = str_of(value) };
}
static inline struct log_kv log_kv_u64(const char *key, uint64_t value)
{
    return (struct log_kv){ .key = key, .kind = LOG_KV_U64, .u = value };
}
static inline struct log_kv log_kv_i64(const char *key, int64_t value)
{
    return (struct log_kv){ .key = key, .kind = LOG_KV_I64, .i = value };
}

/* A text pair from a struct str or a C string; an unsigned pair; a signed pair; a negated errno as
 * text. */
#define KV(key, value) \
    _Generic((value), struct str: log_kv_str, const char *: log_kv_cstr, char *: log_kv_cstr)(key, value)
#define KV_U(key, value) log_kv_u64(key, (uint64_t)(value))
#define KV_I(key, value) log_kv_i64(key, (int64_t)(value))
#define KV_ERR(result) log_kv_cstr("error", strerror(-(result)))

/* Writes to `fd` (not closed). Returns 0 or -ENOMEM. */
NODISCARD int log_create(struct log **out, int fd, enum log_level level, const struct clock *clock);
void log_destroy(struct log *l);
void log_level_set(struct log *l, enum log_level level);
enum log_level log_level_get(const struct log *l);
/* error, warn, info, debug; -EINVAL for anything else. */
NODISCARD int log_level_parse(enum log_level *out, struct str name);
const char *log_level_name(enum log_level level);

bool log_enabled(const struct log *l, enum log_level level); /* a NULL log is silent: false */
void log_write(struct log *l, enum log_level level, const char *name, const struct log_kv *kv,
               size_t n);

#define LOG_AT(l, level, name, ...)                                         \
    do {                                                                    \
        if (log_enabled(l, level)) {                                        \
            const struct log_kv kv_[] = { { .key = NULL }, ##__VA_ARGS__ }; \
            log_write(l, level, name, kv_ + 1, ARRAY_LEN(kv_) - 1);         \
        }                                                                   \
    } while (0)
#define log_error(l, name, ...) LOG_AT(l, LOG_LEVEL_ERROR, name, ##__VA_ARGS__)
#define log_warn(l, name, ...) LOG_AT(l, LOG_LEVEL_WARN, name, ##__VA_ARGS__)
#define log_info(l, name, ...) LOG_AT(l, LOG_LEVEL_INFO, name, ##__VA_ARGS__)
#define log_debug(l, name, ...) LOG_AT(l, LOG_LEVEL_DEBUG, name, ##__VA_ARGS__)

/* The wire trace: a head line, then `bytes`, each line indented, with everything but ASCII text,
 * tabs and CR LF written as \xNN, since anybody may send it. Not rate-limited, not levelled: the
 * caller has decided. */
void log_trace(struct log *l, struct str head, struct str bytes);
