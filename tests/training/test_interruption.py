import os
import signal
import subprocess
import sys
import textwrap

import pytest

from wavenet_ae.training.interruption import StopRequest
from wavenet_ae.training.sharding import data_mesh


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(number):
    script = """
        import os, signal, sys
        from wavenet_ae.training.interruption import StopRequest
        from wavenet_ae.training.sharding import data_mesh
        with StopRequest(data_mesh()) as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            print(stop.received.name, flush=True)
            try:
                os.kill(os.getpid(), int(sys.argv[1]))
            finally:
                print("cleaning up")
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(int(number))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == -number
    assert result.stdout == "SIGTERM\n"


def test_the_handlers_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest(data_mesh()) as stop:
        assert stop.received is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received == signal.SIGINT
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_work_that_need_not_be_finished_is_left():
    done = []
    with StopRequest(data_mesh()) as stop:
        with stop.interruptible():
            done.append("first")
        with stop.interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("second")
        assert stop.received == signal.SIGTERM
    assert done == ["first"]


def test_an_interruption_that_is_no_signal_passes_through():
    with StopRequest(data_mesh()) as stop, pytest.raises(KeyboardInterrupt), stop.interruptible():
        raise KeyboardInterrupt
