// SPDX-License-Identifier: MIT
/* names.so - an LD_PRELOAD shim in which esc.test has two addresses, ::1 and, after it, 127.0.0.1.
 * Other names are asked for as usual. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdint.h>
#include <string.h>

typedef int (*getaddrinfo_fn)(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's names are its own
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out)
{
    getaddrinfo_fn real = (getaddrinfo_fn)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    int r;

    if (!name || strcmp(name, "esc.test") != 0)
        return real(name, service, hints, out);
    r = real("::1", service, hints, out);
    return r ? r : real("127.0.0.1", service, hints, &(*out)->ai_next);
}
