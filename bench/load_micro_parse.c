/* mailrace-load micro: what is read of every message, octet by octet. */
#include "bench/load_micro.h"

#include "core/clock.h"
#include "core/mem.h"
#include "net/header_scan.h"
#include "net/smtp_data.h"
#include "net/smtp_reply.h"
#include "net/smtp_syntax.h"

/* As a read gives it: the loop's scratch is of this size. */
#define BLOCK_BYTES (128u * 1024)

struct parse_input {
    struct bytes block;
};

/* --- Commands: what a session does with its lines, without the lines' CRLF --- */

static const struct bytes COMMANDS[] = {
    {"EHLO client.example.net", 23},
    {"MAIL FROM:<first.last@sender.example.net> SIZE=4096 BODY=8BITMIME", 65},
    {"RCPT TO:<someone@recipient.example.org>", 40},
    {"RCPT TO:<postmaster@mail.recipient.example.org> NOTIFY=NEVER", 60},
    {"DATA", 4},
    {"mail from: device@printers.example.net", 38},
    {"RCPT TO:<\"quoted local\"@[192.0.2.17]>", 37},
    {"QUIT", 4},
};

static size_t parse_params(struct bytes rest)
{
    struct smtp_param param;
    size_t count = 0;
    while (smtp_syntax_param(&rest, &param) == ERR_OK)
        count += param.keyword.len;
    return count;
}

static size_t parse_command(struct bytes line)
{
    struct smtp_command command;
    struct smtp_path path;
    struct bytes rest;
    if (smtp_syntax_command(line, &command) != ERR_OK)
        return 0;
    char verb = bytes_lower(command.verb.ptr[0]);
    if (verb == 'e')
        return smtp_syntax_helo_valid(command.argument);
    enum smtp_path_kind kind = verb == 'm' ? SMTP_PATH_SENDER : SMTP_PATH_RECIPIENT;
    if ((verb != 'm' && verb != 'r') ||
        smtp_syntax_path(command.argument, kind, true, 256, &path, &rest) != ERR_OK)
        return command.verb.len;
    return path.domain.len + parse_params(rest);
}

static uint64_t pass_commands(const struct parse_input *input)
{
    enum { ROUNDS = 64 };
    (void)input;
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (size_t row = 0; row < ARRAY_SIZE(COMMANDS); row++) {
            micro_keep(&COMMANDS[row]);
            size_t found = parse_command(COMMANDS[row]);
            micro_keep(&found);
        }
    }
    return (uint64_t)ROUNDS * ARRAY_SIZE(COMMANDS);
}

/* --- Replies: fed whole, as they mostly come --- */

static uint64_t pass_replies(const struct parse_input *input)
{
    static const struct bytes replies =
        BYTES("250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 Go ahead\r\n"
              "250 2.0.0 4F2A9C0011D7B3E8 queued\r\n");
    enum { ROUNDS = 64 };
    struct smtp_reply_parser parser = {0};
    uint64_t count = 0;
    (void)input;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct bytes in = replies;
        struct mail_status status;
        size_t used;
        micro_keep(&in);
        while (in.len && smtp_reply_read(&parser, in, &used, &status) == ERR_OK) {
            in = bytes_from(in, used);
            micro_keep(&status);
            count++;
        }
    }
    return count;
}

/* --- Text --- */

static uint64_t pass_data(const struct parse_input *input)
{
    struct smtp_data_reader reader = {0};
    struct bytes in = input->block;
    bool ended = false;
    micro_keep(in.ptr);
    while (in.len && !ended) {
        struct bytes piece;
        size_t used;
        ended = smtp_data_read(&reader, in, &used, &piece);
        micro_keep(&piece);
        in = bytes_from(in, used);
    }
    micro_keep(&reader);
    return input->block.len;
}

static uint64_t pass_stuff(const struct parse_input *input)
{
    static char out[2 * BLOCK_BYTES];
    struct smtp_data_writer writer = {0};
    micro_keep(input->block.ptr);
    size_t len = smtp_data_stuff(&writer, input->block, out);
    micro_keep(&len);
    micro_keep(out);
    return input->block.len;
}

