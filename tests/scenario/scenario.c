// SPDX-License-Identifier: MIT
/* scenario [-kv] [-s SEED] [-f EVERY | -n NTH] FILE... - run scenarios; README.md beside this
 * file describes them. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "xml/xml.h"

enum { FILE_MAX_BYTES = 1 << 20 };

static int read_file(const char *path, struct str *out)
{
    struct buf b;
    char room[4096];
    FILE *f = fopen(path, "r");
    size_t n;
    int r;

    if (!f)
        return -errno;
    buf_init(&b, FILE_MAX_BYTES);
    while ((n = fread(room, 1, sizeof(room), f)) > 0)
        buf_add(&b, (struct str){ room, n });
    r = ferror(f) ? -EIO : buf_take(&b, out);
    fclose(f);
    buf_fini(&b);
    return r;
}

struct str line_next(struct str *text)
{
    size_t end = str_find_char(*text, '\n');
    struct str line = str_sub(*text, 0, end);

    *text = str_sub(*text, end + 1, text->n);
    return line;
}

struct str script_block(struct script *s)
{
    struct str block = { s->rest.p, 0 };

    while (s->rest.n) {
        struct str line = line_next(&s->rest);

        s->line++;
        if (str_equal(line, STR(".")))
            return block;
        block.n = (size_t)(line.p + line.n - block.p) + 1;
    }
    s->endless = true;
    return STR_EMPTY;
}

static int run_lines(struct script *s)
{
    int r = 0;

    while (s->rest.n && r == 0) {
        struct str line = str_trim(line_next(&s->rest));

        s->at = ++s->line;
        if (!line.n || line.p[0] == '#')
            continue;
        if (s->world.verbose)
            fprintf(stderr, "%s:%u: %.*s\n", s->file, s->line, STR_FMT(line));
        r = script_line(s, line);
        if (s->endless)
            r = SCRIPT_FAIL(s, "this block has no end");
        if (r && !s->failing)
            fprintf(stderr, "%s:%u: %.*s\n", s->file, s->at,
                    STR_FMT(s->failure.n ? buf_str(&s->failure) : str_of(strerror(-r))));
        if (s->failing && s->world.started && !s->world.killed)
            r = 0; /* what was lost does not come, and everything goes on */
    }
    return r;
}

int scenario_run(const char *path, const struct how *how)
{
    struct script s = { .file = path, .failing = how->failing };
    struct str text = STR_EMPTY;
    int r = read_file(path, &text);

    if (r) {
        fprintf(stderr, "%s: %s\n", path, strerror(-r));
        return r;
    }
    world_init(&s.world, how->seed, how->verbose);
    if (how->kept)
        s.world.store = STORE_WORKS;
    buf_init(&s.failure, 1 << 18);
    s.rest = text;
    r = run_lines(&s);
    s.at = s.line;
    if (r == 0 && !how->failing && script_nothing(&s, STR_EMPTY)) {
        fprintf(stderr, "%s:%u: at the end %.*s\n", path, s.at, STR_FMT(buf_str(&s.failure)));
        r = -EINVAL;
    }
    world_fini(&s.world);
    for (size_t i = 0; i < s.n_variables; i++)
        str_free(&s.variables[i].value);
    buf_fini(&s.failure);
    str_free(&text);
    return r;
}

int main(int argc, char **argv)
{
    struct how how = { .seed = 7 };
    uint64_t every = 0, nth = UINT64_MAX;
    unsigned failed = 0;
    int option;

    xml_init();
    while ((option = getopt(argc, argv, "kvs:f:n:")) != -1) {
        if (option == 'v') {
            how.verbose = true;
        } else if (option == 'k') {
            how.kept = true;
        } else if ((option != 's' || str_to_u64(&how.seed, str_of(optarg))) &&
                   (option != 'f' || str_to_u64(&every, str_of(optarg)) || !every) &&
                   (option != 'n' || str_to_u64(&nth, str_of(optarg)))) {
            fprintf(stderr, "usage: scenario [-kv] [-s SEED] [-f EVERY | -n NTH] FILE...\n");
            return EXIT_FAILURE;
        }
    }
    /* Not the same ones of each file: most begin alike. */
    for (int i = optind; i < argc; i++)
        failed += every ? scenario_fail(argv[i], &how, (uint64_t)i * 7919 % every, every)
                  : nth != UINT64_MAX ? scenario_fail_one(argv[i], &how, nth) != 0
                                      : scenario_run(argv[i], &how) != 0;
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
