r"""The classifier behind Table 1 of Engel et al. 2017: pitch, qualities, family and source.

| variant | what | command |
| --- | --- | --- |
| (default) | the authors' sizes | see below |
| `:small` | a quarter of the width, for one GPU | `--config=FILE:small` |
| `:pretrained` | hours on a CPU core: the pretrained weights | `make pretrained` |
| `:demo` | minutes on 2 CPU cores | `--config=FILE:demo` |

    python experiments/train.py --config=experiments/configs/classifier.py \
        --config.dataset.data_dir=DIR --workdir=WORKDIR

Table 1 gives 91.6 % pitch and 90.1 % quality accuracy for the notes themselves. How long the
authors trained it is not known; 50,000 steps see NSynth five and a half times.
"""

from configs import common
from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration of a variant."""
    config = common.training("classifier")

    config.model.narrow_channels = 128
    config.model.middle_channels = 256
    config.model.wide_channels = 512
    config.model.bottleneck_channels = 1024
    config.model.batch_norm_decay = 0.999
    config.model.dtype = "bfloat16"

    config.num_steps = 50_000
    config.batch_size = 32
    config.averaging_decay = 0.0
    config.optimizer.learning_rates = (1e-4,)
    config.optimizer.b1 = 0.5

    match variant:
        case "":
            pass
        case "small":
            _make_small(config)
        case "pretrained":
            _make_demo(config)
            _make_pretrained(config)
        case "demo":
            _make_demo(config)
        case _:
            raise common.unknown_variant(variant, "small", "pretrained", "demo")
    return config.lock()


def _make_small(config: ConfigDict) -> None:
    common.small(config)
    config.model.narrow_channels = 32
    config.model.middle_channels = 64
    config.model.wide_channels = 128
    config.model.bottleneck_channels = 256
    config.num_steps = 20_000
    config.optimizer.learning_rates = (5e-4, 2e-4, 5e-5)
    config.optimizer.boundaries = (10_000, 16_000)


def _make_demo(config: ConfigDict) -> None:
    common.demo(config)
    config.model.narrow_channels = 16
    config.model.middle_channels = 32
    config.model.wide_channels = 64
    config.model.bottleneck_channels = 128
    config.model.batch_norm_decay = 0.95
    config.dataset.name = "nsynth_json/by_instrument"
    config.num_steps = 600
    config.batch_size = 16
    config.averaging_decay = 0.99
    config.optimizer.learning_rates = (3e-3, 1e-3, 3e-4)
    config.optimizer.boundaries = (350, 500)


def _make_pretrained(config: ConfigDict) -> None:
    config.model.batch_norm_decay = 0.98
    config.dataset.gain_db = 12.0  # recordings are louder than a SoundFont's notes
    config.num_steps = 18_000
    config.optimizer.learning_rates = (3e-3, 1e-3, 3e-4, 1e-4)
    config.optimizer.boundaries = (11_000, 15_000, 17_000)
    config.eval_batches = 32
    config.eval_every_steps = 1_000
    config.checkpoint_every_steps = 1_000
