"""Checks an accelerator in one call of a few minutes.

Each part is a separate process with a time limit, so that a failure does not affect the
others; results are written as they come.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wavenet_ae.benchmarks import highlights, machine
from wavenet_ae.benchmarks.highlights import Fact
from wavenet_ae.prepare import nsynth_json
from wavenet_ae.publish import document as doc
from wavenet_ae.publish import growing_files
from wavenet_ae.system.errors import UserError

RESULTS = "results"
_LEAST_S = 2.0  # seconds; a part does not start with less time left
_KEPT = 0.03  # of the total time, reserved for each later part
_NUM_STEPS = 200
_KILLED_AFTER = 60  # steps, or a few more


class Finding(NamedTuple):
    """The result of a part.

    Attributes:
        found: for JSON.
        rows: for the table.
        problem: what is wrong; empty if nothing is.
    """

    found: Any
    rows: list[Fact]
    problem: str = ""


class Part(NamedTuple):
    """One check.

    Attributes:
        name: of the part and of its files.
        share: of the total time, after which it is ended; they add up to more than 1, since most
            parts end sooner.
        find: takes the prefix of its files and the seconds; raises a `UserError` if there is no
            result.
    """

    name: str
    share: float
    find: Callable[[Path, float], Finding]


def parts(repository: Path, *, tiny: bool = False) -> list[Part]:
    """Returns all parts, the most important first.

    Args:
        repository: with experiments/ and tests/.
        tiny: use models so small that a CPU takes a minute, to rehearse.
    """
    measured = functools.partial(_measured, repository, tiny)
    paper, small, baseline = "wavenet_ae.py", "wavenet_ae.py:small", "spectral_ae.py"
    batch = "--batch_size=2" if tiny else "--batch_size=32"

    def sampling(name: str, config: str) -> list[Part]:
        """Returns one part per number of sounds: the largest may not fit the memory."""
        flags = ("--chunk_frames=1", "--novoice")
        return [
            Part(f"{name}-{n}", 0.13, measured("sample", config, *flags, f"--num_sounds={n}"))
            for n in (1, 64, 1024)
        ]

    return [
        Part("device", 0.1, lambda *args: _device(tiny, *args)),
        Part("agreement", 0.25, lambda *args: _agreement(repository, *args)),
        Part("training-paper", 0.25, measured("train", paper)),
        *sampling("sampling-small", small),
        Part("training-small", 0.13, measured("train", small)),
        Part("resuming", 0.2, lambda *args: _resuming(repository, tiny, *args)),
        *sampling("sampling-paper", paper),
        Part("baseline", 0.13, measured("train", baseline)),
        Part("classifier", 0.1, measured("train", "classifier.py")),
        Part("transposed-convolutions", 0.1, measured("transposed", baseline)),
        # With more iterations librosa, which does the same, would take minutes.
        Part("griffin-lim", 0.1, measured("griffin_lim", None, batch, "--iterations=30")),
    ]


def _measured(
    repository: Path, tiny: bool, task: str, config: str | None, *flags: str
) -> Callable[[Path, float], Finding]:
    """Returns the function of a part that runs `benchmark.py`."""
    arguments = [str(repository / "experiments" / "benchmark.py"), f"--task={task}"]
    arguments += ["--seconds=0.2" if tiny else "--seconds=3", "--repetitions=1", *flags]
    if config is not None:
        arguments += [f"--config={repository / 'experiments' / 'configs' / config}"]
        arguments += _tiny_model(config) if tiny else []

    def find(prefix: Path, limit_s: float) -> Finding:
        output = prefix.with_suffix(".json")
        _run([*arguments, f"--output={output}"], prefix, limit_s)
        found = json.loads(output.read_text())
        return Finding(found, highlights.BY_TASK[task](found))

    return find


def _tiny_model(config: str) -> list[str]:
    if config.startswith("wavenet"):
        sizes = {"encoder_channels": 4, "encoder_layers": 2, "decoder_channels": 8}
        sizes |= {"skip_channels": 8, "decoder_layers": 2, "hop_length": 64}
        settings = ["--config.batch_size=2", "--config.crop_samples=256"]
    else:
        names = ("narrow_channels", "middle_channels", "wide_channels", "bottleneck_channels")
        sizes = dict.fromkeys(names, 2)
        settings = ["--config.batch_size=2"]
    return [*settings, *(f"--config.model.{name}={size}" for name, size in sizes.items())]


def check(chosen: Sequence[Part], output: Path, minutes: float) -> list[dict[str, Any]]:
    """Runs one part after the other.

    Args:
        chosen: the parts.
        output: a folder for `results.json`, `results.md`, and each part's log and numbers. What
            other parts left there stays.
        minutes: for all of them together.

    Returns:
        What `results.json` holds: one entry per part, with its `name`, its `outcome` (`ok`,
        `failed` or `no time left`), `seconds` and, if there are any, `rows`, `found`, and the
        `reason` of a failure.
    """
    output.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60 * minutes
    entries = _earlier(output / f"{RESULTS}.json")
    for number, part in enumerate(chosen):
        kept_s = _KEPT * (len(chosen) - number - 1) * 60 * minutes
        left_s = deadline - time.monotonic() - kept_s
        entry = _try(part, output, min(left_s, part.share * 60 * minutes))
        entries[part.name] = entry
        so_far = list(entries.values())
        growing_files.write(output, RESULTS, so_far, document(so_far))
        print(f"{part.name}: {entry['outcome']}, {entry['seconds']:.0f} s", flush=True)
    return list(entries.values())


def _earlier(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return {entry["name"]: entry for entry in json.loads(path.read_text())}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read as this tool's results: move it away, or give another --output."
        ) from error


def _try(part: Part, output: Path, limit_s: float) -> dict[str, Any]:
    entry = {"name": part.name, "outcome": "no time left", "seconds": 0.0, "rows": []}
    if limit_s < _LEAST_S:
        return entry
    start = time.monotonic()
    try:
        found, rows, problem = part.find(output / part.name, limit_s)
        entry |= {"outcome": "failed" if problem else "ok", "rows": rows, "found": found}
        entry |= {"reason": problem} if problem else {}
    except Exception as error:  # whatever it is, the other parts still run
        entry |= {"outcome": "failed", "reason": str(error) or type(error).__name__}
    return entry | {"seconds": time.monotonic() - start}


def document(entries: Sequence[Mapping[str, Any]]) -> doc.Document:
    """Returns a table with a row for each result, and one for each failure.

    Args:
        entries: from `check`.
    """
    rows = []
    for entry in entries:
        bad = [] if entry["outcome"] == "ok" else [(entry["outcome"], entry.get("reason", ""))]
        first, seconds = entry["name"], f"{entry['seconds']:.0f}"
        for what, value in [*bad, *entry["rows"]]:
            rows.append([first, what, value, seconds])
            first = seconds = ""
    table = doc.Table(["part", "what", "found", "s"], rows, text_columns=3)
    return doc.Document("This machine's accelerator", (table,))


def _run(
    arguments: Sequence[str], prefix: Path, limit_s: float, environment: Mapping[str, str] = {}
) -> None:
    """Runs Python with its output in a log.

    Raises:
        UserError: it failed, or took too long.
    """
    log = prefix.with_suffix(".log")
    with log.open("ab") as stream, _started(arguments, stream, environment) as process:
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise UserError(f"not done in {max(limit_s, 0):.0f} s, see {log.name}") from None
    if code:
        raise UserError(f"exit code {code}, see {log.name}: {_last_line(log)}")


@contextlib.contextmanager
def _started(arguments: Sequence[str], stream: Any, environment: Mapping[str, str] = {}):
    """Starts Python, and kills it with its subprocesses at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=stream,
        stderr=subprocess.STDOUT,
        # The last line of the log is then JAX's error; and one process has the device.
        env={"JAX_TRACEBACK_FILTERING": "off", "XLA_PYTHON_CLIENT_MEM_FRACTION": ".92"}
        | os.environ
        | environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


