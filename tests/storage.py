"""Storage that cannot do everything: a shared object that makes system calls fail as such storage does."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int link(const char *from, const char *to) {
  if (getenv("NO_LINKS")) { errno = EOPNOTSUPP; return -1; }
  return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link"))(from, to);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
  if (getenv("NO_LINKS")) { errno = EOPNOTSUPP; return -1; }
  return ((int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat"))(a, from, b, to, flags);
}
int flock(int file, int operation) {
  if (getenv("NO_LOCKS")) { errno = ENOLCK; return -1; }
  return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, operation);
}
int fsync(int file) {
  struct stat status;
  if (getenv("NO_FOLDER_SYNC") && !fstat(file, &status) && S_ISDIR(status.st_mode)) { errno = EINVAL; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
"""

KINDS = ("NO_LINKS", "NO_FOLDER_SYNC", "NO_LOCKS")
"""exFAT and cloud drives; CIFS and some FUSE; NFS without lockd and Lustre without `flock`."""


def storage(folder: Path, *kinds: str) -> dict[str, str]:
    """Return an environment in which a program finds such storage everywhere."""
    if shutil.which("cc") is None or not Path("/proc/self").exists():
        pytest.skip("needs Linux and a C compiler")
    (folder / "storage.c").write_text(SOURCE)
    made = folder / "storage.so"
    line = ["cc", "-shared", "-fPIC", "-o", made, folder / "storage.c", "-ldl"]
    subprocess.run(line, check=True, capture_output=True)
    return {"LD_PRELOAD": str(made), **dict.fromkeys(kinds, "1")}
