"""The sounds that the decoder plays between, from files or from a rendered instrument's."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from wavenet_ae.instrument import envelope, rendered, sources, summary
from wavenet_ae.instrument.performance import Sound
from wavenet_ae.synthesis.encode_files import encode_sound
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system.errors import UserError

_NUMBERS = (1, 2, 4)  # of sounds, that a pad has place for


def read(inputs: Sequence[Path], *, pitches_in_names: bool = True) -> list[sources.Sound]:
    """Reads the sounds at the corners of the pad.

    Args:
        inputs: sound files and folders of them, or the folder of one rendered instrument, whose
            first square or line is taken.
        pitches_in_names: see `sources.find`.

    Returns:
        One; two, left and right; or four, top left, top right, bottom left, bottom right.

    Raises:
        UserError: they cannot be read, or are not so many.
    """
    if not inputs:
        raise UserError("no sounds are given to play between: name one, two or four.")
    if len(inputs) == 1 and (inputs[0] / rendered.DESCRIPTION).is_file():
        return _read_again(inputs[0])
    found = sources.find(inputs, None, pitches_in_names=pitches_in_names)
    _check_number(list(found))
    return _read(found)


def encode(codec: WaveNetCodec, sounds: Sequence[sources.Sound]) -> list[Sound]:
    """Encodes sounds to play them."""
    return [_encode(codec, sound) for sound in sounds]


def _encode(codec: WaveNetCodec, sound: sources.Sound) -> Sound:
    heard = [recording.audio[: recording.num_samples] for recording in sound.recordings]
    encoded = [
        encode_sound(codec, audio, source=recording.path.name, pitch=recording.pitch)
        for audio, recording in zip(heard, sound.recordings, strict=True)
    ]
    played = Sound.of(sound.name, encoded)
    releases = [envelope.release(audio) for audio in heard]
    if known := [release // codec.hop_length for release in releases if release is not None]:
        fewest = min(len(one.embedding) for one in encoded)
        played = dataclasses.replace(played, release=max(1, min(*known, fewest - 1)))
    return played


def _check_number(names: Sequence[str]) -> None:
    if len(names) not in _NUMBERS:
        raise UserError(
            f"a pad has one, two or four sounds, and {len(names)} are given "
            f"({', '.join(names[:5])}{', …' if len(names) > 5 else ''}): name the files to play."
        )


def _read_again(folder: Path) -> list[sources.Sound]:
    """Reads the sounds of a rendered instrument's first corners, where its report has them."""
    instrument = rendered.read(folder)
    wanted = [instrument.sounds[corner] for corner in instrument.squares[0].corners]
    try:
        report = json.loads((folder / summary.REPORT).read_text("utf-8"))
        listed = {
            sound["name"]: [
                sources.Named(Path(file), sound["name"], pitch)
                for file, pitch in zip(
                    sound["files"], sound["pitches"] or [-1] * len(sound["files"]), strict=True
                )
            ]
            for sound in report["sounds"]
        }
        found = {name: listed[name] for name in wanted}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / summary.REPORT} does not say which sounds the instrument was made from: "
            "name them instead of the folder."
        ) from error
    if lost := [one.path for named in found.values() for one in named if not one.path.is_file()]:
        raise UserError(
            f"{lost[0]}, from which {folder} was made, is not there any more: name the sounds "
            "instead of the folder."
        )
    return _read(found)


def _read(found: Mapping[str, Sequence[sources.Named]]) -> list[sources.Sound]:
    sounds, refused = sources.read(found)
    if refused:
        raise UserError("nothing is played, since an input was refused.")
    return sounds
