"""The one exception that stands for a user's mistake."""


class UserError(Exception):
    """Something the user can mend.

    The message is one sentence that names the file or the setting and the way out; entry points
    print it without a stack trace and exit with code 1.
    """
