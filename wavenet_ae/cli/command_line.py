"""What all tools share: how they read their flags, how they start and how they end."""

import json
import math
import os
import re
import signal
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from wavenet_ae.system.errors import SHORTAGES, MachineError, Stopped, UserError
from wavenet_ae.system.settings import LARGEST_SEED, is_url, local_path

__all__ = [
    "LARGEST_SEED",
    "define_checkpoint",
    "define_distributed",
    "define_path",
    "help_text",
    "read_config",
    "run",
    "take_arguments",
]

# What is defined here belongs to the tool that calls, and is listed by its --help.
flags.disclaim_key_flags()

# EX_TEMPFAIL, EX_UNAVAILABLE, EX_SOFTWARE and EX_IOERR of sysexits.h.
_STOPPED, _LOST, _DEFECT, _MACHINE = 75, 69, 70, 74

# For how long a process that is done waits for the others; then JAX ends them all.
_WEEK_S, _MINUTES_S = 7 * 24 * 3600, 300
_shutdown_timeout_s = _MINUTES_S

# The flag that takes positional arguments, and whether one is required.
_arguments_flag: tuple[str, bool] | None = None


class _PathParser(flags.ArgumentParser):
    """Paths on this machine, with `~` for the home folder, and where they may be, URLs."""

    def __init__(self, name: str, urls: bool, buckets: bool):
        self._name, self._urls, self._buckets = name, urls, buckets
        self.syntactic_help = "a path or a URL" if urls or buckets else "a path"

    def parse(self, argument: str | Path) -> Path | str:
        if self._urls and is_url(argument):
            return str(argument)
        if self._buckets and is_url(argument):
            from wavenet_ae.system import buckets  # a path needs none of its libraries

            return buckets.path(f"--{self._name}", str(argument))
        return local_path(f"--{self._name}", argument)

    def flag_type(self) -> str:
        return "path"


def define_path(
    name: str,
    help_text: str,
    *,
    default: str | None = None,
    required: bool = False,
    multiple: bool = False,
    urls: bool = False,
    buckets: bool = False,
) -> flags.FlagHolder:
    """Defines a flag whose value is a `Path`, or a list of them where it can be repeated.

    Where there may be `urls`, such a value is a str; where there may be `buckets`, gs://BUCKET/FOLDER
    is a path, too.
    """
    parser, serializer = _PathParser(name, urls, buckets), flags.ArgumentSerializer()
    if multiple:
        holder = flags.DEFINE_multi(parser, serializer, name, default, help_text)
    else:
        holder = flags.DEFINE(parser, name, default, help_text, serializer=serializer)
    if required:
        flags.mark_flag_as_required(name)
    return holder


def define_checkpoint() -> flags.FlagHolder:
    """Defines --checkpoint of a tool that encodes or generates; its value is a Path or a URL."""
    return define_path(
        "checkpoint",
        "A run's --workdir, an export, their URL (hf://OWNER/NAME, gs://...), or pretrained.",
        default="pretrained",
        urls=True,
    )


def take_arguments(flag: flags.FlagHolder, *, required: bool = False) -> flags.FlagHolder:
    """Makes positional arguments values of this flag, and returns it."""
    global _arguments_flag
    _arguments_flag = flag.name, required
    return flag


def _assign_arguments(arguments: list[str]) -> None:
    if _arguments_flag is None:
        if arguments:
            raise UserError(
                f"unexpected argument {arguments[0]!r}: every setting is a --flag=value."
            )
        return
    name, required = _arguments_flag
    flag = flags.FLAGS[name]
    for argument in arguments:
        if flag.present and not isinstance(flag, flags.MultiFlag):
            raise UserError(f"unexpected argument {argument!r}: --{name} is {flag.value} already.")
        flag.parse(argument)
    if required and not flag.value:
        raise UserError(f"no input is given: name one, or give --{name}=...")


