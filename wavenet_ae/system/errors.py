"""Exceptions that are not defects of the program."""

import errno
from pathlib import Path


class UserError(Exception):
    """An error that the user can correct.

    The message is one sentence that names the file or the setting and the remedy; entry points
    print it without a stack trace and exit with code 1.
    """


class MachineError(UserError):
    """A failure of the machine, not of the settings: a full disk, or a killed process.

    Entry points exit with code 74 (`EX_IOERR` of sysexits.h): the same command may succeed later.
    """


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """A run was asked to stop and has been saved: the same command resumes it.

    Entry points print the message and exit with code 75 (`EX_TEMPFAIL` of sysexits.h).
    """


# Failures of the machine, not user errors.
SHORTAGES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_ELSEWHERE = "choose another place"
_REMEDIES = {
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space of your quota, or choose another disk",
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
    errno.EILSEQ: "choose a name with other characters",
    errno.EINVAL: "choose a name with other characters",
}


def write_error(path: Path | str, error: OSError) -> UserError:
    """Returns the error for a failed write: what the system says, and a remedy.

    A MachineError if the same command may succeed later.
    """
    kind = MachineError if error.errno in SHORTAGES else UserError
    remedy = _REMEDIES.get(error.errno, _ELSEWHERE)
    return kind(f"{path} cannot be written ({error.strerror or error}): {remedy}.")
