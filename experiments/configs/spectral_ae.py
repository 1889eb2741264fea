r"""The baseline of Engel et al. 2017: an autoencoder of whole notes' spectrograms.

| variant | parameters | what | result |
| --- | ---: | --- | --- |
| (default) | 36,761,665 | the paper: section 2.2, Table 1's baseline | its Table 1: 46.9 % pitch |
| `:z64` to `:z1984` | | 64, 128, 256, 512, 1024 or 1984 numbers a note | - |
| `:small` | 2,348,065 | a quarter of the width, for one GPU | not run yet |
| `:demo` | 519,433 | minutes on 2 CPU cores | - |
| `:pretrained` | 519,433 | hours on a CPU core: `make pretrained` | the model card |

A size joins another variant after a comma: `FILE:demo,z64`.

    python experiments/train.py --config=experiments/configs/spectral_ae.py \
        --config.dataset.name=nsynth_json/published --config.dataset.data_dir=DIR --workdir=WORKDIR

The paper trained on 6 K40 GPUs for 5 days; the published checkpoint is of step 200,000. Table 1
gives 46.9 % pitch and 85.2 % quality accuracy for reconstructions.

Without pitch: `--config.model.num_pitches=0`. Another representation:
`--config.model.representation=log_magnitude_and_frequency` or `real_and_imaginary`.
"""

from configs import common
from ml_collections import ConfigDict

from wavenet_ae.system.errors import UserError

_EMBEDDING_SIZES = {f"z{size}": size for size in (64, 128, 256, 512, 1024, 1984)}


def get_config(variants: str = "") -> ConfigDict:
    """Returns the configuration of a variant, of a size, or of both joined by a comma."""
    names = [name for name in variants.split(",") if name]
    sizes = [_EMBEDDING_SIZES[name] for name in names if name in _EMBEDDING_SIZES]
    others = [name for name in names if name not in _EMBEDDING_SIZES] or [""]
    known = {"small": small, "pretrained": pretrained, "demo": demo}
    for name in others:
        if name not in {"": paper, **known}:
            raise common.unknown_variant(name, *known, *_EMBEDDING_SIZES)
    if len(others) > 1 or len(sizes) > 1:
        raise UserError(f"--config=FILE:{variants} joins more than one variant and one size.")
    config = {"": paper, **known}[others[0]]()
    if sizes:
        config.model.embedding_size = sizes[0]
    return config.lock()


def paper() -> ConfigDict:
    """Returns the paper's: section 2.2, and the authors' code."""
    config = common.training("spectral")

    config.model.narrow_channels = 128
    config.model.middle_channels = 256
    config.model.wide_channels = 512
    config.model.bottleneck_channels = 1024
    config.model.embedding_size = 1984
    config.model.num_pitches = 128  # 0: without pitch conditioning
    config.model.pitch_embedding_size = 128
    config.model.representation = "log_magnitude"
    config.model.batch_norm_decay = 0.999
    config.model.dtype = "bfloat16"

    config.num_steps = 200_000
    config.batch_size = 8
    config.ema_decay = 0.0  # the authors average only the WaveNet's weights
    config.optimizer.learning_rates = (1e-4,)
    config.optimizer.b1 = 0.5
    config.summarize_every_steps = 50_000
    return config


def small() -> ConfigDict:
    """Returns the paper's with a quarter of the width."""
    return common.changed(
        paper(),
        common.ON_ONE_GPU,
        {
            "model": {
                "narrow_channels": 32,
                "middle_channels": 64,
                "wide_channels": 128,
                "bottleneck_channels": 256,
                "embedding_size": 512,
            },
            "num_steps": 50_000,
            "batch_size": 32,
            "optimizer": {"learning_rates": (5e-4, 2e-4, 5e-5), "boundaries": (25_000, 40_000)},
            "summarize_every_steps": 25_000,
        },
    )


def demo() -> ConfigDict:
    """Returns the paper's, small enough for minutes on two CPU cores."""
    return common.changed(
        paper(),
        common.ON_TWO_CORES,
        {
            "model": {
                "narrow_channels": 8,
                "middle_channels": 32,
                "wide_channels": 64,
                "bottleneck_channels": 128,
                "embedding_size": 128,
                "pitch_embedding_size": 16,
                "batch_norm_decay": 0.95,
            },
            "dataset": {"name": "nsynth_json/by_instrument"},
            "num_steps": 1_000,
            "ema_decay": 0.99,
            "optimizer": {"learning_rates": (3e-3, 1e-3, 3e-4), "boundaries": (600, 850)},
        },
    )


def pretrained() -> ConfigDict:
    """Returns the demo's model, trained for longer."""
    return common.changed(
        demo(),
        {
            "model": {"batch_norm_decay": 0.98},
            "num_steps": 18_400,
            "optimizer": {
                "name": "muon",
                "b1": 0.95,
                "learning_rates": (3e-3, 1e-3, 3e-4),
                "boundaries": (17_600, 18_100),
            },
            "eval_batches": 32,
            "eval_every_steps": 500,
            "checkpoint_every_steps": 500,
        },
    )
