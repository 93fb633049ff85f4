/* The next rate to try: doubled, then halved in between. */
#include "bench/load_knee.h"

void load_knee_start(struct load_knee *k, unsigned long first)
{
    *k = (struct load_knee){.rate = first};
}

static unsigned long next_rate(const struct load_knee *k)
{
    unsigned long apart = k->high - k->low;
    if (k->high == 0)
        return k->low > LOAD_KNEE_RATE_MAX / 2 ? 0 : k->low * 2;
    if (k->low == 0)
        return k->high / 2;
    return apart <= 1 || apart * 100 <= k->low * LOAD_KNEE_PERCENT ? 0 : k->low + apart / 2;
}

void load_knee_note(struct load_knee *k, bool held)
{
    if (held)
        k->low = k->rate;
    else
        k->high = k->rate;
    k->rate = next_rate(k);
}