# -- The parts


def _device(tiny: bool, prefix: Path, limit_s: float) -> Finding:
    """Names the device, and fails if JAX found only the CPU."""
    log = prefix.with_suffix(".log")
    log.unlink(missing_ok=True)
    code = "import json, wavenet_ae.benchmarks.machine as m; print(json.dumps(m.describe()))"
    _run(["-c", code], prefix, limit_s)
    found = json.loads(_last_line(log))
    problem = "" if tiny or found["platform"] != "cpu" else "JAX has found no accelerator"
    return Finding(found, [("device", machine.sentence(found))], problem)


def _agreement(repository: Path, prefix: Path, limit_s: float) -> Finding:
    """Runs the tests against the authors' arrays, with the same tolerances on every device."""
    report_path = prefix.with_suffix(".xml")
    report_path.unlink(missing_ok=True)
    tests = [repository / "tests" / name for name in ("audio", "models", "synthesis", "training")]
    arguments = [
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default"),
        *("-o", "junit_family=xunit1", "-m", "slow or not slow", "-k", "authors"),
        *map(str, tests),
    ]
    problem: UserError | None = None
    try:
        _run(
            [*arguments, f"--junit-xml={report_path}", f"--rootdir={repository}"],
            prefix,
            limit_s,
            {
                "JAX_DEFAULT_MATMUL_PRECISION": "highest",
                # Compiled as in a training; the tests' default is without optimisations.
                "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
                "JAX_COMPILATION_CACHE_DIR": str(prefix.with_name(f"{prefix.name}-cache")),
            },
        )
    except UserError as error:
        problem = error
    if not report_path.exists():
        raise problem or UserError("pytest wrote no report")
    cases = [
        c for c in ElementTree.parse(report_path).iter("testcase") if c.find("skipped") is None
    ]
    if not cases:
        raise problem or UserError("no test was run")
    bad = [c for c in cases if any(c.find(kind) is not None for kind in ("failure", "error"))]
    failed = [case.get("name", "") for case in bad]
    errors = {p.get("name"): p.get("value") for case in cases for p in case.iter("property")}
    passed = f"{len(cases) - len(bad)} of {len(cases)} tests"
    rows = [("as close as on a CPU, float32 at highest precision", passed)]
    rows += [(str(name), str(value)) for name, value in errors.items()]
    found = {"tests": len(cases), "failed": failed, "errors": errors}
    return Finding(found, rows, ", ".join(failed) or str(problem or ""))


