// SPDX-License-Identifier: MIT
/* Configuration files: one input is pjsip.conf, extensions.conf and extstate.conf at once. Lines
 * ">>>NAME" cut it into files of those names, for includes; NAME may then be one of the three, too.
 * Nothing is run and no name is looked up. */
#include <fnmatch.h>
#include <stdlib.h>

#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool next_file(struct str *rest, struct str *name, struct str *text)
{
    const char *mark, *end;

    if (rest->n == 0)
        return false;
    *name = STR_EMPTY;
    if (str_starts(*rest, STR(">>>"))) {
        *name = str_sub(*rest, 3, str_find_char(*rest, '\n'));
        *rest = str_sub(*rest, name->n + 4, rest->n);
    }
    mark = rest->n ? memmem(rest->p, rest->n, "\n>>>", 4) : NULL;
    end = mark ? mark + 1 : rest->p + rest->n;
    *text = (struct str){ rest->p, (size_t)(end - rest->p) };
    *rest = str_sub(*rest, text->n, rest->n);
    return true;
}

static bool is_main(struct str name)
{
    return str_equal(name, STR("pjsip.conf")) || str_equal(name, STR("acl.conf")) ||
           str_equal(name, STR("extensions.conf")) || str_equal(name, STR("extstate.conf"));
}

static int read_file(void *ctx, struct str path, struct str *out)
{
    struct str rest = *(const struct str *)ctx, name, text, nameless = STR_EMPTY;

    while (next_file(&rest, &name, &text)) {
        if (name.n && str_equal(name, path))
            return str_dup(out, text);
        if (name.n == 0)
            nameless = text;
    }
    return is_main(path) ? str_dup(out, nameless) : -ENOENT;
}

static int expand(void *ctx, struct str pattern, void (*each)(void *each_ctx, struct str path),
                  void *each_ctx)
{
    struct str rest = *(const struct str *)ctx, name, text, wanted = STR_EMPTY, candidate;
    int r = str_dup(&wanted, pattern);

    while (r == 0 && next_file(&rest, &name, &text)) {
        r = str_dup(&candidate, name);
        if (r)
            break;
        if (fnmatch(wanted.p, candidate.p, 0) == 0)
            each(each_ctx, name);
        str_free(&candidate);
    }
    str_free(&wanted);
    return r;
}

static int resolve(void *ctx, struct str host,
                   void (*each)(void *each_ctx, const struct addr *address), void *each_ctx,
                   const char **why)
{
    struct addr a;

    (void)ctx;
    if (host.n % 2 == 0 && addr_parse(&a, STR("192.0.2.1"), 0) == 0) {
        each(each_ctx, &a);
        return 0;
    }
    *why = "not asked";
    return -ENOENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str overrides[] = { STR_INIT("general.workers=2"),
                                            STR_INIT("compatibility.asterisk_bodies=yes") };
    struct str input = { (const char *)data, size };
    struct settings_source source = {
        .state_directory = STR("/nowhere"),
        .overrides = overrides,
        .n_overrides = size % 2 ? 0 : ARRAY_LEN(overrides),
        .files = { .read = read_file, .expand = expand, .ctx = &input },
        .resolve = resolve
    };
    const struct general_settings general = { .systemname = STR_INIT("pbx") };
    struct settings *settings = NULL;
    struct dialplan *dialplan = NULL;
    struct diag diag;
    struct buf report;

    diag_init(&diag);
    if (settings_read(&settings, &source, &diag) >= 0) /* what is left of a damaged file, too */
        for (size_t i = 0; i < settings->n_endpoints; i++)
            (void)settings_endpoint_reachable(settings, &settings->endpoints[i]);
    if (extensions_read(&dialplan, &source, &general, &diag) == 0)
        for (struct dialplan_context *c = dialplan_context_next(dialplan, NULL); c;
             c = dialplan_context_next(dialplan, c))
            for (const struct hint_entry *h = dialplan_hint_next(c, NULL); h;
                 h = dialplan_hint_next(c, h))
                BUG_UNLESS(h->extension.n <= 79);
    BUG_UNLESS(diag.text.n == 0 || diag.text.p[diag.text.n - 1] == '\n');
    buf_init(&report, diag.text.ceiling);
    diag_print(&diag, &report);
    BUG_UNLESS(report.n == diag.text.n);
    buf_fini(&report);
    settings_unref(settings);
    dialplan_unref(dialplan);
    diag_fini(&diag);
    return 0;
}
