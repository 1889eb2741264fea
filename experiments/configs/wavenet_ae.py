r"""The WaveNet autoencoder of Engel et al. 2017.

| variant | parameters | what | result |
| --- | ---: | --- | --- |
| (default) | 61,541,392 | the paper: section 3 and Table 1's WaveNet | its Table 1: 79.6 % pitch |
| `:small` | 4,626,960 | a quarter of the width, for one GPU | not run yet |
| `:demo` | 274,608 | from nothing, minutes on 2 CPU cores | about 3.8 bits a sample |
| `:fine_tune` | 446,960 | from the pretrained weights: `make demo` | docs/training.md |
| `:pretrained` | 446,640 | an hour on 2 CPU cores: `make pretrained` begins with it | - |
| `:pretrained_noisy` | 446,640 | its later stages, in longer crops each | - |
| `:pretrained_lags` | 446,960 | its last two stages | the model card |

    python experiments/train.py --config=experiments/configs/wavenet_ae.py \
        --config.dataset.name=nsynth_json/published --config.dataset.data_dir=DIR --workdir=WORKDIR

The paper trained on 32 K40 GPUs for 10 days and reports no loss; Table 1 gives 79.6 % pitch and
88.9 % quality accuracy for reconstructions.

Any setting can be overridden: `--config.batch_size=64`, `--config.model.dtype=bfloat16`.
"""

from configs import common
from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration of a variant."""
    return common.choose(
        variant,
        {
            "": paper,
            "small": small,
            "pretrained": pretrained,
            "pretrained_noisy": pretrained_noisy,
            "pretrained_lags": pretrained_lags,
            "demo": demo,
            "fine_tune": fine_tune,
        },
    )


def paper() -> ConfigDict:
    """Returns the paper's: section 3, and the authors' code."""
    config = common.training("wavenet")

    config.model.encoder_channels = 128
    config.model.encoder_layers = 30
    config.model.decoder_channels = 512
    config.model.skip_channels = 256
    config.model.decoder_layers = 30
    config.model.dilation_cycle = 10  # layer i has dilation 2 ** (i mod 10)
    config.model.embedding_size = 16
    config.model.hop_length = 512
    config.model.num_pitches = 0  # 128: the decoder is conditioned on pitch
    config.model.pitch_lags = 0  # 3: it also reads its past one to three periods of the pitch ago
    # Starts at 8 bits a sample; with the authors' the loss hardly moves at first (docs/results.md).
    config.model.output_init = "zeros"
    # A step compiled for 8 v5e chips takes 8 of the 15.75 GiB of each (experiments/compile_tpu.py);
    # True takes less, and a quarter more work.
    config.model.rematerialize = False
    config.model.dtype = "bfloat16"

    config.num_steps = 250_000
    config.batch_size = 32
    config.crop_samples = 6144
    config.ema_decay = 0.9999
    config.optimizer.learning_rates = (2e-4, 4e-4 / 3, 6e-5, 4e-5, 2e-5, 6e-6, 2e-6)
    config.optimizer.boundaries = (90_000, 120_000, 150_000, 180_000, 210_000, 240_000)
    config.optimizer.b1 = 0.9
    config.summarize_every_steps = 50_000
    return config


def small() -> ConfigDict:
    """Returns the paper's with a quarter of the width."""
    return common.changed(
        paper(),
        common.ON_ONE_GPU,
        {
            "model": {"encoder_channels": 64, "decoder_channels": 128, "skip_channels": 128},
            "num_steps": 50_000,
            "optimizer": {
                "learning_rates": (1e-3, 5e-4, 2e-4, 5e-5),
                "boundaries": (20_000, 35_000, 45_000),
            },
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
                "encoder_channels": 32,
                "encoder_layers": 10,
                "decoder_channels": 32,
                "skip_channels": 64,
                "decoder_layers": 20,
            },
            "dataset": {"name": "nsynth_json/by_note"},
            "num_steps": 750,
            "batch_size": 4,
            "crop_samples": 4096,  # as long as the receptive field
            "optimizer": {
                "learning_rates": (4e-3, 1e-3),
                "boundaries": (600,),
                "clip_norm": 1.0,
            },
            "ema_decay": 0.99,
            "eval_batches": None,  # 32 of the demo's 45 notes would be off by half a bit
        },
    )


def pretrained() -> ConfigDict:
    """Returns the demo's model conditioned on pitch, for the first of its long trainings."""
    return common.changed(
        demo(),
        {
            "model": {"num_pitches": 128},
            "dataset": {
                "name": "nsynth_json/by_instrument",
                "gain_db": 12.0,  # recordings are louder than a SoundFont's notes
            },
            "num_steps": 22_000,
            # Short crops begin without a past, as notes do, and must rely on embedding and pitch.
            "batch_size": 4,
            "crop_samples": 1024,
            "optimizer": {
                "name": "muon",
                "b1": 0.95,
                "learning_rates": (4e-3, 2e-3, 1e-3, 5e-4, 2e-4),
                "boundaries": (10_000, 15_000, 18_500, 20_500),
            },
            "ema_decay": 0.999,
            "log_every_steps": 100,
            "eval_batches": 64,
            "eval_every_steps": 2_000,
            "checkpoint_every_steps": 2_000,
            "checkpoint_every_minutes": 5.0,
        },
    )


def pretrained_noisy() -> ConfigDict:
    """Returns the next long trainings, each of which starts from the one before."""
    return common.changed(
        pretrained(),
        {
            # A sampler's past is never as clean as the one in training.
            "dataset": {"decoder_input_noise": 4.0},
            "num_steps": 18_000,
            "optimizer": {
                "learning_rates": (2e-3, 1e-3, 5e-4, 2e-4),
                "boundaries": (8_000, 12_500, 16_000),
            },
        },
    )


def pretrained_lags() -> ConfigDict:
    """Returns the last but one, in which the decoder learns to repeat what its pitch repeats.

    The last has less of the shaped noise, 0.1, so that sounds become less noisy.
    """
    return common.changed(
        pretrained_noisy(),
        {
            "model": {"pitch_lags": 3},
            "dataset": {"decoder_input_shaped_noise": 0.3},
            "num_steps": 4_400,
            "crop_samples": 8192,
            "optimizer": {"boundaries": (2_600, 3_500, 4_100)},
            "ema_decay": 0.998,
            "eval_batches": 24,
            "eval_every_steps": 500,
            "checkpoint_every_steps": 500,
        },
    )


def fine_tune() -> ConfigDict:
    """Returns a short training from the pretrained weights, on one's own notes."""
    return common.changed(
        pretrained_lags(),
        {
            "init_from": "pretrained",
            "dataset": {
                "name": "nsynth_json/by_note",
                "gain_db": 0.0,
                "decoder_input_shaped_noise": 0.1,
            },
            "batch_size": 3,
            "crop_samples": 6144,  # the receptive field is 5,842
            "num_steps": 400,
            "optimizer": {"learning_rates": (1e-3, 5e-4, 2e-4), "boundaries": (200, 320)},
            "ema_decay": 0.99,
            "log_every_steps": 10,
            "eval_batches": 16,
            "eval_every_steps": 100,
            "checkpoint_every_steps": 100,
        },
    )
