/* config/exchange/exchange_lex_private.h - the words of the Exchange shell. */
#ifndef CONFIG_EXCHANGE_LEX_PRIVATE_H
#define CONFIG_EXCHANGE_LEX_PRIVATE_H

#include "config/exchange/exchange_note_private.h"

enum exchange_token_type {
    EXCHANGE_TOKEN_END,
    EXCHANGE_TOKEN_WORD,
    EXCHANGE_TOKEN_STRING,
    EXCHANGE_TOKEN_PARAMETER, /* text without the dash */
    EXCHANGE_TOKEN_VARIABLE,  /* text without the dollar, in lower case */
    EXCHANGE_TOKEN_MARK,      /* text is one of | , ; = += ( ) { } @( @{ : ! */
};

/* Stands before a $ that begins a variable within a word or a string; nothing else contains it. */
#define EXCHANGE_EXPAND '\x01'

struct exchange_token {
    enum exchange_token_type type;
    const char *text;
    unsigned line;
    bool first; /* on its line, the line before not being continued */
    bool apart; /* an empty line or a prompt stands before it */
};

/* The tokens of TEXT (decoded), ending with EXCHANGE_TOKEN_END. */
struct exchange_token *exchange_lex(struct exchange_importer *im, struct bytes text);

#endif
