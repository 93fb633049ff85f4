/* group_commit.pml - the spool's group commit, to be searched exhaustively by spin (tests/model/run).
 *
 * Three workers hand one transaction each to the writer, which gathers groups, writes, syncs and
 * completes them to their homes (queue/spool_writer.c, queue/spool_gather.c); the program may be
 * told to stop at any time (relay_stop()); up to FAULTS operations of the disk fail. There is no
 * clock: what only a timeout would rescue counts as a deadlock.
 *
 * The disk: a record is unsynced when written; a sync makes it durable; a failed sync leaves it
 * there or not, it cannot be known, and no later sync makes it durable. Whether a process is killed
 * or the power fails makes no difference to what may be found: each record that is not durable is
 * there or is not. So "look" may at any moment read the disk as a start would, and gives back an
 * unchanged state: what holds for it holds after a crash at any point.
 *
 * What must hold
 *   P1    What was told "committed" is found, whatever else is lost.
 *   P4    What was told "failed" is not found. Where the disk refuses the VOID record too no
 *         client is told so, but "doubtful": the client gets no answer.
 *   Once  A transaction is completed exactly once, and only after it was handed over.
 *   Stop  When everything has ended, everything handed over has been completed, and there is no
 *         other state without a next step.
 *   Live  Every transaction handed over is completed in the end (LIVE, under weak fairness).
 *
 * Macros: FAULTS; GROUP, the transactions a group takes at most; LATE, no stop before all is done;
 * CRASH, with "look". EMPTY_IS_IDLE: a group that all have left before it was written counts as
 * nothing done. BUG_* are faults of our own that must be found.
 */

#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef GROUP
#define GROUP 2
#endif

#ifndef WORKERS
#define WORKERS 3
#endif
#define WRITER  WORKERS /* the writer's mailbox; those before it are the workers' */
#define STOP    7 /* an item that is no transaction */
#define BIG     1 /* this transaction has its text in a file of its own and a small record */
#define ROOM    3 /* of a segment */
#define SEGMENTS 8
#define LENGTH(t) ((t) == BIG -> 1 : 2)
#define BIT(n)    (1 << (n))

/* A mailbox is a queue whose receiver sleeps only while it is empty: mailbox.pml proves it. */
chan box[WORKERS + 1] = [WORKERS + 1] of { byte };

/* --- The disk --- */

mtype = { NOWHERE, UNSYNCED, SYNCED, DOUBTFUL };
mtype message[WORKERS] = NOWHERE;     /* its record */
byte message_segment[WORKERS], message_at[WORKERS];
mtype voided[SEGMENTS] = NOWHERE;     /* the VOID record about a segment, wherever it stands */
byte voided_at[SEGMENTS];
mtype removed[SEGMENTS] = NOWHERE;    /* the removal of its name */
byte faults;

#define fault_possible (faults < FAULTS)

/* --- What came of the transactions --- */

mtype = { OPEN, COMMITTED, FAILED, DOUBTFUL_STILL };
mtype told[WORKERS] = OPEN;
byte handed, done; /* bits */

/* --- The writer --- */

bool writer_ended;

mtype = { EMPTY, WRITTEN, BROKEN };

inline tell(t, how)
{
    assert(told[t] == OPEN && (handed & BIT(t)));
    told[t] = how;
    box[t] ! t
}

/* spool_segment_rotate(): a new segment, synced before its first record. If none can be had the old
 * one stays. */
inline make_room(need, ok)
{
    ok = true;
    if
    :: segment != 0 && segment_end + need <= ROOM
    :: else ->
        if
        :: segments++;
            assert(segments < SEGMENTS);
            segment = segments;
            segment_end = 0;
            segment_used = false
        :: fault_possible -> faults++; ok = false
        fi
    fi
}

/* add_txns(): in their order, as long as they fit; a big text is synced before its record, and
 * leaves the group if it cannot be. */
