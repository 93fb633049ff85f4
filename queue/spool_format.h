/* queue/spool_format.h - the spool's bytes: what a segment file holds, to the byte, and the pure
 * functions that write it and read it back. No input or output here: everything works on memory.
 *
 * All integers are little-endian, at the offsets given; nothing is ever cast to a struct. "hash"
 * is XXH3-64. text(max) is a u16 length, at most max, followed by that many bytes of any value.
 *
 * The directory
 *   lock               held by flock while a process uses the spool
 *   segments/seg-XXX   segment files; XXX is the slot, three lower-case hex digits
 *   segments/new-XXX   a segment being made; removed when found
 *   big/<id>           a body beyond the inline limit, 16 lower-case hex digits, the text and
 *                      nothing else
 *   quarantine/        damaged bytes and unreadable messages, set aside for a human
 *   log-<n>/           another log, 1 to 15 in decimal, with all of the above in it, as version
 *                      0.1.0 could make it. This directory itself is log 0. The top 8 bits of a
 *                      message id are the number of its log, those of next id too; logs say
 *                      nothing of each other.
 *   ended-<next id>/   a log that has ended, 16 lower-case hex digits. It holds nothing that
 *                      counts; the ids of its log below that one were used.
 *
 * Segment file: a header of 4096 bytes, then records, each at a multiple of 8; once it is sealed
 * a footer, which ends where the file ends.
 *
 * Segment header; the same 64 bytes stand at 0 and at 2048, so that one bad sector does not take
 * the segment with it. The rest of the 4096 is zero.
 *    0 u32 magic 0x4753524d "MRSG"
 *    4 u32 version: 1; 2 where a recipient may have an orar; 3 where a message may have any
 *          option, and a recipient an orar
 *    8 u64 generation: count << 12 | slot; the count is never used twice in a spool, and
 *          segments are filled in order of generation
 *   16 u64 size of the file in bytes
 *   24 u64 salt: random, secret, new with every generation
 *   32 u64 next id: every message id handed out before this header was written is below it
 *   40 u64 0
 *   48 u64 0
 *   56 u64 hash of bytes 0 to 55
 * Offsets 0, 4 and 56 keep their meaning in every later version.
 *
 *   H1 magic is right and the hash fits.
 *   H2 version is 1 to 3. A higher version is refused, not repaired: the spool belongs to a newer
 *      program. A message goes into a segment of the lowest version at which programs can read
 *      it, or of a higher one, and once a log has a segment of some version all that it
 *      fills later are of that version at least. Until then all are of version 1.
 *   H3 generation is not 0 and its low 12 bits are the slot in the file's name.
 *   H4 size is within SPOOL_SEGMENT_MIN and _MAX and a multiple of 4096; the reserved words are 0.
 *   H5 The first copy that passes H1 to H4 counts. A new generation's header is synced before
 *      the first record of that generation is written, so the copies differ only while the
 *      segment holds nothing that matters.
 *
 * Record: 64 bytes of header, head, body, zeros up to the next multiple of 8.
 *    0 u32 magic 0x3152524d "MRR1"
 *    4 u8  type
 *    5 u8  0
 *    6 u16 0
 *    8 u32 head length
 *   12 u32 body length
 *   16 u64 generation of the segment
 *   24 u64 message id, 0 where the record is about none or several
 *   32 u64 hash of the head
 *   40 u64 hash of the body
 *   48 u32 offset of this record in the segment
 *   52 u32 offset of the first record of the group that was written and synced together
 *   56 u64 hash of bytes 0 to 55, seeded with the segment's salt
 *
 *   R1 offset is a multiple of 8, at least 4096, and the whole record lies within the segment.
 *   R2 magic is right, type is known, the reserved bytes are 0.
 *   R3 generation is that of the segment header, so bytes left by an earlier use of the segment
 *      are no record.
 *   R4 offset is where the record stands; the group's offset is a multiple of 8, at least 4096
 *      and not beyond it.
 *   R5 the three hashes fit. The salt makes R5 impossible to satisfy for a sender who puts
 *      something shaped like a record into the text of a mail and hopes that damage before it
 *      sends the reader there.
 *   R6 type and lengths agree: MESSAGE has id, head and may have a body; BIG and OUTCOME have id
 *      and head, no body; DONE and CHECKPOINT have id 0 and a head, no body.
 *   R7 the head decodes by the rules of its type, to its last byte.
 *
 * Reading a segment: from 4096 on, record after record. Where there is none, the next place at a
 * multiple of 8 that holds a record is searched. Found: the bytes between are damage, unless the
 * found record belongs to a group that began at or before them: then that group may never have
 * been synced, and the gap is torn. Either way they are set aside. Not found: the segment ends
 * there. A CHECKPOINT elsewhere may say that it ends sooner (void), or that it ended later
 * (sealed), which makes the missing end damage.
 *
 * Heads
 *   MESSAGE (1), BIG (2)
 *     i64 received at, ms since 1970      u64 session id     u64 octets of the text    u32 notes
 *     16 octets client address            u8 is_dsn (0, 1)   u8 body (0..2)   u8 ret (0..2)
 *     u8 options                          u64 size declared
 *     text(4096) sender, envid, auth, connector, message id
 *     u32 recipients, 1 to 262144; each: u8 notify (0..15), text(4096) address, text(4096) orcpt;
 *     or, version 2: u8 notify + 16, text(4096) address, text(4096) orcpt, text(4096) orar, which
 *     is not empty
 *     Options: bit 0 is SMTPUTF8; the others, version 3, are stored and handed back as they came
 *     BIG only: u64 octets of the file, u64 hash of the file
 *     Octets equal the body's length, or the file's.
 *   OUTCOME (3)
 *     u64 generation where the message lives   u32 attempts   i64 next attempt at
 *     u8 delay notified (0, 1)   u32 count; each: u32 recipient, u8 state (0..2), u16 code,
 *     u16 x 3 enhanced code, text(512)
 *     The latest, by generation and offset, counts.
 *   DONE (4)
 *     u64 generation where the messages live   u32 count, 1 to 8192   u64 x count ids
 *   CHECKPOINT (5)
 *     u64 generation   u64 end, at least 4096 and a multiple of 8   u8 kind (0 sealed, 1 void)
 *     Nothing of GENERATION at END or beyond counts. Void: writing or syncing there failed and
 *     the senders were told so; the segment is never written again. The smallest end counts; a
 *     CHECKPOINT about its own or a later generation is ignored.
 *
 * A message lives while its record is there and no DONE names its id and generation. When a
 * segment is given a new generation, those of its OUTCOME, DONE and CHECKPOINT records that are
 * about generations still on the disk are first written again elsewhere.
 *
 * A segment of which little lives is emptied: its living messages are written again in the segment
 * under way, with the same id, head and body, and the latest OUTCOME of each beside it. Once that
 * is synced, and before anything else is said about them, a DONE names them in their old
 * generation. In between, and if that DONE is lost, two records have one id: the one of the later
 * generation is the message, the other is nothing. Of two in one generation the first counts.
 *
 * Footer: items, then a trailer of 64 bytes at the end of the file. It is written and synced when
 * nothing more will be written to the segment, and says nothing that the records do not say: where
 * it is missing or damaged they are read one by one.
 *    0 u32 magic 0x5849524d "MRIX"
 *    4 u32 end: the offset behind the last record
 *    8 u64 generation of the segment
 *   16 u64 length of the items, which end where the trailer begins
 *   24 u64 hash of the items
 *   32 24 octets 0
 *   56 u64 hash of bytes 0 to 55, seeded with the segment's salt
 *
 * Item, one a record, in the order of the records:
 *
 *    0 u32 type   4 u32 offset   8 u32 length, padding included   12 u32 octets that follow
 *   16 u64 message id
 *   MESSAGE, BIG: nothing, or the facts
 *   OUTCOME: u64 generation where the message lives
 *   DONE, CHECKPOINT: the record's head
 *
 * Facts, which the scheduler needs and finds here without reading the record:
 *
 *   i64 received at   u64 octets of the text   u32 flags (1: sender is <>, 2: is_dsn)
 *   u32 recipients; each: u8 notify, u8 length of the domain, the domain
 *
 *   F1 the trailer's magic, generation and hash are right, the 24 octets are 0, end and length
 *      lie within the segment.
 *   F2 the hash of the items fits, and every item is whole and as its type wants it.
 *   F3 the records the items speak of follow each other from 4096 to end without a gap.
 *   F4 no CHECKPOINT says that the segment ends sooner.
 *
 * A trailer that breaks none of F1 and F4 gives the end even if the items break F2 or F3.
 */
