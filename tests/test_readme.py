import re
import shutil
from pathlib import Path

import soundfile
from conftest import DUMMY_NOTES

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    shutil.copy(next(DUMMY_NOTES.glob("audio/flute*.wav")), tmp_path / "flute.wav")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert soundfile.info(tmp_path / "again.wav").frames == 64_000


def test_every_command_names_a_script_that_is_there():
    scripts = set(re.findall(r"experiments/(?:configs/)?\w+\.py", README.read_text()))
    assert len(scripts) >= 7
    for script in scripts:
        assert (README.parent / script).is_file()
