/* queue/settle: every answer, age and NOTIFY, what an expired message is told, three fates at
 * once. */
#include "queue/settle.h"

#include "core/err.h"

#include "queue_settings.h"
#include "unit.h"

#define HOUR 3600000LL

enum answer { OK, TEMP, PERM, ODD };
enum who { SENDER, NOBODY, REPORT };

static const struct row {
    const char *name;
    enum answer answer;
    enum who from;
    uint8_t notify;
    int64_t age_ms;
    bool delay_notified, dsn_passed;
    enum mail_rcpt_state state;
    enum mail_report report;
    uint16_t code;
} rows[] = {
    {"delivered", OK, SENDER, 0, 0, false, false, MAIL_RCPT_DELIVERED, MAIL_REPORT_NONE, 250},
    {"delivered, SUCCESS wanted", OK, SENDER, MAIL_NOTIFY_SUCCESS, 0, false, false,
     MAIL_RCPT_DELIVERED, MAIL_REPORT_RELAYED, 250},
    {"SUCCESS, but the next hop takes it over", OK, SENDER, MAIL_NOTIFY_SUCCESS, 0, false, true,
     MAIL_RCPT_DELIVERED, MAIL_REPORT_NONE, 250},
    {"SUCCESS for <> (N-01)", OK, NOBODY, MAIL_NOTIFY_SUCCESS, 0, false, false, MAIL_RCPT_DELIVERED,
     MAIL_REPORT_NONE, 250},
    {"delivered though long expired", OK, SENDER, 0, 1000 * HOUR, false, false, MAIL_RCPT_DELIVERED,
     MAIL_REPORT_NONE, 250},
    {"FAILURE wanted, but delivered", OK, SENDER, MAIL_NOTIFY_FAILURE, 0, false, false,
     MAIL_RCPT_DELIVERED, MAIL_REPORT_NONE, 250},

    {"refused", PERM, SENDER, 0, 0, false, false, MAIL_RCPT_FAILED, MAIL_REPORT_FAILED, 550},
    {"refused, FAILURE", PERM, SENDER, MAIL_NOTIFY_FAILURE, 0, false, false, MAIL_RCPT_FAILED,
     MAIL_REPORT_FAILED, 550},
    {"refused, NEVER", PERM, SENDER, MAIL_NOTIFY_NEVER, 0, false, false, MAIL_RCPT_FAILED,
     MAIL_REPORT_NONE, 550},
    {"refused, SUCCESS only", PERM, SENDER, MAIL_NOTIFY_SUCCESS, 0, false, false, MAIL_RCPT_FAILED,
     MAIL_REPORT_NONE, 550},
    {"refused, DELAY only", PERM, SENDER, MAIL_NOTIFY_DELAY, 0, false, false, MAIL_RCPT_FAILED,
     MAIL_REPORT_NONE, 550},
    {"refused, from <> (C-063)", PERM, NOBODY, MAIL_NOTIFY_FAILURE, 0, false, false,
     MAIL_RCPT_FAILED, MAIL_REPORT_NONE, 550},
    {"a report refused (N-01)", PERM, REPORT, 0, 0, false, false, MAIL_RCPT_FAILED,
     MAIL_REPORT_NONE, 550},

    {"deferred", TEMP, SENDER, 0, 0, false, false, MAIL_RCPT_PENDING, MAIL_REPORT_NONE, 451},
    {"an answer that is none of these waits", ODD, SENDER, 0, 0, false, false, MAIL_RCPT_PENDING,
     MAIL_REPORT_NONE, 354},
    {"a moment before the delay report", TEMP, SENDER, 0, 4 * HOUR - 1, false, false,
     MAIL_RCPT_PENDING, MAIL_REPORT_NONE, 451},
    {"late", TEMP, SENDER, 0, 4 * HOUR, false, false, MAIL_RCPT_PENDING, MAIL_REPORT_DELAYED, 451},
    {"late, once only (N-06)", TEMP, SENDER, 0, 5 * HOUR, true, false, MAIL_RCPT_PENDING,
     MAIL_REPORT_NONE, 451},
    {"late, DELAY wanted", TEMP, SENDER, MAIL_NOTIFY_DELAY, 5 * HOUR, false, false,
     MAIL_RCPT_PENDING, MAIL_REPORT_DELAYED, 451},
    {"late, FAILURE only", TEMP, SENDER, MAIL_NOTIFY_FAILURE, 5 * HOUR, false, false,
     MAIL_RCPT_PENDING, MAIL_REPORT_NONE, 451},
    {"late, from <>", TEMP, NOBODY, 0, 5 * HOUR, false, false, MAIL_RCPT_PENDING, MAIL_REPORT_NONE,
     451},
    {"a moment before expiry", TEMP, SENDER, 0, 48 * HOUR - 1, true, false, MAIL_RCPT_PENDING,
     MAIL_REPORT_NONE, 451},
    {"expired", TEMP, SENDER, 0, 48 * HOUR, true, false, MAIL_RCPT_FAILED, MAIL_REPORT_FAILED, 550},
    {"expired without a delay report before", TEMP, SENDER, 0, 48 * HOUR, false, false,
     MAIL_RCPT_FAILED, MAIL_REPORT_FAILED, 550},
    {"expired, NEVER", TEMP, SENDER, MAIL_NOTIFY_NEVER, 48 * HOUR, false, false, MAIL_RCPT_FAILED,
     MAIL_REPORT_NONE, 550},
    {"expired, a report", TEMP, REPORT, 0, 48 * HOUR, false, false, MAIL_RCPT_FAILED,
     MAIL_REPORT_NONE, 550},
    {"received in the future", TEMP, SENDER, 0, -1000 * HOUR, false, false, MAIL_RCPT_PENDING,
     MAIL_REPORT_NONE, 451},
    {"age does not fit", TEMP, SENDER, 0, INT64_MAX, false, false, MAIL_RCPT_PENDING,
     MAIL_REPORT_NONE, 451},
};