#ifndef QUEUE_SPOOL_FORMAT_H
#define QUEUE_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/err.h"
#include "core/mail.h"
#include "queue/spool_message.h"

#define SPOOL_VERSION         3 /* the highest that we know; what is written is the lowest that will do */
#define SPOOL_VERSION_PLAIN   1
#define SPOOL_VERSION_ORAR    2
#define SPOOL_VERSION_OPTIONS 3
#define SPOOL_OPTIONS_PLAIN   1    /* those that any version may have */
#define SPOOL_HEADER_BYTES    4096 /* of a segment */
#define SPOOL_HEADER_COPY_AT  2048
#define SPOOL_RECORD_BYTES    64          /* of a record's header */
#define SPOOL_RECORD_MAGIC    0x3152524dU /* "MRR1" */
#define SPOOL_SEGMENT_MIN     (64 * 1024)
#define SPOOL_SEGMENT_MAX     (1024 * 1024 * 1024)
#define SPOOL_SLOT_BITS       12
#define SPOOL_SLOTS           (1U << SPOOL_SLOT_BITS)
#define SPOOL_TEXT_MAX        4096
#define SPOOL_STATUS_TEXT_MAX 512
#define SPOOL_RCPTS_MAX       262144
#define SPOOL_DONE_IDS_MAX    8192

