/* Faults in place of a reply: cut, slow, malformed, or none. */
#include "bench/load_fault_private.h"

#include <stdio.h>

#include "core/mem.h"

/* The replies that a sender meets, in the shape in which such servers give them: which code goes
 * with which cause, with or without an enhanced one, on one line or on several. */

#define CONNECT (1u << SMTP_SINK_CONNECT)
#define MAIL    (1u << SMTP_SINK_MAIL)
#define RCPT    (1u << SMTP_SINK_RCPT)
#define DATA    (1u << SMTP_SINK_DATA)
#define DOT     (1u << SMTP_SINK_DOT)

const char LOAD_FAULT_CAUSES[] = "throttle, greylist, full, unknown, policy, trouble, 4xx, 5xx";

static const struct reply_row {
    const char *provider, *cause;
    unsigned phases;
    struct mail_status status;
} REPLIES[] = {
    {"gmail", "throttle", CONNECT | MAIL | RCPT | DOT,
     MAIL_STATUS_INIT(421, 4, 7, 28,
                      "Gmail has detected an unusual rate of mail from your IP address.\n"
                      "To protect our users, mail from it has been temporarily rate limited.\n"
                      "https://support.google.com/mail/?p=UnsolicitedRateLimitError - gsmtp")},
    {"gmail", "throttle", RCPT,
     MAIL_STATUS_INIT(450, 4, 2, 1,
                      "The user you are trying to contact is receiving mail at a rate that\n"
                      "prevents additional messages from being delivered. Please resend later.\n"
                      "https://support.google.com/mail/?p=ReceivingRate - gsmtp")},
    {"gmail", "full", RCPT | DOT,
     MAIL_STATUS_INIT(452, 4, 2, 2,
                      "The recipient's inbox is out of storage space.\n"
                      "https://support.google.com/mail/?p=OverQuotaTemp - gsmtp")},
    {"gmail", "full", RCPT | DOT,
     MAIL_STATUS_INIT(552, 5, 2, 2,
                      "The recipient's inbox is out of storage space and inactive.\n"
                      "https://support.google.com/mail/?p=OverQuotaPerm - gsmtp")},
    {"gmail", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 5, 1, 1,
                      "The email account that you tried to reach does not exist.\n"
                      "Check the recipient's address for typos or unnecessary spaces.\n"
                      "https://support.google.com/mail/?p=NoSuchUser - gsmtp")},
    {"gmail", "policy", DOT,
     MAIL_STATUS_INIT(550, 5, 7, 26,
                      "Your email has been blocked because the sender is unauthenticated.\n"
                      "Senders have to authenticate with either SPF or DKIM.\n"
                      "https://support.google.com/mail/answer/81126#authentication - gsmtp")},
    {"gmail", "policy", DOT,
     MAIL_STATUS_INIT(552, 5, 7, 0,
                      "This message was blocked because its content presents a potential\n"
                      "security issue. https://support.google.com/mail/?p=BlockedMessage - gsmtp")},
    {"gmail", "trouble", MAIL | RCPT | DOT,
     MAIL_STATUS_INIT(421, 4, 3, 0, "Temporary System Problem.  Try again later (10). - gsmtp")},

    {"outlook", "throttle", CONNECT | MAIL | RCPT | DOT,
     MAIL_STATUS_INIT(451, 4, 7, 500,
                      "Server busy. Please try again later from [192.0.2.1]. (S77714)")},
    {"outlook", "throttle", MAIL | RCPT,
     MAIL_STATUS_INIT(451, 4, 7, 650,
                      "The mail server [192.0.2.1] has been temporarily rate limited due to IP "
                      "reputation. For e-mail delivery information, see "
                      "https://postmaster.live.com (S775)")},
    {"outlook", "throttle", CONNECT | MAIL,
     MAIL_STATUS_INIT(421, 0, 0, 0,
                      "RP-001 Unfortunately, some messages from 192.0.2.1 weren't sent. Please "
                      "try again. The connection limit has been exceeded.")},
    {"outlook", "full", DOT,
     MAIL_STATUS_INIT(452, 4, 2, 2, "The recipient's mailbox is full [host.prod.example]")},
    {"outlook", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 5, 4, 1,
                      "Recipient address rejected: Access denied. For more information see "
                      "https://aka.ms/EXOSmtpErrors [host.mail.protection.example]")},
    {"outlook", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 5, 5, 0,
                      "Requested action not taken: mailbox unavailable (S2017062302).")},
    {"outlook", "policy", MAIL | RCPT,
     MAIL_STATUS_INIT(550, 5, 7, 606,
                      "Access denied, banned sending IP [192.0.2.1]. To request removal from this "
                      "list please visit https://sender.office.com/ and follow the directions.")},
    {"outlook", "policy", MAIL,
     MAIL_STATUS_INIT(550, 5, 7, 1,
                      "Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your "
                      "Internet service provider since part of their network is on our block "
                      "list (S3140).")},
    {"outlook", "trouble", RCPT | DOT,
     MAIL_STATUS_INIT(451, 4, 4, 4, "Mail received as unauthenticated, temporarily unavailable")},

    {"yahoo", "throttle", CONNECT | MAIL | RCPT | DOT,
     MAIL_STATUS_INIT(421, 4, 7, 0,
                      "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected "
                      "volume or user complaints - 4.16.55.1; see "
                      "https://postmaster.yahooinc.com/error-codes")},
    {"yahoo", "greylist", DOT,
     MAIL_STATUS_INIT(451, 0, 0, 0,
                      "Message temporarily deferred - [160]; see "
                      "https://postmaster.yahooinc.com/error-codes")},
    {"yahoo", "full", DOT,
     MAIL_STATUS_INIT(452, 0, 0, 0, "4.2.2 Mailbox over quota, requested action not taken")},
    {"yahoo", "unknown", RCPT | DOT,
     MAIL_STATUS_INIT(554, 0, 0, 0,
                      "delivery error: dd Not a valid recipient - atlas.mail.example")},
    {"yahoo", "policy", CONNECT | MAIL | DOT,
     MAIL_STATUS_INIT(553, 5, 7, 1,
                      "[BL21] Connections will not be accepted from 192.0.2.1, because the ip is "
                      "in a list; see https://postmaster.yahooinc.com/error-codes")},
    {"yahoo", "policy", DOT,
     MAIL_STATUS_INIT(554, 5, 7, 9,
                      "Message not accepted for policy reasons. See "
                      "https://postmaster.yahooinc.com/error-codes")},

    {"icloud", "throttle", MAIL | RCPT,
     MAIL_STATUS_INIT(421, 4, 7, 1, "[CS01] Too many messages, please slow down and try later")},
    {"icloud", "full", RCPT, MAIL_STATUS_INIT(552, 5, 2, 2, "user is over quota")},
    {"icloud", "unknown", RCPT, MAIL_STATUS_INIT(550, 5, 1, 1, "user does not exist")},
    {"icloud", "policy", DOT,
     MAIL_STATUS_INIT(554, 5, 7, 1, "[HM08] Message rejected due to local policy.")},

    {"gmx", "throttle", CONNECT | MAIL,
     MAIL_STATUS_INIT(421, 0, 0, 0,
                      "gmx.example (mxgmx) Nemesis ESMTP Service not available\n"
                      "Service unavailable: too many connections, try again later")},
    {"gmx", "greylist", RCPT,
     MAIL_STATUS_INIT(450, 0, 0, 0,
                      "Requested mail action not taken: mailbox unavailable\n"
                      "Reject due to greylisting, retry in a few minutes")},
    {"gmx", "full", RCPT,
     MAIL_STATUS_INIT(552, 0, 0, 0,
                      "Requested mail action aborted: exceeded storage allocation\n"
                      "Quota exceeded")},
    {"gmx", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 0, 0, 0,
                      "Requested action not taken: mailbox unavailable\n"
                      "For explanation visit https://postmaster.gmx.example/")},
    {"gmx", "policy", CONNECT | MAIL | DOT,
     MAIL_STATUS_INIT(554, 0, 0, 0,
                      "Transaction failed\n"
                      "Reject due to policy restrictions.\n"
                      "For explanation visit https://postmaster.gmx.example/")},

    {"proofpoint", "throttle", CONNECT | MAIL,
     MAIL_STATUS_INIT(421, 0, 0, 0, "4.7.0 Connection rate limit exceeded, try again later")},
    {"proofpoint", "policy", CONNECT | MAIL,
     MAIL_STATUS_INIT(554, 0, 0, 0, "Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1")},
    {"proofpoint", "trouble", RCPT | DOT,
     MAIL_STATUS_INIT(451, 4, 3, 0, "Temporary system problem, try again later")},

    {"mimecast", "greylist", RCPT,
     MAIL_STATUS_INIT(451, 0, 0, 0,
                      "Internal resources are temporarily unavailable - "
                      "https://community.mimecast.com/docs/DOC-1369#451 [Greylisting]")},
    {"mimecast", "policy", RCPT | DOT,
     MAIL_STATUS_INIT(554, 0, 0, 0,
                      "Email rejected due to security policies - "
                      "https://community.mimecast.com/docs/DOC-1369#554")},
    {"mimecast", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 0, 0, 0,
                      "Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550")},

    {"postfix", "greylist", RCPT,
     MAIL_STATUS_INIT(450, 4, 2, 0,
                      "<user@example.com>: Recipient address rejected: Greylisted, see "
                      "http://postgrey.schweikert.ch/help/example.com.html")},
    {"postfix", "throttle", CONNECT | MAIL | RCPT,
     MAIL_STATUS_INIT(421, 4, 7, 0, "mx.example Error: too many connections from 192.0.2.1")},
    {"postfix", "throttle", MAIL | RCPT,
     MAIL_STATUS_INIT(450, 4, 7, 1, "Error: too much mail from 192.0.2.1")},
    {"postfix", "full", MAIL, MAIL_STATUS_INIT(452, 4, 3, 1, "Insufficient system storage")},
    {"postfix", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 5, 1, 1,
                      "<user@example.com>: Recipient address rejected: User unknown in local "
                      "recipient table")},
    {"postfix", "policy", RCPT,
     MAIL_STATUS_INIT(554, 5, 7, 1,
                      "Service unavailable; Client host [192.0.2.1] blocked using "
                      "zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1")},
    {"postfix", "policy", RCPT,
     MAIL_STATUS_INIT(554, 5, 7, 1, "<user@example.com>: Relay access denied")},
    {"postfix", "trouble", RCPT,
     MAIL_STATUS_INIT(451, 4, 3, 0, "<user@example.com>: Temporary lookup failure")},
    {"postfix", "trouble", DOT, MAIL_STATUS_INIT(451, 4, 3, 0, "Error: queue file write error")},

    {"exim", "greylist", RCPT,
     MAIL_STATUS_INIT(451, 0, 0, 0, "Greylisted, please try again in 300 seconds")},
    {"exim", "throttle", CONNECT,
     MAIL_STATUS_INIT(421, 0, 0, 0,
                      "mx.example: Too many concurrent SMTP connections; please try "
                      "again later.")},
    {"exim", "unknown", RCPT, MAIL_STATUS_INIT(550, 0, 0, 0, "Unrouteable address")},
    {"exim", "policy", RCPT | DOT, MAIL_STATUS_INIT(550, 0, 0, 0, "Administrative prohibition")},
    {"exim", "trouble", MAIL | RCPT | DOT,
     MAIL_STATUS_INIT(451, 0, 0, 0, "Temporary local problem - please try later")},

    {"sendmail", "greylist", RCPT | DOT,
     MAIL_STATUS_INIT(451, 4, 7, 1, "Greylisting in action, please come back in 00:05:00")},
    {"sendmail", "full", MAIL,
     MAIL_STATUS_INIT(452, 4, 4, 5, "Insufficient disk space; try again later")},
    {"sendmail", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 5, 1, 1, "<user@example.com>... User unknown")},
    {"sendmail", "policy", RCPT, MAIL_STATUS_INIT(550, 5, 7, 1, "Access denied")},
    {"sendmail", "trouble", MAIL | DATA, MAIL_STATUS_INIT(451, 4, 3, 0, "Please try again later")},

    {"exchange", "throttle", CONNECT | MAIL,
     MAIL_STATUS_INIT(421, 4, 3, 2,
                      "The maximum number of concurrent connections has exceeded a "
                      "limit, closing transmission channel")},
    {"exchange", "full", MAIL | DATA,
     MAIL_STATUS_INIT(452, 4, 3, 1, "Insufficient system resources")},
    {"exchange", "unknown", RCPT,
     MAIL_STATUS_INIT(550, 5, 1, 10,
                      "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP "
                      "address lookup")},
    {"exchange", "policy", RCPT,
     MAIL_STATUS_INIT(550, 5, 7, 54, "SMTP; Unable to relay recipient in non-accepted domain")},
    {"exchange", "trouble", DOT,
     MAIL_STATUS_INIT(451, 4, 7, 0, "Temporary server error. Please try again later. PRX2")},
};

