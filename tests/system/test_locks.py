import os
import signal
import subprocess
import sys

import pytest

from wavenet_ae.system import locks
from wavenet_ae.system.errors import UserError

HOLDER = """
import sys, time
from pathlib import Path
from wavenet_ae.system.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_lock_ends_with_the_process_that_was_killed(tmp_path):
    folder = tmp_path / "new" / "notes"
    with subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"
        try:
            with (
                pytest.raises(UserError, match=f"another process is writing to {folder}: wait"),
                locks.exclusive_lock(folder),
            ):
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
    with locks.exclusive_lock(folder):
        assert os.listdir(folder) == []


def test_what_the_block_raises_is_not_taken_for_a_lock(tmp_path):
    with pytest.raises(BlockingIOError), locks.exclusive_lock(tmp_path):
        raise BlockingIOError