static uint64_t pass_header(const struct parse_input *input)
{
    static const struct bytes header =
        BYTES("Received: from client.example.net (client.example.net [192.0.2.7])\r\n"
              "\tby mx.example.net with ESMTPS id 4F2A9C0011D7B3E8\r\n"
              "\tfor <someone@recipient.example.org>; Tue, 08 Oct 2024 21:11:04 +0000\r\n"
              "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=s1;\r\n"
              "\th=from:to:subject:date; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
              "\tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR\r\n"
              "From: First Last <first.last@sender.example.net>\r\n"
              "To: Someone <someone@recipient.example.org>\r\n"
              "Subject: =?utf-8?Q?A_subject_of_the_usual_length_for_a_message?=\r\n"
              "Date: Tue, 08 Oct 2024 21:11:02 +0000\r\n"
              "Message-ID: <20241008211102.4F2A9C0011D7@sender.example.net>\r\n"
              "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    enum { ROUNDS = 16 };
    (void)input;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct header_scan scan = {.local_name = BYTES("relay.example.net")};
        micro_keep(header.ptr);
        header_scan_feed(&scan, header);
        micro_keep(&scan);
    }
    return (uint64_t)ROUNDS * header.len;
}

/* --- One repetition: passes until the time is over --- */

/* Lines of LINE octets with their CRLF; every DOTS-th begins with a dot that was stuffed. */
static void fill_block(char *to, size_t line, size_t dots)
{
    size_t lines = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        to[i] = i % line == line - 2 ? '\r' : i % line == line - 1 ? '\n' : (char)('a' + i % 26);
    for (size_t i = 0; dots && i + 2 < BLOCK_BYTES; i += line)
        if (lines++ % dots == 0)
            to[i] = to[i + 1] = '.';
}

enum parse_pass { PASS_COMMANDS, PASS_REPLIES, PASS_DATA, PASS_STUFF, PASS_HEADER };

static enum err measure(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                        struct err_detail *why)
{
    static uint64_t (*const passes[])(const struct parse_input *) = {
        [PASS_COMMANDS] = pass_commands, [PASS_REPLIES] = pass_replies, [PASS_DATA] = pass_data,
        [PASS_STUFF] = pass_stuff,       [PASS_HEADER] = pass_header,
    };
    char *block = mem_alloc(BLOCK_BYTES);
    struct parse_input input = {bytes_make(block, BLOCK_BYTES)};
    (void)why;
    fill_block(block, 78, row->window);
    uint64_t count = 0, began = clock_mono_ns(), now;
    do {
        count += passes[row->kind](&input);
        now = clock_mono_ns();
    } while (now - began < ns);
    mem_free(block);
    out->value = micro_rate(count, now - began);
    if (row->kind >= PASS_DATA)
        out->value /= 1e9;
    return ERR_OK;
}

/* window: one line in so many begins with a dot; 0: none does. */
static const struct micro_row ROWS[] = {
    {.name = "parse-commands",
     .unit = "commands/s",
     .about = "eight command lines, with paths and parameters",
     .measure = measure,
     .kind = PASS_COMMANDS},
    {.name = "parse-replies",
     .unit = "replies/s",
     .about = "the four replies of a transaction",
     .measure = measure,
     .kind = PASS_REPLIES},
    {.name = "parse-header",
     .unit = "GB/s",
     .about = "a header of ten fields, counted through",
     .measure = measure,
     .kind = PASS_HEADER},
    {.name = "parse-data",
     .unit = "GB/s",
     .about = "end of data is looked for; 76 octets a line",
     .measure = measure,
     .kind = PASS_DATA},
    {.name = "parse-data-dots",
     .unit = "GB/s",
     .about = "the same, a tenth of the lines begins with a dot",
     .measure = measure,
     .kind = PASS_DATA,
     .window = 10},
    {.name = "parse-stuff",
     .unit = "GB/s",
     .about = "dot-stuffing, a tenth of the lines needs it",
     .measure = measure,
     .kind = PASS_STUFF,
     .window = 10},
};
const struct micro_rows micro_parse = {ROWS, ARRAY_SIZE(ROWS)};
