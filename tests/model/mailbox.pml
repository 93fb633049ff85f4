/* mailbox.pml - the hand-over between threads, to be searched exhaustively by spin (tests/model/run).
 *
 * The mailbox of core/mailbox.c with both kinds of receiver: the spool's writer, which polls the
 * eventfd level-triggered and reads it (queue/spool_writer.c), and workers, whose loops watch it
 * edge-triggered and never read it (core/loop.c). Three workers hand over one transaction each
 * and are told; the program may be told to stop at any time (relay_stop()). Every access to what
 * threads share is a step of its own; all of them are sequentially consistent in the code. There
 * is no clock: what only a timeout would rescue counts as a deadlock.
 *
 * What must hold
 *   Wake  No thread sleeps while its mailbox has work: there is no state without a next step but
 *         the end. signals_owed never falls behind what the eventfd holds.
 *   Once  What was sent is run, once.
 *   Stop  When everything has ended, everything handed over has been answered.
 *   Live  The same without a stop, in the end (LIVE, under weak fairness).
 *
 * EARLY stops at any time instead of when all is done. QUEUE_HOME makes the workers' own mailboxes
 * plain queues, so that three of them can be searched. BUG_* are faults of our own that must be found.
 */

#ifndef WORKERS
#define WORKERS 3
#endif
#define WRITER  WORKERS /* the writer's mailbox; those before it are the workers' */
#define STOP    7       /* an item that is no transaction */
#define BIT(n)  (1 << (n))

byte handed, answered, done; /* bits, one a transaction */
bool writer_ended;

/* --- Mailboxes --- */

chan box[WORKERS + 1] = [WORKERS + 1] of { byte };
bool sleeping[WORKERS + 1];
bool edge[WORKERS + 1]; /* what epoll has not reported yet, edge-triggered */
byte signals;           /* in the writer's eventfd, which is polled level-triggered */
byte signals_owed;

/* Of all who find the receiver asleep one wakes it. (The code looks at the flag before it exchanges
 * it. A look that finds false is an exchange that would have, so one step stands for both.) */
inline send(to, what)
{
    box[to] ! what;
    d_step { found = sleeping[to]; sleeping[to] = false };
    if
    :: found -> wake(to)
    :: !found
    fi
}

inline wake(to)
{
#ifdef BUG_NO_WAKE
    found = false
#else
    d_step {
        found = false;
#ifndef BUG_NO_EDGE
        edge[to] = true;
#endif
        if
        :: to == WRITER -> signals++
        :: else
        fi
    }
#endif
}

/* Announce, then look again. */
inline sleep_begin(me)
{
    announced = false;
    if
    :: nempty(box[me])
    :: empty(box[me]) ->
#ifdef BUG_LOOK_BEFORE_ANNOUNCE
        sleeping[me] = true;
        announced = true
#else
        sleeping[me] = true;
        if
        :: empty(box[me]) -> announced = true
        :: nempty(box[me]) -> sleep_abandon(me)
        fi
#endif
    fi
}

inline sleep_abandon(me)
{
    d_step {
        if
        :: sleeping[me] -> sleeping[me] = false
        :: !sleeping[me] && me == WRITER -> signals_owed++
        :: else
        fi
    }
}

/* The sender that found us asleep may not have written yet: its signal comes later. */
inline sleep_end(me)
{
    sleep_abandon(me);
    d_step {
        if
        :: signals_owed > 0 && signals > 0 ->
            assert(signals_owed >= signals);
            signals_owed = signals_owed - signals;
            signals = 0
        :: else
        fi
    }
}

/* --- The writer: whatever it has done in between, each transaction goes home --- */

inline writer_take()
{
    atomic {
        do
        :: box[WRITER] ? t ->
            ran = true;
            if
            :: t == STOP -> stopping = true
            :: else -> taken = taken | BIT(t)
            fi
        :: empty(box[WRITER]) -> break
        od;
        t = 0
    }
}

proctype writer()
{
    byte t, taken;
    bool found, announced, ran, stopping;

    do
    :: writer_take();
        if
        :: taken != 0 ->
            do
            :: taken != 0 ->
                atomic {
                    t = (taken & 1 -> 0 : (taken & 2 -> 1 : 2));
                    taken = taken - BIT(t);
                    assert((handed & BIT(t)) && !(answered & BIT(t)));
                    answered = answered | BIT(t)
                };
#ifdef QUEUE_HOME
                box[t] ! t
#else
                send(t, t)
#endif
            :: else -> break
            od;
            t = 0
        :: else
        fi;
        if
        :: ran -> ran = false
        :: !ran && stopping -> break
        :: !ran && !stopping ->
            sleep_begin(WRITER);
            if
            :: announced -> signals > 0; sleep_end(WRITER); announced = false
            :: !announced
            fi
        fi
    od;
    writer_ended = true
}

/* --- A worker: its loop, and one transaction --- */

byte workers_ended;

inline worker_take(me)
{
    atomic {
        do
        :: box[me] ? t ->
            if
            :: t == STOP -> ending = true
            :: else ->
                assert(t == me && (answered & BIT(t)) && !(done & BIT(t)));
                done = done | BIT(t)
            fi
        :: empty(box[me]) -> break
        od;
        t = 0
    }
}

proctype worker(byte me)
{
    byte t;
    bool found, announced, ending, socket, spare = (me == 0);

    do
    :: !ending ->
#ifdef QUEUE_HOME
        if
        :: nempty(box[me])
        :: atomic { !(handed & BIT(me)) -> handed = handed | BIT(me); socket = true }
        fi;
#else
        sleep_begin(me);
        if
        :: announced ->
            if
            :: edge[me] -> edge[me] = false
            :: atomic { !(handed & BIT(me)) -> handed = handed | BIT(me); socket = true }
            :: spare -> spare = false /* something else on this loop */
            fi;
            sleep_abandon(me);
            announced = false
        :: !announced -> edge[me] = false
        fi;
#endif
        if
        :: socket -> socket = false; send(WRITER, me)
        :: !socket
        fi;
        worker_take(me)
    :: ending -> break
    od;
    workers_ended++
}

/* --- The program: starts, stops at any time or when all is done --- */

init
{
    byte i, t;
    bool found;

    atomic {
        run writer();
        run worker(0);
        run worker(1);
#if WORKERS > 2
        run worker(2)
#endif
    };
#ifndef EARLY
    done == BIT(WORKERS) - 1;
#endif
    do
    :: i < WORKERS -> send(i, STOP); i++
    :: else -> break
    od;
    workers_ended == WORKERS;
    send(WRITER, STOP);
    writer_ended;
    /* worker_free(): loop_free() runs what is still in the mailbox. */
    i = 0;
    do
    :: i < WORKERS ->
        do
        :: box[i] ? t ->
            assert(t == STOP || !(done & BIT(t)));
            if
            :: t == STOP
            :: else -> done = done | BIT(t)
            fi
        :: empty(box[i]) -> break
        od;
        i++
    :: else -> break
    od;
    assert(handed == done)
}

#ifdef LIVE
ltl completes { <> [] (handed == done) }
#endif
