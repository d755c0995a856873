"""What breaks a daemon from outside: a second engine on its home, disks, clocks and libraries that misbehave."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from daemon_process import ROOT, Daemon
from services import missing, program

# Answers as libc does, unless the file that $BREAKAGE names says: `slow N` (each sync takes N microseconds more) or
# `readonly` (below $BREAKAGE_HOME nothing can be changed, as after a disk has been remounted because of errors).
MISBEHAVING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int told(char *word, long *number) {
    const char *path = getenv("BREAKAGE");
    char text[64] = {0};
    if (!path) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    long got = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    return got > 0 ? sscanf(text, "%15s %ld", word, number) : 0;
}
static int readonly_now(void) {
    char word[16] = {0}; long number = 0; int kept = errno;
    int yes = told(word, &number) > 0 && !strcmp(word, "readonly");
    errno = kept;
    return yes;
}
static int ours(const char *path) {
    const char *home = getenv("BREAKAGE_HOME");
    return home && path && !strncmp(path, home, strlen(home));
}
static int fd_ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return ours(path);
}
static int refused(int fd) { if (fd > 2 && readonly_now() && fd_ours(fd)) { errno = EROFS; return 1; } return 0; }
static int refused_path(const char *path) { if (ours(path) && readonly_now()) { errno = EROFS; return 1; } return 0; }
static void wait_if_slow(void) {
    char word[16] = {0}; long number = 0;
    if (told(word, &number) == 2 && !strcmp(word, "slow")) usleep(number);
}
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *b, size_t n) { REAL(write); return refused(fd) ? -1 : real(fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { REAL(pwrite); return refused(fd) ? -1 : real(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) {
    REAL(pwrite64); return refused(fd) ? -1 : real(fd, b, n, o);
}
int fsync(int fd) { REAL(fsync); if (refused(fd)) return -1; wait_if_slow(); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); if (refused(fd)) return -1; wait_if_slow(); return real(fd); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); return refused(fd) ? -1 : real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); return refused(fd) ? -1 : real(fd, n); }
int rename(const char *a, const char *b) { REAL(rename); return refused_path(b) ? -1 : real(a, b); }
int unlink(const char *a) { REAL(unlink); return refused_path(a) ? -1 : real(a); }
int mkdir(const char *a, mode_t m) { REAL(mkdir); return refused_path(a) ? -1 : real(a, m); }
int open(const char *a, int flags, ...) {
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    REAL(open);
    return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && refused_path(a) ? -1 : real(a, flags, mode);
}
int open64(const char *a, int flags, ...) {
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    REAL(open64);
    return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && refused_path(a) ? -1 : real(a, flags, mode);
}
"""

ENGINE = """
import json, sys
from monitor.app.child import main
from monitor.settings import load
told = json.loads(sys.argv[1])
told["settings"] = load(told.pop("flags")).to_json()
sys.exit(main("engine", told))
"""
FENCED = 3  # exit code of an engine that somebody took the partition from


def _flags(command: Sequence[str]) -> dict[str, Any]:
    """What was given to `overloop run`, by name."""
    flags: dict[str, Any] = {}
    for name, value in itertools.pairwise(command):
        if name == "--rules":
            flags.setdefault("rules", []).append(value)
        elif name.startswith("--"):
            flags[name[2:]] = value
    return flags


class Twin:
    """A second engine on the home of a daemon, as its parent would start one; its log goes to a file of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self.line = os.pipe()  # it dies when our end closes
        self.told = os.pipe()
        told = {"parent": os.getpid(), "line": self.line[0], "tell": self.told[1], "number": 0}
        told |= {"prepare": False, "wait": False, "flags": _flags(daemon.command)}
        self.log = daemon.folder / "twin.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ENGINE, json.dumps(told)],
                env=daemon.environ,
                pass_fds=(self.line[0], self.told[1]),
                stdout=log,
                stderr=log,
                cwd=daemon.folder,
            )

    def said(self, action: str) -> list[dict[str, object]]:
        """What it logged under an action."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("action") == action]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for descriptor in (*self.line, *self.told):
            os.close(descriptor)


@contextlib.contextmanager
def twin(daemon: Daemon) -> Iterator[Twin]:
    made = Twin(daemon)
    try:
        yield made
    finally:
        made.end()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own at `folder`. Only root may mount one."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        missing("The right to mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        missing("A small disk (mount of a tmpfs)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Disk:
    """A disk that misbehaves when told to, for the processes that are started with its `environ`."""

    def __init__(self, folder: Path) -> None:
        code, made, self._says = folder / "disk.c", folder / "disk.so", folder / "disk.says"
        code.write_text(MISBEHAVING)
        subprocess.run([program("gcc", "cc"), "-shared", "-fPIC", "-O1", "-o", made, code, "-ldl"], check=True)
        self.environ = {"LD_PRELOAD": str(made), "BREAKAGE": str(self._says), "BREAKAGE_HOME": str(folder)}

    def slow(self, seconds: float) -> None:
        """Every sync takes so much longer."""
        self._says.write_text(f"slow {seconds * 1e6:.0f}\n")

    def read_only(self) -> None:
        """Nothing below the home can be changed any more."""
        self._says.write_text("readonly\n")

    def well(self) -> None:
        self._says.unlink(missing_ok=True)


def fake_clock() -> str:
    """The library that lies about the wall clock (Debian package faketime)."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found[0]) if found else missing("libfaketime (Debian package faketime)")


# Loaded by every Python that starts with its folder on PYTHONPATH: River's Page-Hinkley raises
# beyond four standard deviations and panics in Rust beyond seven, and the program has a fault of its own that an event called `poison` brings out.
PLANTED = """
import importlib.abc, importlib.util, sys

def river(module):
    sound = module.PageHinkley.update
    def update(self, x):
        if x > 7:  # a true panic of River's Rust half: a quantile that has met a NaN
            from river.stats import Quantile
            broken = Quantile()
            broken.update(1.0)
            broken.update(float("nan"))
            broken.get()
        if x > 4:
            raise ArithmeticError("worn out")
        return sound(self, x)
    module.PageHinkley.update = update

def timeline(module):
    sound = module.Timeline.observe
    def observe(self, batch):
        if "poison" in list(batch.ids):
            raise ZeroDivisionError("a planted fault")
        return sound(self, batch)
    module.Timeline.observe = observe

class Planter(importlib.abc.MetaPathFinder):
    faults = {"river.drift": river, "monitor.core.timeline": timeline}
    def find_spec(self, name, path, target=None):
        fault = self.faults.pop(name, None)
        if fault is None:
            return None
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            fault(module)
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Planter())
"""


def planted(folder: Path) -> dict[str, str]:
    """The environment of a daemon with planted faults."""
    (folder / "sitecustomize.py").write_text(PLANTED)
    return {"PYTHONPATH": f"{folder}:{ROOT}"}
