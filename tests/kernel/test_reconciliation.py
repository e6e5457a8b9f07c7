"""The difference between eBPF's reads and writes and those of /proc is what is documented."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.store.records import a_record
from tracer.model import Process, RunRecord, SyscallError, SyscallStat
from tracer.store.reader import Reader
from tracer.store.spool.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

static int account;

static void look(long *reads, long *writes) {
    char text[4096];
    ssize_t length = pread(account, text, sizeof text - 1, 0);
    text[length] = 0;
    *reads = atol(strstr(text, "syscr: ") + 7);
    *writes = atol(strstr(text, "syscw: ") + 7);
}

#define TRY(call) do { long r, w, r2, w2; look(&r, &w); errno = 0; long got = (call); \
    int failed = got < 0 ? errno : 0; look(&r2, &w2); \
    printf("%s|%d|%ld|%ld\n", #call, failed, r2 - r - 1, w2 - w); } while (0)

int main(void) {
    account = open("/proc/self/io", O_RDONLY);
    char byte = 0;
    struct iovec vector = {&byte, 1};
    int ends[2], folder = open("/", O_RDONLY | O_DIRECTORY), full = open("/dev/full", O_WRONLY);
    FILE *scratch = tmpfile();
    int file = fileno(scratch);
    loff_t zero = 0;
    if (pipe2(ends, O_NONBLOCK) != 0) return 1;
    TRY(read(-1, &byte, 1));
    TRY(pread(-1, &byte, 1, 0));
    TRY(pread(ends[0], &byte, 1, 0));
    TRY(readv(-1, &vector, 1));
    TRY(preadv(-1, &vector, 1, 0));
    TRY(preadv(ends[0], &vector, 1, 0));
    TRY(preadv2(-1, &vector, 1, 0, 0));
    TRY(read(ends[0], &byte, 1));
    TRY(read(folder, &byte, 1));
    TRY(write(-1, &byte, 1));
    TRY(pwrite(-1, &byte, 1, 0));
    TRY(pwrite(ends[1], &byte, 1, 0));
    TRY(writev(-1, &vector, 1));
    TRY(pwritev(-1, &vector, 1, 0));
    TRY(pwritev2(-1, &vector, 1, 0, 0));
    TRY(write(full, &byte, 1));
    TRY(sendfile(file, -1, NULL, 1));
    TRY(sendfile(-1, file, NULL, 1));
    TRY(copy_file_range(-1, &zero, file, NULL, 1, 0));
    TRY(copy_file_range(folder, &zero, file, NULL, 1, 0));
    return 0;
}
"""

EXPECTED = """
read(-1, &byte, 1)|EBADF|0|0
pread(-1, &byte, 1, 0)|EBADF|0|0
pread(ends[0], &byte, 1, 0)|ESPIPE|0|0
readv(-1, &vector, 1)|EBADF|1|0
preadv(-1, &vector, 1, 0)|EBADF|1|0
preadv(ends[0], &vector, 1, 0)|ESPIPE|1|0
preadv2(-1, &vector, 1, 0, 0)|EBADF|1|0
read(ends[0], &byte, 1)|EAGAIN|1|0
read(folder, &byte, 1)|EISDIR|1|0
write(-1, &byte, 1)|EBADF|0|0
pwrite(-1, &byte, 1, 0)|EBADF|0|0
pwrite(ends[1], &byte, 1, 0)|ESPIPE|0|0
writev(-1, &vector, 1)|EBADF|0|1
pwritev(-1, &vector, 1, 0)|EBADF|0|1
pwritev2(-1, &vector, 1, 0, 0)|EBADF|0|1
write(full, &byte, 1)|ENOSPC|0|1
sendfile(file, -1, NULL, 1)|EBADF|0|0
sendfile(-1, file, NULL, 1)|EBADF|0|0
copy_file_range(-1, &zero, file, NULL, 1, 0)|EBADF|0|0
copy_file_range(folder, &zero, file, NULL, 1, 0)|EISDIR|0|0
"""
NUMBERS = {"EBADF": 9, "EAGAIN": 11, "EISDIR": 21, "ENOSPC": 28, "ESPIPE": 29}


@pytest.mark.kernel
def test_proc_counts_failed_calls_as_the_view_takes_them(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or pytest.skip("needs a C compiler")
    source, program = tmp_path / "io.c", tmp_path / "io"
    source.write_text(PROGRAM)
    subprocess.run([compiler, "-o", program, source], check=True)
    expected = EXPECTED.strip()
    for name, number in NUMBERS.items():
        expected = expected.replace(f"|{name}|", f"|{number}|")
    done = subprocess.run([program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip().splitlines() == expected.splitlines()


def stat_of(name: str, calls: int, unfinished: int = 0) -> SyscallStat:
    times = (1, 1, 1) if calls > unfinished else (None, None, None)
    key = (1, 1, 0, 1, 1, "x86_64", 0, name)
    return SyscallStat(*key, calls, 0, 0, unfinished, *times, (0,) * 28)


def failed(name: str, errno: str, count: int) -> SyscallError:
    return SyscallError(1, 1, 0, 1, 1, "x86_64", 0, name, NUMBERS[errno], errno, count, 0)


@pytest.mark.parametrize(
    ("reads", "trace", "difference", "words"),
    [
        (28, "full", 0, "equal"),
        (33, "full", 5, "at each execve: 5 reads in 1 execve"),
        (300, "full", 272, "more in /proc"),
        (1, "full", -27, "fewer in /proc"),
        (None, "full", None, "not known"),
        (33, "none", None, "not known"),
    ],
)
def test_the_view_takes_off_what_proc_does_not_count(
    tmp_path: Path, reads: int | None, trace: str, difference: int | None, words: str
) -> None:
    # 23 reads of which 2 were refused and 1 never returned, 3 readv of which 1 was refused,
    # and 5 sendfile make 28 that /proc counts; 7 recvfrom are no reads.
    record = a_record(read_syscalls=reads, write_syscalls=5, trace=trace)
    record = RunRecord(
        run=record.run,
        processes=(Process(1, 0, 1, None, None, "x", "/x", ("x",), False, 0, 1, 0, None),),
        syscalls=(
            stat_of("read", 23, unfinished=1),
            stat_of("readv", 3),
            stat_of("sendfile", 5),
            stat_of("recvfrom", 7),
        ),
        syscall_errors=(failed("read", "EBADF", 2), failed("readv", "EBADF", 1)),
    )
    database = tmp_path / "sbtrace.duckdb"
    Spool.create(database, record.run._replace(outcome="running")).finish(record)
    with Reader(database) as reader:
        sql = "SELECT difference, explanation FROM reconciliation WHERE family = $family"
        ((got, explanation),) = reader.execute(sql, {"family": "read"})
        written = reader.execute(sql, {"family": "write"})
    assert got == difference
    assert words in explanation
    assert written[0][0] == (0 if trace == "full" else None)
