"""Encodes sound files: one .npz a sound, with its embedding [frames, channels].

python experiments/encode.py --checkpoint=runs/demo --input=sounds --output=embeddings
"""

from pathlib import Path

from absl import flags

from wavenet_ae.audio import files
from wavenet_ae.command_line import run
from wavenet_ae.synthesis.encode_files import encode_files
from wavenet_ae.training.trained import load_trained

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "A run's --workdir.", required=True)
_INPUT = flags.DEFINE_multi_string(
    "input", None, "A sound file, or a folder of them; can be repeated.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "The folder to write.", required=True)


def main() -> int:
    """Encodes what the flags ask for; the exit code is 1 if a file was refused."""
    sources = files.find(_INPUT.value)
    trained = load_trained(Path(_CHECKPOINT.value).expanduser())
    return int(encode_files(trained, sources, Path(_OUTPUT.value)) > 0)


if __name__ == "__main__":
    run(main)
