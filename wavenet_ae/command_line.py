"""What all entry points in `experiments/` share: how they start and how they end."""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from wavenet_ae.errors import MachineError, Stopped, UserError

LARGEST_SEED = 2**32 - 1

# EX_TEMPFAIL, EX_UNAVAILABLE, EX_SOFTWARE and EX_IOERR of sysexits.h.
_STOPPED, _LOST, _DEFECT, _MACHINE = 75, 69, 70, 74

# For how long a process that is done waits for the others; then JAX ends them all.
_WEEK_S, _MINUTES_S = 7 * 24 * 3600, 300
_shutdown_timeout_s = _MINUTES_S


class _PathParser(flags.ArgumentParser):
    """Paths, with `~` for the home folder."""

    syntactic_help = "a path"

    def parse(self, argument: str | Path) -> Path:
        return Path(argument).expanduser()

    def flag_type(self) -> str:
        return "path"


def define_path(
    name: str, help_text: str, *, required: bool = False, multiple: bool = False
) -> flags.FlagHolder:
    """Defines a flag whose value is a `Path`, or a list of them where it can be repeated.

    It is listed by `--help` among those of the tool that was started.
    """
    parser, serializer = _PathParser(), flags.ArgumentSerializer()
    if multiple:
        holder = flags.DEFINE_multi(
            parser, serializer, name, None, help_text, module_name=sys.argv[0]
        )
    else:
        holder = flags.DEFINE(
            parser, name, None, help_text, serializer=serializer, module_name=sys.argv[0]
        )
    if required:
        flags.mark_flag_as_required(name)
    return holder


def read_config(flag: flags.FlagHolder) -> dict[str, Any]:
    """Returns the configuration that a flag of ml_collections holds, as JSON has it.

    Raises:
        UserError: its file cannot be read.
    """
    try:
        # Through JSON, so that a resumed run compares like with like.
        return json.loads(flag.value.to_json())
    except OSError as error:
        raise UserError(
            f"the --config cannot be read: {str(error).splitlines()[-1].strip()}"
        ) from error


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
        "Slurm or Open MPI they find each other; elsewhere the next three flags tell how, or the "
        "variables JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID.",
    )
    flags.DEFINE_string("coordinator_address", None, "HOST:PORT of the first process.")
    flags.DEFINE_integer("num_processes", None, "How many there are.", lower_bound=1)
    flags.DEFINE_integer("process_id", None, "Which one this is, from 0.", lower_bound=0)


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
    import jax  # tools that refuse their flags start without it
    from jax.experimental import multihost_utils

    # Its handler of SIGTERM would take the place of ours; `training.interruption` agrees on a stop.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(**given, shutdown_timeout_seconds=_shutdown_timeout_s)
        # The first meeting waits for half a minute alone: before any work, when all are here.
        multihost_utils.sync_global_devices("connected")
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"the processes cannot be connected ({str(error).splitlines()[0].rstrip('.')}): give "
            f"{', '.join(f'--{name}' for name in names)} to each."
        ) from error


def _compile_small_loops_whole() -> None:
    """Has XLA's CPU compiler make one kernel of a loop that reads less than 32 MiB in a turn.

    It does so with loops that have no convolutions and no products but matrix-vector ones, and by
    default up to 1 KiB. A sample of one sound of a small model is such a turn. Only the variable
    sets it; where it names a file of flags, or has such options, it stays as it is.
    """
    options = "--xla_backend_extra_options"
    xla_flags = os.environ.get("XLA_FLAGS", "").strip()
    if options not in xla_flags and xla_flags[:1] in ("", "-"):
        own = f"{options}=xla_cpu_small_while_loop_byte_threshold={2**25}"
        os.environ["XLA_FLAGS"] = f"{own} {xla_flags}"


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


def _is_loss(error: Exception) -> bool:
    """Tells whether the error is how JAX or Orbax notice that another process is gone."""
    words = ("Gloo", "UNAVAILABLE", "DEADLINE_EXCEEDED", "coordination service", "Barrier")
    return any(word in str(error) for word in words)


def run(main: Callable[[], int | None]) -> None:
    """Parses the flags, runs `main` and exits.

    Args:
        main: takes no arguments; returns an exit code, or None for success.

    A `UserError` becomes one line on standard error and exit code 1 (74 for a `MachineError`); a
    run that was `Stopped` and saved exits with code 75, another interruption with 130, and with 69
    where one of several processes was lost. Any other exception is a defect and keeps its stack
    trace; among several processes it exits with 70.
    """

    def guarded_main(argv: list[str]) -> int | None:
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected argument {argv[1]!r}: every setting is a --flag=value."
            )
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # libraries report every file they write
        # Cleaning up is the same for both ways of asking to stop.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _compile_small_loops_whole()
        several = "distributed" in flags.FLAGS and flags.FLAGS.distributed
        try:
            if "distributed" in flags.FLAGS:
                _connect()
            return main()
        except UserError as error:
            code = _say(f"error: {error}", _MACHINE if isinstance(error, MachineError) else 1)
        except Stopped as stopped:
            return _say(str(stopped), _STOPPED)
        except KeyboardInterrupt:
            code = _say("interrupted", 130)
        except Exception as error:
            if not several:
                raise
            if _is_loss(error):
                code = _say(
                    "error: another process has ended or cannot be reached (its own messages say "
                    "why): start all of them again, and the run goes on from the last checkpoint.",
                    _LOST,
                )
            else:
                traceback.print_exc()
                code = _DEFECT
        if several and _shutdown_timeout_s == _MINUTES_S:
            # At once: JAX would wait at the exit until it has missed the others for minutes.
            sys.stderr.flush()
            os._exit(code)
        return code

    def guarded_parser(argv: list[str]) -> list[str]:
        try:
            return app.parse_flags_with_usage(argv)
        except UserError as error:  # a configuration's own
            print(f"error: {error}", file=sys.stderr)
        except (AttributeError, KeyError) as error:  # ml_collections': an unknown --config.x=...
            print(f"error: the configuration has no setting {error}.", file=sys.stderr)
        sys.exit(1)

    app.run(guarded_main, flags_parser=guarded_parser)
