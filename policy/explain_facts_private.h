/* policy/explain_facts_private.h - what was found out, for the two forms in which it is written. */
#ifndef POLICY_EXPLAIN_FACTS_PRIVATE_H
#define POLICY_EXPLAIN_FACTS_PRIVATE_H

#include <stdio.h>

#include <stdio.h>

#include "policy/decide.h"
#include "policy/explain_query.h"

#define EXPLAIN_NOTES_MAX   4
#define EXPLAIN_ADDRESS_MAX 2200 /* beyond the longest of a session, rewritten */

struct explain_verdict {
    bool asked;
    bool implied; /* MAIL with the null sender, because only a recipient was given */
    const char *command;
    struct bytes address;
    /* A sender leaves as another, a recipient is decided about as another; no entry: it stays. */
    struct rewrite_result rewritten;
    struct decide_verdict verdict;
};

struct explanation {
    const struct ruleset *rules;
    const struct explain_query *query;
    struct endpoint local;
    struct ruleset_match match;
    struct rights_identity who[ACCOUNT_IDENTITIES_MAX];
    size_t who_count;
    const struct account *account; /* NULL: no logon, or there is no users file */
    rights_mask rights;
    struct explain_verdict mail, rcpt, from;
    bool route_asked;
    struct bytes route_domain;
    struct send_choice route;
    char sender_completed[EXPLAIN_ADDRESS_MAX], rcpt_completed[EXPLAIN_ADDRESS_MAX];
    char rcpt_text[EXPLAIN_ADDRESS_MAX];  /* the rewritten one, as it is decided about */
    const char *notes[EXPLAIN_NOTES_MAX]; /* what else is refused */
    size_t note_count;
    bool accepted;
};

/* A range on one of the bindings of this connection that holds the client. */
struct explain_holder {
    const struct endpoint *binding;
    const struct receive_connector *connector;
    const struct receive_connector_range *range;
};
/* All of them but the one that matched. */
void explain_each_holder(const struct explanation *x,
                         void (*each)(void *owner, const struct explain_holder *holder),
                         void *owner);

/* Where a right comes from, or by what it is denied. */
struct explain_source {
    const struct rights_source *source;
    bool inherited; /* of server_permissions */
};
void explain_each_source(const struct explanation *x, rights_mask right, bool denial,
                         void (*each)(void *owner, const struct explain_source *source),
                         void *owner);
/* What entries take away from this client: an inherited one does not where the connector allows. */
rights_mask explain_denied(const struct explanation *x);

/* "Anonymous", "user:bob". Returns TO. */
char *explain_principal(enum rights_principal principal, const char *name, char *to, size_t size);

/* explain_text.c, explain_json.c */
void explain_write_text(const struct explanation *x, FILE *out);
void explain_write_json(const struct explanation *x, FILE *out);

#endif
