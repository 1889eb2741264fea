"""The exceptions that stand for no defect."""


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
