"""Encodes sound files: one .npz a sound, with its embedding [frames, channels].

    python experiments/encode.py --checkpoint=runs/demo --input=sounds --output=embeddings

With --distributed several processes share the sounds. The exit code of each tells of its own share;
one that is done, or has failed, waits for the others to end.
"""

from wavenet_ae.audio import files
from wavenet_ae.command_line import define_distributed, define_path, run
from wavenet_ae.synthesis import codec
from wavenet_ae.synthesis.encode_files import encode_files
from wavenet_ae.system import processes
from wavenet_ae.training.trained import load_trained

_CHECKPOINT = define_path(
    "checkpoint", "A run's --workdir, an export, or pretrained.", required=True
)
_INPUT = define_path(
    "input", "A sound file, or a folder of them; can be repeated.", required=True, multiple=True
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
define_distributed(independent=True)


def main() -> int:
    """Encodes what the flags ask for; the exit code is 1 if a file was refused."""
    sources = files.find(_INPUT.value, leave_out=_OUTPUT.value)
    model = codec.create(load_trained(_CHECKPOINT.value))
    return int(encode_files(model, processes.share(sources), _OUTPUT.value) > 0)


if __name__ == "__main__":
    run(main)
