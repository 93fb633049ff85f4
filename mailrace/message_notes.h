/* mailrace/message_notes.h - what inbound learnt of a message and outbound wants to know,
 * stored in spool_meta.notes above the bits of enum smtp_data_note.
 */
#ifndef MAILRACE_MESSAGE_NOTES_H
#define MAILRACE_MESSAGE_NOTES_H

enum message_note {
    /* Its header may hold X-MS-Exchange-Organization-* or -Forest-*: not every next hop may see
     * them. */
    MESSAGE_NOTE_EXCHANGE_FIELDS = 1 << 16,
};

#endif
