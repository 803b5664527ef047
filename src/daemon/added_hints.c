// SPDX-License-Identifier: MIT
#include "daemon/added_hints.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_ROOM = 4096,
    FILE_MAX = 256 << 20,
};
#define PREFIX "hints-"

struct registrar {
    struct list link;
    struct str name, text; /* on the heap */
};

void added_hints_init(struct added_hints *a, struct str state_directory, struct log *log)
{
    *a = (struct added_hints){ .directory = state_directory, .log = log };
    list_init(&a->registrars);
}

static void registrar_free(struct registrar *r)
{
    list_remove(&r->link);
    str_free(&r->name);
    str_free(&r->text);
    free(r);
}

void added_hints_fini(struct added_hints *a)
{
    if (!a->registrars.next)
        return;
    LIST_FOREACH_SAFE (it, &a->registrars)
        registrar_free(CONTAINER_OF(it, struct registrar, link));
}

static struct registrar *registrar_find(const struct added_hints *a, struct str name)
{
    LIST_FOREACH (it, &a->registrars) {
        struct registrar *r = CONTAINER_OF(it, struct registrar, link);

        if (str_equal(r->name, name))
            return r;
    }
    return NULL;
}

/* ---- files ---- */

/* A source may be called anything. */
static bool path_print(char room[static PATH_ROOM], const struct added_hints *a, struct str name,
                       const char *end)
{
    bool keep[256] = { false };
    struct buf b;

    for (int c = 0; c < 256; c++)
        keep[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
    buf_init_on(&b, room, PATH_ROOM);
    buf_add(&b, a->directory);
    buf_add(&b, STR("/" PREFIX));
    buf_add_percent(&b, name, keep);
    buf_add(&b, str_of(end));
    buf_add_char(&b, '\0');
    return b.error == 0;
}

static int write_whole(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0)
            return -errno;
        text = str_sub(text, (size_t)n, text.n);
    }
    return fsync(fd) ? -errno : 0;
}

/* Beside it first: what is there is whole. */
static int file_write(const struct added_hints *a, struct str name, struct str text)
{
    char path[PATH_ROOM], beside[PATH_ROOM];
    int fd, r;

    if (!path_print(path, a, name, "") || !path_print(beside, a, name, ".new"))
        return -ENAMETOOLONG;
    if (!text.n)
        return unlink(path) && errno != ENOENT ? -errno : 0;
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    r = write_whole(fd, text);
    close(fd);
    if (r == 0 && rename(beside, path))
        r = -errno;
    if (r)
        (void)!unlink(beside);
    return r;
}

static int file_read(const struct added_hints *a, struct str name, struct buf *text)
{
    char path[PATH_ROOM], piece[16384];
    ssize_t n = -1;
    int fd = path_print(path, a, name, "") ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return -ENOENT;
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        buf_add(text, (struct str){ piece, (size_t)n });
    close(fd);
    return n < 0 ? -EIO : text->error;
}

/* ---- what is added ---- */

/* By name, so that which of two comes first is no matter of who was there first. */
static struct list *place_of(struct added_hints *a, struct str name)
{
    LIST_FOREACH (it, &a->registrars)
        if (str_compare(CONTAINER_OF(it, struct registrar, link)->name, name) > 0)
            return it; /* before it */
    return &a->registrars;
}

static int put(struct added_hints *a, struct str name, struct str text)
{
    struct registrar *r = registrar_find(a, name);
    struct str kept;
    int rc;

    if (r && str_equal(r->text, text))
        return ADDED_HINTS_SAME;
    if (!r && !text.n)
        return ADDED_HINTS_SAME;
    if (r && !text.n) {
        registrar_free(r);
        return 0;
    }
    rc = str_dup(&kept, text);
    if (rc)
        return rc;
    if (!r) {
        r = calloc(1, sizeof(*r));
        if (!r || str_dup(&r->name, name)) {
            free(r);
            str_free(&kept);
            return -ENOMEM;
        }
        list_append(place_of(a, name), &r->link);
    }
    str_free(&r->text);
    r->text = kept;
    return 0;
}

int added_hints_set(struct added_hints *a, struct str registrar, struct str text)
{
    int r = put(a, registrar, text), written;

    if (r)
        return r;
    written = file_write(a, registrar, text);
    if (written)
        log_error(a->log, "hints.not_kept", KV("registrar", registrar), KV_ERR(written));
    return 0;
}

static bool imports(const struct settings *settings, const char *file, const struct added_hints *a)
{
    char path[PATH_ROOM];

    for (size_t i = 0; i < settings->n_sources; i++)
        if (settings->sources[i].hints && path_print(path, a, settings->sources[i].id, "") &&
            strcmp(strrchr(path, '/') + 1, file) == 0)
            return true;
    return false;
}

void added_hints_sweep(const struct added_hints *a, const struct settings *settings)
{
    char path[PATH_ROOM];
    struct dirent *e;
    DIR *d;

    snprintf(path, sizeof(path), "%.*s", STR_FMT(a->directory));
    d = opendir(path);
    while (d && (e = readdir(d))) {
        if (strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1) != 0 || imports(settings, e->d_name, a))
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0))
            log_warn(a->log, "hints.not_removed", KV("file", (const char *)e->d_name),
                     KV_ERR(-errno));
    }
    if (d)
        closedir(d);
}

int added_hints_load(struct added_hints *a, const struct settings *settings)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < settings->n_sources; i++) {
        const struct source_settings *s = &settings->sources[i];
        struct buf text;

        if (!s->hints)
            continue;
        buf_init(&text, FILE_MAX);
        r = file_read(a, s->id, &text);
        if (r == 0)
            r = put(a, s->id, buf_str(&text));
        else if (r != -ENOENT && r != -ENOMEM)
            log_error(a->log, "hints.not_read", KV("registrar", s->id), KV_ERR(r));
        r = r == -ENOMEM ? r : 0;
        buf_fini(&text);
    }
    return r;
}

static int hint_add(struct dialplan *dp, struct str line, struct str registrar)
{
    struct str context = str_next(&line, '\t'), extension = str_next(&line, '\t');
    struct dialplan_context *c;
    int r;

    if (!context.n || !extension.n || !line.n)
        return 0;
    r = dialplan_context_get(dp, context, &c);
    if (r == 0) /* one that is there comes first, a name that is too long is none */
        r = dialplan_hint_add(
            c, &(struct hint_spec){ .extension = extension, .text = line, .file = registrar });
    return r < 0 ? r : 0;
}

int added_hints_merge(const struct added_hints *a, struct dialplan *written, struct dialplan **out)
{
    struct dialplan *dp;
    int r;

    if (list_empty(&a->registrars)) {
        *out = dialplan_ref(written);
        return 0;
    }
    r = dialplan_copy(&dp, written);
    if (r)
        return r;
    LIST_FOREACH (it, &a->registrars) {
        const struct registrar *g = CONTAINER_OF(it, const struct registrar, link);
        struct str rest = g->text;

        while (r == 0 && rest.n) {
            size_t n = str_find_char(rest, '\n');

            r = hint_add(dp, str_sub(rest, 0, n), g->name);
            rest = str_sub(rest, n + 1, rest.n);
        }
    }
    if (r)
        dialplan_unref(dp);
    else
        *out = dp;
    return r;
}
