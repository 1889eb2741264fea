"""Rules that say what each setting of a configuration may be, and the check of them."""

import dataclasses
import difflib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from wavenet_ae.system.errors import UserError

LARGEST_SEED = 2**32 - 1
_LARGEST_COUNT = 2**31 - 1  # of JAX's int32, in which steps are counted
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a setting may be.

    Attributes:
        wanted: the rule in words, which follow `must be`.
        allows: returns whether a value follows the rule.
        required: whether the setting must be given.
    """

    wanted: str
    allows: Callable[[Any], bool]
    required: bool = True


# By the names of the settings; a nested mapping is a group of them.
Rules = Mapping[str, Union[Rule, "Rules"]]


def check(settings: Any, rules: Rules, name: str = "config") -> None:
    """Checks that the settings are those of the rules, and that each follows its rule.

    Args:
        settings: from a file, JSON or the command line, of whatever types.
        rules: for all of them.
        name: of the settings, for messages.

    Raises:
        UserError: one is unknown, missing or wrong.
    """
    if not isinstance(settings, Mapping):
        raise UserError(f"{name}={settings!r} must be a group of settings: {', '.join(rules)}.")
    for key in settings:
        if key not in rules:
            near = difflib.get_close_matches(str(key), rules, n=1, cutoff=0.75)
            choice = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(rules))}."
            raise UserError(f"{name}.{key} is not a setting of this configuration: {choice}")
    for key, rule in rules.items():
        if isinstance(rule, Mapping):
            check(settings.get(key), rule, f"{name}.{key}")
        elif key in settings and not rule.allows(settings[key]):
            raise UserError(f"{name}.{key}={settings[key]!r} must be {rule.wanted}.")
        elif key not in settings and rule.required:
            raise UserError(f"{name}.{key} is missing: it must be {rule.wanted}.")


def is_url(name: object) -> bool:
    """Tells whether it is a URL, not a path."""
    return _URL.match(str(name)) is not None


def local_path(name: str, path: object) -> Path:
    """Returns a path on this machine, with `~` for the home folder.

    Args:
        name: of the flag or setting, for messages.
        path: as the user gave it.

    Raises:
        UserError: it is empty, a URL (which would become a folder `gs:`), or of a user without a
            home folder.
    """
    text = str(path)
    if not text:
        raise UserError(f"{name} is empty: name a path.")
    if is_url(text):
        raise UserError(
            f"{name}={text} is not on this machine: name a local path, and copy from or to there."
        )
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(f"{name}={text}: there is no such home folder.") from error


# -- Rules


def _is_number(value: Any) -> bool:
    # NaN and infinity do not count; True and False would pass for 1 and 0.
    return (
        isinstance(value, int | float)
        and type(value) is not bool
        and abs(value) <= sys.float_info.max
    )


def _is_local_path(value: Any) -> bool:
    try:
        return isinstance(value, str) and local_path("", value) is not None
    except UserError:
        return False


def whole(least: int, most: int = _LARGEST_COUNT) -> Rule:
    """Returns the rule for a whole number in a range."""
    bounds = f", {least} or larger" if most == _LARGEST_COUNT else f" from {least} to {most}"
    return Rule(f"a whole number{bounds}", lambda x: type(x) is int and least <= x <= most)


def number(wanted: str, allows: Callable[[float], bool]) -> Rule:
    """Returns the rule for a finite number: `number("0 or more", lambda x: x >= 0)`."""
    return Rule(wanted, lambda x: _is_number(x) and allows(x))


def choice(*names: str) -> Rule:
    """Returns the rule for one of these texts."""
    *others, last = names
    return Rule(f"{', '.join(others)} or {last}", lambda x: isinstance(x, str) and x in names)


def several(rule: Rule, least: int = 0) -> Rule:
    """Returns the rule for a list whose values all follow one rule."""
    return Rule(
        f"a list of {least} or more values, each of which is {rule.wanted}",
        lambda x: (
            isinstance(x, Sequence)
            and not isinstance(x, str)
            and len(x) >= least
            and all(map(rule.allows, x))
        ),
    )


def or_none(rule: Rule) -> Rule:
    """Returns the same rule, with None allowed too."""
    return dataclasses.replace(
        rule, wanted=f"{rule.wanted}, or None", allows=lambda x: x is None or rule.allows(x)
    )


def optional(rule: Rule) -> Rule:
    """Returns the same rule for a setting that may be missing."""
    return dataclasses.replace(rule, required=False)


POSITIVE = number("a number above 0", lambda x: x > 0)
NOT_NEGATIVE = number("a number, 0 or larger", lambda x: x >= 0)
SHARE = number("a number from 0 to 1", lambda x: 0 <= x <= 1)
BELOW_ONE = number("0 or more and below 1", lambda x: 0 <= x < 1)
SEED = whole(0, LARGEST_SEED)
TRUTH = Rule("True or False", lambda x: isinstance(x, bool))
TEXT = Rule("a text", lambda x: isinstance(x, str) and x != "")
DATASET_NAME = Rule(
    "a dataset's name, such as nsynth_json/by_note",
    lambda x: isinstance(x, str) and re.fullmatch(r"[\w-]+(/[\w-]+)?(:[\d.]+)?", x) is not None,
)
PATH_OR_URL = Rule("a path or a URL", lambda x: is_url(x) or _is_local_path(x))
