"""Generates sounds from sounds or embeddings: reconstructions, blends, longer and shorter ones.

Usage: wavenet-ae generate SOUND... --output=FOLDER

    wavenet-ae generate flute.wav --output=out
    wavenet-ae generate flute.wav bass.wav --blend=0.5,0.5 --output=out
    wavenet-ae generate my_sounds --checkpoint=runs/demo/run --stretch=2 --output=out

The WAV files (16 kHz, 16 bits, mono) are exactly as long as the sounds they come from, except with
--stretch, and with --blend, which is as long as the shortest input; n frames without a sound's
length give n hops. An interrupted call is resumed by the same command; files in the folder that
were made with other settings, or by other programs, are not replaced. With --distributed several
processes share the sounds, and the files are those of one process; each exits with the code of its
own share, when all have ended.
"""

from absl import flags

from wavenet_ae.cli.command_line import (
    LARGEST_SEED,
    define_checkpoint,
    define_distributed,
    define_path,
    take_arguments,
)
from wavenet_ae.system.errors import UserError

_CHECKPOINT = define_checkpoint()
_INPUT = take_arguments(
    define_path(
        "input",
        "A sound file, an .npz that wavenet-ae encode wrote, or a folder of them.",
        multiple=True,
    ),
    required=True,
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_BLEND = flags.DEFINE_list(
    "blend", None, "One weight per input: generates a single sound from the weighted embeddings."
)
_INTERPOLATION = flags.DEFINE_enum(
    "interpolation",
    "linear",
    ["linear", "spherical"],
    "For --blend: a weighted sum, or, for two inputs, along the arc between their vectors.",
)
_STRETCH = flags.DEFINE_float(
    "stretch",
    1.0,
    "Factor of the length, at the same pitch.",
    lower_bound=0.01,
    upper_bound=100.0,
)
_PITCH = flags.DEFINE_integer(
    "pitch",
    None,
    "MIDI pitch (60 is middle C) for a model that is conditioned on it; default: the pitch in the "
    "file's name, else the one that a pitch tracker finds.",
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature",
    None,
    "For the WaveNet: 1, the default, draws from its distribution; less is cleaner and duller.",
    lower_bound=0.0,
)
_GRIFFIN_LIM_ITERATIONS = flags.DEFINE_integer(
    "griffin_lim_iterations",
    None,
    "For the spectral autoencoder, from magnitudes to sound; default: 1000, as the authors.",
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
    "seed", 0, "Seed of the random draws.", lower_bound=0, upper_bound=LARGEST_SEED
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 16, "Sounds that a process generates together.", lower_bound=1
)
define_distributed(independent=True)


def main() -> int:
    """Generates what the flags ask for; the exit code is 1 if a file was refused."""
    import jax

    from wavenet_ae.audio import files
    from wavenet_ae.synthesis import codec, embeddings
    from wavenet_ae.synthesis import generate_files as generation
    from wavenet_ae.synthesis.spectral_codec import SpectralCodec
    from wavenet_ae.system import processes
    from wavenet_ae.training.trained import load_trained

    output, blending = _OUTPUT.value, _BLEND.value is not None
    suffixes = (*files.SUFFIXES, *embeddings.SUFFIXES)
    if _INTERPOLATION.value != "linear" and not blending:
        raise UserError(f"--interpolation={_INTERPOLATION.value} applies to --blend: give weights.")
    sources = files.find(_INPUT.value, suffixes, leave_out=output)
    if blending:
        # An input that is named twice has two weights.
        known = {source.path.resolve(): source for source in sources}
        named = [files.find([path], suffixes, leave_out=output) for path in _INPUT.value]
        sources = [known[source.path.resolve()] for each in named for source in each]
        weights = _weights(_BLEND.value)
        embeddings.check_weights(weights, len(sources), _INTERPOLATION.value)
    else:
        generation.check_names(output, [source.stem for source in processes.own_share(sources)])
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
    own = sources if blending else processes.own_share(sources)
    jobs, refused = generation.read_sounds(model, own, _PITCH.value)
    if blending:
        if refused:
            raise UserError("nothing was blended, since an input was refused.")
        jobs = [generation.blend_jobs(model, jobs, weights, _INTERPOLATION.value)]
    jobs = [job._replace(sound=embeddings.stretch(job.sound, _STRETCH.value)) for job in jobs]
    generation.generate_files(
        model,
        jobs,
        output,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        num_sounds=len(jobs) if blending else len(sources),
        replace=False,
    )
    return int(refused > 0)


def _weights(given: list[str]) -> list[float]:
    try:
        return [float(weight) for weight in given]
    except ValueError as error:
        raise UserError(f"--blend={','.join(given)} must be numbers, as 0.5,0.5.") from error
