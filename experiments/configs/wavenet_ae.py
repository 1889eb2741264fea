r"""The WaveNet autoencoder of Engel et al. 2017.

| variant | what | command |
| --- | --- | --- |
| (default) | the paper: section 3 and Table 1's WaveNet | see below |
| `:small` | a quarter of the width, for one GPU | `--config=FILE:small` |
| `:pretrained` | an hour on 2 CPU cores: what comes before | `make pretrained` |
| `:pretrained_noisy` | an hour more, from there: the weights in the box | `make pretrained` |
| `:demo` | minutes on 2 CPU cores | `--config=FILE:demo` |
| `:table1` | the demo's model, trained for longer: `make table1` | `--config=FILE:table1` |

    python experiments/train.py --config=experiments/configs/wavenet_ae.py \
        --config.dataset.data_dir=DIR --workdir=WORKDIR

The paper trained on 32 K40 GPUs for 10 days and reports no loss; Table 1 gives 79.6 % pitch and
88.9 % quality accuracy for reconstructions.

Any setting can be overridden: `--config.batch_size=64`, `--config.model.dtype=bfloat16`.
"""

from configs import common
from ml_collections import ConfigDict


def get_config(variant: str = "") -> ConfigDict:
    """Returns the configuration of a variant."""
    config = common.training("wavenet")

    config.model.encoder_channels = 128
    config.model.encoder_layers = 30
    config.model.decoder_channels = 512
    config.model.skip_channels = 256
    config.model.decoder_layers = 30
    config.model.dilation_cycle = 10  # layer i has dilation 2 ** (i mod 10)
    config.model.embedding_size = 16
    config.model.hop_length = 512
    config.model.num_pitches = 0  # 128: the decoder sees the pitch, too
    # Begins at 8 bits a sample; with the authors' the loss hardly moves at first (README).
    config.model.output_init = "zeros"
    # A step compiled for 8 v5e chips takes 8 of the 15.75 GiB of each (experiments/compile_tpu.py);
    # True takes less, and a quarter more work.
    config.model.rematerialize = False
    config.model.dtype = "bfloat16"

    config.num_steps = 250_000
    config.batch_size = 32
    config.crop_samples = 6144
    config.averaging_decay = 0.9999
    config.optimizer.learning_rates = (2e-4, 4e-4 / 3, 6e-5, 4e-5, 2e-5, 6e-6, 2e-6)
    config.optimizer.boundaries = (90_000, 120_000, 150_000, 180_000, 210_000, 240_000)
    config.optimizer.b1 = 0.9
    config.summarize_every_steps = 50_000

    match variant:
        case "":
            pass
        case "small":
            _make_small(config)
        case "pretrained" | "pretrained_noisy":
            _make_demo(config)
            _make_pretrained(config)
            if variant == "pretrained_noisy":
                _make_noisy(config)
        case "demo":
            _make_demo(config)
        case "table1":
            _make_demo(config)
            _make_longer(config)
        case _:
            raise common.unknown_variant(
                variant, "small", "pretrained", "pretrained_noisy", "demo", "table1"
            )
    return config.lock()


def _make_small(config: ConfigDict) -> None:
    common.small(config)
    config.model.encoder_channels = 64
    config.model.decoder_channels = 128
    config.model.skip_channels = 128
    config.num_steps = 50_000
    config.optimizer.learning_rates = (1e-3, 5e-4, 2e-4, 5e-5)
    config.optimizer.boundaries = (20_000, 35_000, 45_000)
    config.summarize_every_steps = 25_000


def _make_demo(config: ConfigDict) -> None:
    common.demo(config)
    config.model.encoder_channels = 32
    config.model.encoder_layers = 10
    config.model.decoder_channels = 32
    config.model.skip_channels = 64
    config.model.decoder_layers = 20
    config.dataset.name = "nsynth_json/by_note"
    config.eval_batches = None  # 32 of the demo's 45 notes would be off by half a bit
    config.num_steps = 1_000
    config.batch_size = 4
    config.crop_samples = 3072
    config.optimizer.learning_rates = (4e-3, 1e-3)
    config.optimizer.boundaries = (800,)
    config.optimizer.clip_norm = 1.0
    config.averaging_decay = 0.99


def _make_longer(config: ConfigDict) -> None:
    config.dataset.name = "nsynth_json/by_instrument"
    # As the baseline's decoder sees it: learning to hear the pitch takes longer.
    config.model.num_pitches = 128
    config.num_steps = 2_500
    config.optimizer.learning_rates = (4e-3, 1e-3, 2e-4)
    config.optimizer.boundaries = (1_600, 2_200)
    config.averaging_decay = 0.995
    config.eval_batches = 8
    config.eval_every_steps = 500
    config.checkpoint_every_steps = 500


def _make_pretrained(config: ConfigDict) -> None:
    config.model.num_pitches = 128
    config.dataset.name = "nsynth_json/by_instrument"
    config.dataset.gain_db = 12.0  # recordings are louder than a SoundFont's notes
    config.num_steps = 22_000
    # Short crops begin without a past as a note does: all is up to embedding and pitch.
    config.batch_size = 4
    config.crop_samples = 1024
    config.optimizer.name = "muon"
    config.optimizer.b1 = 0.95
    config.optimizer.learning_rates = (4e-3, 2e-3, 1e-3, 5e-4, 2e-4)
    config.optimizer.boundaries = (10_000, 15_000, 18_500, 20_500)
    config.averaging_decay = 0.999
    config.log_every_steps = 100
    config.eval_batches = 64
    config.eval_every_steps = 2_000
    config.checkpoint_every_steps = 2_000
    config.checkpoint_every_minutes = 5.0


def _make_noisy(config: ConfigDict) -> None:
    # A sampler's past is never as good as the one in training.
    config.dataset.input_noise = 4.0
    config.num_steps = 18_000
    config.optimizer.learning_rates = (2e-3, 1e-3, 5e-4, 2e-4)
    config.optimizer.boundaries = (8_000, 12_500, 16_000)
