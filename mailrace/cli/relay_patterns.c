/* The table of open-relay patterns, and how their templates are filled. */
#include "mailrace/cli/relay_patterns.h"

#include <stdio.h>
#include <stdlib.h>

#define REFUSED   RELAY_PATTERN_REFUSED, NULL, NULL, NULL, NULL
#define MALFORMED RELAY_PATTERN_MALFORMED, NULL, NULL, NULL, NULL
#define ACCEPTED  RELAY_PATTERN_ACCEPTED, NULL, NULL, NULL, NULL
#define EITHER    RELAY_PATTERN_EITHER, NULL, NULL, NULL, NULL
/* Refused whatever was said before MAIL, or before RCPT. */
#define BEFORE(lines)            RELAY_PATTERN_REFUSED, lines, NULL, NULL, NULL
#define BETWEEN(lines)           RELAY_PATTERN_REFUSED, NULL, lines, NULL, NULL
#define AFTER_TLS(before, lines) RELAY_PATTERN_REFUSED, before, NULL, lines, NULL
#define BESIDE(lines)            RELAY_PATTERN_REFUSED, NULL, NULL, NULL, lines

#define FROM    "<antispam@{foreign}>"
#define FROM_IP "<antispam@{ip}>"
#define TEN     "@a.example,@b.example,@c.example,@d.example,@e.example," /* half of it */
#define FIFTY   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

