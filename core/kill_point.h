/* core/kill_point.h - places where a test build dies on purpose, at every change of what the disk
 * or its owner knows.
 *
 * Only the preset "crash" has them (MAILRACE_KILL_POINTS); elsewhere they are nothing. There the
 * environment's MAILRACE_KILL says when: 1/N[:SEED[:NAME]] ends the process at each passage with
 * odds of 1 in N, at the point NAME only if one is given. It ends as by SIGKILL: nothing is
 * flushed, no destructor runs; the point's name goes to standard error first. Any thread.
 */
#ifndef CORE_KILL_POINT_H
#define CORE_KILL_POINT_H

#ifdef MAILRACE_KILL_POINTS

#define KILL_POINT_STATUS 137 /* what a shell calls one killed by SIGKILL */

/* Each point leaves its name in a section of its own: the program can list them all. */
#define KILL_POINT(name)                                                                           \
    do {                                                                                           \
        static const char *const kill_point_name_ __attribute__((section("kill_points"), used)) =  \
            (name);                                                                                \
        kill_point_pass(kill_point_name_);                                                         \
    } while (0)

void kill_point_pass(const char *name);
/* One name a line, to standard output. */
void kill_point_list(void);

#else

#define KILL_POINT(name) ((void)0)

#endif

#endif
