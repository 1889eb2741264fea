import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wavenet_ae

PACKAGE = Path(wavenet_ae.__file__).parent
# Each folder may import from itself and from those before it.
ORDER = (
    "system",
    "audio",
    "data",
    "models",
    "tasks",
    "pretrained",
    "training",
    "synthesis",
    "importers",
    "prepare",
    "publish",
    "evaluation",
    "instrument",
    "compilation",
    "benchmarks",
    "cli",
)


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_folder_has_a_place():
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and not p.name.startswith("_")}
    assert folders == set(ORDER)


@pytest.mark.parametrize("folder", ORDER)
def test_folders_know_only_the_folders_above(folder):
    allowed = set(ORDER[: ORDER.index(folder) + 1])
    if folder == "models":
        allowed -= {"data"}
    for path in (PACKAGE / folder).rglob("*.py"):
        inner = {
            name.split(".")[1]
            for name in imported_modules(path)
            if name.startswith("wavenet_ae.") and name.split(".")[1] in ORDER
        }
        assert inner <= allowed, path


@pytest.mark.parametrize(
    ("library", "where"),
    [
        ("aiohttp", ("instrument/",)),
        ("fcntl", {"system/locks.py"}),
        ("orbax", {"training/checkpoint.py"}),
        ("tensorboardX", {"training/metrics.py"}),
        ("tensorflow_datasets", ("data/", "prepare/")),
        ("grain", ("data/", "prepare/")),
        ("jinja2", {"publish/html.py"}),
        ("markupsafe", ("publish/",)),
        ("ml_collections", ()),
        ("tensorflow", {"prepare/releases/tfrecord.py", "importers/magenta.py"}),
    ],
)
def test_libraries_stay_in_their_place(library, where):
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == library for name in imported_modules(path))
    }
    if isinstance(where, tuple) and where:
        assert users
        assert all(user.startswith(where) for user in users)
    else:
        assert users == set(where)


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("wavenet_ae.models.autoencoder", ("tensorflow", "tensorflow_datasets", "ml_collections")),
        ("wavenet_ae.synthesis.generate_files", ("tensorflow",)),
        ("wavenet_ae.training.loop", ("tensorflow",)),
    ],
)
def test_importing_pulls_in_no_strangers(module, strangers):
    code = f"import sys, {module}; print(*(s for s in {strangers} if s in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
