/* A spool that 0.1.0 wrote with spool.writers = 4, kept in tests/data: what is in it is found once,
 * with its outcome, is delivered from where it is, and at last the logs beyond the first have
 * ended.
 *
 * 0.1.0 wrote messages 0 to 139, was stopped, wrote 140 to 159 and was killed. Message NUMBER came
 * from the home of log NUMBER % 4. In logs 2 and 3 messages had moved to other segments.
 */
#include "core/mem.h"
#include "queue/spool_format.h"
#include "spool_crowd.h"
#include "spool_golden.h"

enum { LOGS = 4, COUNT = 160, FRESH = 120, LIVING = 56, NEW = 200 };

static unsigned turn_of(unsigned number)
{
    return number / LOGS;
}

static bool settled(unsigned number)
{
    return number < FRESH ? turn_of(number) % 5 != 2 : turn_of(number) % 5 == 1;
}

/* The first recipient has got it, the second has not. */
static bool partly(unsigned number)
{
    return turn_of(number) % 4 == 3;
}

static uint32_t attempts_of(unsigned number)
{
    return turn_of(number) % 3 == 2 || partly(number) ? number + 1 : 0;
}

static size_t octets_of(unsigned number)
{
    unsigned turn = turn_of(number);
    return turn == 2 || turn == 32 ? 9000 : turn == 7 ? 0 : 3000 + number * 10;
}

static struct bed *bed_of_four(void)
{
    return golden_bed("spool-v1-four-logs");
}

static void open_four(struct bed *b)
{
    struct err_detail why = {""};
    if (!CHECK(bed_open(b, &why) == ERR_OK))
        fprintf(stderr, "%s\n", why.text);
    ASSERT(b->spool);
}

/* Those of GONE turns were settled by the test. */
static void check_found(struct bed *b, unsigned gone)
{
    size_t expected = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        char row[32];
        bool lives = !settled(i) && turn_of(i) >= gone;
        snprintf(row, sizeof row, "message %u", i);
        unit_row(row);
        expected += lives;
        CHECK(b->messages[i].found == lives);
        if (!b->messages[i].found)
            continue;
        CHECK_U64(spool_log_of(b->messages[i].ref.id), i % LOGS);
        CHECK_U64(b->messages[i].attempts, attempts_of(i));
    }
    CHECK_U64(b->damaged, 0);
    CHECK_U64(b->found, expected);
}

static void test_every_message(void)
{
    struct spool_stats stats;
    struct bed *b = bed_of_four();
    open_four(b);
    bed_recover(b);
    check_found(b, 0);
    CHECK_U64(b->found, LIVING);
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.quarantined, 0);
    CHECK_U64(stats.live_messages, LIVING);
    bed_free(&b);
}

static void check_rcpts(unsigned number, const struct spool_outcome *outcome)
{
    size_t count = attempts_of(number) == 0 ? 0 : partly(number) ? 2 : 1;
    CHECK_U64(outcome->attempts, attempts_of(number));
    if (!CHECK_U64(outcome->rcpt_count, count) || count == 0)
        return;
    CHECK_U64(outcome->next_attempt_at_ms, 5000);
    CHECK_U64(outcome->rcpts[count - 1].index, 1);
    CHECK_U64(outcome->rcpts[count - 1].state, MAIL_RCPT_PENDING);
    CHECK_U64(outcome->rcpts[count - 1].status.code, 450);
    CHECK_BYTES(outcome->rcpts[count - 1].status.text, BYTES("later"));
    if (count < 2)
        return;
    CHECK_U64(outcome->rcpts[0].index, 0);
    CHECK_U64(outcome->rcpts[0].state, MAIL_RCPT_DELIVERED);
    CHECK_BYTES(outcome->rcpts[0].status.text, BYTES("taken"));
}

static void on_found(void *owner, const struct spool_message *m,
                     const struct spool_outcome *outcome)
{
    bool *seen = owner;
    unsigned number = (unsigned)(m->meta.received_at_ms - 1000);
    if (!CHECK(number < COUNT && !settled(number) && !seen[number]))
        return;
    seen[number] = true;
    CHECK_U64(m->meta.octets, octets_of(number));
    check_rcpts(number, outcome);
}

/* As the scheduler is told of them. */
static void test_every_outcome(void)
{
    bool seen[COUNT] = {false};
    unsigned count = 0;
    struct bed *b = bed_of_four();
    open_four(b);
    while (spool_recovered_next(b->spool, 5, on_found, seen))
        ;
    for (unsigned i = 0; i < COUNT; i++)
        count += seen[i];
    CHECK_U64(count, LIVING);
    bed_free(&b);
}

static void settle_turn(struct bed *b, unsigned turn)
{
    for (unsigned i = turn * LOGS; i < (turn + 1) * LOGS; i++)
        if (b->messages[i].found)
            spool_message_done(b->spool, &b->messages[i].ref);
    bed_work(b);
}

/* Delivered turn by turn, killed after each, while new messages come in; until nothing is left. */
static void check_emptied(uint64_t segment_size_bytes)
{
    struct bed *b = bed_of_four();
    b->settings.segment_size_bytes = segment_size_bytes;
    open_four(b);
    bed_recover(b);
    for (unsigned turn = 0; turn < COUNT / LOGS; turn++) {
        unsigned fresh = NEW + turn;
        settle_turn(b, turn);
        bed_send(b, fresh, 2000);
        bed_work(b);
        CHECK_U64(b->messages[fresh].err, ERR_OK);
        CHECK_U64(spool_log_of(b->messages[fresh].ref.id), 0);
        spool_message_done(b->spool, &b->messages[fresh].ref);
        bed_work(b);
        if (!bed_restart(b))
            return;
        check_found(b, turn + 1);
    }
    CHECK_U64(b->found, 0);
    for (unsigned log = 1; log < LOGS; log++) {
        char name[16];
        snprintf(name, sizeof name, "log-%u", log);
        CHECK(!there(b, name));
    }
    bed_free(&b);
}

static void test_emptied(void)
{
    check_emptied((uint64_t)64 * 1024);
}

/* Segments of another size are not written to again. */
static void test_emptied_with_other_segments(void)
{
    check_emptied((uint64_t)256 * 1024);
}

/* Outcomes and what is set aside stay with the log of the message. */
static void test_settled_in_its_log(void)
{
    struct spool_stats stats;
    char name[96];
    struct bed *b = bed_of_four();
    open_four(b);
    bed_recover(b);
    for (unsigned i = 0; i < COUNT; i++)
        if (b->messages[i].found)
            bed_outcome(b, i, 1000 + i);
    struct spool_ref ref = b->messages[COUNT - 1].ref;
    spool_message_quarantine(b->spool, &ref, "cannot be read");
    bed_work(b);
    snprintf(name, sizeof name, "log-3/quarantine/%016llx-%08x", (unsigned long long)ref.segment,
             (unsigned)ref.offset);
    CHECK(there(b, name));
    spool_stats_read(b->spool, &stats);
    CHECK_U64(stats.live_messages, LIVING - 1);
    if (bed_restart(b))
        for (unsigned i = 0; i < COUNT - 1; i++)
            CHECK_U64(b->messages[i].found ? b->messages[i].attempts : 1000 + i, 1000 + i);
    CHECK_U64(b->found, LIVING - 1);
    bed_free(&b);
}

UNIT_MAIN("queue/spool four logs", {"every message", test_every_message},
          {"every outcome", test_every_outcome}, {"emptied", test_emptied},
          {"emptied with other segments", test_emptied_with_other_segments},
          {"settled in its log", test_settled_in_its_log})