static bool provider_is_new(size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (strcmp(REPLIES[i].provider, REPLIES[row].provider) == 0)
            return false;
    return true;
}

void load_fault_providers(char *to, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_SIZE(REPLIES); i++) {
        if (!provider_is_new(i))
            continue;
        int n = snprintf(to + used, size - used, "%s, ", REPLIES[i].provider);
        ASSERT(n > 0 && (size_t)n < size - used);
        used += (size_t)n;
    }
    (void)snprintf(to + used, size - used, "any");
}

static bool provider_is(const struct reply_row *row, struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("any")) ||
           bytes_equal_nocase(name, bytes_of(row->provider));
}

bool load_fault_provider_known(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_SIZE(REPLIES); i++)
        if (provider_is(&REPLIES[i], name))
            return true;
    return false;
}

static bool cause_is(const struct reply_row *row, struct bytes name)
{
    if (bytes_equal_nocase(name, BYTES("4xx")) || bytes_equal_nocase(name, BYTES("5xx")))
        return row->status.code / 100 == name.ptr[0] - '0';
    return name.len == 0 || bytes_equal_nocase(name, bytes_of(row->cause));
}

bool load_fault_cause_known(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_SIZE(REPLIES); i++)
        if (cause_is(&REPLIES[i], name))
            return true;
    return false;
}

