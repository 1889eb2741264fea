import threading

import jax
import numpy as np
import pytest

from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError


@pytest.fixture
def meeting(monkeypatch):
    """Makes this the first of two processes; the function sets what the other one sends."""

    def other(answer):
        def gather(own):
            if isinstance(answer, Exception):
                raise answer
            theirs = np.frombuffer(answer.encode(), np.uint8)
            if own.ndim == 0:
                return np.array([own, len(theirs)])
            width = max(len(own), len(theirs))
            return np.stack([np.pad(row, (0, width - len(row))) for row in (own, theirs)])

        monkeypatch.setattr(jax, "process_count", lambda: 2)
        monkeypatch.setattr(processes.multihost_utils, "process_allgather", gather)

    return other


def test_a_process_knows_of_the_others_failure(meeting):
    meeting("")
    with processes.barrier():
        pass
    with pytest.raises(ZeroDivisionError), processes.barrier():
        _ = 1 / 0
    meeting("the disk is gone.")
    with pytest.raises(UserError, match=r"process 1: the disk is gone\."), processes.barrier():
        pass


def test_texts_of_other_lengths_and_letters_arrive_whole(meeting):
    for theirs in ("", "é", "a much longer text"):
        meeting(theirs)
        assert processes.gather_texts("mine ü") == ["mine ü", theirs]


def test_what_differs_is_named(meeting):
    meeting("a=1\nb='x'")
    processes.require_same({"b": "x", "a": 1}, "mend it.")
    with pytest.raises(UserError, match=r"process 0 has a=2, process 1 has a=1: mend it\."):
        processes.require_same({"a": 2, "b": "x"}, "mend it.")
    with pytest.raises(UserError, match="process 0 has 1 settings, process 1 has 2: mend it"):
        processes.require_same({"a": 1}, "mend it.")


def test_a_mistake_is_told_though_the_others_are_gone(meeting):
    meeting(jax.errors.JaxRuntimeError("Timed out waiting 1800000ms"))
    with pytest.raises(UserError, match="mine"), processes.barrier():
        raise UserError("mine")
    with pytest.raises(jax.errors.JaxRuntimeError, match="Timed out"), processes.barrier():
        pass


def test_one_process_meets_nobody(monkeypatch):
    monkeypatch.setattr(processes.multihost_utils, "process_allgather", None)
    with processes.barrier():
        assert processes.own_share([3, 4]) == [3, 4]


@pytest.mark.parametrize("address", ["localhost", "localhost:", "localhost:x", ":1", "a:0"])
def test_addresses_that_cannot_be(address):
    with pytest.raises(UserError, match=f"--coordinator_address={address} must be HOST:PORT"):
        processes.connect(address, 1, 0, 1)


def test_a_process_says_for_what_it_waits_and_gives_up(monkeypatch, capsys):
    release = threading.Event()

    def initialize(*arguments, **settings):
        release.wait()
        raise RuntimeError("too late")  # so that its thread ends with the test

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    monkeypatch.setattr(processes, "_REPORT_WAITING_S", 0.0)
    monkeypatch.setattr(processes, "_CONNECT_TIMEOUT_S", 0.1)
    with pytest.raises(TimeoutError, match=r"process 1 has waited 0\.1 s for 2 other"):
        processes.connect("localhost:9876", 3, 1, 1)
    release.set()
    assert capsys.readouterr().err == "process 1 waits for 2 other(s) at localhost:9876\n"


def test_why_processes_cannot_be_connected(monkeypatch):
    def initialize(*arguments, **settings):
        raise RuntimeError("UNKNOWN: Failed to start RPC server.\nmore")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    with pytest.raises(UserError, match=r"connected \(UNKNOWN: Failed to start RPC server\): give"):
        processes.connect("localhost:9876", 3, 1, 1)
