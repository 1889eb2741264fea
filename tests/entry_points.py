"""The entry points in `experiments/`, started as a user does, and their configurations."""

import atexit
import json
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "experiments" / "configs"


# Importing JAX, Flax and Orbax takes seconds: processes are forked from one that has done so, and
# nothing else.
_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(
    [
        "soundfile",
        "wavenet_ae.benchmarks.training",
        "wavenet_ae.command_line",
        "wavenet_ae.evaluation.interpolation",
        "wavenet_ae.evaluation.table1",
        "wavenet_ae.prepare.recordings.recordings",
        "wavenet_ae.synthesis.generate_files",
        "wavenet_ae.synthesis.spectral_codec",
        "wavenet_ae.training.loop",
    ]
)


def run(name: str, *flags: object) -> subprocess.CompletedProcess[str]:
    """Runs `experiments/NAME.py` in a process of its own, whatever its exit code will be."""
    arguments = [str(ROOT / "experiments" / f"{name}.py"), *map(str, flags)]
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / stream for stream in ("stdout", "stderr")]
        process = _WARM.Process(target=_run_script, args=(arguments, dict(os.environ), streams))
        process.start()
        process.join()
        texts = [stream.read_text() for stream in streams]
    return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def _run_script(arguments: list[str], environment: dict[str, str], streams: list[Path]) -> None:
    """Does in a forked process what `python SCRIPT FLAGS` does in a new one."""
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = arguments
    sys.path.insert(0, str(ROOT / "experiments"))
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


def start(name: str, *flags: object, **environment: str) -> subprocess.Popen[str]:
    """Starts `experiments/NAME.py` and returns at once."""
    return subprocess.Popen(
        [sys.executable, ROOT / "experiments" / f"{name}.py", *map(str, flags)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(
    name: str, first: Sequence[object], second: Sequence[object]
) -> list[subprocess.Popen[str]]:
    """Starts `experiments/NAME.py` as two processes that work together, each with its flags."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    together = {"coordinator_address": address, "num_processes": "2"}
    # The one is told by flags, the other by its environment.
    return [
        start(
            name,
            "--distributed",
            *(f"--{key}={value}" for key, value in together.items()),
            "--process_id=0",
            *first,
        ),
        start(
            name,
            "--distributed",
            *second,
            JAX_PROCESS_ID="1",
            **{f"JAX_{key.upper()}": value for key, value in together.items()},
        ),
    ]


def run_two(
    name: str, first: Sequence[object], second: Sequence[object], code: int = 0
) -> list[subprocess.CompletedProcess[str]]:
    """Runs `experiments/NAME.py` as two processes until both have ended.

    Asserts that both end with this exit code.
    """
    processes = start_two(name, first, second)
    results = []
    try:
        for process in processes:
            streams = process.communicate(timeout=600)
            results.append(subprocess.CompletedProcess(process.args, process.returncode, *streams))
    finally:
        for process in processes:
            process.kill()
    assert [result.returncode for result in results] == [code, code], results
    return results


def train(config: str, *flags: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Runs `train.py` with a configuration, `FILE.py[:variants]`, and changes of its settings."""
    return run("train", f"--config={CONFIGS / config}", *flags, *changes(settings))


def evaluate(config: str, *flags: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Runs `evaluate.py` as `train` runs `train.py`."""
    return run("evaluate", f"--config={CONFIGS / config}", *flags, *changes(settings))


def changes(settings: Mapping[str, object]) -> list[str]:
    """Returns the flags that change these settings."""
    return [f"--config.{name}={value}" for name, value in settings.items()]


def load_config(name: str, **settings: Any) -> dict[str, Any]:
    """Reads a configuration, `FILE.py[:variants]`, as `train.py` resolves it."""
    path, _, variants = name.partition(":")
    scope: dict[str, Any] = {}
    exec(compile((CONFIGS / path).read_text(), path, "exec"), scope)
    config = scope["get_config"](variants)
    with config.unlocked():
        config.update_from_flattened_dict(settings)
    return json.loads(config.to_json())


def assert_refused(result: subprocess.CompletedProcess[str], reason: str) -> None:
    """Asserts that a mistake ended in one sentence with its reason, and in exit code 1."""
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