const struct relay_pattern RELAY_PATTERNS[] = {
    /* The plainest thing, from four senders. */
    {"O-01", "null sender", "<>", "<relaytest@{foreign}>", REFUSED},
    {"O-02", "foreign sender", FROM, "<relaytest@{foreign}>", REFUSED},
    {"O-03", "sender at the relay", "<antispam@{name}>", "<relaytest@{foreign}>", REFUSED},
    {"O-04", "sender at the relay's address", FROM_IP, "<relaytest@{foreign}>", REFUSED},

    /* An address inside the address, for us to unfold. */
    {"O-05", "percent, relay's address", FROM_IP, "<relaytest%{foreign}@{ip}>", REFUSED},
    {"O-06", "percent, relay's name", FROM_IP, "<relaytest%{foreign}@{name}>", REFUSED},
    {"O-07", "all in quotes", FROM_IP, "<\"relaytest@{foreign}\">", MALFORMED},
    {"O-08", "all in quotes, percent", FROM_IP, "<\"relaytest%{foreign}\">", MALFORMED},
    {"O-09", "two at signs, relay's address", FROM_IP, "<relaytest@{foreign}@{ip}>", MALFORMED},
    {"O-10", "quoted, relay's address", FROM_IP, "<\"relaytest@{foreign}\"@{ip}>", REFUSED},
    {"O-11", "two at signs, relay's name", FROM_IP, "<relaytest@{foreign}@{name}>", MALFORMED},
    {"O-12", "route, relay's address", FROM_IP, "<@{ip}:relaytest@{foreign}>", REFUSED},
    {"O-13", "route, relay's name", FROM_IP, "<@{name}:relaytest@{foreign}>", REFUSED},
    {"O-14", "bang path", FROM_IP, "<{foreign}!relaytest>", MALFORMED},
    {"O-15", "bang path, relay's address", FROM_IP, "<{foreign}!relaytest@{ip}>", REFUSED},
    {"O-16", "bang path, relay's name", FROM_IP, "<{foreign}!relaytest@{name}>", REFUSED},
    {"O-17", "all in quotes, no brackets", FROM, "\"relaytest@{foreign}\"", MALFORMED},
    {"O-18", "sender at localhost", "<spamtest@localhost>", "<relaytest@{foreign}>", REFUSED},
    {"O-19", "sender without a domain", "<spamtest>", "<relaytest@{foreign}>", REFUSED},
    {"O-20", "null sender, quoted", "<>", "<\"relaytest\"@{foreign}>", REFUSED},
    {"O-21", "sender in our domain", "<spamtest@{ours}>", "<relaytest@{foreign}>", REFUSED},
    {"O-22", "null sender, percent", "<>", "<relaytest%{foreign}@{ours}>", REFUSED},
    {"O-22b", "null sender, quoted", "<>", "<\"relaytest@{foreign}\"@{ours}>", REFUSED},
    {"O-22c", "null sender, two at signs", "<>", "<relaytest@{foreign}@{ours}>", MALFORMED},
    {"O-22d", "null sender, route", "<>", "<@{ours}:relaytest@{foreign}>", REFUSED},
    {"O-22e", "null sender, bang path", "<>", "<{foreign}!relaytest@{ours}>", REFUSED},

    /* For the next host to unfold, on our word. */
    {"O-23", "next hop: percent", FROM, "<user%{foreign}@{ours}>", REFUSED},
    {"O-24", "next hop: bang path", FROM, "<{foreign}!user@{ours}>", REFUSED},
    {"O-25", "next hop: two at signs", FROM, "<user@{foreign}@{ours}>", MALFORMED},
    {"O-26", "next hop: quoted", FROM, "<\"user@{foreign}\"@{ours}>", REFUSED},
    {"O-27", "next hop: quoted percent", FROM, "<\"user%{foreign}\"@{ours}>", REFUSED},
    {"O-28", "next hop: quoted bang", FROM, "<\"{foreign}!user\"@{ours}>", REFUSED},
    {"O-29", "next hop: backslash", FROM, "<user\\@{foreign}@{ours}>", MALFORMED},
    {"O-30", "next hop: quoted backslash", FROM, "<\"a\\@{foreign}\"@{ours}>", REFUSED},
    {"O-31", "next hop: two percents", FROM, "<user%{foreign}%ext2.example@{ours}>", REFUSED},
    {"O-32", "next hop: mixed", FROM, "<a!b!user%{foreign}@{ours}>", REFUSED},

    /* Source routes: RFC 5321 4.1.1.3 has them stripped, never followed. */
    {"O-33", "route by us", FROM, "<@{ours}:user@{foreign}>", REFUSED},
    {"O-34", "route by two", FROM, "<@{foreign},@{ours}:user@{foreign}>", REFUSED},
    {"O-35", "route to us: stripped", FROM, "<@{foreign}:user@{ours}>", ACCEPTED},
    {"O-36", "empty route", FROM, "<@:user@{foreign}>", MALFORMED},
    {"O-36b", "route with an empty host", FROM, "<@,@a.example:user@{foreign}>", MALFORMED},
    {"O-36c", "route of 200 hosts", FROM, "<" FIFTY FIFTY FIFTY FIFTY "@z.example:user@{foreign}>",
     MALFORMED},

    /* Names that are addresses, and us by another name. */
    {"O-37", "loopback literal", FROM, "<u@[127.0.0.1]>", REFUSED},
    {"O-38", "IPv6 loopback literal", FROM, "<u@[IPv6:::1]>", REFUSED},
    {"O-39", "mapped loopback literal", FROM, "<u@[IPv6:::ffff:127.0.0.1]>", REFUSED},
    {"O-40", "bare loopback address", FROM, "<u@127.0.0.1>", MALFORMED},
    {"O-41", "literal of the relay", FROM, "<u@{ip}>", REFUSED},
    {"O-42", "address as one number", FROM, "<u@2130706433>", MALFORMED},
    {"O-42b", "address in hexadecimal", FROM, "<u@0x7f.1>", MALFORMED},
    {"O-42c", "short literal", FROM, "<u@[127.1]>", MALFORMED},
    {"O-42d", "octal literal", FROM, "<u@[0177.0.0.1]>", MALFORMED},
    {"O-43", "localhost", FROM, "<u@localhost>", REFUSED},
    {"O-43b", "localhost.localdomain", FROM, "<u@localhost.localdomain>", REFUSED},

    /* Two readings of one line. */
    {"O-44", "NUL in the domain", FROM, "<u@{ours}{nul}.{foreign}>", MALFORMED},
    {"O-45", "list of paths", FROM, "<u@{ours}>,<v@{foreign}>", MALFORMED},
    {"O-46", "list in a path", FROM, "<u@{ours},v@{foreign}>", MALFORMED},
    {"O-47", "list with a semicolon", FROM, "<u@{ours};v@{foreign}>", MALFORMED},
    {"O-48", "two paths", FROM, "<u@{ours}> <v@{foreign}>", MALFORMED},
    {"O-49", "comment", FROM, "<u@{ours}(>v@{foreign})>", MALFORMED},
    {"O-50", "parameter without a space", FROM, "<u@{ours}>ORCPT=rfc822;v@{foreign}", MALFORMED},
    {"O-51", "encoded word: literal", FROM, "<=?utf-8?q?v=40{foreign}=3e=20?=@{ours}>", EITHER},
    {"O-52", "final dot", FROM, "<u@{ours}.>", ACCEPTED},
    {"O-52b", "upper case", FROM, "<u@{OURS}>", ACCEPTED},
    {"O-53", "subdomain", FROM, "<u@sub.{ours}>", EITHER},
    {"O-54", "ends like us", FROM, "<u@x{ours}>", REFUSED},
    {"O-55", "begins like us", FROM, "<u@{ours}.{foreign}>", REFUSED},
    {"O-56", "ideographic stops", FROM, "<u@{ours-stops}>", MALFORMED},
    {"O-56b", "ideographic stops, SMTPUTF8", FROM " SMTPUTF8", "<u@{ours-stops}>", MALFORMED},
    {"O-56c", "full-width letters, SMTPUTF8", FROM " SMTPUTF8", "<u@{ours-wide}>", MALFORMED},
    {"O-56d", "look-alike, SMTPUTF8", FROM " SMTPUTF8", "<u@{ours-lookalike}>", REFUSED},
    {"O-57", "overlong at sign", FROM " SMTPUTF8", "<v@{foreign}\xc1\x80{ours}>", MALFORMED},
    {"O-57b", "overlong in the local part", FROM " SMTPUTF8", "<v\xc1\x80{foreign}@{ours}>",
     MALFORMED},
    {"O-57c", "full-width at sign", FROM, "<v\xef\xbc\xa0{foreign}@{ours}>", MALFORMED},

    /* Not addresses. */
    {"O-58", "a program", FROM, "<|/bin/sh>", MALFORMED},
    {"O-59", "an include", FROM, "<:include:/etc/passwd>", MALFORMED},
    {"O-60", "a file", FROM, "</tmp/x>", MALFORMED},
    {"O-61", "a path upwards", FROM, "<../../../etc/cron.d/x@{ours}>", MALFORMED},

    /* What was said before. */
    {"O-62", "after RSET", FROM, "<relaytest@{foreign}>",
     BEFORE("MAIL FROM:<a@{foreign}>\nRCPT TO:<postmaster>\nRSET")},
    {"O-63", "beside a good recipient", FROM, "<relaytest@{foreign}>",
     BETWEEN("RCPT TO:<postmaster>")},
    {"O-64", "after a failed AUTH PLAIN", FROM, "<relaytest@{foreign}>",
     BEFORE("AUTH PLAIN AG5vYm9keQB3cm9uZw==")},
    {"O-64b", "after AUTH LOGIN broken off", FROM, "<relaytest@{foreign}>",
     BEFORE("AUTH LOGIN\n*")},
    {"O-65", "after STARTTLS, not greeted", FROM, "<relaytest@{foreign}>", AFTER_TLS(NULL, "")},
    {"O-65b", "after STARTTLS, greeted again", FROM, "<relaytest@{foreign}>",
     AFTER_TLS(NULL, "EHLO relay-test.invalid")},
    {"O-65c", "begun before STARTTLS", FROM, "<relaytest@{foreign}>",
     AFTER_TLS("MAIL FROM:<a@{foreign}>\nRCPT TO:<postmaster>\nRSET", "")},
    {"O-65d", "failed AUTH over TLS", FROM, "<relaytest@{foreign}>",
     AFTER_TLS(NULL, "EHLO relay-test.invalid\nAUTH PLAIN AG5vYm9keQB3cm9uZw==")},
    {"O-66", "after a new greeting", FROM, "<relaytest@{foreign}>",
     BEFORE("MAIL FROM:<a@{foreign}>\nRCPT TO:<postmaster>\nEHLO relay-test.invalid")},
    {"O-67", "after a failed chunk", FROM, "<relaytest@{foreign}>",
     BETWEEN("RCPT TO:<postmaster>\nBDAT x LAST")},
    {"O-68", "greeting with its name", FROM, "<relaytest@{foreign}>", BEFORE("EHLO {name}")},
    {"O-68b", "greeting with its address", FROM, "<relaytest@{foreign}>", BEFORE("HELO {ip}")},
    {"O-68c", "greeting as localhost", FROM, "<relaytest@{foreign}>", BEFORE("HELO localhost")},
    {"O-70", "sender postmaster", "<postmaster@{ours}>", "<relaytest@{foreign}>", REFUSED},
    {"O-70b", "sender at the relay", "<root@{name}>", "<relaytest@{foreign}>", REFUSED},

    /* Two sessions of one client: neither makes the other a better one. */
    {"O-78", "beside a good recipient's", FROM, "<relaytest@{foreign}>",
     BESIDE("MAIL FROM:<a@{foreign}>\nRCPT TO:<postmaster>")},
    {"O-78b", "beside one that logs on", FROM, "<relaytest@{foreign}>", BESIDE("AUTH LOGIN")},
    {"O-78c", "beside the same attempt", FROM, "<relaytest@{foreign}>",
     BESIDE("MAIL FROM:<antispam@{foreign}>\nRCPT TO:<relaytest@{foreign}>")},

    /* Words of the client about itself. */
    {"O-71", "AUTH= of a trusted sender", FROM " AUTH=admin@{ours}", "<relaytest@{foreign}>",
     REFUSED},

    {"O-72", "XCLIENT", FROM, "<relaytest@{foreign}>",
     BEFORE("XCLIENT ADDR=127.0.0.1 NAME=localhost LOGIN=admin")},
    {"O-72b", "XFORWARD", FROM, "<relaytest@{foreign}>",
     BEFORE("XFORWARD ADDR=127.0.0.1 NAME=localhost")},
    {"O-72c", "PROXY", FROM, "<relaytest@{foreign}>",
     BEFORE("PROXY TCP4 127.0.0.1 127.0.0.1 1025 25")},

    /* What must stay open. */
    {"O-76", "postmaster", FROM, "<postmaster>", ACCEPTED},
    {"O-76b", "POSTMASTER", FROM, "<POSTMASTER>", ACCEPTED},
    {"O-76c", "postmaster in our domain", FROM, "<postmaster@{ours}>", ACCEPTED},
    {"O-77", "null sender to our domain", "<>", "<user@{ours}>", ACCEPTED},
};
const size_t RELAY_PATTERN_COUNT = ARRAY_SIZE(RELAY_PATTERNS);

