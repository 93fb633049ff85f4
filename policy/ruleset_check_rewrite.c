/* The checks of address rewriting entries: each by itself, then all together. */
#include "policy/ruleset_check_private.h"

#include "core/mem.h"

void ruleset_check_rewrites(struct ruleset_check *check)
{
    const struct ruleset_settings *s = check->settings;
    struct ruleset_name *names = MEM_NEW_ARRAY(struct ruleset_name, s->rewrite_count + 1);
    struct err_detail why;
    bool sound = true;
    for (size_t i = 0; i < s->rewrite_count; i++) {
        const struct rewrite_entry *e = &s->rewrites[i];
        names[i] = (struct ruleset_name){e->name, e->origin, i};
        if (rewrite_entry_check(e, &why) == ERR_OK)
            continue;
        ruleset_fault(check, e->origin, "address rewrite entry \"%.64s\": %s",
                      ruleset_text(e->name), why.text);
        sound = false;
    }
    ruleset_check_names(check, "address rewrite entry", names, s->rewrite_count);
    mem_free(names);
    struct rewrite_set *set = NULL;
    size_t which = 0;
    if (sound && rewrite_set_build(s->rewrites, s->rewrite_count, &set, &which, &why) != ERR_OK)
        ruleset_fault(check, s->rewrites[which].origin, "address rewrite entry \"%.64s\": %s",
                      ruleset_text(s->rewrites[which].name), why.text);
    rewrite_set_free(&set);
}
