import os
import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import jax
    from wavenet_ae import command_line

    def main():
        def turn(x, _):
            return x * x.sum(), None

        loop = jax.jit(lambda x: jax.lax.scan(turn, x, length=10)[0])
        program = loop.lower(jax.ShapeDtypeStruct((10, 100), "float32")).compile()
        print("small_call" in program.as_text())

    command_line.run(main)
"""


@pytest.mark.parametrize(
    ("xla_flags", "is_one_kernel"),
    [
        ("", True),
        ("--xla_force_host_platform_device_count=2", True),
        ("--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1024", False),
        (os.devnull, False),  # a file of flags
    ],
)
def test_small_loops_are_one_kernel_unless_the_user_says_otherwise(xla_flags, is_one_kernel):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env=os.environ | {"XLA_FLAGS": xla_flags},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == str(is_one_kernel)
