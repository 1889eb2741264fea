r"""The baseline of Engel et al. 2017: an autoencoder of whole notes' spectrograms.

| variant | what | command |
| --- | --- | --- |
| (default) | the paper: section 2.2 and Table 1's baseline | see below |
| `:z64` to `:z1984` | 64, 128, 256, 512, 1024 or 1984 numbers a note | `--config=FILE:z64` |
| `:small` | a quarter of the width, for one GPU | `--config=FILE:small` |
| `:pretrained` | half an hour on 2 CPU cores: the weights in the box | `make pretrained` |
| `:demo` | minutes on 2 CPU cores | `--config=FILE:demo` |

Variants can be joined: `FILE:demo,z64`.

    python experiments/train.py --config=experiments/configs/spectral_ae.py \
        --config.dataset.data_dir=DIR --workdir=WORKDIR

The paper trained on 6 K40 GPUs for 5 days; the published checkpoint is of step 200,000. Table 1
gives 46.9 % pitch and 85.2 % quality accuracy for reconstructions.

Without pitch: `--config.model.num_pitches=0`. Another representation:
`--config.model.representation=log_magnitude_and_frequency` or `real_and_imaginary`.
"""

from configs import common
from ml_collections import ConfigDict

_SIZE_VARIANTS = {f"z{size}": size for size in (64, 128, 256, 512, 1024, 1984)}


def get_config(variants: str = "") -> ConfigDict:
    """Returns the configuration of a variant, or of several joined by commas."""
    config = common.training("spectral")

    config.model.narrow_channels = 128
    config.model.middle_channels = 256
    config.model.wide_channels = 512
    config.model.bottleneck_channels = 1024
    config.model.embedding_size = 1984
    config.model.num_pitches = 128  # 0: the decoder does not see the pitch
    config.model.pitch_embedding_size = 128
    config.model.representation = "log_magnitude"
    config.model.batch_norm_decay = 0.999
    config.model.dtype = "bfloat16"

    config.num_steps = 200_000
    config.batch_size = 8
    config.averaging_decay = 0.0  # the authors average the WaveNet's weights alone
    config.optimizer.learning_rates = (1e-4,)
    config.optimizer.b1 = 0.5
    config.summarize_every_steps = 50_000

    # The size of the embedding last, since the other variants have one of their own.
    for variant in sorted(filter(None, variants.split(",")), key=_SIZE_VARIANTS.__contains__):
        match variant:
            case "small":
                _make_small(config)
            case "pretrained":
                _make_demo(config)
                _make_pretrained(config)
            case "demo":
                _make_demo(config)
            case _ if variant in _SIZE_VARIANTS:
                config.model.embedding_size = _SIZE_VARIANTS[variant]
            case _:
                raise common.unknown_variant(
                    variant, "small", "pretrained", "demo", *_SIZE_VARIANTS
                )
    return config.lock()


def _make_small(config: ConfigDict) -> None:
    common.small(config)
    config.model.narrow_channels = 32
    config.model.middle_channels = 64
    config.model.wide_channels = 128
    config.model.bottleneck_channels = 256
    config.model.embedding_size = 512
    config.num_steps = 50_000
    config.batch_size = 32
    config.optimizer.learning_rates = (5e-4, 2e-4, 5e-5)
    config.optimizer.boundaries = (25_000, 40_000)
    config.summarize_every_steps = 25_000


def _make_demo(config: ConfigDict) -> None:
    common.demo(config)
    config.model.narrow_channels = 8
    config.model.middle_channels = 32
    config.model.wide_channels = 64
    config.model.bottleneck_channels = 128
    config.model.embedding_size = 128
    config.model.pitch_embedding_size = 16
    config.model.batch_norm_decay = 0.95
    config.dataset.name = "nsynth_json/by_instrument"
    config.num_steps = 1_000
    config.averaging_decay = 0.99
    config.optimizer.learning_rates = (3e-3, 1e-3, 3e-4)
    config.optimizer.boundaries = (600, 850)


def _make_pretrained(config: ConfigDict) -> None:
    config.model.batch_norm_decay = 0.98
    config.num_steps = 2_000
    config.optimizer.name = "muon"
    config.optimizer.b1 = 0.95
    config.optimizer.learning_rates = (3e-3, 1e-3, 3e-4)
    config.optimizer.boundaries = (1_300, 1_750)
    config.eval_batches = 32
    config.eval_every_steps = 250
    config.checkpoint_every_steps = 250