const char *relay_pattern_want_name(enum relay_pattern_want want)
{
    static const char *const names[] = {
        [RELAY_PATTERN_REFUSED] = "refused",
        [RELAY_PATTERN_MALFORMED] = "malformed",
        [RELAY_PATTERN_ACCEPTED] = "accepted",
        [RELAY_PATTERN_EITHER] = "either",
    };
    return names[want];
}

/* --- Templates --- */

enum form { AS_IT_IS, UPPER, STOPS, WIDE, LOOKALIKE };

static void put_octet(FILE *to, enum form form, char c)
{
    bool letter = bytes_lower(c) >= 'a' && bytes_lower(c) <= 'z';
    if (form == UPPER && c == bytes_lower(c) && letter)
        fputc(c - ('a' - 'A'), to);
    else if (form == STOPS && c == '.') /* U+3002, which mappings of names take for a dot */
        fputs("\xe3\x80\x82", to);
    else if (form == WIDE && letter) /* U+FF41 and on, which mappings of names fold to ASCII */
        fprintf(to, "\xef\xbd%c", 0x81 + (bytes_lower(c) - 'a'));
    else
        fputc(c, to);
}

static void put_name(FILE *to, enum form form, const char *name)
{
    if (form == LOOKALIKE) {
        fputs("\xd0\xbe", to); /* U+043E, a Cyrillic letter in front: another name */
        name += *name != '\0';
    }
    for (; *name; name++)
        put_octet(to, form, *name);
}

