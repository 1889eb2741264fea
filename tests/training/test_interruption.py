import os
import signal
import subprocess
import sys
import textwrap

import pytest

from wavenet_ae.training.interruption import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(number):
    script = """
        import os, signal, sys
        from wavenet_ae.training.interruption import StopRequest
        with StopRequest() as stop:
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
    with StopRequest() as stop:
        assert stop.received is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.received == signal.SIGINT
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_work_that_need_not_be_finished_is_left():
    done = []
    with StopRequest() as stop:
        with stop.abandoning():
            done.append("first")
        with stop.abandoning():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("second")
        assert stop.received == signal.SIGTERM
    assert done == ["first"]


def test_an_interruption_that_is_no_signal_passes_through():
    with StopRequest() as stop, pytest.raises(KeyboardInterrupt), stop.abandoning():
        raise KeyboardInterrupt
