"""Entry points in a new Python, as users start them; other tests fork them from a warm one."""

import entry_points
import pytest

SCRIPTS = sorted(path.stem for path in (entry_points.ROOT / "experiments").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_mistake_is_one_line(script):
    process = entry_points.start_anew(script, "--no_such_flag=1")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stderr.startswith("error: ")
    assert "no_such_flag" in stderr
    assert (stderr.count("\n"), stdout) == (1, "")
