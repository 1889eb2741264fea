"""The rules of model settings that several tasks share."""

from wavenet_ae.data import nsynth
from wavenet_ae.system.settings import BELOW_ONE, Rule, choice, or_none, whole

# Beyond these XLA aborts the process, or compilation does not end.
SIZE, LAYERS = whole(1, 2**16), whole(1, 1024)
DILATION_CYCLE = whole(1, 20)  # the last layer's dilation is then 33 s
NUM_PITCHES = Rule(
    "a whole number: 0, or 128 for MIDI",
    lambda x: type(x) is int and (x == 0 or nsynth.NUM_PITCHES <= x <= 2**16),
)
ARITHMETIC = {
    "dtype": choice("float32", "bfloat16"),
    "matmul_precision": or_none(choice("high", "highest")),
}
SPECTRAL_LAYERS = {
    "narrow_channels": SIZE,
    "middle_channels": SIZE,
    "wide_channels": SIZE,
    "bottleneck_channels": SIZE,
    "batch_norm_decay": BELOW_ONE,
    **ARITHMETIC,
}


def exactly(number: int, why: str) -> Rule:
    """Returns the rule for a number that the data determine."""
    return Rule(f"{number}, {why}", lambda x: type(x) is int and x == number)
