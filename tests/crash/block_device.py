"""Disk images as mounted file systems, and a disk that remembers every write in its order.

No device mapper: qemu-storage-daemon's blklogwrites keeps the log, its FUSE export makes a file of it,
and a loop device on that file carries a real file system. Root only.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import struct
import subprocess
import time

from campaign import wait_until

LIBC = ctypes.CDLL(None, use_errno=True)
LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LO_FLAGS_AUTOCLEAR = 0x4C82, 0x4C0A, 4
KEEP_SIZE, PUNCH_HOLE = 1, 2
SECTOR = 4096
TOOLS = {"qemu-storage-daemon": "qemu-system-common", "mkfs.ext4": "e2fsprogs",
         "mkfs.xfs": "xfsprogs"}


def tool(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def missing():
    """Why this machine cannot do it; empty: it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    for name, package in TOOLS.items():
        if not tool(name):
            return f"{name} is not there: apt-get install qemu-system-common qemu-utils xfsprogs " \
                   f"libfuse3-3 (it is in {package})"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(device, os.R_OK | os.W_OK):
            return f"{device} cannot be opened"
    return ""


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def loop_attach(path):
    """A loop device on PATH that goes away with its last user: (descriptor, name)."""
    backing = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(100):
            name = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            loop = os.open(name, os.O_RDWR | os.O_CLOEXEC)
            info = bytearray(232)
            struct.pack_into("=I", info, 52, LO_FLAGS_AUTOCLEAR)
            try:
                fcntl.ioctl(loop, LOOP_CONFIGURE,
                            struct.pack("=II", backing, SECTOR) + bytes(info) + bytes(64))
                return loop, name
            except OSError as error:
                os.close(loop)
                if error.errno != errno.EBUSY:  # another process was faster
                    raise
        raise OSError(errno.EBUSY, "no loop device is free")
    finally:
        os.close(backing)
        os.close(control)


@contextlib.contextmanager
def mounted(path, kind, options, at):
    loop, name = loop_attach(path)
    try:
        check(LIBC.mount(name.encode(), at.encode(), kind.encode(), 0, options.encode()),
              f"mount {kind}")
    finally:
        os.close(loop)
    try:
        yield at
    finally:
        unmount(at)


def unmount(at):
    deadline = time.monotonic() + 20
    while LIBC.umount2(at.encode(), 0) != 0:
        if ctypes.get_errno() != errno.EBUSY or time.monotonic() > deadline:
            check(LIBC.umount2(at.encode(), 2), "umount")  # MNT_DETACH
            return
        time.sleep(0.01)


class DiskCopy:
    """TARGET, made equal to SOURCE again and again: files of one size, mostly holes, in memory."""

    def __init__(self, source, target):
        size = os.path.getsize(source)
        with open(target, "wb") as out:
            out.truncate(size)
        self.source = os.open(source, os.O_RDWR | os.O_CLOEXEC)
        self.target = os.open(target, os.O_RDWR | os.O_CLOEXEC)
        self.size = size
        self.octets = [memoryview(mmap.mmap(fd, size)) for fd in (self.source, self.target)]

    def refresh(self):
        at = 0
        while at < self.size:
            try:
                data = os.lseek(self.source, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                data = self.size
            self._punch(at, data)
            if data == self.size:
                return
            at = os.lseek(self.source, data, os.SEEK_HOLE)
            self.octets[1][data:at] = self.octets[0][data:at]

    def _punch(self, at, end):
        if at < end:
            check(LIBC.fallocate(self.target, PUNCH_HOLE | KEEP_SIZE, ctypes.c_long(at),
                                 ctypes.c_long(end - at)), "fallocate")

    def close(self):
        for octets in self.octets:
            octets.release()
        os.close(self.source)
        os.close(self.target)


class LoggedDisk:
    """DISK as a mounted file system at MNT, every write to it logged in LOG."""

    def __init__(self, folder, disk, log, kind, options):
        self.mnt = os.path.join(folder, "mnt")
        self.stack = contextlib.ExitStack()
        export = os.path.join(folder, "export.img")
        os.makedirs(self.mnt, exist_ok=True)
        open(export, "wb").close()
        with open(log, "wb") as out:
            out.truncate(8 << 30)
        try:
            self._start(disk, log, export, kind, options)
        except BaseException:
            self.stack.close()
            raise

    def _start(self, disk, log, export, kind, options):
        said = self.stack.enter_context(open(export + ".said", "w+b"))
        daemon = subprocess.Popen(
            [tool("qemu-storage-daemon"),
             "--blockdev", f"driver=file,node-name=disk,filename={disk}",
             "--blockdev", f"driver=file,node-name=log,filename={log}",
             "--blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log,"
             f"log-sector-size={SECTOR}",
             "--export", f"type=fuse,id=export,node-name=logged,mountpoint={export},writable=on,"
             "allow-other=off"],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        self.stack.callback(self._end, daemon)
        size = os.path.getsize(disk)
        wait_until(lambda: daemon.poll() is not None or os.path.getsize(export) == size,
                   "the export of qemu-storage-daemon", 20)
        if daemon.poll() is not None:
            said.seek(0)
            raise OSError(f"qemu-storage-daemon ended with {daemon.returncode}: {said.read()}")
        self.stack.enter_context(mounted(export, kind, options, self.mnt))
        self.log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        self.stack.callback(os.close, self.log)

    @staticmethod
    def _end(daemon):
        """The loop device releases the export a moment after umount; the daemon waits for it."""
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def watermark(self):
        """Entries in the log as its superblock says, which is written at a flush: whatever was
        synced by now lies before it."""
        return struct.unpack_from("<Q", os.pread(self.log, 32, 0), 16)[0]

    def close(self):
        self.stack.close()
