import concurrent.futures
import fcntl
import os
import tempfile

import pytest

from wavenet_ae.audio import first_call


def test_one_process_at_a_time_makes_its_first_call(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    calls = []
    function = first_call.exclusive(lambda number: calls.append(number) or number + 1)
    lock = tmp_path / f"wavenet_ae-numba-{os.getuid()}.lock"
    with lock.open("a") as file, concurrent.futures.ThreadPoolExecutor() as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        first = pool.submit(function, 1)
        with pytest.raises(TimeoutError):
            first.result(timeout=0.2)
        assert calls == []
        fcntl.flock(file, fcntl.LOCK_UN)
        assert first.result() == 2
        fcntl.flock(file, fcntl.LOCK_EX)
        assert function(5) == 6  # later ones wait for nobody
    assert calls == [1, 5]


def test_a_first_call_that_failed_was_none(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        first_call.exclusive(lambda: 1 / 0)()
    assert first_call.exclusive(lambda: 3)() == 3
