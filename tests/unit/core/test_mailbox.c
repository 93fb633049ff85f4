/* core/mailbox: signals, item_sends_itself_on, many_senders. */
#include "core/mailbox.h"

#include <poll.h>
#include <stdatomic.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/thread.h"

#include "unit.h"

enum { SENDERS = 4, ITEMS_EACH = 20000 };

struct received {
    unsigned next[SENDERS]; /* the number that must come next from each */
    unsigned total, out_of_order;
};

struct letter {
    struct mailbox_item item;
    unsigned sender, number;
    struct received *received;
};

static void letter_run(struct mailbox_item *item)
{
    struct letter *l = CONTAINER_OF(item, struct letter, item);

    if (l->received->next[l->sender] != l->number)
        l->received->out_of_order++;
    l->received->next[l->sender] = l->number + 1;
    l->received->total++;
    mem_free(l);
}

static void letter_send(struct mailbox *mb, struct received *received, unsigned sender,
                        unsigned number)
{
    struct letter *l = MEM_NEW(struct letter);

    l->item.run = letter_run;
    l->received = received;
    l->sender = sender;
    l->number = number;
    mailbox_send(mb, &l->item);
}

static bool signalled(struct mailbox *mb)
{
    struct pollfd p = {.fd = mailbox_fd(mb), .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void test_signals(void)
{
    struct mailbox *mb = mailbox_new();
    struct received received = {0};

    CHECK_U64(mailbox_run(mb), 0);
    letter_send(mb, &received, 0, 0);
    CHECK(!signalled(mb)); /* awake: no system call */
    CHECK(!mailbox_sleep_begin(mb));
    CHECK_U64(mailbox_run(mb), 1);

    CHECK(mailbox_sleep_begin(mb));
    CHECK(!signalled(mb));
    letter_send(mb, &received, 0, 1);
    CHECK(signalled(mb));
    mailbox_sleep_end(mb);
    CHECK(!signalled(mb));
    letter_send(mb, &received, 0, 2);
    CHECK(!signalled(mb));
    CHECK_U64(mailbox_run(mb), 2);

    CHECK(mailbox_sleep_begin(mb));
    mailbox_sleep_end(mb); /* woken by something else */
    CHECK(!signalled(mb));
    CHECK_U64(received.out_of_order, 0);
    mailbox_free(&mb);
    CHECK(!mb);
}

struct resender {
    struct mailbox_item item;
    struct mailbox *mb;
    unsigned runs;
};

static void resender_run(struct mailbox_item *item)
{
    struct resender *r = CONTAINER_OF(item, struct resender, item);

    r->runs++;
    if (r->runs < 3)
        mailbox_send(r->mb, item);
}

static void test_item_sends_itself_on(void)
{
    struct resender r = {.item.run = resender_run};

    r.mb = mailbox_new();
    mailbox_send(r.mb, &r.item);
    CHECK_U64(mailbox_run(r.mb), 1); /* only what was queued when it began */
    CHECK_U64(r.runs, 1);
    CHECK(!mailbox_sleep_begin(r.mb));
    mailbox_free(&r.mb); /* runs the rest */
    CHECK_U64(r.runs, 3);
}

struct sender {
    struct thread thread;
    struct mailbox *mb;
    struct received *received;
    unsigned number;
};

static void sender_run(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < ITEMS_EACH; i++)
        letter_send(s->mb, s->received, s->number, i);
}

static void test_many_senders(void)
{
    struct mailbox *mb = mailbox_new();
    struct received received = {0};
    struct sender senders[SENDERS] = {0};
    bool woken = true;

    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].mb = mb;
        senders[i].received = &received;
        senders[i].number = i;
        CHECK(thread_start(&senders[i].thread, "sender", sender_run, &senders[i], NULL) == ERR_OK);
    }
    while (woken && received.total < SENDERS * ITEMS_EACH) {
        if (mailbox_sleep_begin(mb)) {
            struct pollfd p = {.fd = mailbox_fd(mb), .events = POLLIN};

            woken = poll(&p, 1, 60000) == 1; /* a lost signal would leave us here */
            mailbox_sleep_end(mb);
        }
        mailbox_run(mb);
    }
    CHECK(woken);
    for (unsigned i = 0; i < SENDERS; i++)
        thread_join(&senders[i].thread);
    CHECK_U64(received.total, SENDERS * ITEMS_EACH);
    CHECK_U64(received.out_of_order, 0);
    mailbox_free(&mb);
}

UNIT_MAIN("core/mailbox", {"signals", test_signals},
          {"item_sends_itself_on", test_item_sends_itself_on}, {"many_senders", test_many_senders})
