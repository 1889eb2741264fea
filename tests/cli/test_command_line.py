import errno
import os
import subprocess
import sys
import textwrap

import pytest
from absl import flags
from ml_collections import config_flags

from wavenet_ae.cli import command_line
from wavenet_ae.system.errors import MachineError, UserError

SCRIPT = """
    import jax
    from wavenet_ae.cli import command_line

    def main():
        def turn(x, _):
            return x * x.sum(), None

        loop = jax.jit(lambda x: jax.lax.scan(turn, x, length=10)[0])
        program = loop.lower(jax.ShapeDtypeStruct((10, 100), "float32")).compile()
        print("small_call" in program.as_text())

    command_line.run(main)
"""


@pytest.mark.parametrize(
    ("xla_flags", "is_one_kernel"),
    [
        ("", True),
        ("--xla_force_host_platform_device_count=2", True),
        ("--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1024", False),
    ],
)
def test_small_loops_are_one_kernel_unless_the_user_says_otherwise(xla_flags, is_one_kernel):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env=os.environ | {"XLA_FLAGS": xla_flags},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(is_one_kernel)


def test_a_file_of_flags_is_left_to_the_user(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", os.devnull)
    command_line._compile_small_loops_as_kernels()
    assert os.environ["XLA_FLAGS"] == os.devnull


def started(script, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


FLAGS = """
    from absl import flags
    from wavenet_ae.cli import command_line

    output = command_line.define_path("output", "Here.")
    flags.DEFINE_float("seconds", 1.0, "Of time.", lower_bound=0)
    flags.DEFINE_multi_float("step_ms", [], "Of time.")
    flags.DEFINE_integer("pitch", 60, "Of a note.")
    flags.DEFINE_enum("kind", "sine", ["saw", "sine"], "Of a note.")
    flags.DEFINE_bool("loud", False, "Of a note.")

    def main():
        print("ran", output.value)

    command_line.run(main)
"""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--seconds=nan"], "--seconds=nan must be a finite number."),
        (["--step_ms=1", "--step_ms=inf"], "--step_ms=inf must be a finite number."),
        (["--output=gs://bucket/x"], "--output=gs://bucket/x is not on this machine: name a local"),
        (["--output="], "--output is empty: name a path."),
        (["--output"], "Missing value for flag --output; --help lists the flags."),
        (["--pitch=C4"], "--pitch=C4 must be a whole number; --help lists the flags."),
        (["--pitch=None"], "--pitch=None must be a whole number; --help lists the flags."),
        (["--kind=square"], "--kind=square must be one of saw|sine; --help lists the flags."),
        (["--loud=maybe"], "--loud=maybe must be true or false; --help lists the flags."),
        (["--seconds=long"], "--seconds=long must be a number; --help lists the flags."),
        # Not absl's stderrthreshold, whose name is as near.
        (["--sederr=1"], "there is no flag --sederr; --help lists the flags."),
        (["--outputs=x"], "there is no flag --outputs: did you mean output?"),
        (["--seconds=-1"], "--seconds=-1 is not a non-negative number; --help lists"),
    ],
)
def test_flags_that_cannot_be(arguments, reason):
    result = started(FLAGS, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {reason}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "platform",
    [
        "abacus",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="it is there")
        ),
    ],
)
def test_a_device_that_is_not_there(platform):
    script = """
        from wavenet_ae.cli import command_line

        def main():
            import jax
            jax.devices()

        command_line.run(main)
    """
    result = started(script, JAX_PLATFORMS=platform)
    assert result.returncode == 1
    assert result.stderr.startswith(
        f"error: JAX_PLATFORMS={platform} names a device that JAX cannot use here"
    )
    assert result.stderr.endswith(": leave the variable out, or set it to cpu.\n")
    assert result.stderr.count("\n") == 1


def test_waiting_for_other_processes_is_interrupted_at_once():
    script = """
        import os, signal, threading
        from wavenet_ae.cli import command_line
        import jax

        def initialize(*arguments, **settings):
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait()

        jax.distributed.initialize = initialize
        command_line.define_distributed(independent=True)
        command_line.run(lambda: print("ran"))
    """
    result = started(script, "--distributed", "--coordinator_address=localhost:9876")
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr == "interrupted before the processes were connected\n"


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.wav"), MachineError, "x.wav: No spa"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "x.json"), UserError, "x.json: Is a d"),
        (MemoryError("Unable to allocate 44.7 TiB"), UserError, "too small .Unable to allocate"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmore"), UserError, "Out of memory.:"),
        (ValueError("a defect"), type(None), "None"),
        (OSError("a defect"), type(None), "None"),
    ],
)
def test_what_is_no_defect_is_a_sentence(error, kind, sentence):
    told = command_line._known_cause(error)
    assert type(told) is kind
    assert str(told).count("\n") == 0
    with pytest.raises(Exception, match=sentence):
        raise RuntimeError(str(told))


