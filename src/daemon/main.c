// SPDX-License-Identifier: MIT
/* extstated: options. */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/settings.h"
#include "daemon/daemon.h"
#include "daemon/place.h"
#include "daemon/upgrade.h"
#include "xml/xml.h"

#define DEFAULT_CONFIG_DIR EXTSTATE_SYSCONFDIR "/extstate"
#define DEFAULT_STATE_DIR EXTSTATE_LOCALSTATEDIR "/lib/extstate"

enum { OPTION_CHECK = 256, OPTION_REFERENCE, OPTION_REHEARSE, OPTION_SET };

static const struct option long_options[] = {
    { "config-dir", required_argument, NULL, 'c' },
    { "state-dir", required_argument, NULL, 's' },
    { "foreground", no_argument, NULL, 'f' },
    { "log-file", required_argument, NULL, 'l' },
    { "set", required_argument, NULL, OPTION_SET },
    { "check", no_argument, NULL, OPTION_CHECK },
    { "rehearse", no_argument, NULL, OPTION_REHEARSE },
    { "print-reference", no_argument, NULL, OPTION_REFERENCE },
    { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static const char usage[] =
    "Usage: extstated [OPTION]...\n"
    "Turns the states of devices into the lamps on telephones.\n\n"
    "  -c, --config-dir DIR   where pjsip.conf, extensions.conf and extstate.conf are\n"
    "                         (" DEFAULT_CONFIG_DIR ")\n"
    "  -s, --state-dir DIR    where state and the control socket are kept\n"
    "                         (" DEFAULT_STATE_DIR ")\n"
    "  -f, --foreground       do not go to the background\n"
    "  -l, --log-file FILE    where the log goes once everything is ready (standard error;\n"
    "                         in the background extstated.log in the state directory)\n"
    "      --set SECTION.OPTION=VALUE\n"
    "                         override extstate.conf, e.g. --set compatibility.asterisk=yes\n"
    "      --check            read the configuration, print every problem, exit 1 on an error\n"
    "      --rehearse         say whether this program could take the place of the one that runs\n"
    "                         (extstatectl upgrade), exit 1 if not\n"
    "      --print-reference  print the reference of all configuration options (Markdown)\n"
    "  -V, --version          print the version\n"
    "  -h, --help             print this\n";

static const char reference_head[] =
    "<!-- Printed by extstated --print-reference; make doc writes it anew. -->\n"
    "# Configuration\n\n"
    "extstated reads the files of its configuration directory: `pjsip.conf` and "
    "`extensions.conf`, which are Asterisk's\n"
    "(extensions.conf: contexts, hints, includes, globals, `autohints`; everything else in it is "
    "skipped), and\n"
    "`extstate.conf`, in the same grammar, for what Asterisk has no option for. It may be missing. "
    "`extstated --check`\n"
    "prints every problem with its place; SIGHUP or `extstatectl reload` reads them again.\n\n";

static int print_reference(void)
{
    struct buf out;
    int r;

    buf_init(&out, 1 << 20);
    buf_add(&out, str_of(reference_head));
    settings_print_reference(&out);
    r = out.error;
    if (r == 0)
        fwrite(out.p, 1, out.n, stdout);
    buf_fini(&out);
    return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Relative paths would mean something else from the root directory. */
static int run_in_background(struct daemon_options *o)
{
    struct str *paths[] = { &o->config_directory, &o->state_directory, &o->log_file };
    struct str absolute[ARRAY_LEN(paths)] = { 0 };
    int status = EXIT_FAILURE, r = 0;

    for (size_t i = 0; i < ARRAY_LEN(paths) && r == 0; i++) {
        if (!paths[i]->n)
            continue;
        r = place_path_absolute(&absolute[i], *paths[i]);
        *paths[i] = absolute[i];
    }
    if (r) {
        fprintf(stderr, "extstated: the working directory cannot be found: %s\n", strerror(-r));
    } else {
        o->ready_fd = place_background();
        status = daemon_run(o);
    }
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        str_free(&absolute[i]);
    return status;
}

/* One that takes another one's place is in the background already, or is not to be. */
static int run_settled(struct daemon_options *o, bool foreground)
{
    if (o->rehearsal)
        return daemon_rehearse(o);
    o->background = !foreground;
    return foreground || o->succession->from ? daemon_run(o) : run_in_background(o);
}

static int run(struct daemon_options *o, const char *name, bool foreground)
{
    int r, status = EXIT_FAILURE;

    if (inherited_read(o->inherited, o->rehearsal)) {
        fputs("extstated: LISTEN_FDS does not say which sockets are open\n", stderr);
        return EXIT_FAILURE;
    }
    succession_read(o->succession, o->inherited);
    r = place_program(&o->program, name);
    if (r)
        fprintf(stderr, "extstated: its own path cannot be found: %s\n", strerror(-r));
    else
        status = run_settled(o, foreground);
    str_free(&o->program);
    succession_fini(o->succession);
    inherited_close(o->inherited);
    return status;
}

int main(int argc, char **argv)
{
    struct inherited inherited = { 0 };
    struct succession succession;
    struct daemon_options options = {
        .config_directory = STR_INIT(DEFAULT_CONFIG_DIR),
        .state_directory = STR_INIT(DEFAULT_STATE_DIR),
        .inherited = &inherited,
        .succession = &succession,
        .ready_fd = -1,
    };
    struct str *overrides = calloc((size_t)argc + 1, sizeof(*overrides));
    bool foreground = false, check = false;
    int status, c;

    /* No fast bins: glibc collects them all at once when some block of 64 kB comes free, for half a
     * second after the ends of some hundred thousand publications. Its caches per thread stay. */
    (void)mallopt(M_MXFAST, 0);
    if (!overrides)
        return EXIT_FAILURE;
    xml_init();
    options.overrides = overrides;
    while ((c = getopt_long(argc, argv, "c:s:fl:Vh", long_options, NULL)) != -1) {
        switch (c) {
        case 'c':
            options.config_directory = str_of(optarg);
            break;
        case 's':
            options.state_directory = str_of(optarg);
            break;
        case 'f':
            foreground = true;
            break;
        case 'l':
            options.log_file = str_of(optarg);
            break;
        case OPTION_SET:
            overrides[options.n_overrides++] = str_of(optarg);
            break;
        case OPTION_CHECK:
            check = true;
            break;
        case OPTION_REHEARSE:
            options.rehearsal = true;
            break;
        case OPTION_REFERENCE:
            free(overrides);
            return print_reference();
        case 'V':
            puts("extstated " EXTSTATE_VERSION);
            free(overrides);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            free(overrides);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            free(overrides);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "extstated: unexpected argument %s\n%s", argv[optind], usage);
        free(overrides);
        return 2;
    }
    status = check ? daemon_check(&options) : run(&options, argv[0], foreground);
    free(overrides);
    return status;
}