static bool put_placeholder(FILE *to, struct bytes key, const struct relay_pattern_names *names)
{
    const struct {
        const char *key, *name;
        enum form form;
    } rows[] = {
        {"ours", names->ours, AS_IT_IS},
        {"OURS", names->ours, UPPER},
        {"ours-stops", names->ours, STOPS},
        {"ours-wide", names->ours, WIDE},
        {"ours-lookalike", names->ours, LOOKALIKE},
        {"foreign", names->foreign, AS_IT_IS},
        {"name", names->name, AS_IT_IS},
        {"ip", names->ip, AS_IT_IS},
    };
    if (bytes_equal(key, BYTES("nul")))
        return fputc('\0', to) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (bytes_equal(key, bytes_of(rows[i].key)) && rows[i].name) {
            put_name(to, rows[i].form, rows[i].name);
            return true;
        }
    return false;
}

enum err relay_pattern_expand(struct arena *arena, const char *template,
                              const struct relay_pattern_names *names, struct bytes *out)
{
    char *text = NULL;
    size_t len = 0;
    bool ok = true;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return ERR_LIMIT;
    for (struct bytes rest = bytes_of(template), head; rest.len;) {
        bool more = bytes_split(rest, '{', &head, &rest);
        fwrite(head.ptr, 1, head.len, to);
        if (!more)
            break;
        bytes_split(rest, '}', &head, &rest);
        ok = put_placeholder(to, head, names) && ok;
    }
    ok = fclose(to) == 0 && ok;
    *out = arena_bytes(arena, bytes_make(text, len));
    free(text);
    return ok ? ERR_OK : ERR_NOTFOUND;
}
