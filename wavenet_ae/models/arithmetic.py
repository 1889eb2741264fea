"""The number types that a model computes with, by platform."""

import functools
from pathlib import Path
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

CPU = "cpu"
_CPU_INFO = Path("/proc/cpuinfo")


class Arithmetic(NamedTuple):
    """How a model multiplies.

    Attributes:
        operands: the type in which both sides enter a product; its sums are float32.
        activations: the type of what lies between products.
        precision: of float32 products on accelerators, see `jax.lax.Precision`; None for the
            device's default, which is coarser than float32.
    """

    operands: DTypeLike = jnp.float32
    activations: DTypeLike = jnp.float32
    precision: str | None = None

    @classmethod
    def on(cls, platform: str | None, dtype: DTypeLike, precision: str | None = None) -> Self:
        """Returns the best arithmetic for a model of this type on a platform.

        On CPUs activations are float32, and so are operands if the CPU has no unit for bfloat16,
        which would then be slower.

        Args:
            platform: of the devices, as JAX names it; None leaves the type as it is.
            dtype: float32 or bfloat16.
            precision: see `Arithmetic`.
        """
        if platform != CPU:
            return cls(dtype, dtype, precision)
        return cls(dtype if multiplies_bfloat16() else jnp.float32, jnp.float32, precision)

    def describe(self, dtype: DTypeLike) -> str:
        """Returns the name of the type that a model of this type is computed in."""
        dtype = jnp.dtype(dtype)
        if self.operands == dtype:
            return dtype.name
        return f"{dtype.name}, computed in float32 on this CPU"

    def multiply(self, subscripts: str, a: jax.Array, b: jax.Array) -> jax.Array:
        """Returns the product of two arrays, float32; `subscripts` as `jnp.einsum` has them."""
        return jnp.einsum(
            subscripts,
            a.astype(self.operands),
            b.astype(self.operands),
            precision=self.precision,
            preferred_element_type=jnp.float32,
        )


@functools.cache
def multiplies_bfloat16() -> bool:
    """Returns whether this machine's CPU has AMX, which multiplies bfloat16 into float32."""
    try:
        return "amx_bf16" in _CPU_INFO.read_text().split()
    except OSError:
        return False
