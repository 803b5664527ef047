// SPDX-License-Identifier: MIT
/* Files: from the disk or a test's hook, and the directives that bring in more of them. */
#include "config/conf_reader.h"

#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- from the disk ---- */

/* No more than CONF_FILE_SIZE_MAX bytes: what fstat said may no longer be true. */
static int read_all(int fd, struct buf *out)
{
    char room[65536];

    while (out->error == 0) {
        ssize_t n = read(fd, room, sizeof(room));

        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            buf_add(out, (struct str){ room, (size_t)n });
    }
    return out->error == -EMSGSIZE ? -EFBIG : out->error;
}

static int disk_read(struct str path, struct str *text)
{
    struct str name = STR_EMPTY;
    struct stat status;
    struct buf bytes;
    int fd = -1, r;

    buf_init(&bytes, CONF_FILE_SIZE_MAX);
    r = str_dup(&name, path);
    if (r)
        goto out;
    fd = open(name.p, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for the writer of a fifo */
    if (fd < 0 || fstat(fd, &status)) {
        r = -errno;
        goto out;
    }
    r = S_ISDIR(status.st_mode) ? -EISDIR : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    if (r)
        goto out;
    r = read_all(fd, &bytes);
    if (r)
        goto out;
    r = buf_take(&bytes, text);
out:
    if (fd >= 0)
        close(fd);
    str_free(&name);
    buf_fini(&bytes);
    return r;
}

static int disk_expand(struct str pattern, void (*each)(void *ctx, struct str path), void *ctx)
{
    struct str name;
    glob_t found;
    int r = str_dup(&name, pattern);

    if (r)
        return r;
    switch (glob(name.p, GLOB_BRACE, NULL, &found)) {
    case 0:
        for (size_t i = 0; i < found.gl_pathc; i++)
            each(ctx, str_of(found.gl_pathv[i]));
        globfree(&found);
        break;
    case GLOB_NOMATCH:
        break;
    default:
        r = -ENOMEM;
        break;
    }
    str_free(&name);
    return r;
}

/* ---- files ---- */

const char *conf_load_error(int result)
{
    switch (result) {
    case -EINVAL:
        return "not a regular file";
    case -EFBIG:
        return "too large";
    default:
        return strerror(-result);
    }
}

/* FNV-1a, with the length before the bytes so that parts cannot be taken for others. */
void conf_fingerprint(const struct conf_source *source, struct str part)
{
    uint64_t sum = source->fingerprint ? *source->fingerprint ^ part.n : 0;

    if (!source->fingerprint)
        return;
    for (size_t i = 0; i < part.n; i++)
        sum = (sum ^ (unsigned char)part.p[i]) * 0x100000001b3;
    *source->fingerprint = sum * 0x100000001b3;
}

int conf_load(const struct conf_source *source, struct str path, struct str *text)
{
    int r = source->read ? source->read(source->ctx, path, text) : disk_read(path, text);

    if (r == 0) {
        conf_fingerprint(source, path);
        conf_fingerprint(source, *text);
    }
    return r;
}

void conf_path_print(struct buf *out, struct str directory, struct str name)
{
    if (directory.n && !str_starts(name, STR("/"))) {
        buf_add(out, directory);
        if (!str_ends(directory, STR("/")))
            buf_add_char(out, '/');
    }
    buf_add(out, name);
}

int conf_path(struct conf_reader *r, struct str name, struct str *out)
{
    struct buf path;
    int result;

    buf_init(&path, CONF_PATH_MAX);
    conf_path_print(&path, r->source->directory, name);
    result = path.error ? path.error : arena_str(r->arena, out, buf_str(&path));
    buf_fini(&path);
    return result;
}

int conf_read_file(struct conf_reader *r, const struct conf_file *includer, struct str path,
                   struct str text)
{
    struct conf_file *f =
        calloc(1, sizeof(*f)); /* with its 128 line numbers too big for ten of them on the stack */
    int result;

    if (!f)
        return -ENOMEM;
    f->includer = includer;
    f->depth = includer ? includer->depth + 1 : 0;
    f->path = path;
    f->section = r->newest;
    result = conf_read_text(r, f, text);
    free(f);
    return result;
}

/* ---- directives ---- */

struct inclusion { /* one directive while it is carried out */
    struct conf_reader *reader;
    struct conf_file *file;
    struct str name; /* as written */
    bool may_be_absent;
    struct str *paths; /* what a pattern has matched */
    size_t n_paths;
    int error; /* of collecting them */
};

static bool is_open(const struct conf_file *f, struct str path)
{
    for (; f; f = f->includer)
        if (str_equal(f->path, path))
            return true;
    return false;
}

/* Told as an error when false. */
static bool may_include(const struct inclusion *in, struct str path)
{
    struct conf_reader *r = in->reader;
    struct diag_place at = conf_here(in->file);

    /* A loop leaves nothing out: the file is there already. */
    if (is_open(in->file, path)) {
        diag_add(r->diag, DIAG_ERROR, at,
                 "#include loop: \"%.*s\" is included from within itself; remove one of them",
                 STR_FMT(path));
        return false;
    }
    if (in->file->depth >= CONF_INCLUDE_DEPTH_MAX) {
        diag_add(r->diag, DIAG_ERROR, at,
                 "\"%.*s\" is not included: includes nest deeper than %d; nest fewer",
                 STR_FMT(path), CONF_INCLUDE_DEPTH_MAX);
        conf_lose_file(r);
        return false;
    }
    if (r->n_files >= CONF_FILES_MAX) {
        conf_lose_file(r);
        if (r->n_files++ == CONF_FILES_MAX) /* once */
            diag_add(r->diag, DIAG_ERROR, at, "more than %d files are included; include fewer",
                     CONF_FILES_MAX);
        return false;
    }
    r->n_files++;
    return true;
}

static int include_path(const struct inclusion *in, struct str path)
{
    struct conf_reader *r = in->reader;
    struct str text = STR_EMPTY;
    int result;

    if (!may_include(in, path))
        return 0;
    result = conf_load(r->source, path, &text);
    if (result == -ENOENT && in->may_be_absent)
        return 0;
    if (result == -EISDIR && in->n_paths) /* a pattern also matches directories */
        return 0;
    if (result == -ENOENT)
        diag_add(
            r->diag, DIAG_ERROR, conf_here(in->file),
            "\"%.*s\" does not exist; correct the name, or write #tryinclude when it may be absent",
            STR_FMT(path));
    else if (result && result != -ENOMEM)
        diag_add(r->diag, DIAG_ERROR, conf_here(in->file),
                 "\"%.*s\" cannot be read: %s; correct it or its rights", STR_FMT(path),
                 conf_load_error(result));
    if (result == -ENOMEM)
        return result;
    if (result) {
        conf_lose_file(r);
        return 0;
    }
    result = conf_read_file(r, in->file, path, text);
    str_free(&text);
    return result;
}

static void collect_path(void *ctx, struct str path)
{
    struct inclusion *in = ctx;
    struct arena *a = in->reader->arena;

    if (in->error || in->n_paths >= CONF_FILES_MAX)
        return;
    in->error = ARRAY_GROW_IN(a, in->paths, in->n_paths);
    if (!in->error)
        in->error = arena_str(a, &in->paths[in->n_paths], path);
    if (!in->error)
        in->n_paths++;
}

static int include_pattern(struct inclusion *in, struct str pattern)
{
    const struct conf_source *source = in->reader->source;
    int r = source->expand ? source->expand(source->ctx, pattern, collect_path, in)
                           : disk_expand(pattern, collect_path, in);

    r = r ? r : in->error;
    if (r)
        return r;
    if (in->n_paths == 0 && !in->may_be_absent) {
        diag_add(in->reader->diag, DIAG_ERROR, conf_here(in->file),
                 "no file matches \"%.*s\"; correct the pattern, or write #tryinclude when there "
                 "may be none",
                 STR_FMT(pattern));
        conf_lose_file(in->reader);
    }
    for (size_t i = 0; i < in->n_paths && r == 0; i++)
        r = include_path(in, in->paths[i]);
    return r;
}

static int include(struct inclusion *in)
{
    struct str path;
    int r = conf_path(in->reader, in->name, &path);

    if (r)
        return r;
    for (size_t i = 0; i < in->name.n; i++)
        if (strchr("*?[{", in->name.p[i]))
            return include_pattern(in, path);
    return include_path(in, path);
}

/* Without the quotes or <> around it. */
static struct str unquote(struct str s)
{
    char last;

    if (s.n < 2 || !strchr("\"'<", s.p[0]))
        return s;
    last = s.p[0] == '<' ? '>' : s.p[0];
    return s.p[s.n - 1] == last ? str_sub(s, 1, s.n - 1) : s;
}

/* A command never runs for a reader that gets its files from a hook: that is a test, and its text
 * may be anyone's. */
static int run_command(const struct inclusion *in, struct str *output)
{
    struct conf_reader *r = in->reader;
    struct buf why;
    int result;

    buf_init(&why, 256);
    result = conf_exec(in->name, output, &why);
    if (why.n)
        diag_add(r->diag, result ? DIAG_ERROR : DIAG_WARNING, conf_here(in->file),
                 "#exec \"%.*s\": %.*s", STR_FMT(in->name), STR_FMT(buf_str(&why)));
    buf_fini(&why);
    return result;
}

static int exec(const struct inclusion *in)
{
    struct conf_reader *r = in->reader;
    struct str path, text = STR_EMPTY;
    struct buf name;
    int result;

    if (!r->source->allow_exec || r->source->read) {
        diag_add(r->diag, DIAG_WARNING, conf_here(in->file),
                 "#exec is not carried out; allow it with execincludes = yes in [general] of "
                 "extstate.conf");
        return 0;
    }
    buf_init(&name, CONF_PATH_MAX);
    buf_printf(&name, "#exec \"%.*s\"", STR_FMT(in->name));
    result = name.error ? name.error : arena_str(r->arena, &path, buf_str(&name));
    buf_fini(&name);
    if (result)
        return result;
    if (!may_include(in, path))
        return 0;
    result = run_command(in, &text);
    conf_fingerprint(r->source, text);
    if (result == -EIO) {
        conf_lose_file(r);
        return 0;
    }
    if (result)
        return result;
    result = conf_read_file(r, in->file, path, text);
    str_free(&text);
    return result;
}

int conf_directive(struct conf_reader *r, struct conf_file *f, struct str word, struct str argument)
{
    struct inclusion in = { .reader = r, .file = f, .name = unquote(argument) };
    bool executes = str_equal_nocase(word, STR("exec"));

    in.may_be_absent = str_equal_nocase(word, STR("tryinclude"));
    if (!executes && !in.may_be_absent && !str_equal_nocase(word, STR("include"))) {
        diag_add(r->diag, DIAG_WARNING, conf_here(f),
                 "unknown directive #%.*s, the line is ignored; write #include, #tryinclude or "
                 "#exec, or ; for a comment",
                 STR_FMT(word));
        return 0;
    }
    if (in.name.n == 0) {
        diag_add(r->diag, DIAG_WARNING, conf_here(f), "#%.*s needs %s, the line is ignored",
                 STR_FMT(word), executes ? "a command" : "a file name");
        return 0;
    }
    return executes ? exec(&in) : include(&in);
}
