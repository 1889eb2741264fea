import jax
import numpy as np
import pytest

from wavenet_ae import processes
from wavenet_ae.errors import UserError


@pytest.fixture
def meeting(monkeypatch):
    """Makes this the first of two processes; the function tells what the other one brings."""

    def other(answer):
        def gather(failed):
            if isinstance(answer, Exception):
                raise answer
            return np.array([failed, answer])

        monkeypatch.setattr(jax, "process_count", lambda: 2)
        monkeypatch.setattr(processes.multihost_utils, "process_allgather", gather)

    return other


def test_a_process_knows_of_the_others_failure(meeting):
    meeting(0)
    with processes.together():
        pass
    with pytest.raises(ZeroDivisionError), processes.together():
        _ = 1 / 0
    meeting(1)
    with pytest.raises(UserError, match="process 1 gave up"), processes.together():
        pass


def test_waiting_in_vain_is_told(meeting):
    meeting(jax.errors.JaxRuntimeError("Timed out waiting 1800000ms"))
    with pytest.raises(UserError, match=r"waited in vain .*Timed out"), processes.together():
        pass


def test_one_process_meets_nobody(monkeypatch):
    monkeypatch.setattr(processes.multihost_utils, "process_allgather", None)
    with processes.together():
        assert processes.share([3, 4]) == [3, 4]
