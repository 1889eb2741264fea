"""The exceptions that stand for no defect."""

import errno
from pathlib import Path


class UserError(Exception):
    """Something the user can mend.

    The message is one sentence that names the file or the setting and the way out; entry points
    print it without a stack trace and exit with code 1.
    """


class MachineError(UserError):
    """The machine fails a run whose settings are right: a full disk, a process that was killed.

    Entry points exit with code 74 (`EX_IOERR` of sysexits.h): another try may succeed.
    """


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """A run that was asked to stop, and saved: the same command goes on.

    Entry points print the message and exit with code 75 (`EX_TEMPFAIL` of sysexits.h).
    """


# Failures of the machine, not the user's mistakes.
SHORTAGES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_ELSEWHERE = "choose another place"
_REMEDIES = {
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some of what you may use of this disk, or choose another",
    errno.EIO: "the disk or the network fails; try again, or choose another",
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENAMETOOLONG: "choose shorter names",
    errno.ENOTDIR: "a part of its path is a file; choose another",
    errno.EEXIST: "a part of its path is a file; choose another",
    errno.EISDIR: "a folder has this name; choose another",
    errno.EFBIG: "raise the limit (`ulimit -f`), or choose another disk",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "close other programs",
    errno.EILSEQ: "choose a name of other characters",
    errno.EINVAL: "choose a name of other characters",
}


def write_error(path: Path | str, error: OSError) -> UserError:
    """Returns what the user reads where the system refuses to write: what it said, and a way out.

    A MachineError where the same command may succeed another time.
    """
    kind = MachineError if error.errno in SHORTAGES else UserError
    remedy = _REMEDIES.get(error.errno, _ELSEWHERE)
    return kind(f"{path} cannot be written ({error.strerror or error}): {remedy}.")
