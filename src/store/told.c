// SPDX-License-Identifier: MIT
#include "store/told.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/carried.h"
#include "store/mapped.h"

enum {
    PLACES_MAX = 16 << 20, /* reserved as addresses; taken from the disk as they are needed */
    PLACES_STEP = 1 << 16,
    HEAD_BYTES = 4096, /* of a file, before its words */
    PATH_ROOM = 4096,
};

static const char magic[8] = "exttold2";

struct head { /* of a file */
    char magic[8];
    uint64_t identity, incarnation; /* of the last start that began */
    char boot_id[BOOT_ID_BYTES];
    _Alignas(uint64_t) uint64_t opened; /* the last that found its words right, begun or not */
};

struct words { /* a file */
    int fd;
    void *map;
    _Atomic uint64_t *word; /* by place; 0 is not used */
    size_t places;          /* in the file */
    size_t used;            /* places below are free or taken, those above are free */
    uint32_t *free;         /* a stack */
    size_t n_free, free_room;
    unsigned char *taken; /* while records are read: one bit each; NULL afterwards */
};

struct told {
    struct told_config cfg;
    char boot_id[BOOT_ID_BYTES];
    struct words *classes[TOLD_CLASSES];
    bool begun;
};

/* ---- files ---- */

/* A start notes itself here, is committed to the store, and begins: it may have ended at any of
 * these, any number of times, and the words are still those of the last that began. */
static bool head_is_last(const struct told *t, const struct head *h)
{
    uint64_t stored = t->cfg.incarnation - 1;
    uint64_t opened = h->opened > h->incarnation ? h->opened : h->incarnation;

    return memcmp(h->magic, magic, sizeof(magic)) == 0 && h->identity == t->cfg.identity &&
           h->incarnation <= stored && (opened == stored || opened == stored + 1) && *t->boot_id &&
           memcmp(h->boot_id, t->boot_id, BOOT_ID_BYTES) == 0;
}