size_t load_fault_said_by(struct load_fault *f, struct bytes provider, struct bytes cause)
{
    size_t count = 0;
    f->said = MEM_NEW_ARRAY(struct load_fault_said, ARRAY_SIZE(REPLIES));
    for (size_t i = 0; i < ARRAY_SIZE(REPLIES); i++) {
        const struct reply_row *row = &REPLIES[i];
        if (provider_is(row, provider) && cause_is(row, cause) && (row->phases & 1u << f->phase))
            load_fault_say(&f->said[count++], f->phase, &row->status);
    }
    f->said_count = count;
    return count;
}

/* ---- the shape on the wire -------------------------------------------------------------- */

static void join_lines(struct load_fault_said *said, const struct mail_status *status)
{
    size_t size = status->text.len + 32;
    char *text = mem_alloc(size);
    int n = status->enhanced[0]
                ? snprintf(text, size, "%u.%u.%u " BYTES_FMT, status->enhanced[0],
                           status->enhanced[1], status->enhanced[2], BYTES_ARG(status->text))
                : snprintf(text, size, BYTES_FMT, BYTES_ARG(status->text));
    ASSERT(n > 0 && (size_t)n < size);
    for (int i = 0; i < n; i++)
        text[i] = text[i] == '\n' ? ' ' : text[i];
    said->status = (struct mail_status){.code = status->code, .text = bytes_make(text, (size_t)n)};
    said->lines_before = BYTES_EMPTY;
    said->memory = text;
}

