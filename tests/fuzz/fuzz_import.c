/* Import from Exchange: whatever is pasted, the configuration is one that libconfig reads and whose
 * every live key is known and well formed; only rules that span connectors may still refuse it. The
 * same text gives the same configuration, which has no control characters, and a fault is told if
 * and only if the result says so.
 */
#include "fuzz_split.h"

#include <stdio.h>

#include "config/exchange/exchange_import.h"

static void count_fault(void *owner, const struct conf_fault *fault)
{
    unsigned *faults = owner;
    MUST_HOLD(fault->where && fault->text && !strchr(fault->text, '\n'));
    *faults += !fault->is_warning;
}

static void only_rules(void *owner, const struct conf_fault *fault)
{
    (void)owner;
    if (fault->is_warning)
        return;
    /* At the start: a name that the text quotes may say anything. */
    MUST_HOLD(strncmp(fault->text, "syntax error", 12) != 0);
    MUST_HOLD(strncmp(fault->text, "unknown key", 11) != 0);
    MUST_HOLD(!strstr(fault->text, "is allowed") || !strchr(fault->key, '['));
}

static char *import_once(struct bytes in, size_t *size)
{
    unsigned faults = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        abort();
    enum err e = exchange_import(in, "fuzz.ps1", count_fault, &faults, out);
    MUST_HOLD(fclose(out) == 0);
    MUST_HOLD(e == (faults ? ERR_SYNTAX : ERR_OK));
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make((const char *)data, size);
    size_t first_size, second_size;
    char *first = import_once(in, &first_size), *second = import_once(in, &second_size);
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;

    MUST_HOLD(first_size == second_size && memcmp(first, second, first_size) == 0);
    MUST_HOLD(strlen(first) == first_size);
    for (const char *c = first; *c; c++)
        MUST_HOLD((unsigned char)*c >= ' ' || *c == '\n');
    if (conf_load_text(first, "fuzz.conf", only_rules, NULL, &conf, &rules) == ERR_OK) {
        ruleset_free(&rules);
        conf_free(&conf);
    }
    free(first);
    free(second);
    return 0;
}
