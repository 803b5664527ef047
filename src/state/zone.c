// SPDX-License-Identifier: MIT
#include "state/zone.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/zone_rule.h"

static const char zone_directory[] = "/usr/share/zoneinfo/";

enum {
    ZONE_NAME_MAX = 64,
    ZONE_FILE_MAX = 256 * 1024, /* the largest one has four */
    ZONE_OFFSET_MAX_S = 26 * 3600,
    ZONE_HEADER_LEN = 44,
    ZONE_TYPE_LEN = 6,
};

struct zone_transition {
    int64_t at;
    int32_t offset_s; /* from then on */
};

struct zone {
    struct str name; /* on the heap */
    int32_t first_offset_s;
    size_t n_transitions;
    struct zone_transition *transitions; /* ascending */
    bool has_rule;                       /* for the time after the last of them */
    struct zone_rule rule;
};

/* ---- the file ---- */

struct zone_block { /* one data block, sections 3.1 and 3.2 */
    size_t time_len, n_times, n_types, n_chars, n_leaps, n_standards, n_uts;
    const unsigned char *times, *indexes, *types;
};

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t read_time(const unsigned char *p, size_t len)
{
    if (len == 4)
        return (int32_t)read_u32(p);
    return (int64_t)((uint64_t)read_u32(p) << 32 | read_u32(p + 4));
}

/* Take the header and the block it announces off the front of `file`. */
static bool block_read(struct zone_block *b, struct str *file, size_t time_len)
{
    const unsigned char *p = (const unsigned char *)file->p;
    size_t len;

    if (file->n < ZONE_HEADER_LEN || memcmp(p, "TZif", 4) != 0)
        return false;
    *b = (struct zone_block){
        .time_len = time_len,
        .n_uts = read_u32(p + 20),
        .n_standards = read_u32(p + 24),
        .n_leaps = read_u32(p + 28),
        .n_times = read_u32(p + 32),
        .n_types = read_u32(p + 36),
        .n_chars = read_u32(p + 40),
    };
    /* Counts have 32 bits: this sum can't overflow 64. */
    len = b->n_times * (time_len + 1) + b->n_types * ZONE_TYPE_LEN + b->n_chars +
          b->n_leaps * (time_len + 4) + b->n_standards + b->n_uts;
    if (len > file->n - ZONE_HEADER_LEN)
        return false;
    b->times = p + ZONE_HEADER_LEN;
    b->indexes = b->times + b->n_times * time_len;
    b->types = b->indexes + b->n_times;
    *file = str_sub(*file, ZONE_HEADER_LEN + len, file->n);
    return true;
}

static bool type_offset(const struct zone_block *b, size_t type, int32_t *out)
{
    int32_t offset;

    if (type >= b->n_types)
        return false;
    offset = (int32_t)read_u32(b->types + type * ZONE_TYPE_LEN);
    if (offset < -ZONE_OFFSET_MAX_S || offset > ZONE_OFFSET_MAX_S)
        return false;
    *out = offset;
    return true;
}

static int transitions_read(struct zone *z, const struct zone_block *b)
{
    if (!type_offset(b, 0, &z->first_offset_s))
        return ZONE_UNKNOWN;
    z->transitions = calloc(b->n_times + 1, sizeof(*z->transitions));
    if (!z->transitions)
        return -ENOMEM;
    for (size_t i = 0; i < b->n_times; i++) {
        struct zone_transition *t = &z->transitions[i];

        t->at = read_time(b->times + i * b->time_len, b->time_len);
        if (!type_offset(b, b->indexes[i], &t->offset_s) || (i > 0 && t->at <= t[-1].at))
            return ZONE_UNKNOWN;
    }
    z->n_transitions = b->n_times;
    return 0;
}

/* The footer: a rule between two line ends, section 3.3. */
static void footer_read(struct zone *z, struct str footer)
{
    size_t end;

    if (!str_starts(footer, STR("\n")))
        return;
    footer = str_sub(footer, 1, footer.n);
    end = str_find_char(footer, '\n');
    z->has_rule = end < footer.n && zone_rule_parse(&z->rule, str_sub(footer, 0, end)) == 0;
}

static int zone_read(struct zone *z, struct str file)
{
    struct zone_block b;
    bool wide = file.n > 4 && file.p[4] != '\0'; /* version 1 has 32 bits and no footer */
    int r;

    if (!block_read(&b, &file, 4) || (wide && !block_read(&b, &file, 8)))
        return ZONE_UNKNOWN;
    r = transitions_read(z, &b);
    if (r == 0 && wide)
        footer_read(z, file);
    return r;
}

int zone_create_from(struct zone **out, struct str name, struct str file)
{
    struct zone *z = calloc(1, sizeof(*z));
    int r = -ENOMEM;

    if (!z)
        goto out;
    r = str_dup(&z->name, name);
    if (r)
        goto out;
    r = zone_read(z, file);
    if (r)
        goto out;
    *out = z;
    z = NULL;
out:
    zone_destroy(z);
    return r;
}

/* ---- the database ---- */

/* A name from a configuration file must not lead out of the database. */
static bool name_is_safe(struct str name)
{
    if (name.n == 0 || name.n > ZONE_NAME_MAX || name.p[0] == '/')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && !(c >= '0' && c <= '9') && c != '/' && c != '_' && c != '-' && c != '+')
            return false;
    }
    return true;
}

static int fd_read(int fd, struct str *out)
{
    char *bytes = malloc(ZONE_FILE_MAX);
    size_t n = 0;
    ssize_t got;

    if (!bytes)
        return -ENOMEM;
    while (n < ZONE_FILE_MAX) {
        got = read(fd, bytes + n, ZONE_FILE_MAX - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    *out = (struct str){ bytes, n };
    return 0;
}

static int file_read(struct str name, struct str *out)
{
    char path[sizeof(zone_directory) + ZONE_NAME_MAX];
    struct stat st;
    int fd, r = ZONE_UNKNOWN;

    memcpy(path, zone_directory, sizeof(zone_directory) - 1);
    memcpy(path + sizeof(zone_directory) - 1, name.p, name.n);
    path[sizeof(zone_directory) - 1 + name.n] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ZONE_UNKNOWN;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        r = fd_read(fd, out);
    close(fd);
    return r;
}

int zone_create(struct zone **out, struct str name)
{
    struct str file = STR_EMPTY;
    int r = name_is_safe(name) ? file_read(name, &file) : ZONE_UNKNOWN;

    if (r)
        return r;
    r = zone_create_from(out, name, file);
    str_free(&file);
    return r;
}

void zone_destroy(struct zone *z)
{
    if (!z)
        return;
    str_free(&z->name);
    free(z->transitions);
    free(z);
}

struct str zone_name(const struct zone *z)
{
    return z->name;
}

int64_t zone_offset_s(const struct zone *z, int64_t unix_s)
{
    size_t low = 0, high = z->n_transitions; /* the first transition after that time */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (z->transitions[middle].at <= unix_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == z->n_transitions && z->has_rule)
        return zone_rule_offset_s(&z->rule, unix_s);
    return low ? z->transitions[low - 1].offset_s : z->first_offset_s;
}
