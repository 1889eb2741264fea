r"""The MIDI-conditioned WaveNet: Hawthorne et al., MAESTRO (ICLR 2019, arXiv 1810.12247).

| variant | parameters | what | result |
| --- | ---: | --- | --- |
| (default) | 36,981,406 | the paper's form; what it does not give is ours | not run yet |
| `:small` | 4,857,152 | half of the layers and of the width, for one GPU | not run yet |
| `:demo` | 343,872 | minutes on 2 CPU cores | - |
| `:pretrained` | 343,872 | 80 to 95 minutes on 2 CPU cores | F1 of notes 44 %, original 78 |

    python experiments/train.py --config=experiments/configs/midi_wavenet.py \
        --config.dataset.name=performances/maestro --config.dataset.data_dir=DIR --workdir=WORKDIR

The paper gives stacks of 10 layers (3 in the version under review, later 6), a context stack of
2 x 6 layers, a roll of 88 keys at 250 Hz, 16 bits and a mixture of logistics; not the width, the
kernels, the number of logistics, the rate of samples, the crop, the batch or the optimiser. Its
loss of 3.7 is not comparable before these are known.
"""

from configs import common
from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration of a variant."""
    variants = {"": paper, "small": small, "demo": demo, "pretrained": pretrained}
    return common.choose(variant, variants)


def paper() -> ConfigDict:
    """Returns the paper's form, with sizes of our own where it gives none."""
    config = common.training("midi")

    config.model.decoder_channels = 256
    config.model.skip_channels = 256
    config.model.decoder_layers = 60  # 6 stacks of 10; 30 in the version under review
    config.model.dilation_cycle = 10
    config.model.width = 3
    config.model.context_channels = 128
    config.model.context_layers = 12  # 2 stacks of 6
    config.model.context_dilation_cycle = 6
    config.model.context_width = 3
    config.model.output = "logistics"  # a mixture, of 16-bit samples; mu_law: 256 classes
    config.model.num_logistics = 10
    config.model.output_init = "zeros"  # starts at as many bits a sample as a sample has
    config.model.rematerialize = False
    config.model.dtype = "bfloat16"

    config.dataset.name = "performances/maestro"
    # held: a key's velocity while it or the pedal holds the note, as in the version under review;
    # onsets: only in the frame in which it is struck.
    config.dataset.roll = "held"
    config.num_steps = 350_000  # of the version under review
    config.batch_size = 32
    config.crop_samples = 16_000  # longer than the receptive field of 12,279
    config.ema_decay = 0.9999
    config.optimizer.learning_rates = (2e-4, 1e-4, 5e-5, 2e-5, 5e-6)
    config.optimizer.boundaries = (150_000, 220_000, 280_000, 330_000)
    config.optimizer.b1 = 0.9
    config.optimizer.clip_norm = 1.0
    return config


def small() -> ConfigDict:
    """Returns half of the layers and of the width, with 8-bit samples."""
    return common.changed(
        paper(),
        common.ON_ONE_GPU,
        {
            "model": {
                "decoder_channels": 128,
                "skip_channels": 128,
                "decoder_layers": 30,
                "context_channels": 64,
                "output": "mu_law",
            },
            # With noise: on its own past, a decoder otherwise loses the pitch (docs/results.md).
            "dataset": {"name": "performances/maestro", "decoder_input_noise": 4.0},
            "num_steps": 100_000,
            "batch_size": 16,
            "crop_samples": 8_192,
            "optimizer": {
                "learning_rates": (1e-3, 5e-4, 2e-4, 5e-5),
                "boundaries": (40_000, 70_000, 90_000),
            },
        },
    )


def demo() -> ConfigDict:
    """Returns a model for minutes on two CPU cores."""
    return common.changed(
        small(),
        common.ON_TWO_CORES,
        {
            "model": {
                "decoder_channels": 32,
                "skip_channels": 64,
                "decoder_layers": 20,
                "context_channels": 32,
            },
            "dataset": {"name": "performances/piano"},
            "num_steps": 600,
            "batch_size": 4,
            "crop_samples": 4_096,
            "optimizer": {"learning_rates": (4e-3, 1e-3), "boundaries": (480,)},
            "ema_decay": 0.99,
        },
    )


def pretrained() -> ConfigDict:
    """Returns the demo's model with a training of 80 minutes."""
    return common.changed(
        demo(),
        common.LONGER_ON_A_CORE,
        {
            "num_steps": 16_500,  # 80 minutes on two idle cores of an EPYC with AVX-512
            "crop_samples": 6_144,
            "optimizer": {
                "boundaries": (5_500, 12_000, 14_500, 15_900),
            },
        },
    )
