"""Deeds that a filter or a Landlock domain may keep a program from, as Python for a process.

Each prints ``done``, or the name of the error. Where the kernel itself would refuse the argument
(a module that is none), that answer is what shows that the call came through.
"""

from __future__ import annotations

_COMMON = """
import ctypes, errno, os, socket, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    result = libc.syscall(number, *args)
    print("done" if result >= 0 else errno.errorcode[ctypes.get_errno()])
def tell(deed):
    try:
        deed()
        print("done")
    except OSError as error:
        print(errno.errorcode[error.errno])
    except RuntimeError:
        print("EPERM")
"""
WITHOUT = _COMMON
# A world that can be read and executed and not written to; no TCP; signals and abstract sockets
# stay within. linux/landlock.h: the rights of ABI 5, of the network 4, scopes 6.
LANDLOCK = (
    _COMMON
    + """
ALL, READ = (1 << 16) - 1, 1 << 0 | 1 << 2 | 1 << 3
attributes = struct.pack("=QQQ", ALL, 3, 3)
ruleset = libc.syscall(444, attributes, len(attributes), 0)
assert ruleset >= 0, os.strerror(ctypes.get_errno())
beneath = struct.pack("=Qi", READ, os.open("/", os.O_PATH))
assert libc.syscall(445, ruleset, 1, beneath, 0) == 0
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.syscall(446, ruleset, 0) == 0
"""
)
DEEDS = {
    "read a file": "tell(lambda: open('/etc/passwd').read())",
    "write a file": "tell(lambda: os.close(os.open('/tmp', os.O_TMPFILE | os.O_RDWR)))",
    "start a program": "tell(lambda: os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0))",
    "start a thread": "tell(lambda: threading.Thread(target=int).start())",
    "connect by TCP": (
        "s = None\ndef deed():\n    s = socket.socket()\n    s.settimeout(2)\n"
        "    s.connect(('127.0.0.1', 9))\ntell(deed)"
    ),
    "listen on TCP": "tell(lambda: socket.create_server(('127.0.0.1', 0)))",
    "send by UDP": (
        "tell(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9)))"
    ),
    "a raw socket": "tell(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))",
    "a user namespace": "call(272, 0x10000000)",
    "mount": "call(165, b'none', b'/proc', b'no such file system', 0, 0)",
    "load a module": "call(175, b'x' * 64, 64, b'')",
    "load a BPF program": "call(321, 5, 0, 0)",
    "io_uring": "call(425, 0, 0)",
    "a keyring": "call(250, 0, -3, 1)",
    "perf": "call(298, 0, 0, -1, -1, 0)",
    "trace the parent": "call(101, 0x4206, os.getppid(), 0, 0)",
    "signal the parent": "tell(lambda: os.kill(os.getppid(), 0))",
    "set the clock": "call(227, 99, 0)",
}
