"""Exports a run's averaged weights: safetensors, config.json and a model card.

    python experiments/export.py --checkpoint=runs/demo/run --output=exported

The folder has the layout of the Hugging Face hub, and every --checkpoint accepts it.
"""

import jax.numpy as jnp
from absl import flags

from wavenet_ae.command_line import define_path, run
from wavenet_ae.training.trained import export, load_trained

_CHECKPOINT = define_path("checkpoint", "A run's --workdir.", required=True)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ("float32", "bfloat16"), "Of the kernels: bfloat16 takes half the space."
)


def main() -> None:
    """Exports what the flags ask for."""
    trained = load_trained(_CHECKPOINT.value)
    export(trained, _OUTPUT.value, jnp.dtype(_DTYPE.value))
    print(f"{_OUTPUT.value}: step {trained.step}, {load_trained(_OUTPUT.value).fingerprint}")


if __name__ == "__main__":
    run(main)