inline gather()
{
    do
    :: len(waiting) > 0 && count < GROUP ->
        waiting ? <t>;
        if
        :: segment_end + used + LENGTH(t) > ROOM -> break
        :: else ->
            waiting ? t;
            if
            :: group = group | BIT(t);
                message_at[t] = segment_end + used;
                used = used + LENGTH(t);
                count++
            :: t == BIG && fault_possible -> faults++; unsynced = unsynced | BIT(t)
            fi
        fi
    :: else -> break
    od;
    t = 0
}

inline write_group()
{
    d_step {
        i = 0;
        do
        :: i < WORKERS && (group & BIT(i)) ->
            message[i] = UNSYNCED; message_segment[i] = segment; i++
        :: i < WORKERS && !(group & BIT(i)) -> i++
        :: else -> break
        od;
        i = 1;
        do
        :: i < SEGMENTS && (void_pending & BIT(i)) -> voided[i] = UNSYNCED; i++
        :: i < SEGMENTS && !(void_pending & BIT(i)) -> i++
        :: else -> break
        od;
        i = 0
    }
}

/* What is doubtful stays so for ever. */
inline settle_group(as)
{
    do
    :: i < WORKERS ->
        if
        :: (group & BIT(i)) && message[i] == UNSYNCED -> message[i] = as
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 1;
    do
    :: i < SEGMENTS ->
        if
        :: voided[i] == UNSYNCED -> voided[i] = as
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

/* spool_segment_poison(): a segment in which nothing was ever synced is removed, and if that
 * succeeds nothing need be said about it. */
inline poison()
{
    d_step { i = 0; settle_group(DOUBTFUL); voided_at[segment] = segment_end };
    if
    :: !segment_used ->
        removed[segment] = UNSYNCED;
        if
        :: removed[segment] = SYNCED
        :: fault_possible -> faults++; void_pending = void_pending | BIT(segment)
        fi
    :: else -> void_pending = void_pending | BIT(segment)
    fi;
    d_step { segment = 0; segment_end = 0; segment_used = false }
}

/* spool_group_run(). ALL: transactions too, else VOIDs alone. Leaves RESULT and, for those who
 * still wait to be told that it failed, GROUP. */
inline group_run(all, need)
{
    atomic {
        group = 0; used = 0; count = 0;
        make_room(need, ok);
        if
        :: ok && all -> gather()
        :: else
        fi
    };
    if
    :: unsynced != 0 -> unsynced = 0; tell(BIG, FAILED)
    :: else
    fi;
    if
    :: !ok -> result = BROKEN
    :: ok && group == 0 && void_pending == 0 -> result = EMPTY
    :: ok && (group != 0 || void_pending != 0) ->
        write_group();
#ifdef BUG_ACK_EARLY
        keep = group;
        tell_all(COMMITTED);
        group = keep;
#endif
        atomic {
            if
            :: settle_group(SYNCED); result = WRITTEN
            :: fault_possible -> faults++; result = BROKEN
            fi;
#ifdef BUG_SYNC_AGAIN
            if
            :: result == BROKEN -> settle_group(DOUBTFUL); settle_group(SYNCED); result = WRITTEN
            :: else
            fi
#endif
        };
        if
        :: result == WRITTEN ->
            d_step { segment_end = segment_end + used; segment_used = true; void_pending = 0 };
#ifndef BUG_ACK_EARLY
            tell_all(COMMITTED)
#endif
        :: else -> poison()
        fi
    fi
}

inline tell_all(how)
{
    do
    :: group != 0 ->
        t = (group & 1 -> 0 : (group & 2 -> 1 : 2));
        group = group - BIT(t);
        tell(t, how);
        t = 0
    :: group == 0 -> break
    od
}

/* Another segment, in which what failed is void. */
inline heal()
{
#ifdef BUG_NO_VOID
    void_pending = 0;
#endif
    keep = group;
    group_run(false, 0);
    atomic {
        group = keep;
        keep = 0;
        unhealthy = (result == BROKEN)
    }
}

inline run_group()
{
    waiting ? <first>;
    group_run(true, LENGTH(first));
    if
    :: result == BROKEN ->
        unhealthy = true;
#ifdef BUG_TELL_BEFORE_VOID
        tell_all(FAILED);
#endif
        heal();
        if
#ifndef BUG_REFUSE_IN_DOUBT
        :: unhealthy && void_pending != 0 -> tell_all(DOUBTFUL_STILL)
#endif
        :: else -> tell_all(FAILED)
        fi;
        did = true
    :: result == WRITTEN -> did = true
#ifdef EMPTY_IS_IDLE
    :: result == EMPTY
#else
    :: result == EMPTY -> did = true
#endif
    fi;
    atomic { result = EMPTY; used = 0; count = 0; group = 0; first = 0; ok = false }
}

inline turn()
{
    if
    :: unhealthy -> heal(); did = true /* it is time to try again */
    :: unhealthy -> skip               /* it is not */
    :: !unhealthy
    fi;
    if
    :: !unhealthy && len(waiting) > 0 -> run_group()
    :: else
    fi;
    if
    :: unhealthy ->
        do
        :: waiting ? t -> tell(t, FAILED); did = true
        :: len(waiting) == 0 -> break
        od;
        t = 0
    :: else
    fi
}

inline writer_take()
{
    atomic {
        do
        :: box[WRITER] ? t ->
            ran = true;
            if
            :: t == STOP -> stopping = true
            :: else -> waiting ! t
            fi
        :: empty(box[WRITER]) -> break
        od;
        t = 0
    }
}

proctype writer()
{
    chan waiting = [3] of { byte }; /* spool->txns */
    byte segment, segment_end;      /* 0: none */
    bool segment_used;              /* something was synced in it */
    byte segments;                  /* the last one made */
    byte void_pending;              /* bits: segments whose VOID must be written */
    bool unhealthy, stopping;
    byte t, i, first, group, keep, unsynced, used, count;
    bool ran, did, ok;
    mtype result = EMPTY;

    do
    :: d_step { ran = false; did = false };
        writer_take();
        turn();
        if
        :: ran || did
        :: !ran && !did && stopping -> break
        :: !ran && !did && !stopping ->
            if
            :: nempty(box[WRITER])
            :: unhealthy /* poll() returns when it is time to heal */
            fi
        fi
    od;
    if
    :: unhealthy && void_pending != 0 -> heal()
    :: else
    fi;
    assert(len(waiting) == 0);
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
                assert(t == me && told[t] != OPEN && !(done & BIT(t)));
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
    bool ending;

    do
    :: ending -> break
    :: atomic { nempty(box[me]) && !ending -> worker_take(me) }
    :: atomic { !ending && !(handed & BIT(me)) -> handed = handed | BIT(me); box[WRITER] ! me }
    od;
    workers_ended++
}

/* --- The program: starts, stops at any time or when all is done --- */

init
{
    byte i, t;

    atomic {
        run writer();
        run worker(0);
        run worker(1);
#if WORKERS > 2
        run worker(2)
#endif
#ifdef CRASH
        run look()
#endif
    };
    if
#ifndef LATE
    :: skip
#endif
    :: done == BIT(WORKERS) - 1
    fi;
    do
    :: i < WORKERS -> box[i] ! STOP; i++
    :: else -> break
    od;
    workers_ended == WORKERS;
    box[WRITER] ! STOP;
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

/* --- A start after a crash --- */

#ifdef CRASH

inline may_be(there, record)
{
    if
    :: record == SYNCED -> there = true
    :: record == NOWHERE -> there = false
    :: record == UNSYNCED || record == DOUBTFUL -> there = true
    :: record == UNSYNCED || record == DOUBTFUL -> there = false
    fi
}

proctype look()
{
    byte t;
    bool found, gone;

end:
    do
    :: atomic {
        if
        :: t = 0
        :: t = 1
#if WORKERS > 2
        :: t = 2
#endif
        fi;
        may_be(found, message[t]);
        may_be(gone, removed[message_segment[t]]);
        found = found && !gone;
        may_be(gone, voided[message_segment[t]]);
        found = found && !(gone && message_at[t] >= voided_at[message_segment[t]]);
        assert(told[t] != COMMITTED || found);
        assert(told[t] != FAILED || !found);
        t = 0; found = false; gone = false
    }
    od
}

#endif

#ifdef LIVE
ltl completes { <> [] (handed == done) }
#endif
