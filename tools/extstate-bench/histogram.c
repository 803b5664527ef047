// SPDX-License-Identifier: MIT
#include "histogram.h"

/* Values below 64 have a bucket each; above, the six bits behind the highest one choose it. */
static unsigned bucket_of(uint64_t value)
{
    unsigned shift =
        value >> HISTOGRAM_BITS ? 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS : 0;

    return (shift << HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

static uint64_t bucket_top(unsigned bucket)
{
    unsigned shift = bucket >> HISTOGRAM_BITS ? (bucket >> HISTOGRAM_BITS) - 1 : 0;

    return ((uint64_t)(bucket - (shift << HISTOGRAM_BITS) + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    value = value > HISTOGRAM_LARGEST ? HISTOGRAM_LARGEST : value;
    h->counts[bucket_of(value)]++;
    h->n++;
    h->largest = value > h->largest ? value : h->largest;
}

uint64_t histogram_percentile(const struct histogram *h, unsigned per_10000)
{
    uint64_t wanted = (h->n * per_10000 + 9999) / 10000, seen = 0;

    wanted = h->n && !wanted ? 1 : wanted;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (h->counts[i] && seen >= wanted)
            return bucket_top(i) < h->largest ? bucket_top(i) : h->largest;
    }
    return 0;
}
