"""Encodes sounds: one .npz file per sound, with its embedding [frames, channels].

Usage: wavenet-ae encode SOUND... --output=FOLDER

    wavenet-ae encode flute.wav --output=embeddings
    wavenet-ae encode my_sounds --checkpoint=runs/demo/run --output=embeddings

With --distributed several processes share the sounds; each exits with the code of its own share,
when all have ended.
"""

from wavenet_ae.cli.command_line import (
    define_checkpoint,
    define_distributed,
    define_path,
    take_arguments,
)

_CHECKPOINT = define_checkpoint()
_INPUT = take_arguments(
    define_path("input", "A sound file, or a folder of them.", multiple=True),
    required=True,
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
define_distributed(independent=True)


def main() -> int:
    """Encodes what the flags ask for; the exit code is 1 if a file was refused."""
    from wavenet_ae.audio import files
    from wavenet_ae.synthesis import codec
    from wavenet_ae.synthesis.encode_files import encode_files
    from wavenet_ae.system import processes
    from wavenet_ae.training.trained import load_trained

    sources = files.find(_INPUT.value, leave_out=_OUTPUT.value)
    model = codec.create(load_trained(_CHECKPOINT.value))
    return int(encode_files(model, processes.own_share(sources), _OUTPUT.value) > 0)
