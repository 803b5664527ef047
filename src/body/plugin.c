// SPDX-License-Identifier: MIT
/* plugin.c - plugins from shared objects, and the values of their options. */
#include "body/registry.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PLUGIN_NAME_MAX = 64,
    OPTIONS_MAX = 256,        /* rows in a schema */
    OPTIONS_SIZE_MAX = 65536, /* of the struct they fill */
};

/* ---- options ---- */

static const char *option_allowed(enum es_option_type type)
{
    switch (type) {
    case ES_OPTION_BOOL:
        return "yes or no";
    case ES_OPTION_U32:
        return "a number from 0 to 4294967295";
    case ES_OPTION_TEXT:
        return "a text";
    }
    return NULL;
}

static size_t option_size(enum es_option_type type)
{
    switch (type) {
    case ES_OPTION_BOOL:
        return sizeof(bool);
    case ES_OPTION_U32:
        return sizeof(uint32_t);
    case ES_OPTION_TEXT:
        break;
    }
    return sizeof(const char *);
}

/* A yes must be one: everything else as "no", as configuration files have it, would hide a misspelt
 * value. */
static int bool_parse(bool *out, struct str s)
{
    static const char *const no[] = { "no", "false", "n", "f", "0", "off" };

    *out = str_is_true(s);
    for (size_t i = 0; !*out && i < ARRAY_LEN(no); i++)
        if (str_equal_nocase(s, str_of(no[i])))
            return 0;
    return *out ? 0 : -EINVAL;
}

struct option_block { /* the struct, and behind it the texts that it points to */
    char *values;
    char *texts;
};

static int option_set(struct option_block *b, const struct es_option *o, struct str value)
{
    uint32_t number;
    bool yes;
    int r = 0;

    switch (o->type) {
    case ES_OPTION_BOOL:
        r = bool_parse(&yes, value);
        if (!r)
            memcpy(b->values + o->offset, &yes, sizeof(yes));
        break;
    case ES_OPTION_U32:
        r = str_to_u32(&number, value);
        if (!r)
            memcpy(b->values + o->offset, &number, sizeof(number));
        break;
    case ES_OPTION_TEXT:
        memcpy(b->values + o->offset, &b->texts, sizeof(b->texts));
        if (value.n)
            memcpy(b->texts, value.p, value.n);
        b->texts[value.n] = '\0';
        b->texts += value.n + 1;
        break;
    }
    return r ? -EINVAL : 0;
}

static int schema_check(const struct es_plugin *plugin, struct buf *why)
{
    if (plugin->options_size > OPTIONS_SIZE_MAX) {
        buf_printf(why, "its options need %zu bytes, which is too much", plugin->options_size);
        return -EINVAL;
    }
    for (size_t i = 0; plugin->options[i].name; i++) {
        const struct es_option *o = &plugin->options[i];

        if (i >= OPTIONS_MAX || !option_allowed(o->type) || o->offset > plugin->options_size ||
            option_size(o->type) > plugin->options_size - o->offset || !o->default_value) {
            buf_printf(why,
                       "its option %s has an unknown type, no default or no place in the options",
                       o->name);
            return -EINVAL;
        }
    }
    return 0;
}

/* The value for a row: the last one given, else the default. */
static struct str option_value(const struct es_option *o, const struct plugin_option *options,
                               size_t n)
{
    while (n-- > 0)
        if (str_equal_nocase(options[n].name, str_of(o->name)))
            return options[n].value;
    return str_of(o->default_value);
}

/* Every name given must be one of the schema's. */
static int names_check(const struct es_plugin *plugin, const struct plugin_option *options,
                       size_t n, struct buf *why)
{
    for (size_t i = 0; i < n; i++) {
        const struct es_option *o = plugin->options;

        while (o && o->name && !str_equal_nocase(options[i].name, str_of(o->name)))
            o++;
        if (o && o->name)
            continue;
        buf_printf(why, "unknown option '%.*s'; ", STR_FMT(options[i].name));
        if (!plugin->options || !plugin->options->name)
            buf_add(why, STR("it has none"));
        for (o = plugin->options; o && o->name; o++)
            buf_printf(why, "%s%s", o == plugin->options ? "it has " : ", ", o->name);
        return -EINVAL;
    }
    return 0;
}

