"""Playing live, from sounds or from a model of notes; and MIDI files that sounds play."""

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import piano_roll
from wavenet_ae.instrument import midi_files, rendered, server, voices
from wavenet_ae.instrument.live import sounds as corner_sounds
from wavenet_ae.instrument.live import speed
from wavenet_ae.instrument.live.application import LiveApplication
from wavenet_ae.instrument.live.roll_player import RollPlayer
from wavenet_ae.instrument.live.session import Played
from wavenet_ae.instrument.voices import Voices
from wavenet_ae.synthesis import codec as codecs
from wavenet_ae.synthesis import perform_files
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system import processes
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import TrainedModel


def serve(
    trained: TrainedModel,
    inputs: Sequence[Path],
    port: int,
    announce: Callable[[str], None],
    *,
    num_voices: int | None = None,
    temperature: float | None = None,
    seed: int = 0,
    pitches_in_names: bool = True,
) -> None:
    """Plays live until Ctrl-C or SIGTERM.

    Args:
        trained: the model.
        inputs: see `sounds.read`; none for a model that plays notes.
        port: 0 for any that is free.
        announce: called with the address once it can be opened.
        num_voices: that sound at once; None for as many as the machine keeps up with, or for a
            model that plays notes, which has one for all keys.
        temperature: see `sampler.generate`.
        seed: of the notes' randomness.
        pitches_in_names: see `sources.find`.

    Raises:
        UserError: the sounds, the model or the port cannot be used.
    """
    server.check_port(port)
    play = _play_notes if trained.config["task"] == "midi" else _play_sounds
    live = play(trained, inputs, num_voices, temperature, seed, pitches_in_names)
    server.serve(live.application(), port, announce)


def _play_sounds(
    trained: TrainedModel,
    inputs: Sequence[Path],
    num_voices: int | None,
    temperature: float | None,
    seed: int,
    pitches_in_names: bool,
) -> LiveApplication:
    """Plays between sounds, with a voice for each key."""
    codec = _codec(trained, temperature)
    found = corner_sounds.read(inputs, pitches_in_names=pitches_in_names)
    played = corner_sounds.encode(codec, found)
    processes.print_once("compiling the decoder and measuring how fast it is here")
    measured = speed.measure(codec, played, num_voices)
    return _application(
        Voices(codec, played, measured.num_voices, seed),
        [sound.name for sound in played],
        codec.num_pitches,
        measured,
        _offer(inputs, len(found)),
    )


def _play_notes(
    trained: TrainedModel,
    inputs: Sequence[Path],
    num_voices: int | None,
    temperature: float | None,
    seed: int,
    pitches_in_names: bool,
) -> LiveApplication:
    """Plays the instrument that a model of notes has learned, with all keys as one voice."""
    if inputs:
        raise UserError(
            f"{trained.name} plays the instrument that it was trained on: leave out {inputs[0]}."
        )
    if num_voices is not None:
        raise UserError(f"{trained.name} plays all keys as one: leave out --voices.")
    if not pitches_in_names:
        raise UserError(f"{trained.name} plays without sound files: leave out --nonames.")
    player = perform_files.Player(trained, 1.0 if temperature is None else temperature)
    processes.print_once("compiling the decoder and measuring how fast it is here")
    seconds = voices.time_chunks(RollPlayer(player), [60, 64, 67])
    instrument = RollPlayer(player, seed)
    factor = instrument.chunk_samples / SAMPLE_RATE_HZ / seconds
    return _application(
        instrument,
        [trained.config["dataset"]["name"].rsplit("/")[-1]],
        piano_roll.KEYS.stop,
        speed.Speed(piano_roll.NUM_KEYS, factor),
        f"What you play can be saved as MIDI, and played in its own time: {_perform(trained)}",
    )


def _application(
    instrument: voices.LiveInstrument,
    names: Sequence[str],
    num_keys: int,
    measured: speed.Speed,
    offer: str,
) -> LiveApplication:
    """Returns the application, and says how fast it will be."""
    processes.print_once(_describe(measured))
    too_slow = None
    if not measured.is_enough:
        too_slow = f"The decoder is too slow on this machine, so that there will be gaps. {offer}"
        processes.print_once(too_slow)
    return LiveApplication(
        Played(
            instrument,
            len(names),
            num_keys,
            lambda gaps: processes.print_once(f"{count(gaps, 'gap')} in what is played. {offer}"),
        ),
        names,
        most_voices=measured.num_voices,
        too_slow=too_slow,
        offer=offer,
    )


def render(
    trained: TrainedModel,
    inputs: Sequence[Path],
    midi: Path,
    output: Path,
    *,
    num_voices: int | None = None,
    pad: tuple[float, float] = (0.5, 0.5),
    temperature: float | None = None,
    seed: int = 0,
    pitches_in_names: bool = True,
) -> str:
    """Plays a MIDI file into a WAV file; see `midi_files.render_midi`, and `serve`.

    Returns:
        A summary.

    Raises:
        UserError: likewise.
    """
    midi_files.check_output(output)
    codec = _codec(trained, temperature)
    midi_files.read_events(midi, 1)  # a damaged file is told before the sounds are encoded
    found = corner_sounds.read(inputs, pitches_in_names=pitches_in_names)
    started = time.monotonic()
    made = midi_files.render_midi(
        midi,
        output,
        codec,
        corner_sounds.encode(codec, found),
        **({} if num_voices is None else {"num_voices": num_voices}),
        seed=seed,
        pad=pad,
    )
    took = time.monotonic() - started
    factor = made.seconds / took
    return (
        f"{output}: {made.seconds:.1f} s, {count(made.notes, 'note')}, "
        f"in {took:.1f} s ({factor:.{1 if factor >= 1 else 2}f} times as fast as real time)"
    )


def _codec(trained: TrainedModel, temperature: float | None) -> WaveNetCodec:
    if trained.config["task"] == "midi":
        raise UserError(f"{trained.name} plays MIDI files without sounds: {_perform(trained)}")
    codec = codecs.create(trained, temperature=temperature)
    if not isinstance(codec, WaveNetCodec):
        raise UserError(
            f"{trained.name} makes 4 s of sound at once and cannot be played live: name a WaveNet."
        )
    voices.check_model(codec)
    return codec


def _perform(trained: TrainedModel) -> str:
    checkpoint = shlex.quote(str(trained.name))
    return f"wavenet-ae perform FILE.mid --checkpoint={checkpoint} --output=FOLDER"


def _describe(measured: speed.Speed) -> str:
    count = measured.num_voices
    notes = "one voice takes" if count == 1 else f"{count} voices at once take"
    return f"{notes} {1 / measured.factor:.2f} s for a second of sound"


def _offer(inputs: Sequence[Path], num_sounds: int) -> str:
    """Returns what to do where the decoder is too slow."""
    if len(inputs) == 1 and (inputs[0] / rendered.DESCRIPTION).is_file():
        return f"The rendered notes play without it: wavenet-ae play {shlex.quote(str(inputs[0]))}"
    if num_sounds == 1:
        return "Play fewer notes at once, or end other programs."
    given = shlex.join(map(str, inputs))
    return (
        f"Rendered notes play without it: wavenet-ae instrument {given} --output=instrument, then "
        "wavenet-ae play instrument"
    )
