"""The log of a disk's writes (the format of dm-log-writes), and disks as a power cut leaves them.

A superblock {magic u64, version u64, entries u64, sector size u32}, one sector; then entry after entry:
{sector u64, count u64, flags u64, length u64}, one sector, and COUNT sectors of data unless discarded.
"""

import os
import struct

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


class Entry:
    __slots__ = ("at", "octets", "flags", "data")

    def __init__(self, at, octets, flags, data):
        self.at, self.octets, self.flags, self.data = at, octets, flags, data


class BlockLog:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        magic, version, count, self.sector = struct.unpack_from("<QQQI", os.pread(self.fd, 32, 0))
        if magic != MAGIC or version != 1:
            raise ValueError(f"{path} is no log of writes")
        self.entries = []
        at = self.sector
        for _ in range(count):
            sector, length, flags, _ = struct.unpack("<QQQQ", os.pread(self.fd, 32, at))
            at += self.sector
            self.entries.append(Entry(sector * self.sector, length * self.sector, flags, at))
            if not flags & DISCARD:
                at += length * self.sector
        self.octets = at

    def close(self):
        os.close(self.fd)

    def __len__(self):
        return len(self.entries)

    def epochs(self):
        """How many entries lie before each point where nothing was in the disk's cache."""
        return [0] + [i + 1 for i, entry in enumerate(self.entries) if entry.flags & FLUSH]

    def apply(self, image, first, end):
        for entry in self.entries[first:end]:
            self.apply_one(image, entry)

    def apply_one(self, image, entry, octets=None):
        """Writes ENTRY, or only its first OCTETS, to the descriptor IMAGE."""
        octets = entry.octets if octets is None else min(octets, entry.octets)
        if entry.flags & DISCARD:
            os.pwrite(image, bytes(octets), entry.at)
        done = octets if entry.flags & DISCARD else 0
        while done < octets:
            piece = os.pread(self.fd, min(octets - done, 1 << 20), entry.data + done)
            os.pwrite(image, piece, entry.at + done)
            done += len(piece)


class Cut:
    """All before BASE is on the disk, and of what came then, up to END, what KEPT and TORN say.

    KEPT: indices, None for all. TORN: (index, octets) of one that was under way, or None.
    """

    def __init__(self, base, end, safe, kept=None, torn=None):
        self.base, self.end, self.safe, self.kept, self.torn = base, end, safe, kept, torn

    def __str__(self):
        text = f"cut at entry {self.end}, all flushed up to {self.base}"
        if self.kept is not None:
            text += f", then only {self.kept}"
        if self.torn:
            text += f", {self.torn[1]} octets of {self.torn[0]}"
        return text

    def make(self, log, image):
        """IMAGE holds everything before BASE."""
        for i in range(self.base, self.end):
            if self.torn and i == self.torn[0]:
                log.apply_one(image, log.entries[i], self.torn[1])
            elif self.kept is None or i in self.kept or log.entries[i].flags & FUA:
                log.apply_one(image, log.entries[i])


def prefix_cut(epoch, at):
    """The power went after AT entries; every one of them had reached the disk."""
    return Cut(epoch, at, at)


def reordered_cut(log, epoch, at, tear_octets, dice):
    """The power went after AT entries; of those since the last flush only some had reached the
    disk, and one of these in part: a disk may order its cache as it likes."""
    pending = [i for i in range(epoch, at) if log.entries[i].octets]
    kept = [i for i in pending if dice.random() < 0.5]
    torn = None
    parts = [i for i in kept
             if log.entries[i].octets > tear_octets and not log.entries[i].flags & FUA]
    if parts and dice.random() < 0.7:
        i = dice.choice(parts)
        torn = (i, tear_octets * dice.randrange(1, log.entries[i].octets // tear_octets))
    return Cut(epoch, at, epoch, kept, torn)
