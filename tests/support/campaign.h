/* tests/support/campaign.h - a program that tries case after case until time is up.
 *
 * TIME in the environment bounds it in seconds, SEED repeats its random choices. A case that takes
 * too long ends the program. The last line is "N passed, N failed", of cases. One thread.
 */
#ifndef TESTS_CAMPAIGN_H
#define TESTS_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>

void campaign_begin(const char *name);
/* Below BELOW, from the seed. */
uint64_t campaign_random(uint64_t below);
/* A number that repeats this case's random choices alone. */
uint64_t campaign_random_seed(void);
bool campaign_time_is_up(void);
/* SHARE of the time, in percent, has passed since the beginning. */
bool campaign_share_is_up(unsigned share);

/* The checks that follow are about this case. */
void campaign_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what was wrong; what was right is only counted, with its case. */
bool campaign_check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Known only now: which case it is. */
void campaign_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Has the case failed so far? */
bool campaign_case_failed(void);
/* For the journal: how much was looked at. */
void campaign_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the closing line; the exit status. */
int campaign_end(void);

#endif
