r"""Generates sounds from sounds or embeddings: reconstructions, blends, longer and shorter ones.

    python experiments/generate.py --checkpoint=runs/demo --input=sounds --output=reconstructed
    python experiments/generate.py --checkpoint=runs/demo --input=flute.wav --input=bass.wav \
        --blend=0.5,0.5 --output=blended

The WAV files (16 kHz, 16 bits, mono) are exactly as long as the sounds they come from; n frames
without a sound's length give n hops. An interrupted call goes on where it stopped; what the folder
holds of other settings, or of others, is not replaced. With --distributed several processes share
the sounds, and the files are those of one process. The exit code of each tells of its own share;
one that is done, or has failed, waits for the others to end.
"""

from pathlib import Path

import jax
from absl import flags

from wavenet_ae.audio import files
from wavenet_ae.command_line import LARGEST_SEED, define_distributed, define_path, run
from wavenet_ae.synthesis import codec, embeddings
from wavenet_ae.synthesis.generate_files import Job, check_names, generate_files, read_sounds
from wavenet_ae.synthesis.spectral_codec import SpectralCodec
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import load_trained

_CHECKPOINT = define_path(
    "checkpoint", "A run's --workdir, an export, or pretrained.", required=True
)
_INPUT = define_path(
    "input",
    "A sound file, an .npz that encode.py wrote, or a folder of them; can be repeated.",
    required=True,
    multiple=True,
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_BLEND = flags.DEFINE_list(
    "blend", None, "One weight an input: generates a single sound from the weighted embeddings."
)
_INTERPOLATION = flags.DEFINE_enum(
    "interpolation",
    "linear",
    embeddings.INTERPOLATIONS,
    "Of --blend: a weighted sum, or, for two inputs, along the arc between their vectors.",
)
_STRETCH = flags.DEFINE_float("stretch", 1.0, "Factor of the length, at the same pitch.")
_PITCH = flags.DEFINE_integer(
    "pitch",
    None,
    "MIDI pitch for a model that is conditioned on it; default: what the file's name tells, or what"
    " is heard.",
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature",
    None,
    "Of the WaveNet: 1, the default, draws from its distribution; less is cleaner and duller.",
    lower_bound=0.0,
)
_GRIFFIN_LIM_ITERATIONS = flags.DEFINE_integer(
    "griffin_lim_iterations",
    None,
    "Of the spectral autoencoder's way from magnitude to sound; default: 1000, as the authors.",
    lower_bound=0,
)
_GRIFFIN_LIM_MOMENTUM = flags.DEFINE_float(
    "griffin_lim_momentum",
    None,
    "0, the default, is Griffin and Lim's form; 0.99 the accelerated one.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Of the random draws.", lower_bound=0, upper_bound=LARGEST_SEED
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 16, "Sounds that a process generates together.", lower_bound=1
)
define_distributed(independent=True)

_SUFFIXES = (*files.SUFFIXES, *embeddings.SUFFIXES)


def main() -> int:
    """Generates what the flags ask for; the exit code is 1 if a file was refused."""
    output, blending = _OUTPUT.value, _BLEND.value is not None
    if _INTERPOLATION.value != "linear" and not blending:
        raise UserError(
            f"--interpolation={_INTERPOLATION.value} is a way to --blend: name weights."
        )
    sources = files.find(_INPUT.value, _SUFFIXES, leave_out=output)
    if blending:
        # An input that is named twice has two weights.
        known = {source.path.resolve(): source for source in sources}
        named = [files.find([path], _SUFFIXES, leave_out=output) for path in _INPUT.value]
        sources = [known[source.path.resolve()] for each in named for source in each]
    else:
        check_names(output, [source.stem for source in processes.share(sources)])
    if blending and jax.process_index() > 0:
        processes.say("--blend makes one sound, which is left to process 0")
        return 0
    model = codec.create(
        load_trained(_CHECKPOINT.value),
        temperature=_TEMPERATURE.value,
        griffin_lim_iterations=_GRIFFIN_LIM_ITERATIONS.value,
        griffin_lim_momentum=_GRIFFIN_LIM_MOMENTUM.value,
    )
    if _STRETCH.value != 1 and isinstance(model, SpectralCodec):
        raise UserError(
            f"--stretch: {_CHECKPOINT.value} has one vector for 4 s, with no frames to stretch: "
            "use a WaveNet."
        )
    own = sources if blending else processes.share(sources)
    jobs, refused = read_sounds(model, own, _PITCH.value)
    if blending:
        if refused:
            raise UserError("nothing was blended, since an input was refused.")
        jobs = [_blend(jobs)]
    jobs = [job._replace(sound=embeddings.stretch(job.sound, _STRETCH.value)) for job in jobs]
    generate_files(
        model,
        jobs,
        output,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        num_sounds=len(jobs) if blending else len(sources),
        replace=False,
    )
    return int(refused > 0)


def _blend(jobs: list[Job]) -> Job:
    try:
        weights = [float(weight) for weight in _BLEND.value]
    except ValueError as error:
        raise UserError(f"--blend={','.join(_BLEND.value)} must be numbers, as 0.5,0.5.") from error
    sound = embeddings.blend([job.sound for job in jobs], weights, _INTERPOLATION.value)
    ending = "" if _INTERPOLATION.value == "linear" else f"_{_INTERPOLATION.value}"
    pairs = zip(jobs, weights, strict=True)
    # Short enough for a file's name, whatever the inputs are called.
    name = "_".join(f"{Path(job.name).name[:40]}_{w:g}" for job, w in pairs)[:200]
    return Job(name + ending, sound)


if __name__ == "__main__":
    run(main)
