/* Pipelines: what one command passes on to the next, what a filter lets through, what a loop does
 * with each.
 */
#include "config/exchange/exchange_pipeline_private.h"

#include "config/exchange/exchange_apply_private.h"
#include "config/exchange/exchange_filter_private.h"
#include "config/exchange/exchange_permission_private.h"
#include "config/exchange/exchange_variable_private.h"

static bool stage_changes(const struct exchange_command *c)
{
    if (!exchange_command_is_loop(c->name))
        return exchange_command_changes(c->name);
    for (const struct exchange_token *t = c->script; t && t->type != EXCHANGE_TOKEN_END; t++)
        if ((t->type == EXCHANGE_TOKEN_WORD && exchange_command_changes(t->text)) ||
            (t->type == EXCHANGE_TOKEN_MARK && strchr(t->text, '='))) /* a variable */
            return true;
    return false;
}

static bool any_changes(const struct exchange_command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (stage_changes(&commands[i]))
            return true;
    return false;
}

/* {$_.Name -eq "Relay"}: the name, or NULL: it is another condition. */
static const char *name_alone(const struct exchange_token *script)
{
    static const char *const names[] = {"_.name", "_.identity", "name", "identity"};
    bool is_name = script->type == EXCHANGE_TOKEN_VARIABLE || script->type == EXCHANGE_TOKEN_WORD;
    if (!is_name || !exchange_is_one_of(script->text, names, ARRAY_SIZE(names)) ||
        script[1].type != EXCHANGE_TOKEN_PARAMETER || !exchange_same(script[1].text, "eq"))
        return NULL;
    bool is_text = script[2].type == EXCHANGE_TOKEN_STRING || script[2].type == EXCHANGE_TOKEN_WORD;
    if (!is_text || script[3].type != EXCHANGE_TOKEN_END || strchr(script[2].text, EXCHANGE_EXPAND))
        return NULL;
    return script[2].text;
}

/* A connector that is named need not be made here: Get would not ask either. */
static void refer_to_name(struct exchange_importer *im, const struct exchange_command *c,
                          enum exchange_kind kind, struct exchange_targets *kept)
{
    const char *name = kind ? name_alone(c->script) : NULL;
    struct exchange_object *o = name ? exchange_object_refer(im, kind, name, c->where) : NULL;
    if (o)
        exchange_targets_add(im, kept, (struct exchange_item){.object = o});
}

/* False after a fault: nothing behind it can be played. */
static bool run_filter(struct exchange_importer *im, const struct exchange_command *c,
                       struct exchange_targets *targets)
{
    struct exchange_targets kept = {.piped = true};
    size_t faults = im->fault_count, length = exchange_tokens_count(c->script);
    (void)exchange_filter_holds(im, c->script, NULL);
    for (size_t i = 0; i < targets->count && faults == im->fault_count; i++)
        if (exchange_step(im, length, c->where) &&
            exchange_filter_holds(im, c->script, &targets->items[i]))
            exchange_targets_add(im, &kept, targets->items[i]);
    if (faults == im->fault_count && kept.count == 0)
        refer_to_name(im, c, targets->kind, &kept);
    if (faults == im->fault_count && kept.count == 0)
        exchange_note(im, NULL, c->where,
                      "%s: of %zu that come none is meant, so what is behind it changes nothing",
                      c->name, targets->count);
    *targets = kept;
    return faults == im->fault_count;
}

static bool run_loop(struct exchange_importer *im, const struct exchange_command *c,
                     struct exchange_targets *targets)
{
    size_t faults = im->fault_count;
    ASSERT(im->shell); /* an export has no loops */
    for (size_t i = 0; i < targets->count && faults == im->fault_count; i++)
        im->shell->run(im, c->script, "_", &targets->items[i]);
    *targets = (struct exchange_targets){.piped = true};
    return faults == im->fault_count;
}

/* What COMMAND needs from the pipe is not there. */
static bool lacks_input(struct exchange_importer *im, const struct exchange_command *c, bool piped)
{
    if (!piped)
        exchange_fault(im, c->where, "%s: nothing comes through a | to it", c->name);
    return !piped;
}

/* It is no concern of ours; but what it passes on is not known. */
static bool run_other(struct exchange_importer *im, const struct exchange_command *c,
                      const struct exchange_command *behind, size_t count)
{
    if (any_changes(behind, count)) {
        exchange_fault(im, c->where, "%s: what it passes on to %s is not known here: %s", c->name,
                       behind->name,
                       exchange_same(c->name, "Get-Content")
                           ? "write the file's lines in its place: '10.0.0.1', '10.0.0.2' | ..."
                           : "write one command for each connector, with its name");
        return false;
    }
    exchange_note(im, NULL, c->where,
                  "%s: not taken over: it makes no connector, domain or permission", c->name);
    return true;
}

/* False: the rest cannot be played. OUT_WANTED: what comes out is used. */
static bool run_stage(struct exchange_importer *im, const struct exchange_command *c, size_t behind,
                      struct exchange_targets *targets, bool out_wanted)
{
    enum exchange_verb verb;
    enum exchange_kind kind;
    bool known = exchange_command_parse(c->name, &verb, &kind),
         chooses = known && verb == EXCHANGE_GET;
    bool wanted = out_wanted || any_changes(c + 1, behind);
    if (c->input) {
        *targets = *c->input;
        targets->piped = true;
    } else if (known && (!chooses || wanted)) {
        exchange_apply(im, verb, kind, c, targets);
        if (chooses && !(behind && exchange_command_is_filter(c[1].name)))
            exchange_note_none(im, c, targets);
    } else if (exchange_same(c->name, "Add-ADPermission")) {
        exchange_permission_apply(im, c, targets, false);
    } else if (exchange_same(c->name, "Remove-ADPermission")) {
        exchange_permission_apply(im, c, targets, true);
    } else if (chooses) {
        exchange_note(im, NULL, c->where, "%s: it only shows", c->name);
    } else if (wanted && exchange_same(c->name, "Get-ADPermission")) {
        exchange_permission_list(im, c, targets);
    } else if (wanted && exchange_command_is_filter(c->name)) {
        return !lacks_input(im, c, targets->piped) && run_filter(im, c, targets);
    } else if (stage_changes(c)) { /* a loop */
        return !lacks_input(im, c, targets->piped) && run_loop(im, c, targets);
    } else if (!(wanted && targets->piped && exchange_command_is_order(c->name))) {
        return run_other(im, c, c + 1, behind);
    }
    return true;
}

void exchange_pipeline_play(struct exchange_importer *im, const struct exchange_command *commands,
                            size_t count, struct exchange_targets *out)
{
    struct exchange_targets targets = {0};
    for (size_t i = 0; i < count; i++)
        if (!run_stage(im, &commands[i], count - i - 1, &targets, out))
            return;
    if (out)
        *out = targets;
}