def _resuming(repository: Path, tiny: bool, prefix: Path, limit_s: float) -> Finding:
    """Trains on the placeholder notes, is killed on the way, and is resumed to the end."""
    end = time.monotonic() + limit_s
    experiments, notes = repository / "experiments", Path(nsynth_json.__file__).parent
    data_dir, workdir = (prefix.with_name(f"{prefix.name}-{name}") for name in ("data", "run"))
    for folder in (data_dir, workdir):  # of an earlier call
        shutil.rmtree(folder, ignore_errors=True)
    _run(
        [
            *("-m", "wavenet_ae", "build-dataset", str(notes / "dummy_data")),
            f"--data_dir={data_dir}",
            "--split=by_note",
        ],
        prefix,
        limit_s,
    )
    config = "wavenet_ae.py:demo"
    training = [
        str(experiments / "train.py"),
        f"--config={experiments / 'configs' / config}",
        *(_tiny_model(config) if tiny else []),
        f"--config.dataset.data_dir={data_dir}",
        f"--config.num_steps={_NUM_STEPS}",
        "--config.optimizer.boundaries=(150,)",
        "--config.checkpoint_every_steps=20",
        f"--workdir={workdir}",
    ]
    with prefix.with_suffix(".log").open("ab") as stream, _started(training, stream) as process:
        while not (killed := _steps(workdir)) or max(killed) < _KILLED_AFTER:
            if process.poll() is not None or time.monotonic() > end:
                raise UserError(f"the first run got no further than step {max(killed, default=0)}")
            time.sleep(0.05)
    killed = _steps(workdir)
    if max(killed) >= _NUM_STEPS:
        raise UserError("the first run ended before it was killed")
    _run(training, prefix, end - time.monotonic())
    losses = {
        line["step"]: line["train/loss"]
        for line in map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
        if "train/loss" in line
    }
    if max(_steps(workdir)) != _NUM_STEPS or max(losses) != _NUM_STEPS:
        raise UserError(f"the resumed run ended at step {max(_steps(workdir))}")
    found = {"killed_after": max(killed), "steps": _NUM_STEPS, "losses": losses}
    rows = [
        ("killed after the checkpoint of step", str(max(killed))),
        ("resumed to step", str(_NUM_STEPS)),
        ("loss, first and last, nats", f"{losses[min(losses)]:.3f}, {losses[_NUM_STEPS]:.3f}"),
    ]
    return Finding(found, rows)


def _steps(workdir: Path) -> list[int]:
    folder = workdir / "checkpoints"
    return [int(p.name) for p in folder.iterdir() if p.name.isdigit()] if folder.exists() else []
