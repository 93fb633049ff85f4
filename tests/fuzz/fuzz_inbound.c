/* From a client's connection to the commit: the real inbound, spool and scheduler over a network in
 * memory. The first octet chooses the client and whether the disk fails at the end, the second how
 * the bytes are cut into pieces; the rest is what the client says.
 *
 * What was answered 250 came out of the spool exactly once, and nothing else did.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay_bed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(expr)                                                                                 \
    do {                                                                                           \
        if (!(expr))                                                                               \
            abort();                                                                               \
    } while (0)

enum { TRUSTED = 1, DISK_FAILS = 2, LEAVES = 4 };

static const char config[] =
    "hostname = \"relay.test\";\n"
    "log = { level = \"error\"; };\n"
    "accepted_domains = ( { name = \"ours.test\"; default = true; } );\n"
    "address_rewrite_entries = ( { name = \"R\"; internal_address = \"in.ours.test\";\n"
    "    external_address = \"ours.test\"; } );\n"
    "send_connectors = ( { name = \"Out\"; address_spaces = [ \"*\" ]; } );\n"
    "receive_connectors = (\n"
    "  { name = \"Default\"; bindings = [ \"192.0.2.1:25\" ];\n"
    "    remote_ip_ranges = [ \"198.51.100.0/24\" ]; permission_groups = [ \"AnonymousUsers\" ];\n"
    "    max_header_size = 4096; max_hop_count = 3; max_recipients_per_message = 5;\n"
    "    auth_stamps_enabled = true; tarpit_interval = \"0s\"; },\n"
    "  { name = \"Apps\"; bindings = [ \"192.0.2.1:25\" ];\n"
    "    remote_ip_ranges = [ \"10.1.0.0/16\" ]; permission_groups = [ \"ExchangeServers\" ];\n"
    "    auth_mechanism = [ \"ExternalAuthoritative\" ]; default_domain = \"ours.test\"; } );\n";

static struct relay_bed bed;

static void start_once(void)
{
    static bool started;
    if (!started)
        relay_bed_start(&bed, config, false);
    started = true;
}

/* "250 2.6.0 <id of the header> [InternalId=7, Hostname=...": 7; 0: it is another reply, to a chunk
 * say. */
static uint64_t answered_id(struct bytes line)
{
    static const char mark[] = " [InternalId=";
    uint64_t id = 0;
    if (line.len < 10 || memcmp(line.ptr, "250 2.6.0 ", 10) != 0)
        return 0;
    for (size_t at = line.len; at >= sizeof mark && !id; at--)
        if (memcmp(line.ptr + at - sizeof mark + 1, mark, sizeof mark - 1) == 0)
            id = strtoull(line.ptr + at, NULL, 10);
    return id;
}

static void check_kept(struct bytes id_line, size_t *answered)
{
    size_t times = 0;
    uint64_t id = answered_id(id_line);
    if (!id)
        return;
    ++*answered;
    for (size_t i = 0; i < bed.kept_count; i++)
        times += bed.kept[i].id == id;
    MUST(times == 1);
}

/* All that was answered 250 is there once; as many are there as were answered so. */
static void check_replies(struct bytes heard)
{
    size_t answered = 0, begin = 0;
    for (size_t i = 0; i < heard.len; i++) {
        if (heard.ptr[i] != '\n')
            continue;
        check_kept(bytes_make(heard.ptr + begin, i - begin), &answered);
        begin = i + 1;
    }
    MUST(answered == bed.kept_count);
}

/* Of what is left SIZE octets at most: mostly a few, or all. */
static size_t piece(uint32_t *chance, size_t size)
{
    *chance = *chance * 1664525u + 1013904223u;
    size_t some = (*chance >> 16) % 4 ? size : 1 + (*chance >> 18) % 40;
    return some < size ? some : size;
}

static void say(struct bed_client *client, const uint8_t *data, size_t size)
{
    if (client->conn && conn_write(client->conn, bytes_make((const char *)data, size)) != ERR_OK)
        conn_abort(&client->conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bed_client client;
    if (size < 2)
        return 0;
    start_once();
    unsigned mode = data[0];
    uint32_t chance = data[1];
    bed_connect(&bed, &client, mode & TRUSTED ? "10.1.2.3" : "198.51.100.7");
    for (size_t at = 2, some; at < size; at += some) {
        some = piece(&chance, size - at);
        bool last = at + some == size;
        bed.disk_dead = last && (mode & DISK_FAILS);
        say(&client, data + at, some);
        if (!last || !(mode & LEAVES))
            relay_bed_settle(&bed);
    }
    if (mode & LEAVES) {
        loop_turn(bed.loop, 0);
        conn_abort(&client.conn);
    }
    relay_bed_settle(&bed);
    bed.disk_dead = false;
    relay_bed_settle(&bed);
    if (!(mode & LEAVES))
        check_replies(buf_bytes(&client.heard));
    bed_leave(&client);
    MUST(atomic_load(&bed.sessions) == 0);
    if (mode & DISK_FAILS) /* its spool takes nothing more in */
        relay_bed_crash(&bed);
    relay_bed_settle(&bed);
    relay_bed_forget(&bed);
    relay_bed_log(&bed);
    return 0;
}