CONFIG = """from ml_collections import ConfigDict

def get_config(variant=""):
    config = ConfigDict({"batch_size": 1, "optimizer": {"b1": 0.5}, "rates": (1,)})
    if variant == "none":
        return None
    if variant == "list":
        return [1]
    if variant == "name":
        nowhere
    if variant == "value":
        raise ValueError("a bad thing")
    if variant == "field":
        return config.nothing
    return config
"""


@pytest.mark.parametrize(
    ("config", "settings", "sentence"),
    [
        ("own.py", ["batchsize=2"], "no setting 'batchsize': did you mean batch_size?"),
        ("own.py", ["optimizer.b2=2"], "no setting 'b2'."),
        ("own.py", ["batch_size.x=2"], "the configuration has no setting 'batch_size.x'."),
        ("own.py", ["batch_size=few"], "--config.batch_size=few must be a whole number"),
        ("own.py", ["rates=(1,"], "--config.rates=(1,: Error while parsing"),
        ("none.py", [], "the --config cannot be read: No such file or directory: '"),
        ("none.py", ["batch_size=2"], "the --config cannot be read: No such file or directory: '"),
        ("", ["batch_size=2"], "the --config cannot be read: Is a directory: '"),
        ("syntax.py", [], "syntax.py, line 1): SyntaxError: "),
        ("empty.py", [], "the --config has no get_config: name a file of configurations"),
        ("empty.py", ["batch_size=2"], "the --config has no get_config: name a file of"),
        ("plain.py:small", [], "plain.py): TypeError: get_config() takes 0 positional arguments"),
        ("import.py", [], "import.py, line 1): ModuleNotFoundError: No module named 'nowhere'."),
        ("own.py:list", [], "get_config of the --config returns [1]: let it return a ConfigDict."),
        ("own.py:name", [], "own.py, line 10): NameError: name 'nowhere' is not defined."),
        ("own.py:name", ["batch_size=2"], "own.py, line 10): NameError: name 'nowhere' is"),
        ("own.py:value", [], "own.py, line 12): ValueError: a bad thing."),
        ("own.py:field", [], "own.py, line 14): KeyError: 'nothing'."),
    ],
)
def test_configurations_that_cannot_be_read(monkeypatch, tmp_path, config, settings, sentence):
    contents = {"own": CONFIG, "syntax": "def f(:", "empty": "x = 1", "import": "import nowhere"}
    contents["plain"] = "def get_config():\n    return {}"
    for name, content in contents.items():
        (tmp_path / f"{name}.py").write_text(content)
    arguments = ["tool", f"--config={tmp_path}/{config}", *(f"--config.{s}" for s in settings)]
    monkeypatch.setattr("sys.argv", arguments)  # ml_collections looks there for its settings
    monkeypatch.delitem(sys.modules, "config_config", raising=False)
    values = flags.FlagValues()
    holder = config_flags.DEFINE_config_file("config", flag_values=values)
    monkeypatch.setattr(flags, "FLAGS", values)

    def read():
        values(arguments)
        command_line.read_config(holder)

    with pytest.raises(Exception, match=r".") as caught:
        read()
    told = command_line._explain_flag_error(caught.value)
    assert sentence in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["21:108:1"], tuple(range(21, 109))),
        (["60:72:6"], (60, 66, 72)),
        (["60:63"], (60, 61, 62, 63)),
        (["72", "60", "60:61"], (60, 61, 72)),
    ],
)
def test_numbers_are_read(words, expected):
    assert command_line.parse_numbers(words, "pitches", 0, 127) == expected


@pytest.mark.parametrize("word", ["a", "", "1:2:3:4", "60:50", "60:70:0", "128", "-3", "1:200"])
def test_bad_numbers_are_named(word):
    with pytest.raises(UserError, match="--pitches"):
        command_line.parse_numbers([word], "pitches", 0, 127)


def test_no_numbers_at_all():
    with pytest.raises(UserError, match="at least one"):
        command_line.parse_numbers([], "velocities", 1, 127)