def parse_numbers(words: Sequence[str], flag: str, lowest: int, highest: int) -> tuple[int, ...]:
    """Reads numbers and ranges `first:last` or `first:last:step`, the last included.

    Args:
        words: numbers and ranges, in any mixture.
        flag: the flag that they come from, for the message.
        lowest: the smallest number allowed.
        highest: the largest number allowed.

    Returns:
        The numbers in ascending order, each once.

    Raises:
        UserError: a word is something else, or there is none.
    """
    numbers: set[int] = set()
    for word in words:
        fields = word.split(":")
        if len(fields) > 3 or not all(field.isdecimal() for field in fields):
            raise UserError(f"--{flag}: {word!r} is neither a number nor a range first:last:step.")
        first, last, step, *_ = [*map(int, fields), *([int(word), 1] if len(fields) == 1 else [1])]
        if step == 0 or last < first:
            raise UserError(f"--{flag}: the range {word!r} is empty.")
        if first < lowest or last > highest:
            raise UserError(f"--{flag}: {word!r} is not within {lowest} to {highest}.")
        numbers.update(range(first, last + 1, step))
    if not numbers:
        raise UserError(f"--{flag}: at least one number is needed.")
    return tuple(sorted(numbers))


def help_text(tool: types.ModuleType) -> str:
    """Returns what --help of a tool shows: its docstring and its flags."""
    _, _, listed = flags.FLAGS.module_help(tool.__name__).partition(":\n")
    return f"{(tool.__doc__ or '').strip()}\n\nFlags:\n{listed}"


def read_config(flag: flags.FlagHolder) -> dict[str, Any]:
    """Returns the configuration that an ml_collections flag holds, as JSON values.

    Raises:
        UserError: its file cannot be read, or holds no configuration.
    """
    if flags.FLAGS[flag.name].present > 1:
        raise UserError(f"--{flag.name} is given more than once: give it once.")
    try:
        # Through JSON, so that a resumed run compares like with like.
        config = flag.value
        found = json.loads(config.to_json() if hasattr(config, "to_json") else json.dumps(config))
    except (OSError, TypeError, ValueError) as error:
        raise UserError(_explain_config_error(error)) from error
    if not isinstance(found, dict):
        raise UserError(
            f"get_config of the --{flag.name} returns {found!r}: let it return a ConfigDict."
        )
    return found


def _parse_flags(argv: list[str]) -> list[str]:
    flags.FLAGS.set_gnu_getopt()  # flags may follow arguments
    try:
        return flags.FLAGS(argv)
    except Exception as error:  # also those of a configuration's own file
        sys.exit(_print_error(f"error: {_explain_flag_error(error)}", 1))


# What absl says of a flag, and what a user understands.
_SAID_BETTER = (
    (r"^flag --(\w+)=None: Flag --\w+ must have a value other than None$", r"--\1 is missing"),
    (r"^flag --([\w.]+=.*): invalid literal for int\(\).*", r"--\1 must be a whole number"),
    (r"^flag --([\w.]+=.*): could not convert string to float.*", r"--\1 must be a number"),
    (r"^flag --([\w.]+=.*): \('Non-boolean argument.*", r"--\1 must be true or false"),
    (r"^flag --([\w.]+=.*): \S+ is not ", r"--\1 is not "),
    (r"^flag --([\w.]+=.*): value should be one of <(.*)>", r"--\1 must be one of \2"),
    (r"^Unknown command line flag '(.*?)'", r"there is no flag --\1"),
    (r"^flag --", "--"),
)


def _explain_flag_error(error: Exception) -> str:
    """Says why the command line cannot be read."""
    if not isinstance(error, flags.Error) or "Error whilst parsing config file" in str(error):
        return _explain_config_error(error)
    said = " ".join(str(error).split()).rstrip(" ?.")
    for pattern, better in _SAID_BETTER:
        said = re.sub(pattern, better, said)
    said, _, near = said.partition(". Did you mean: ")
    own = [name for name in near.split(", ") if name and not _is_of_library(name)]
    return (
        f"{said}: did you mean {' or '.join(own)}?" if own else f"{said}; --help lists the flags."
    )


def _is_of_library(name: str) -> bool:
    return (flags.FLAGS.find_module_defining_flag(name) or "").startswith("absl")