#define SPOOL_LOGS      16
#define SPOOL_LOG_SHIFT 56 /* the bits of an id above: the number of its log */
#define SPOOL_NAME_SIZE 64

static inline uint32_t spool_generation_slot(uint64_t generation)
{
    return (uint32_t)(generation & (SPOOL_SLOTS - 1));
}

static inline unsigned spool_log_of(uint64_t id)
{
    return (unsigned)(id >> SPOOL_LOG_SHIFT);
}

/* --- Names. Parsing: false, NAME is not exactly one of these --- */

char *spool_log_name(unsigned number, char to[SPOOL_NAME_SIZE]);
bool spool_log_name_parse(const char *name, unsigned *number);
char *spool_ended_name(uint64_t next_id, char to[SPOOL_NAME_SIZE]);
bool spool_ended_name_parse(const char *name, uint64_t *next_id);
char *spool_segment_name(uint32_t slot, char to[SPOOL_NAME_SIZE]);
/* PREFIX: "seg-" or "new-". */
bool spool_segment_name_parse(const char *name, const char *prefix, uint32_t *slot);
char *spool_big_name(uint64_t id, char to[SPOOL_NAME_SIZE]);
bool spool_big_name_parse(const char *name, uint64_t *id);

/* --- Integers and hash --- */

void spool_put_u16(uint8_t *to, uint16_t n);
void spool_put_u32(uint8_t *to, uint32_t n);
void spool_put_u64(uint8_t *to, uint64_t n);
uint16_t spool_get_u16(const uint8_t *from);
uint32_t spool_get_u32(const uint8_t *from);
uint64_t spool_get_u64(const uint8_t *from);
uint64_t spool_hash(const void *data, size_t len);
uint64_t spool_hash_salted(const void *data, size_t len, uint64_t salt);
/* The same hash of what comes in pieces. */
struct spool_hasher;
struct spool_hasher *spool_hasher_new(void);
void spool_hasher_add(struct spool_hasher *h, const void *data, size_t len);
uint64_t spool_hasher_result(const struct spool_hasher *h);
void spool_hasher_free(struct spool_hasher **h);

/* --- Segment header --- */

struct spool_segment_header {
    uint64_t generation, size, salt, next_id;
    uint32_t version;
};
/* TO: SPOOL_HEADER_BYTES. */
void spool_header_encode(const struct spool_segment_header *header, uint8_t *to);
/* DATA may be shorter than a header. ERR_CORRUPT: no copy is valid; ERR_LIMIT: a newer version,
 * which is left in VERSION. */
MUST_USE enum err spool_header_decode(const uint8_t *data, size_t len, uint32_t slot,
                                      struct spool_segment_header *out, uint32_t *version);

/* --- Records --- */

enum spool_type {
    SPOOL_MESSAGE = 1,
    SPOOL_BIG,
    SPOOL_OUTCOME,
    SPOOL_DONE,
    SPOOL_CHECKPOINT,
};

struct spool_record {
    enum spool_type type;
    uint32_t head_len, body_len;
    uint64_t generation, id, head_hash, body_hash;
    uint32_t offset, group;
    const uint8_t *head, *body; /* into the block that was read */
};

