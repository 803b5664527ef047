// SPDX-License-Identifier: MIT
/* extstated: options, and going to the background. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/settings.h"
#include "daemon/daemon.h"

enum { OPTION_CHECK = 256, OPTION_REFERENCE, OPTION_SET };

static const struct option long_options[] = {
    { "config-dir", required_argument, NULL, 'c' },
    { "state-dir", required_argument, NULL, 's' },
    { "foreground", no_argument, NULL, 'f' },
    { "set", required_argument, NULL, OPTION_SET },
    { "check", no_argument, NULL, OPTION_CHECK },
    { "print-reference", no_argument, NULL, OPTION_REFERENCE },
    { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static const char usage[] =
    "Usage: extstated [OPTION]...\n"
    "Turns the states of devices into the lamps on telephones.\n\n"
    "  -c, --config-dir DIR   where pjsip.conf, extensions.conf and extstate.conf are "
    "(/etc/extstate)\n"
    "  -s, --state-dir DIR    where state and the control socket are kept (/var/lib/extstate)\n"
    "  -f, --foreground       do not go to the background\n"
    "      --set SECTION.OPTION=VALUE\n"
    "                         override extstate.conf, e.g. --set compatibility.asterisk=yes\n"
    "      --check            read the configuration, print every problem, exit 1 on an error\n"
    "      --print-reference  print the reference of all configuration options (Markdown)\n"
    "  -V, --version          print the version\n"
    "  -h, --help             print this\n";

static const char reference_head[] =
    "<!-- Printed by extstated --print-reference; make doc writes it anew. -->\n"
    "# Configuration\n\n"
    "extstated reads three files of its configuration directory: `pjsip.conf` and "
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

/* The parent waits until the child accepts, or has failed, and exits with that. Returns the child's
 * end of the pipe. */
static int go_to_background(void)
{
    int ends[2];
    char word;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC)) {
        perror("extstated: pipe");
        exit(EXIT_FAILURE);
    }
    child = fork();
    if (child < 0) {
        perror("extstated: fork");
        exit(EXIT_FAILURE);
    }
    if (child) {
        close(ends[1]);
        _exit(read(ends[0], &word, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ends[0]);
    setsid();
    return ends[1];
}

int main(int argc, char **argv)
{
    struct daemon_options options = {
        .config_directory = STR_INIT(EXTSTATE_SYSCONFDIR "/extstate"),
        .state_directory = STR_INIT(EXTSTATE_LOCALSTATEDIR "/lib/extstate"),
        .ready_fd = -1,
    };
    struct str *overrides = calloc((size_t)argc + 1, sizeof(*overrides));
    bool foreground = false, check = false;
    int status, c;

    if (!overrides)
        return EXIT_FAILURE;
    options.overrides = overrides;
    while ((c = getopt_long(argc, argv, "c:s:fVh", long_options, NULL)) != -1) {
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
        case OPTION_SET:
            overrides[options.n_overrides++] = str_of(optarg);
            break;
        case OPTION_CHECK:
            check = true;
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
    if (check) {
        status = daemon_check(&options);
    } else {
        if (!foreground)
            options.ready_fd = go_to_background();
        status = daemon_run(&options);
    }
    free(overrides);
    return status;
}