static size_t put_line(char *to, size_t size, const struct mail_status *status, struct bytes line)
{
    int n =
        status->enhanced[0]
            ? snprintf(to, size, "%u-%u.%u.%u " BYTES_FMT "\r\n", status->code, status->enhanced[0],
                       status->enhanced[1], status->enhanced[2], BYTES_ARG(line))
            : snprintf(to, size, "%u-" BYTES_FMT "\r\n", status->code, BYTES_ARG(line));
    ASSERT(n > 0 && (size_t)n < size);
    return (size_t)n;
}

void load_fault_say(struct load_fault_said *said, enum smtp_sink_phase phase,
                    const struct mail_status *status)
{
    struct bytes line, rest = status->text;
    size_t lines = 1, used = 0;
    if (phase == SMTP_SINK_CONNECT) {
        join_lines(said, status);
        return;
    }
    for (size_t i = 0; i < rest.len; i++)
        lines += rest.ptr[i] == '\n';
    size_t size = rest.len + lines * 32;
    char *text = mem_alloc(size);
    while (bytes_split(rest, '\n', &line, &rest))
        used += put_line(text + used, size - used, status, line);
    memcpy(text + used, line.ptr, line.len);
    said->status = *status;
    said->status.text = bytes_make(text + used, line.len);
    said->lines_before = bytes_make(text, used);
    said->memory = text;
}
