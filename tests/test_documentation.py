"""The commands, examples and links of README.md and docs/."""

import multiprocessing
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import soundfile
from conftest import DUMMY_NOTES

from wavenet_ae.cli.main import TOOLS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "launch/README.md", *ROOT.glob("docs/*.md")]
# Other programs' commands, which are left to them.
OTHERS = re.compile(
    r"\.|apt-get|cat|cd|cp|curl|do|done|echo|export|fi|for|gcloud|gcsfuse|git|if|kill|ls|make|"
    r"mkdir|mv|pip|printf|rm|sleep|ssh-add|sudo|tail|tensorboard|tmux|uv|wget"
)


def commands(page):
    """Yields the commands of a page as lists of words."""
    text = page.read_text()
    variables = dict(re.findall(r'^(?:export )?([A-Z]+)="?([^"\n]*)"?$', text, re.MULTILINE))
    for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if "--" in words:  # `run -- COMMAND`
                at = words.index("--")
                words, following = words[:at], words[at + 1 :]
                if not (following[0].startswith("-") or following[0].isupper()):
                    yield following  # and not flags, or a placeholder
            if words:
                yield words


def of_tools():
    """Lists what pages run of this project: page, tool and its arguments."""
    found = []
    for page in PAGES:
        for words in commands(page):
            program, *arguments = words
            name = page.relative_to(ROOT).as_posix()
            if Path(program).name == "wavenet-ae":
                found.append((name, *arguments))
            elif arguments and arguments[0].startswith("experiments/"):
                if "configs/envelope.py" in " ".join(
                    arguments
                ):  # the page's own: test_extending.py
                    continue
                found.append((name, arguments[0], *arguments[1:]))
    return found


def _parse(tool, arguments, results):
    """Reads a command line as the tool would, in a process that is there for it alone."""
    import importlib
    import runpy

    from absl import flags

    from wavenet_ae.cli import command_line

    if tool.endswith("/benchmark.py") and not any(a.startswith("--config=") for a in arguments):
        arguments = ["--config=experiments/configs/wavenet_ae.py", *arguments]  # its default
    sys.argv = [tool, *arguments]
    try:
        if tool.endswith(".py"):
            sys.path.insert(0, str(ROOT / "experiments"))
            os.chdir(ROOT)
            runpy.run_path(tool, run_name="script")
        else:
            importlib.import_module(f"wavenet_ae.cli.{tool.replace('-', '_')}")
        flags.FLAGS.set_gnu_getopt()
        command_line._assign_arguments(flags.FLAGS(sys.argv)[1:])
        results.put("")
    except BaseException as error:
        results.put(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("command", of_tools(), ids=lambda command: " ".join(command)[:80])
def test_commands_are_what_the_tools_take(command):
    _, tool, *arguments = command
    if tool in ("--help", "--version"):
        return
    assert tool.endswith(".py") or tool == "TOOL" or tool in TOOLS
    if "--help" in arguments:
        arguments.remove("--help")
        assert arguments == []
        return
    context = multiprocessing.get_context("forkserver")
    results = context.SimpleQueue()
    process = context.Process(target=_parse, args=(tool, arguments, results))
    process.start()
    message = results.get()
    process.join()
    assert message == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_other_commands_are_known_programs_or_files_that_are_there(page):
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = set(" ".join(phony).split())
    for program, *arguments in commands(page):
        if program == "make":
            assert {word for word in arguments if "=" not in word} <= targets
        elif Path(program).name.startswith(("python", "wavenet-ae")):
            assert arguments
        elif "/" in program:
            assert (ROOT / program).exists() or program.startswith(".venv/"), program
        else:
            assert OTHERS.fullmatch(program), program


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", page.read_text()):
        if target and not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_page_is_linked_from_the_readme():
    text = README.read_text()
    assert [p.name for p in ROOT.glob("docs/*.md") if f"(docs/{p.name})" not in text] == []
    assert text.count("\n") <= 160


def test_the_python_example_runs(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    audio, rate = soundfile.read(next(DUMMY_NOTES.glob("audio/flute*.wav")), frames=4_000)
    soundfile.write(tmp_path / "flute.wav", audio, rate)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert soundfile.info(tmp_path / "again.wav").frames == 4_096  # eight frames of the embedding
