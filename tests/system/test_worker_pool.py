import os

import pytest

from wavenet_ae.system import worker_pool
from wavenet_ae.system.errors import MachineError


def test_a_worker_that_is_killed_is_the_machines_failure():
    with pytest.raises(MachineError, match=r"a worker process was killed, .* try fewer --proc"):
        worker_pool.run(os._exit, [9], 1, print)