static struct mail_status status_of(enum answer answer)
{
    switch (answer) {
    case OK:
        return MAIL_STATUS(250, 2, 1, 5, "Fine");
    case TEMP:
        return MAIL_STATUS(451, 4, 2, 0, "Later");
    case PERM:
        return MAIL_STATUS(550, 5, 1, 1, "Unknown");
    case ODD:
        break;
    }
    return MAIL_STATUS(354, 0, 0, 0, "Go on");
}

static void check_row(const struct row *row)
{
    struct retry_settings retry;
    uint32_t index = 1;
    struct mail_rcpt rcpts[2] = {{.address = BYTES("other@example.net")},
                                 {.address = BYTES("r@example.net"), .notify = row->notify}};
    struct mail_envelope envelope = {.rcpts = rcpts, .rcpt_count = 2};
    int64_t now_ms = row->age_ms == INT64_MAX ? INT64_MAX : 1700000000000;
    struct spool_meta meta = {.is_dsn = row->from == REPORT};
    meta.received_at_ms = row->age_ms == INT64_MAX ? INT64_MIN : now_ms - row->age_ms;
    envelope.sender = row->from == NOBODY ? BYTES_EMPTY : BYTES("s@example.com");
    struct settle_facts facts = {&envelope, &meta, row->delay_notified, now_ms};
    struct mail_status answer = status_of(row->answer);
    struct mail_attempt attempt = {
        .rcpts = &index, .rcpt_count = 1, .results = &answer, .dsn_passed = row->dsn_passed};
    struct mail_rcpt out = {.report = MAIL_REPORT_RELAYED};
    bool delayed = true;

    retry = TEST_RETRY_SETTINGS;
    CHECK_U64(settle(&facts, &retry, &attempt, &out, &delayed), row->state == MAIL_RCPT_PENDING);
    CHECK_U64(out.state, row->state);
    CHECK_U64(out.report, row->report);
    CHECK_U64(out.status.code, row->code);
    CHECK_U64(delayed, row->report == MAIL_REPORT_DELAYED);
}

static void test_rows(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        check_row(&rows[i]);
    }
}

static void test_expired_words(void)
{
    struct retry_settings retry;
    struct mail_rcpt rcpt = {.address = BYTES("r@example.net")};
    struct mail_envelope envelope = {.sender = BYTES("s@x"), .rcpts = &rcpt, .rcpt_count = 1};
    struct spool_meta meta = {.received_at_ms = 0};
    struct settle_facts facts = {.envelope = &envelope, .meta = &meta, .now_ms = 72 * HOUR};
    struct mail_status answer = status_of(TEMP);
    uint32_t index = 0;
    struct mail_attempt attempt = {.rcpts = &index, .rcpt_count = 1, .results = &answer};
    struct mail_rcpt out = {.notify = 0};
    bool delayed;
    char text[100];

    retry = TEST_RETRY_SETTINGS;
    CHECK(!settle(&facts, &retry, &attempt, &out, &delayed));
    CHECK_STR(mail_status_format(&out.status, text, sizeof text),
              "550 4.4.7 QUEUE.Expired; message expired");
}

/* C-086: 250, 450 and 550 in one transaction are three fates. */
static void test_mixed(void)
{
    struct retry_settings retry;
    struct mail_rcpt rcpts[3] = {{.notify = 0}, {.notify = 0}, {.notify = 0}};
    struct mail_envelope envelope = {.sender = BYTES("s@x"), .rcpts = rcpts, .rcpt_count = 3};
    struct spool_meta meta = {.received_at_ms = 0};
    struct settle_facts facts = {.envelope = &envelope, .meta = &meta, .now_ms = 5 * HOUR};
    struct mail_status answers[3] = {status_of(PERM), status_of(OK), status_of(TEMP)};
    const uint32_t indexes[3] = {2, 0, 1};
    struct mail_attempt attempt = {.rcpts = indexes, .rcpt_count = 3, .results = answers};
    struct mail_rcpt out[3] = {{.notify = 0}, {.notify = 0}, {.notify = 0}};
    bool delayed = false;

    retry = TEST_RETRY_SETTINGS;
    CHECK(settle(&facts, &retry, &attempt, out, &delayed));
    CHECK_U64(out[0].state, MAIL_RCPT_FAILED);
    CHECK_U64(out[0].report, MAIL_REPORT_FAILED);
    CHECK_U64(out[1].state, MAIL_RCPT_DELIVERED);
    CHECK_U64(out[1].report, MAIL_REPORT_NONE);
    CHECK_U64(out[2].state, MAIL_RCPT_PENDING);
    CHECK_U64(out[2].report, MAIL_REPORT_DELAYED);
    CHECK(delayed);
}

UNIT_MAIN("queue/settle", {"every answer, age and NOTIFY", test_rows},
          {"what an expired message is told", test_expired_words},
          {"three fates at once", test_mixed})
