"""Turns a TensorFlow checkpoint of the authors' WaveNet or baseline into a workdir.

Usage: wavenet-ae import-magenta CHECKPOINT --workdir=FOLDER

    wavenet-ae import-magenta wavenet-ckpt/model.ckpt-200000 --workdir=runs/magenta

The other tools take that workdir as --checkpoint, and training starts from it by
--config.init_from=runs/magenta. Needs TensorFlow: pip install -e '.[nsynth]'.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments
from wavenet_ae.system.errors import UserError

# Settings of the authors' training that the config of a run has.
_TRAINING = {
    "wavenet": {"batch_size": 32, "crop_samples": 6144},
    "spectral": {"batch_size": 8},
}
_CHECKPOINT = take_arguments(
    define_path("checkpoint", "The prefix, its .index file, or a folder (newest)."), required=True
)
_WORKDIR = define_path("workdir", "The folder to write.", required=True)
_WEIGHTS = flags.DEFINE_enum(
    "weights", "averaged", ["averaged", "raw"], "EMA weights, if there are any, or raw weights."
)
_DILATION_CYCLE = flags.DEFINE_integer(
    "dilation_cycle", None, "WaveNet: layer i has dilation 2 ** (i mod this); 10.", lower_bound=1
)
_HOP_LENGTH = flags.DEFINE_integer(
    "hop_length", None, "WaveNet: samples to a frame of the embedding; 512.", lower_bound=1
)


def main() -> None:
    """Imports the checkpoint that the flags name."""
    from wavenet_ae.importers.magenta import import_checkpoint
    from wavenet_ae.training.trained import save_imported

    sizes = {"dilation_cycle": _DILATION_CYCLE.value, "hop_length": _HOP_LENGTH.value}
    sizes = {name: size for name, size in sizes.items() if size is not None}
    imported = import_checkpoint(_CHECKPOINT.value, weights=_WEIGHTS.value, **sizes)
    if sizes and imported.task != "wavenet":
        raise UserError(f"--{next(iter(sizes))} is for WaveNets, which this is not: leave it out.")
    config = {
        "task": imported.task,
        "model": {"num_pitches": 0, "dtype": "float32"} | imported.model,
        "dataset": {"name": "nsynth/full", "data_dir": "~/tensorflow_datasets"},
        "optimizer": {"name": "adam"},
        **_TRAINING[imported.task],
    }
    trained = save_imported(
        _WORKDIR.value, config, imported.params, imported.model_state, imported.step
    )
    print(
        f"{_WORKDIR.value}: {imported.weights} weights of step {imported.step}, "
        f"{trained.fingerprint}"
    )
