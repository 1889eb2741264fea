"""Exports a run's EMA weights: safetensors, config.json and a model card.

Usage: wavenet-ae export RUN --output=FOLDER

    wavenet-ae export runs/demo/run --output=exported

The folder has the Hugging Face Hub's layout, and every --checkpoint accepts it.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments

_CHECKPOINT = take_arguments(
    define_path("checkpoint", "A run's --workdir, or its URL.", urls=True), required=True
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_DTYPE = flags.DEFINE_enum(
    "dtype",
    "float32",
    ("float32", "bfloat16"),
    "Type of the kernels: bfloat16 takes half the space.",
)


def main() -> None:
    """Exports what the flags ask for."""
    import jax.numpy as jnp

    from wavenet_ae.training.trained import export, load_trained

    trained = load_trained(_CHECKPOINT.value)
    export(trained, _OUTPUT.value, jnp.dtype(_DTYPE.value))
    print(f"{_OUTPUT.value}: step {trained.step}, {load_trained(_OUTPUT.value).fingerprint}")
