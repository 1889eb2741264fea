r"""The classifier behind Table 1 of Engel et al. 2017: pitch, qualities, family and source.

| variant | parameters | what | result |
| --- | ---: | --- | --- |
| (default) | 14,318,488 | the authors' sizes | the paper's Table 1: 91.6 % pitch |
| `:small` | 925,528 | a quarter of the width, for one GPU | not run yet |
| `:demo` | 241,656 | minutes on 2 CPU cores | - |
| `:pretrained` | 241,656 | hours on a CPU core: `make pretrained` | the model card |

    python experiments/train.py --config=experiments/configs/classifier.py \
        --config.dataset.name=nsynth_json/published --config.dataset.data_dir=DIR --workdir=WORKDIR

Table 1 gives 91.6 % pitch and 90.1 % quality accuracy for the notes themselves. How long the
authors trained it is not known; 50,000 steps see NSynth five and a half times.
"""

from configs import common
from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration of a variant."""
    return common.choose(
        variant, {"": authors, "small": small, "pretrained": pretrained, "demo": demo}
    )


def authors() -> ConfigDict:
    """Returns the sizes of the authors' code."""
    config = common.training("classifier")

    config.model.narrow_channels = 128
    config.model.middle_channels = 256
    config.model.wide_channels = 512
    config.model.bottleneck_channels = 1024
    config.model.batch_norm_decay = 0.999
    config.model.dtype = "bfloat16"

    config.num_steps = 50_000
    config.batch_size = 32
    config.ema_decay = 0.0
    config.optimizer.learning_rates = (1e-4,)
    config.optimizer.b1 = 0.5
    return config


def small() -> ConfigDict:
    """Returns the authors' with a quarter of the width."""
    return common.changed(
        authors(),
        common.ON_ONE_GPU,
        {
            "model": {
                "narrow_channels": 32,
                "middle_channels": 64,
                "wide_channels": 128,
                "bottleneck_channels": 256,
            },
            "num_steps": 20_000,
            "optimizer": {"learning_rates": (5e-4, 2e-4, 5e-5), "boundaries": (10_000, 16_000)},
        },
    )


def demo() -> ConfigDict:
    """Returns the authors', small enough for minutes on two CPU cores."""
    return common.changed(
        authors(),
        common.ON_TWO_CORES,
        {
            "model": {
                "narrow_channels": 16,
                "middle_channels": 32,
                "wide_channels": 64,
                "bottleneck_channels": 128,
                "batch_norm_decay": 0.95,
            },
            "dataset": {"name": "nsynth_json/by_instrument"},
            "num_steps": 600,
            "batch_size": 16,
            "ema_decay": 0.99,
            "optimizer": {"learning_rates": (3e-3, 1e-3, 3e-4), "boundaries": (350, 500)},
        },
    )


def pretrained() -> ConfigDict:
    """Returns the demo's model, trained for hours."""
    return common.changed(
        demo(),
        {
            "model": {"batch_norm_decay": 0.98},
            # Recordings are louder than a SoundFont's notes, and reconstructions have noise.
            "dataset": {"gain_db": 12.0, "degradation": 0.7},
            "num_steps": 18_000,
            "optimizer": {
                "learning_rates": (3e-3, 1e-3, 3e-4, 1e-4),
                "boundaries": (11_000, 15_000, 17_000),
            },
            "eval_batches": 32,
            "eval_every_steps": 1_000,
            "checkpoint_every_steps": 1_000,
        },
    )