/* Header, head, body and padding; 0 if that is more than a segment may hold. */
uint32_t spool_record_length(uint64_t head_len, uint64_t body_len);
/* The header: TO has SPOOL_RECORD_BYTES. */
void spool_record_encode(const struct spool_record *record, uint64_t salt, uint8_t *to);
/* R1 to R4, R6, and the header's hash; LEN bytes of the record's beginning are at DATA, which
 * stands at offset AT of a segment of SIZE bytes. Head and body are not looked at. */
bool spool_record_decode(const uint8_t *data, size_t len, uint64_t at, uint64_t size,
                         const struct spool_segment_header *segment, struct spool_record *out);

/* --- Heads. Encoders return the length, 0 if a limit is exceeded; TO NULL only measures --- */

struct spool_head {
    struct mail_envelope envelope;
    struct spool_meta meta;
    bool big;
    uint64_t big_octets, big_hash;
    uint64_t text_hash; /* from the record, or big_hash; not encoded */
};
size_t spool_head_encode(const struct spool_head *head, uint8_t *to);
/* What its segment must be, at least. */
uint32_t spool_head_version(const struct mail_envelope *envelope);
/* Text points into DATA, the recipients are in ARENA. False: breaks R7. */
bool spool_head_decode(const uint8_t *data, size_t len, bool big, struct arena *arena,
                       struct spool_head *out);

size_t spool_outcome_encode(uint64_t generation, const struct spool_outcome *outcome, uint8_t *to);
bool spool_outcome_decode(const uint8_t *data, size_t len, struct arena *arena,
                          uint64_t *generation, struct spool_outcome *out);

#define SPOOL_DONE_LENGTH(count) (12 + (size_t)(count)*8)
/* IDS are put one by one with spool_done_put(). */
void spool_done_encode(uint64_t generation, uint32_t count, uint8_t *to);
void spool_done_put(uint8_t *head, uint32_t index, uint64_t id);
bool spool_done_decode(const uint8_t *data, size_t len, uint64_t *generation, uint32_t *count);
uint64_t spool_done_id(const uint8_t *head, uint32_t index);

enum spool_checkpoint_kind { SPOOL_CHECKPOINT_SEALED, SPOOL_CHECKPOINT_VOID };
struct spool_checkpoint {
    uint64_t generation, end;
    enum spool_checkpoint_kind kind;
};
#define SPOOL_CHECKPOINT_LENGTH 17
void spool_checkpoint_encode(const struct spool_checkpoint *checkpoint, uint8_t *to);
bool spool_checkpoint_decode(const uint8_t *data, size_t len, struct spool_checkpoint *out);

/* --- Footer --- */

#define SPOOL_ITEM_BYTES    24 /* and the payload */
#define SPOOL_TRAILER_BYTES 64
#define SPOOL_FACTS_MAX     1024 /* beyond: the record itself is read */

struct spool_item {
    enum spool_type type;
    uint32_t offset, length, payload_len;
    uint64_t id;
    const uint8_t *payload;
};
/* TO: SPOOL_ITEM_BYTES and the payload. */
void spool_item_encode(const struct spool_item *item, uint8_t *to);
/* The item at AT, which moves behind it. False: none, or it breaks F2. */
bool spool_item_next(const uint8_t *items, size_t len, size_t *at, struct spool_item *out);
/* F2 but for the hash, F3. */
bool spool_items_valid(const uint8_t *items, size_t len, uint32_t end);

struct spool_trailer {
    uint64_t generation, items_len, items_hash;
    uint32_t end;
};
void spool_trailer_encode(const struct spool_trailer *trailer, uint64_t salt, uint8_t *to);
/* F1; DATA: the last SPOOL_TRAILER_BYTES of the segment. */
bool spool_trailer_decode(const uint8_t *data, const struct spool_segment_header *segment,
                          struct spool_trailer *out);

/* 0: there are too many to be worth it. */
size_t spool_facts_encode(const struct mail_envelope *envelope, const struct spool_meta *meta,
                          uint8_t *to);
/* Of the envelope: whether there is a sender, and domain ("@domain") and notify of each
 * recipient. */
bool spool_facts_decode(const uint8_t *data, size_t len, struct arena *arena,
                        struct mail_envelope *envelope, struct spool_meta *meta);

#endif