static int file_open(struct str directory, unsigned class, int flags)
{
    char path[PATH_ROOM];
    int fd;

    if (snprintf(path, sizeof(path), "%.*s/told.%u", STR_FMT(directory), class) >= PATH_ROOM)
        return -ENAMETOOLONG;
    fd = open(path, flags | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
}

uint64_t told_incarnation(struct str directory, uint64_t identity)
{
    uint64_t highest = 0;

    for (unsigned class = 0; class < TOLD_CLASSES; class ++) {
        int fd = file_open(directory, class, O_RDONLY);
        struct head h;

        if (fd < 0)
            continue;
        if (pread(fd, &h, sizeof(h), 0) == sizeof(h) &&
            memcmp(h.magic, magic, sizeof(magic)) == 0 && (!identity || h.identity == identity) &&
            h.incarnation > highest)
            highest = h.incarnation;
        close(fd);
    }
    return highest;
}

static size_t file_bytes(size_t places)
{
    return HEAD_BYTES + places * sizeof(uint64_t);
}

/* With the blocks behind it: a word must not find the disk full. */
static int words_grow(struct words *w, size_t places)
{
    int r;

    if (places > PLACES_MAX)
        return -ENOSPC;
    r = posix_fallocate(w->fd, 0, (off_t)file_bytes(places));
    if (r)
        return -r;
    w->places = places;
    return 0;
}

static int words_open(struct words *w, const struct told *t, unsigned class)
{
    struct head h = { .identity = 0 };
    off_t bytes;
    int r;

    w->fd = file_open(t->cfg.directory, class, O_RDWR | O_CREAT);
    if (w->fd < 0)
        return w->fd;
    bytes = lseek(w->fd, 0, SEEK_END);
    if (pread(w->fd, &h, sizeof(h), 0) != sizeof(h) || !head_is_last(t, &h) || bytes < HEAD_BYTES)
        bytes = 0;
    if (!bytes && ftruncate(w->fd, 0))
        return -errno;
    r = words_grow(w, bytes ? ((size_t)bytes - HEAD_BYTES) / sizeof(uint64_t) : PLACES_STEP);
    if (r)
        return r;
    w->map = mapped_open(w->fd, file_bytes(PLACES_MAX));
    if (!w->map)
        return -errno;
    if (bytes)
        ((struct head *)w->map)->opened = t->cfg.incarnation;
    w->word = (void *)((char *)w->map + HEAD_BYTES);
    w->used = 1;
    return 0;
}

static void words_begin(struct words *w, const struct told *t)
{
    struct head h = { .identity = t->cfg.identity,
                      .incarnation = t->cfg.incarnation,
                      .opened = t->cfg.incarnation };

    BUG_UNLESS(w->map);
    memcpy(h.magic, magic, sizeof(magic));
    memcpy(h.boot_id, t->boot_id, BOOT_ID_BYTES);
    memcpy(w->map, &h, sizeof(h));
}

static void words_close(struct words *w)
{
    if (!w)
        return;
    mapped_close(w->map, file_bytes(PLACES_MAX));
    if (w->fd >= 0)
        close(w->fd);
    free(w->free);
    free(w->taken);
    free(w);
}

static int class_open(struct told *t, unsigned class)
{
    struct words *w = calloc(1, sizeof(*w));
    int r = w ? words_open(w, t, class) : -ENOMEM;

    if (r) {
        words_close(w);
        return r;
    }
    if (t->begun)
        words_begin(w, t);
    t->classes[class] = w;
    return 0;
}

int told_open(struct told **out, const struct told_config *cfg)
{
    struct told *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return -ENOMEM;
    t->cfg = *cfg;
    boot_id_read(t->boot_id);
    if (!*t->boot_id && !cfg->worker)
        log_warn(cfg->log, "told.no_boot_id",
                 KV("why", "/proc does not say it; every subscriber is told at the next start"));
    r = class_open(t, cfg->worker);
    if (r)
        told_close(t);
    else
        *out = t;
    return r;
}

void told_begin(struct told *t)
{
    t->begun = true;
    for (unsigned c = 0; c < TOLD_CLASSES; c++)
        if (t->classes[c])
            words_begin(t->classes[c], t);
}

void told_close(struct told *t)
{
    if (!t)
        return;
    for (unsigned c = 0; c < TOLD_CLASSES; c++)
        words_close(t->classes[c]);
    free(t);
}

/* ---- places ---- */

static bool free_push(struct words *w, uint32_t place)
{
    if (w->n_free == w->free_room) {
        size_t room = w->free_room ? 2 * w->free_room : 1024;
        uint32_t *more = reallocarray(w->free, room, sizeof(*more));

        if (!more)
            return false; /* the place stays unused until the next start */
        w->free = more;
        w->free_room = room;
    }
    w->free[w->n_free++] = place;
    return true;
}

/* All records have been read: what nobody has claimed is free. */
static void claims_settle(struct words *w)
{
    if (!w->taken)
        return;
    for (size_t place = w->used; place-- > 1;)
        if (!(w->taken[place / 8] & BIT(place % 8)))
            (void)!free_push(w, (uint32_t)place);
    free(w->taken);
    w->taken = NULL;
}

static uint64_t take_of(struct told *t, unsigned class)
{
    struct words *w = t->classes[class];
    size_t place;

    claims_settle(w);
    if (w->n_free) {
        place = w->free[--w->n_free];
    } else {
        int r = w->used < w->places ? 0 : words_grow(w, w->places + PLACES_STEP);

        if (r) {
            log_warn(t->cfg.log, "told.no_room", KV_ERR(r));
            return 0;
        }
        place = w->used++;
    }
    atomic_store_explicit(&w->word[place], 0, memory_order_relaxed);
    return (uint64_t)place * TOLD_CLASSES + class;
}

static uint64_t told_take(void *ctx)
{
    struct told *t = ctx;

    return take_of(t, t->cfg.worker);
}

static uint64_t told_take_foreign(void *ctx, unsigned class)
{
    struct told *t = ctx;
    int r = t->classes[class] ? 0 : class_open(t, class);

    BUG_UNLESS(class % t->cfg.workers == t->cfg.worker);
    if (r)
        log_warn(t->cfg.log, "told.no_room", KV_ERR(r));
    return r ? 0 : take_of(t, class);
}

static struct words *words_of(struct told *t, uint64_t number)
{
    return t->classes[number % TOLD_CLASSES];
}

/* NULL: one that could not be claimed. */
static _Atomic uint64_t *word_of(struct told *t, uint64_t number)
{
    const struct words *w = words_of(t, number);

    return w && number / TOLD_CLASSES < w->places ? &w->word[number / TOLD_CLASSES] : NULL;
}

static void told_give(void *ctx, uint64_t number)
{
    struct told *t = ctx;
    struct words *w = words_of(t, number);

    if (!word_of(t, number))
        return;
    claims_settle(w);
    (void)!free_push(w, (uint32_t)(number / TOLD_CLASSES));
}

static bool claim_mark(struct words *w, size_t place)
{
    if (!w->taken)
        w->taken = calloc(PLACES_MAX / 8, 1);
    if (!w->taken)
        return false;
    w->taken[place / 8] |= (unsigned char)BIT(place % 8);
    return true;
}

static void told_claim(void *ctx, uint64_t number)
{
    struct told *t = ctx;
    unsigned class = number % TOLD_CLASSES;
    size_t place = (size_t)(number / TOLD_CLASSES);
    int r = t->classes[class] ? 0 : class_open(t, class);
    struct words *w = t->classes[class];

    if (r == 0 && !place)
        r = -EINVAL;
    if (r == 0 && place >= w->places)
        r = words_grow(w, (place / PLACES_STEP + 1) * PLACES_STEP);
    if (r == 0 && !claim_mark(w, place))
        r = -ENOMEM;
    if (r)
        log_error(t->cfg.log, "told.unclaimed", KV_U("number", number), KV_ERR(r));
    else if (place >= w->used)
        w->used = place + 1;
}

static void told_set(void *ctx, uint64_t number, uint64_t word)
{
    _Atomic uint64_t *at = word_of(ctx, number);

    if (at)
        atomic_store_explicit(at, word, memory_order_relaxed);
}

static uint64_t told_get(void *ctx, uint64_t number)
{
    _Atomic uint64_t *at = word_of(ctx, number);

    return at ? atomic_load_explicit(at, memory_order_relaxed) : 0;
}

struct keep_words told_words(struct told *t)
{
    return (struct keep_words){ .ctx = t,
                                .take = told_take,
                                .take_foreign = told_take_foreign,
                                .give = told_give,
                                .claim = told_claim,
                                .set = told_set,
                                .get = told_get };
}

unsigned told_worker(uint64_t number, unsigned workers)
{
    return (unsigned)(number % TOLD_CLASSES) % workers;
}
