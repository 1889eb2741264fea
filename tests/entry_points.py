"""The command and the scripts in `experiments/`, started as a user does, and configurations."""

import atexit
import concurrent.futures
import json
import multiprocessing
import multiprocessing.reduction
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "experiments" / "configs"
# Changes of `wavenet_ae.py:demo` to a model that trains in seconds.
TINY_MODEL = {
    "model.encoder_channels": 4,
    "model.encoder_layers": 2,
    "model.decoder_channels": 4,
    "model.skip_channels": 4,
    "model.decoder_layers": 2,
}


# Importing JAX, Flax and Orbax takes seconds: processes are forked from one that has done so, and
# nothing else.
_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(
    [
        "soundfile",
        "wavenet_ae.benchmarks.training",
        "wavenet_ae.cli.command_line",
        "wavenet_ae.evaluation.interpolation",
        "wavenet_ae.evaluation.table1",
        "wavenet_ae.prepare.recordings.recordings",
        "wavenet_ae.synthesis.generate_files",
        "wavenet_ae.synthesis.spectral_codec",
        "wavenet_ae.training.loop",
    ]
)


class _Ends:
    """The ends of pipes that a process is to write to, as `Process` can hand them over."""

    def __init__(self, *descriptors: int):
        self._descriptors = descriptors

    def __getstate__(self) -> list[Any]:
        return [multiprocessing.reduction.DupFd(one) for one in self._descriptors]

    def __setstate__(self, duplicates: list[Any]) -> None:
        self._descriptors = [one.detach() for one in duplicates]

    def __iter__(self) -> Iterator[int]:
        return iter(self._descriptors)


class Started:
    """An entry point in a forked process, with the part of Popen's interface that tests use."""

    def __init__(self, name: str, flags: Sequence[object], environment: Mapping[str, str]):
        self.args = _command(name, flags)
        (stdout, to_stdout), (stderr, to_stderr) = os.pipe(), os.pipe()
        self.stdout, self.stderr = os.fdopen(stdout), os.fdopen(stderr)
        self._process = _WARM.Process(
            target=_run_script,
            args=(self.args, dict(os.environ | environment), _Ends(to_stdout, to_stderr)),
        )
        self._process.start()
        os.close(to_stdout)
        os.close(to_stderr)
        self.pid, self.kill, self.terminate = (
            self._process.pid,
            self._process.kill,
            self._process.terminate,
        )

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        with concurrent.futures.ThreadPoolExecutor() as pool, self.stdout, self.stderr:
            texts = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            finally:
                self.kill()
            return tuple(text.result() for text in texts)


def _command(name: str, flags: Sequence[object]) -> list[str]:
    """Returns what stands behind `python`: a script of `experiments/`, else the command's tool."""
    script = ROOT / "experiments" / f"{name}.py"
    return [*([str(script)] if script.exists() else ["-m", "wavenet_ae", name]), *map(str, flags)]


def _run_script(arguments: list[str], environment: dict[str, str], streams: _Ends) -> None:
    """Does in a forked process what `python SCRIPT FLAGS` does in a new one."""
    # Its threads would not be here.
    assert not jax._src.xla_bridge.backends_are_initialized()
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.update(environment)
    if "JAX_NUM_CPU_DEVICES" in environment:  # JAX reads it when it is imported
        jax.config.update("jax_num_cpu_devices", int(environment["JAX_NUM_CPU_DEVICES"]))
    # Python 3.13 drops what was to be done at exit before the fork: JAX leaves the other processes.
    atexit.unregister(jax._src.api.clean_up)
    atexit.register(jax._src.api.clean_up)
    os.chdir(ROOT)
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__")
        else:
            sys.argv = arguments
            sys.path.insert(0, str(ROOT / "experiments"))
            runpy.run_path(arguments[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


def run(name: str, *flags: object) -> subprocess.CompletedProcess[str]:
    """Runs `experiments/NAME.py` or `wavenet-ae NAME`, whatever its exit code will be."""
    process = start(name, *flags)
    texts = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, *texts)


def start(name: str, *flags: object, **environment: str) -> Started | subprocess.Popen[str]:
    """Starts `experiments/NAME.py` or `wavenet-ae NAME`, and returns at once."""
    if sys.platform == "darwin":  # whose libraries do not stand a fork
        return start_anew(name, *flags, **environment)
    return Started(name, flags, environment)


def start_anew(name: str, *flags: object, **environment: str) -> subprocess.Popen[str]:
    """Starts what `start` does in a new Python, with all that comes before and after it."""
    return subprocess.Popen(
        [sys.executable, *_command(name, flags)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(
    name: str, first: Sequence[object], second: Sequence[object]
) -> list[Started | subprocess.Popen[str]]:
    """Starts what `start` does as two processes that work together, each with its flags.

    The second is started anew, with another hash seed.
    """
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
        start_anew(
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
    """Runs what `start` starts as two processes until both have ended.

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
