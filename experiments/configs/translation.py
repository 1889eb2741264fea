r"""Music translation: Mor et al., A Universal Music Translation Network (ICLR 2019, 1805.07848).

| variant | parameters | what | result |
| --- | ---: | --- | --- |
| (default) | 41,251,562 | the sizes and rates of the released code, six domains | not run yet |
| `:small` | 5,948,448 | half the width, four families of NSynth, for one GPU | not run yet |
| `:demo` | 841,627 | three domains, minutes on 2 CPU cores | - |
| `:pretrained` | 841,627 | three domains, an hour or two on a CPU core | - |

    python experiments/train.py --config=experiments/configs/translation.py \
        --config.dataset.name=recordings/musicnet --config.dataset.data_dir=DIR --workdir=WORKDIR

The authors trained on 48 V100 GPUs for three days, one domain on each node of eight; they report
no loss. Here all decoders learn in one step, from as many crops of every domain.

A decoder for another domain, with the encoder of a trained network (`domains` are then the new
ones alone):

    python experiments/train.py --config=experiments/configs/translation.py \
        --config.train=decoder --config.init_from=RUN '--config.domains=("harp",)' \
        --config.batch_size=32 --config.dataset.name=recordings/harp --workdir=WORKDIR
"""

from configs import common
from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration of a variant."""
    variants = {"": released, "small": small, "demo": demo, "pretrained": pretrained}
    return common.choose(variant, variants)


def released() -> ConfigDict:
    """Returns the released code's, with the domains of its weights, which are MusicNet's."""
    config = common.training("translation")

    config.domains = (
        "bach_cello",
        "beethoven_piano",
        "cambini_winds",
        "bach_piano",
        "beethoven_violin",
        "beethoven_quartet",
    )
    config.model.encoder_channels = 128
    config.model.encoder_layers = 30
    config.model.encoder_dilation_cycle = 10
    config.model.decoder_channels = 128
    config.model.skip_channels = 128
    config.model.decoder_layers = 56
    config.model.dilation_cycle = 14
    config.model.embedding_size = 64
    config.model.hop_length = 800
    config.model.classifier_channels = 100
    config.model.output_init = "zeros"  # starts at 8 bits a sample; authors: a little above
    config.model.rematerialize = False
    config.model.dtype = "bfloat16"

    config.train = "all"  # decoder: decoders alone, for the encoder of init_from
    config.domain_weight = 0.01  # of the domain classifier's loss, which the encoder maximises
    config.domain_learning_rate = 1e-3

    config.dataset.name = "recordings/musicnet"
    config.dataset.detune_semitones = 0.5  # of a part of what the encoder reads
    config.num_steps = 200_000
    config.batch_size = 192  # 32 of each domain, as on the authors' six nodes
    config.crop_samples = 12_000
    config.ema_decay = 0.999
    # Theirs falls by half a percent every 1,000 batches, for encoder and decoders.
    every = 10_000
    config.optimizer.learning_rates = tuple(1e-3 * 0.995 ** (10 * i) for i in range(20))
    config.optimizer.boundaries = tuple(range(every, config.num_steps, every))
    config.optimizer.b1 = 0.9
    config.optimizer.clip_value = 1.0
    return config


def small() -> ConfigDict:
    """Returns half of the width and decoders of 0.26 s, for families of NSynth."""
    return common.changed(
        released(),
        common.ON_ONE_GPU,
        {
            "domains": ("guitar", "keyboard", "mallet", "string"),
            "model": {
                "encoder_channels": 64,
                "decoder_channels": 64,
                "skip_channels": 64,
                "decoder_layers": 40,
                "dilation_cycle": 10,
            },
            "num_steps": 50_000,
            "batch_size": 32,
            "optimizer": {
                "learning_rates": (1e-3, 5e-4, 2e-4, 5e-5),
                "boundaries": (20_000, 35_000, 45_000),
            },
        },
    )


def demo() -> ConfigDict:
    """Returns a network for minutes on two CPU cores."""
    return common.changed(
        released(),
        common.ON_TWO_CORES,
        {
            "domains": ("piano", "violin", "flute"),
            "model": {
                "encoder_channels": 32,
                "encoder_layers": 10,
                "decoder_channels": 32,
                "skip_channels": 64,
                "decoder_layers": 20,
                "dilation_cycle": 10,
            },
            # With noise: on its own past, a decoder otherwise loses the pitch (docs/results.md).
            "dataset": {"name": "recordings/phrases", "decoder_input_noise": 4.0},
            "num_steps": 600,
            "batch_size": 3,
            "crop_samples": 4_000,
            "optimizer": {"learning_rates": (4e-3, 1e-3), "boundaries": (480,)},
            "ema_decay": 0.99,
        },
    )


def pretrained() -> ConfigDict:
    """Returns the demo's network with a training of an hour or two."""
    return common.changed(
        demo(),
        common.LONGER_ON_A_CORE,
        {
            "num_steps": 5_500,
            "batch_size": 6,
            "optimizer": {
                "boundaries": (3_000, 4_150, 4_900, 5_250),
            },
        },
    )