def _explain_config_error(error: BaseException) -> str:
    """Says what is wrong with a configuration's file, or with a setting that it does not have."""
    chain = [error]  # ml_collections and absl wrap what the file has raised
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    if own := [link for link in chain if isinstance(link, UserError)]:
        return str(own[0])
    *_, last = str(chain[-1]).splitlines() or [""]
    last = last.strip().rstrip(".")
    if isinstance(chain[-1], OSError):
        return f"the --config cannot be read: {re.sub(r'^.Errno [0-9]+. ', '', last)}."
    if isinstance(chain[-1], AttributeError) and "get_config" in last:
        return "the --config has no get_config: name a file of configurations, FILE.py[:variant]."
    frames = [frame for link in chain for frame in traceback.extract_tb(link.__traceback__)]
    line = next((f.lineno for f in reversed(frames) if f.filename == _config_file()), None)
    if isinstance(chain[-1], SyntaxError) and chain[-1].filename == _config_file():
        line = chain[-1].lineno
    if line is None and isinstance(error, AttributeError | KeyError):  # an unknown --config.x=...
        name = last.rpartition("lookup: ")[2].strip("'\"")
        near = re.search(r'Did you mean "(\w+)"', str(error))
        return f"the configuration has no setting {name!r}" + (
            f": did you mean {near[1]}?" if near else "."
        )
    where = f", line {line}" if line else ""
    return f"the --config cannot be used ({_config_file()}{where}): {_named(chain[-1], last)}."


def _named(error: BaseException, message: str) -> str:
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _config_file() -> str | None:
    """Returns the file that --config names on the command line."""
    for argument, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in ("--config", "-config"):
            return (value if equals else following).partition(":")[0]
    return None


def define_distributed(*, independent: bool = False) -> None:
    """Defines the flags of a tool that several processes run together; `run` connects them.

    Args:
        independent: a process that has failed stays until the others are done with their share;
            otherwise it ends at once, and so do they.
    """
    global _shutdown_timeout_s
    _shutdown_timeout_s = _WEEK_S if independent else _MINUTES_S
    flags.DEFINE_bool(
        "distributed",
        False,
        "Run as one of several processes, all started with the same command. On Cloud TPU, with "
        "Slurm or Open MPI they find each other; elsewhere give the next three flags, or the "
        "variables JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.",
    )
    flags.DEFINE_string("coordinator_address", None, "HOST:PORT of the first process.")
    flags.DEFINE_integer("num_processes", None, "How many processes there are.", lower_bound=1)
    flags.DEFINE_integer(
        "process_id", None, "Which of the processes this is, from 0.", lower_bound=0
    )


def _connect() -> None:
    names = ("coordinator_address", "num_processes", "process_id")
    given = {name: flags.FLAGS[name].value for name in names}
    if not flags.FLAGS.distributed:
        if idle := [name for name in names if given[name] is not None]:
            raise UserError(f"--{idle[0]} is for --distributed: add it.")
        return
    for name in names:
        text = os.environ.get(f"JAX_{name.upper()}")
        if given[name] is None and text:
            if name != "coordinator_address" and not text.isdecimal():
                raise UserError(f"JAX_{name.upper()}={text} must be a whole number.")
            given[name] = text if name == "coordinator_address" else int(text)
    from wavenet_ae.system import processes  # flag errors do not wait for JAX

    try:
        processes.connect(**given, shutdown_timeout_s=_shutdown_timeout_s)
    # A normal exit would wait for JAX, which is still waiting.
    except TimeoutError as error:
        os._exit(_print_error(f"error: {error}", _LOST))
    except KeyboardInterrupt:
        os._exit(_print_error("interrupted before the processes were connected", 130))


def _check_numbers() -> None:
    """Raises a UserError where a flag is not-a-number, which passes for in range, or infinite."""
    for name in flags.FLAGS:
        value = flags.FLAGS[name].value
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise UserError(f"--{name}={number} must be a finite number.")