static int values_fill(struct option_block *b, const struct es_plugin *plugin,
                       const struct plugin_option *options, size_t n, struct buf *why)
{
    for (const struct es_option *o = plugin->options; o->name; o++) {
        struct str value = option_value(o, options, n);

        if (option_set(b, o, value)) {
            buf_printf(why, "option %s is '%.*s', but must be %s", o->name, STR_FMT(value),
                       option_allowed(o->type));
            return -EINVAL;
        }
    }
    return 0;
}

int plugin_options_create(void **out, const struct es_plugin *plugin,
                          const struct plugin_option *options, size_t n_options, struct buf *why)
{
    size_t texts = 0;
    struct option_block b;
    char *block;
    int r = names_check(plugin, options, n_options, why);

    if (r)
        return r;
    *out = NULL;
    if (!plugin->options)
        return 0;
    r = schema_check(plugin, why);
    if (r)
        return r;
    for (const struct es_option *o = plugin->options; o->name; o++)
        if (o->type == ES_OPTION_TEXT)
            texts += option_value(o, options, n_options).n + 1;
    block = calloc(1, plugin->options_size + texts + 1);
    if (!block)
        return -ENOMEM;
    b = (struct option_block){ block, block + plugin->options_size };
    r = values_fill(&b, plugin, options, n_options, why);
    if (r)
        free(block);
    else
        *out = block;
    return r;
}

/* ---- shared objects ---- */

/* A file in the plugin directory and nowhere else. */
static bool name_plain(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return name.n > 0 && name.n <= PLUGIN_NAME_MAX;
}

static int library_open(void **out, struct str directory, struct str name, struct buf *why)
{
    char room[PATH_MAX];
    struct buf path;

    if (!name_plain(name)) {
        buf_printf(why,
                   "'%.*s' is no plugin's name: letters, digits, '_' and '-', without path and .so",
                   STR_FMT(str_sub(name, 0, PLUGIN_NAME_MAX)));
        return -EINVAL;
    }
    buf_init_on(&path, room, sizeof(room));
    buf_printf(&path, "%.*s/%.*s.so", STR_FMT(directory), STR_FMT(name));
    buf_add_char(&path, '\0');
    if (path.error) {
        buf_add(why, STR("the path is too long"));
        return -EINVAL;
    }
    if (access(path.p, F_OK)) {
        buf_printf(why, "there is no file %s", path.p);
        return -ENOENT;
    }
    *out = dlopen(path.p, RTLD_NOW | RTLD_LOCAL);
    if (!*out) {
        const char *reason = dlerror();

        buf_printf(why, "%s", reason ? reason : "dlopen failed");
        return -EINVAL;
    }
    return 0;
}

int body_plugin_load(struct body_registry *r, struct str directory, struct str name,
                     const struct plugin_option *options, size_t n_options, struct buf *why)
{
    const struct es_plugin *plugin;
    void *handle = NULL, *values = NULL;
    int result = library_open(&handle, directory, name, why);

    if (result)
        return result;
    plugin = dlsym(handle, "es_plugin");
    if (!plugin) {
        buf_add(why, STR("it is no plugin: it exports no es_plugin"));
        result = -EINVAL;
        goto out;
    }
    result = plugin_check(r, plugin, why); /* before anything else of it is looked at */
    if (!result)
        result = plugin_options_create(&values, plugin, options, n_options, why);
    if (!result)
        result = body_registry_add(r, plugin, values, why);
    if (result)
        goto out;
    BUG_UNLESS(
        str_equal(str_of(r->plugins->name), str_of(plugin->name))); /* the record just made */
    r->plugins->handle = handle;
    r->plugins->values = values;
    handle = values = NULL;
out:
    free(values);
    if (handle)
        dlclose(handle);
    return result;
}

void plugins_close(struct body_plugin *plugins)
{
    while (plugins) {
        struct body_plugin *next = plugins->next;

        free(plugins->values);
        if (plugins->handle)
            dlclose(plugins->handle);
        free(plugins);
        plugins = next;
    }
}
