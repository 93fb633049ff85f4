/* The sink's faults: what a rule may say, when it strikes, and what is answered then. */
#include "bench/load_fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"
#include "net/smtp_reply.h"
#include "unit.h"

static struct load_faults *faults_with(const char *rule, uint64_t seed)
{
    struct err_detail why = {""};
    struct load_faults *f = load_faults_new();
    load_faults_seed(f, seed);
    CHECK(load_faults_add(f, bytes_of(rule), &why) == ERR_OK);
    CHECK_STR(why.text, "");
    return f;
}

static struct smtp_sink_answer ask_about(struct load_fault_session *s, enum smtp_sink_phase phase,
                                         const char *domain)
{
    static const struct endpoint client = {
        .addr = {{[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 1}}};
    const struct smtp_sink_question question = {phase, &client, bytes_of(domain)};
    struct smtp_sink_answer answer = {.lines_before = BYTES_EMPTY};
    load_fault_decide(s, &question, &answer);
    return answer;
}

static struct smtp_sink_answer ask(struct load_fault_session *s, enum smtp_sink_phase phase)
{
    return ask_about(s, phase, "dst.test");
}

/* ---- what a rule may say ---------------------------------------------------------------- */

static void test_wrong_rules(void)
{
    static const struct {
        const char *name, *rule, *says;
    } rows[] = {
        {"nothing", "", "begins with none of refuse, blackhole"},
        {"no such kind", "explode 5%", "fault \"explode 5%\" begins with none of"},
        {"odds beyond all", "refuse 100.1%", "\"100.1%\" is not above 0% and up to 100%"},
        {"odds of nothing", "refuse 0%", "\"0%\" is not above 0%"},
        {"odds too fine", "refuse 0.00001%", "is not above 0%"},
        {"odds without a number", "refuse %", "\"%\" is not above 0%"},
        {"odds below nothing", "refuse -1%", "\"-1%\" is not above 0%"},
        {"something more", "blackhole 5% now", "\"now\" is too much; wanted: blackhole [P%]"},
        {"no time", "slow-banner 5%", "wanted: slow-banner [P%] TIME"},
        {"time without a unit", "slow-banner 30", "\"30\" is no such measure"},
        {"time beyond a day", "slow-banner 25h", "up to 24h"},
        {"time that overflows", "slow-banner 18446744073709551615h", "no such measure"},
        {"no time at all", "slow-banner 0s", "no such measure"},
        {"rate without a unit", "slow-read 5% 10", "wanted: slow-read [P%] RATE, in B/s"},
        {"rate beyond", "slow-read 2048MB/s", "up to 1024MB/s"},
        {"cap with odds", "cap 5% 20", "wanted: cap CONNECTIONS"},
        {"cap of nothing", "cap 0", "\"0\" is no number from 1"},
        {"after is missing", "421 20", "\"after\" is missing; wanted: 421 after MESSAGES"},
        {"at is missing", "reply 4% rcpt 450 x", "\"at\" is missing"},
        {"no such phase", "reply at helo 450 x",
         "no phase \"helo\"; wanted: reply [P%] at connect|mail"},
        {"a good reply", "reply at rcpt 250 fine", "\"250\" is no code from 400 to 599"},
        {"no reply", "reply at rcpt", "no code from 400 to 599"},
        {"no text", "reply at rcpt 450 4.2.1", "the text of the reply is missing"},
        {"domain before one is known", "reply at connect domain=a.test 421 x",
         "no domain is known"},
        {"empty domain", "drop at rcpt domain=", "the domain is empty"},
        {"no such provider", "reply at rcpt provider=pigeon", "provider is one of gmail, outlook"},
        {"no such cause", "reply at rcpt cause=mood", "cause is one of throttle, greylist"},
        {"never said there", "reply at data provider=gmail", "says no such thing at this phase"},
        {"another code", "tls-fail 3% 421", "\"421\" is too much; wanted: tls-fail [P%] [454]"},
        {"a control character", "reply at rcpt 450 a\tb", "not all ASCII"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err_detail why = {""};
        struct load_faults *f = load_faults_new();
        unit_row(rows[i].name);
        CHECK(load_faults_add(f, bytes_of(rows[i].rule), &why) == ERR_SYNTAX);
        if (!CHECK(strstr(why.text, rows[i].says)))
            fprintf(stderr, "%s\n", why.text);
        CHECK_U64(load_faults_count(f), 0);
        load_faults_free(&f);
    }
}

static void test_long_rule(void)
{
    char rule[1000];
    struct err_detail why = {""};
    struct load_faults *f = load_faults_new();
    memset(rule, 'x', sizeof rule);
    memcpy(rule, "reply at dot 450 ", 17);
    CHECK(load_faults_add(f, bytes_make(rule, sizeof rule), &why) == ERR_SYNTAX);
    CHECK(strstr(why.text, "longer than 400"));
    CHECK(load_faults_add(f, bytes_make(rule, 400), &why) == ERR_OK);
    load_faults_free(&f);
}

static void test_files(void)
{
    char path[] = "/tmp/unit-fault-XXXXXX";
    struct err_detail why = {""};
    struct load_faults *f = load_faults_new();
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK(dprintf(fd, "# comment\n\n  refuse 5%%  \r\n\tcap 20\n421 after 3") > 0);
    CHECK(load_faults_read(f, path, &why) == ERR_OK);
    CHECK_U64(load_faults_count(f), 3);
    CHECK(dprintf(fd, "\nrefuse twice\n") > 0);
    CHECK(load_faults_read(f, path, &why) == ERR_SYNTAX);
    CHECK(strstr(why.text, ":6: fault \"refuse twice\""));
    CHECK(close(fd) == 0 && unlink(path) == 0);
    CHECK(load_faults_read(f, path, &why) == ERR_NOTFOUND);
    load_faults_free(&f);
}

/* ---- when it strikes -------------------------------------------------------------------- */

/* A bit for each of 64 * WORDS connections: refused or not. */
enum { WORDS = 300 };
static uint64_t refused(const char *rule, uint64_t seed, uint64_t bits[WORDS])
{
    struct load_faults *f = faults_with(rule, seed);
    uint64_t hits = 0;
    for (size_t i = 0; i < (size_t)WORDS * 64; i++) {
        struct load_fault_session s;
        load_fault_open(f, &s);
        bool hit = ask(&s, SMTP_SINK_CONNECT).move == SMTP_SINK_RESET;
        bits[i / 64] = bits[i / 64] << 1 | hit;
        hits += hit;
        load_fault_close(&s);
    }
    CHECK_U64(load_faults_hits(f, 0), hits);
    load_faults_free(&f);
    return hits;
}

static void test_draws_repeat(void)
{
    static uint64_t one[WORDS], again[WORDS], other[WORDS];
    uint64_t hits = refused("refuse 5%", 42, one);
    CHECK(hits > 860 && hits < 1060); /* of 19,200: 960, standard deviation 30 */
    CHECK_U64(refused("refuse 5%", 42, again), hits);
    CHECK(memcmp(one, again, sizeof one) == 0);
    (void)refused("refuse 5%", 43, other);
    CHECK(memcmp(one, other, sizeof one) != 0);
}

static void test_odds(void)
{
    static uint64_t bits[WORDS];
    CHECK_U64(refused("refuse", 1, bits), 64 * WORDS);
    CHECK_U64(refused("refuse 100%", 1, bits), 64 * WORDS);
    uint64_t hits = refused("refuse 0.5%", 1, bits);
    CHECK(hits > 60 && hits < 135); /* 96, standard deviation 10 */
    CHECK(refused("refuse 99.9999%", 1, bits) >= 64 * WORDS - 2);
}

/* Each message and each recipient of a connection has draws of its own. */
static void test_every_message_is_drawn(void)
{
    struct load_faults *f = faults_with("reply 50% at rcpt 450 later", 7);
    struct load_fault_session s;
    unsigned hits = 0, of_first = 0;
    load_fault_open(f, &s);
    for (unsigned message = 0; message < 500; message++) {
        (void)ask(&s, SMTP_SINK_MAIL);
        for (unsigned rcpt = 0; rcpt < 2; rcpt++) {
            bool hit = ask(&s, SMTP_SINK_RCPT).move == SMTP_SINK_REPLY;
            hits += hit;
            of_first += hit && rcpt == 0;
        }
    }
    CHECK(hits > 420 && hits < 580);
    CHECK(of_first > 190 && of_first < 310 && of_first != hits - of_first);
    load_faults_free(&f);
}

static void test_first_rule_wins(void)
{
    struct err_detail why;
    struct load_faults *f = faults_with("slow-banner 3s", 1);
    struct load_fault_session s;
    CHECK(load_faults_add(f, BYTES("slow-read 10KB/s"), &why) == ERR_OK);
    CHECK(load_faults_add(f, BYTES("blackhole"), &why) == ERR_OK);
    CHECK(load_faults_add(f, BYTES("refuse"), &why) == ERR_OK);
    load_fault_open(f, &s);
    struct smtp_sink_answer a = ask(&s, SMTP_SINK_CONNECT);
    CHECK(a.move == SMTP_SINK_SILENCE);
    CHECK_U64(a.delay_ms, 3000);
    CHECK_U64(a.bytes_per_s, 10240);
    CHECK_U64(load_faults_hits(f, 2), 1);
    CHECK_U64(load_faults_hits(f, 3), 0);
    load_fault_close(&s);
    load_faults_free(&f);
}

/* ---- what is answered ------------------------------------------------------------------- */

static void test_moves(void)
{
    static const struct {
        const char *rule;
        enum smtp_sink_phase phase;
        enum smtp_sink_move move;
        uint16_t code;
    } rows[] = {
        {"refuse", SMTP_SINK_CONNECT, SMTP_SINK_RESET, 0},
        {"blackhole", SMTP_SINK_CONNECT, SMTP_SINK_SILENCE, 0},
        {"reply at connect 554 5.7.1 go away", SMTP_SINK_CONNECT, SMTP_SINK_REPLY, 554},
        {"tls-fail", SMTP_SINK_STARTTLS, SMTP_SINK_CLOSE, 0},
        {"tls-fail 454", SMTP_SINK_STARTTLS, SMTP_SINK_REPLY, 454},
        {"reply at mail 451 later", SMTP_SINK_MAIL, SMTP_SINK_REPLY, 451},
        {"reply at rcpt 550 5.1.1 unknown", SMTP_SINK_RCPT, SMTP_SINK_REPLY, 550},
        {"reply at data 452 4.3.1 full", SMTP_SINK_DATA, SMTP_SINK_REPLY, 452},
        {"reply at dot 421 bye", SMTP_SINK_DOT, SMTP_SINK_REPLY, 421},
        {"drop at connect", SMTP_SINK_CONNECT, SMTP_SINK_CLOSE, 0},
        {"drop at dot", SMTP_SINK_DOT, SMTP_SINK_CLOSE, 0},
        {"close-after-dot", SMTP_SINK_DOT, SMTP_SINK_TAKE_AND_CLOSE, 0},
        {"close-after-dot domain=DST.test", SMTP_SINK_DOT, SMTP_SINK_TAKE_AND_CLOSE, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct load_faults *f = faults_with(rows[i].rule, 1);
        struct load_fault_session s;
        unit_row(rows[i].rule);
        load_fault_open(f, &s);
        for (unsigned phase = 0; phase <= SMTP_SINK_DOT; phase++) {
            struct smtp_sink_answer a = ask(&s, (enum smtp_sink_phase)phase);
            bool here = phase == rows[i].phase;
            CHECK(a.move == (here ? rows[i].move : SMTP_SINK_GO_ON));
            CHECK_U64(a.status.code, here ? rows[i].code : 0);
        }
        CHECK_U64(load_faults_hits(f, 0), 1);
        load_fault_close(&s);
        load_faults_free(&f);
    }
}

static void test_written_replies(void)
{
    struct load_faults *f =
        faults_with("reply at rcpt domain=b.test 450 4.2.1 one two\\nthree\\nfour", 1);
    struct load_fault_session s;
    load_fault_open(f, &s);
    CHECK(ask_about(&s, SMTP_SINK_RCPT, "a.test").move == SMTP_SINK_GO_ON);
    struct smtp_sink_answer a = ask_about(&s, SMTP_SINK_RCPT, "B.test");
    CHECK_U64(a.status.enhanced[1], 2);
    CHECK_BYTES(a.status.text, BYTES("four"));
    CHECK_BYTES(a.lines_before, BYTES("450-4.2.1 one two\r\n450-4.2.1 three\r\n"));
    load_faults_free(&f);

    /* An enhanced code of another class is text (RFC 2034 4). */
    f = faults_with("reply at connect 554 4.2.1 no\\nmore", 1);
    load_fault_open(f, &s);
    a = ask(&s, SMTP_SINK_CONNECT);
    CHECK_U64(a.status.enhanced[0], 0);
    CHECK_BYTES(a.status.text, BYTES("4.2.1 no more"));
    CHECK_BYTES(a.lines_before, BYTES_EMPTY);
    load_faults_free(&f);
}

static void test_domains(void)
{
    static const struct {
        const char *wanted, *domain;
        bool struck;
    } rows[] = {
        {"a.test", "a.test", true},     {"a.test", "A.TEST", true},
        {"a.test", "b.a.test", false},  {"a.test", "", false},
        {"*.a.test", "b.a.test", true}, {"*.a.test", "a.test", false},
        {"*.a.test", "xa.test", false}, {"*.a.test", ".a.test", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char rule[64];
        snprintf(rule, sizeof rule, "drop at rcpt domain=%s", rows[i].wanted);
        struct load_faults *f = faults_with(rule, 1);
        struct load_fault_session s;
        unit_row(rows[i].domain);
        load_fault_open(f, &s);
        CHECK((ask_about(&s, SMTP_SINK_RCPT, rows[i].domain).move == SMTP_SINK_CLOSE) ==
              rows[i].struck);
        load_faults_free(&f);
    }
}

static void test_cap(void)
{
    struct load_faults *f = faults_with("cap 2", 1);
    struct load_fault_session s[4];
    for (size_t i = 0; i < 3; i++)
        load_fault_open(f, &s[i]);
    CHECK(ask(&s[0], SMTP_SINK_CONNECT).move == SMTP_SINK_GO_ON);
    CHECK(ask(&s[1], SMTP_SINK_CONNECT).move == SMTP_SINK_GO_ON);
    struct smtp_sink_answer a = ask(&s[2], SMTP_SINK_CONNECT);
    CHECK_U64(a.status.code, 421);
    CHECK(bytes_starts_nocase(a.status.text, BYTES("4.7.0 Too many connections")));
    load_fault_close(&s[2]);
    load_fault_close(&s[0]);
    load_fault_open(f, &s[3]);
    CHECK(ask(&s[3], SMTP_SINK_CONNECT).move == SMTP_SINK_GO_ON);
    CHECK_U64(load_faults_hits(f, 0), 1);
    load_fault_close(&s[1]);
    load_fault_close(&s[3]);
    load_faults_free(&f);
}

static void test_cap_is_per_source(void)
{
    struct load_faults *f = faults_with("cap 1", 1);
    struct load_fault_session s[50];
    for (size_t i = 0; i < ARRAY_SIZE(s); i++) {
        struct endpoint client = {.addr = {{[15] = (uint8_t)i}}};
        const struct smtp_sink_question question = {SMTP_SINK_CONNECT, &client, BYTES_EMPTY};
        struct smtp_sink_answer answer = {.lines_before = BYTES_EMPTY};
        load_fault_open(f, &s[i]);
        load_fault_decide(&s[i], &question, &answer);
        CHECK(answer.move == SMTP_SINK_GO_ON);
    }
    for (size_t i = 0; i < ARRAY_SIZE(s); i++)
        load_fault_close(&s[i]);
    load_faults_free(&f);
}

static void test_after(void)
{
    struct load_faults *f = faults_with("421 after 2", 1);
    struct load_fault_session s;
    load_fault_open(f, &s);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(ask(&s, SMTP_SINK_MAIL).move == SMTP_SINK_GO_ON);
        CHECK(ask(&s, SMTP_SINK_MAIL).move == SMTP_SINK_GO_ON); /* after a RSET, say */
        CHECK(ask(&s, SMTP_SINK_DOT).move == SMTP_SINK_GO_ON);
    }
    CHECK_U64(ask(&s, SMTP_SINK_MAIL).status.code, 421);
    load_faults_free(&f);
}

/* ---- what real servers say -------------------------------------------------------------- */

/* The reply as it goes over the wire is one reply, of the code and class that were asked for. */
static void check_wire(const struct smtp_sink_answer *a, char wanted_class)
{
    struct buf out;
    static struct smtp_reply_parser parser;
    struct mail_status status;
    size_t used;
    buf_init(&out, 8192);
    CHECK(buf_append(&out, a->lines_before) == ERR_OK);
    CHECK(smtp_reply_write(&out, &a->status, true) == ERR_OK);
    struct bytes wire = buf_bytes(&out);
    parser = (struct smtp_reply_parser){0};
    CHECK(smtp_reply_read(&parser, wire, &used, &status) == ERR_OK);
    CHECK_U64(used, wire.len);
    CHECK_U64(status.code, a->status.code);
    CHECK(wanted_class == 0 || status.code / 100 == wanted_class - '0');
    CHECK(status.text.len > 0);
    buf_free(&out);
}

static void test_providers(void)
{
    static const struct {
        const char *rule;
        enum smtp_sink_phase phase;
        char class;
        bool several; /* more than one reply is met */
    } rows[] = {
        {"reply at connect provider=any", SMTP_SINK_CONNECT, 0, true},
        {"reply at mail provider=any", SMTP_SINK_MAIL, 0, true},
        {"reply at rcpt provider=any", SMTP_SINK_RCPT, 0, true},
        {"reply at rcpt cause=4xx", SMTP_SINK_RCPT, '4', true},
        {"reply at rcpt cause=5xx", SMTP_SINK_RCPT, '5', true},
        {"reply at data provider=any", SMTP_SINK_DATA, '4', true},
        {"reply at dot provider=any", SMTP_SINK_DOT, 0, true},
        {"reply at dot provider=gmail cause=5xx", SMTP_SINK_DOT, '5', true},
        {"reply at rcpt provider=Postfix cause=greylist", SMTP_SINK_RCPT, '4', false},
        {"reply at dot cause=throttle", SMTP_SINK_DOT, '4', true},
        {"reply at rcpt provider=outlook cause=unknown", SMTP_SINK_RCPT, '5', true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct load_faults *f = faults_with(rows[i].rule, i);
        const char *first = NULL;
        bool several = false;
        unit_row(rows[i].rule);
        for (unsigned n = 0; n < 200; n++) {
            struct load_fault_session s;
            load_fault_open(f, &s);
            struct smtp_sink_answer a = ask(&s, rows[i].phase);
            CHECK(a.move == SMTP_SINK_REPLY);
            check_wire(&a, rows[i].class);
            first = first ? first : a.status.text.ptr;
            several = several || a.status.text.ptr != first;
            load_fault_close(&s);
        }
        CHECK(several == rows[i].several);
        load_faults_free(&f);
    }
}

UNIT_MAIN("bench/load_fault", {"wrong rules", test_wrong_rules}, {"a long rule", test_long_rule},
          {"files", test_files}, {"draws repeat", test_draws_repeat}, {"odds", test_odds},
          {"every message is drawn", test_every_message_is_drawn},
          {"the first rule wins", test_first_rule_wins}, {"moves", test_moves},
          {"written replies", test_written_replies}, {"domains", test_domains}, {"cap", test_cap},
          {"the cap is per source", test_cap_is_per_source}, {"421 after", test_after},
          {"providers", test_providers})