def _compile_small_loops_as_kernels() -> None:
    """Makes XLA's CPU compiler turn loops that read under 32 MiB an iteration into one kernel.

    XLA does so for loops that have no convolutions and only matrix-vector products; its default
    limit is 1 KiB. Generating one sound by a small model is such a loop. Only XLA_FLAGS sets the
    limit; where it names a file of flags, or has such options, it is left unchanged.
    """
    options = "--xla_backend_extra_options"
    xla_flags = os.environ.get("XLA_FLAGS", "").strip()
    if options not in xla_flags and xla_flags[:1] in ("", "-"):
        own = f"{options}=xla_cpu_small_while_loop_byte_threshold={2**25}"
        os.environ["XLA_FLAGS"] = f"{own} {xla_flags}"


def _print_error(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


def _code(error: UserError) -> int:
    return _MACHINE if isinstance(error, MachineError) else 1


def _is_lost_process(error: Exception) -> bool:
    """Returns whether the error means that another process is gone, as JAX or Orbax report it."""
    words = ("Gloo", "UNAVAILABLE", "DEADLINE_EXCEEDED", "coordination service", "Barrier")
    return any(word in str(error) for word in words)


def _known_cause(error: Exception) -> UserError | None:
    """Returns a sentence on an error that the environment caused, not the code; None for others."""
    text = str(error)
    first = text.partition("\n")[0].partition(" (set JAX_PLATFORMS")[0].rstrip(".")
    frames = traceback.extract_tb(error.__traceback__)
    if frames and Path(frames[-1].filename).name == "xla_bridge.py":  # looking for devices
        why = f" ({first})" if first else ""
        variable = os.environ.get("JAX_PLATFORMS")
        if variable:
            return UserError(
                f"JAX_PLATFORMS={variable} names a device that JAX cannot use here{why}: leave the "
                "variable out, or set it to cpu."
            )
        return UserError(f"JAX cannot use its devices{why}: set JAX_PLATFORMS=cpu to run without.")
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return UserError(
            f"the memory is too small ({first or 'out of memory'}): take a smaller batch or model."
        )
    if isinstance(error, OSError) and error.strerror:
        kind = MachineError if error.errno in SHORTAGES else UserError
        names = " to ".join(str(n) for n in (error.filename, error.filename2) if n is not None)
        return kind(f"{names or 'a file'}: {error.strerror}.")
    return None


def run(main: Callable[[], int | None]) -> None:
    """Parses the flags, runs `main` and exits.

    Args:
        main: takes no arguments; returns an exit code, or None for success.

    A `UserError` becomes one line on standard error and exit code 1 (74 for a `MachineError`); a
    run that was `Stopped` and saved exits with code 75, another interruption with 130, and with 69
    where one of several processes was lost. Any other exception is a defect and keeps its stack
    trace; among several processes it exits with 70. Too little memory or disk, files that cannot be
    read or written and devices that JAX does not find are not defects.
    """

    def guarded_main(argv: list[str]) -> int | None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # libraries report every file they write
        # SIGTERM is handled as Ctrl-C is.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _compile_small_loops_as_kernels()
        several = "distributed" in flags.FLAGS and flags.FLAGS.distributed
        try:
            _assign_arguments(argv[1:])
            _check_numbers()
            if "distributed" in flags.FLAGS:
                _connect()
            return main()
        except UserError as error:
            code = _print_error(f"error: {error}", _code(error))
        except Stopped as stopped:
            return _print_error(str(stopped), _STOPPED)
        except KeyboardInterrupt:
            code = _print_error("interrupted", 130)
        except Exception as error:
            if several and _is_lost_process(error):
                code = _print_error(
                    "error: another process has ended or cannot be reached (its own messages say "
                    "why): start all of them again, and the run resumes from the last checkpoint.",
                    _LOST,
                )
            elif cause := _known_cause(error):
                logging.info("the exception was", exc_info=error)
                code = _print_error(f"error: {cause}", _code(cause))
            elif several:
                traceback.print_exc()
                code = _DEFECT
            else:
                raise
        if several and _shutdown_timeout_s == _MINUTES_S:
            # At once: at a normal exit JAX would wait for the others for minutes.
            sys.stderr.flush()
            os._exit(code)
        return code

    app.run(guarded_main, flags_parser=_parse_flags)
