"""How many voices this machine keeps up with."""

from collections.abc import Sequence
from typing import NamedTuple

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument import voices
from wavenet_ae.instrument.performance import Sound
from wavenet_ae.synthesis import sampler
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system.worker_pool import num_cores

# Of the machine's time; the browser and whatever else runs need the rest.
_SHARE = 0.75
_MOST_VOICES = 32


class Speed(NamedTuple):
    """What was measured.

    Attributes:
        num_voices: to play with.
        factor: how many times as fast as real time so many voices are generated together.
    """

    num_voices: int
    factor: float

    @property
    def is_enough(self) -> bool:
        """Whether they are generated in real time."""
        return self.factor >= 1


def measure(codec: WaveNetCodec, sounds: Sequence[Sound], num_voices: int | None = None) -> Speed:
    """Measures how fast voices are generated; it takes a second or two, and compiles the model.

    Args:
        codec: the model.
        sounds: to play between.
        num_voices: how many are asked for; None for as many as leave the browser some time, at
            least one for each core.

    Raises:
        UserError: the settings are wrong, or the model does not suit.
    """
    fewest = num_cores() if num_voices is None else min(num_voices, num_cores())
    factor = real_time_factor(codec, sounds, fewest)
    if num_voices is None:
        for_each_core = min(int(_SHARE * factor), sampler.FEW_SOUNDS)
        num_voices = max(fewest, min(fewest * for_each_core, _MOST_VOICES))
    together = factor if num_voices == fewest else real_time_factor(codec, sounds, num_voices)
    return Speed(num_voices, together)


def real_time_factor(codec: WaveNetCodec, sounds: Sequence[Sound], num_voices: int) -> float:
    """Measures how many times as fast as real time so many voices are generated together."""
    seconds = codec.hop_length / SAMPLE_RATE_HZ
    return seconds / voices.seconds_a_chunk(codec, sounds, num_voices)
