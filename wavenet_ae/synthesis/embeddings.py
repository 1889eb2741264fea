"""Embeddings of sounds: storing, blending and stretching them."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.system import atomic_file
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError

SUFFIX = ".npz"
SUFFIXES = (SUFFIX, ".npy")
INTERPOLATIONS = ("linear", "spherical")

# Sine of the angle between two frames. Below it an arc is a line (or, where they are opposite, has
# no plane to lie in), and division by it would leave noise.
_SMALLEST_SINE = 1e-6


class EncodedSound(NamedTuple):
    """A sound's embedding.

    Attributes:
        embedding: float32 `[frames, embedding_size]`.
        hop_length: samples per frame.
        num_samples: of the sound, at 16 kHz; the last frame may reach beyond it.
        source: the file's name.
        fingerprint: of the model that encoded it, or empty.
        pitch: MIDI, or -1 where it is not known.
    """

    embedding: np.ndarray
    hop_length: int
    num_samples: int
    source: str
    fingerprint: str
    pitch: int = -1


def save(path: Path, sound: EncodedSound) -> None:
    """Writes an `.npz` file, completely or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    with atomic_file.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, sample_rate=SAMPLE_RATE_HZ, **sound._asdict())


def load(path: Path, codec: Codec) -> EncodedSound:
    """Reads an `.npz` file that `save` wrote, or that holds at least an `embedding`, or an `.npy`.

    Args:
        path: the file.
        codec: that will decode it.

    Returns:
        The sound, of the length that the file gives, or of all its frames if it gives none.

    Raises:
        UserError: the file is missing or damaged, its fields contradict each other, or its
            embedding belongs to another model.
    """
    fields = _read(path)
    embedding = fields.get("embedding")
    if (
        embedding is None
        or embedding.ndim != 2
        or not len(embedding)
        or not np.issubdtype(embedding.dtype, np.floating)
    ):
        raise UserError(f"{path} holds no `embedding` of numbers [frames, channels].")
    hop_length = _whole_number(path, fields, "hop_length", codec.hop_length)
    rate_hz = _whole_number(path, fields, "sample_rate", SAMPLE_RATE_HZ)
    encoded_by = str(fields.get("fingerprint", ""))
    fingerprint = codec.trained.fingerprint
    if encoded_by not in ("", fingerprint):
        raise UserError(
            f"{path} was encoded by another model ({encoded_by}, the checkpoint is {fingerprint}): "
            "encode the sound with this checkpoint."
        )
    for what, its, ours in (
        ("channels", embedding.shape[1], codec.embedding_size),
        ("samples to a frame (hop_length)", hop_length, codec.hop_length),
        ("samples a second (sample_rate)", rate_hz, SAMPLE_RATE_HZ),
    ):
        if its != ours:
            raise UserError(
                f"{path} has {its} {what} and the checkpoint's model {ours}: encode the sound with "
                "this checkpoint."
            )
    most = len(embedding) * hop_length
    num_samples = _whole_number(path, fields, "num_samples", most)
    if not most - hop_length < num_samples <= most:
        raise UserError(
            f"{path} has {len(embedding)} frames of {hop_length} samples and num_samples="
            f"{num_samples}, which does not fit: encode the sound again, or leave num_samples out."
        )
    with np.errstate(over="ignore"):  # float64 may hold what float32 cannot
        embedding = embedding.astype(np.float32)
    if not np.isfinite(embedding).all():
        raise UserError(f"{path} holds an embedding with NaN or infinity.")
    return EncodedSound(
        embedding=embedding,
        hop_length=hop_length,
        num_samples=num_samples,
        source=str(fields.get("source", path.name)),
        fingerprint=encoded_by,
        pitch=_whole_number(path, fields, "pitch", -1),
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a file.

    Raises:
        UserError: it is not there, or damaged.
    """
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    if damaged := archive.testzip():
                        raise ValueError(f"{damaged} is damaged")
            file.seek(0)
            content = np.load(file)
            if isinstance(content, np.ndarray):
                return {"embedding": content}
            return {name: content[name] for name in content.files}
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except Exception as error:  # damaged files make NumPy raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is not an embedding that can be read ({reason}).") from error


def _whole_number(path: Path, fields: Mapping[str, np.ndarray], name: str, default: int) -> int:
    """Returns a field, or the default where the file has none."""
    value = fields.get(name)
    if value is None:
        return default
    if value.shape or value.dtype.kind not in "iuf" or not float(value).is_integer():
        raise UserError(f"{path} is not an embedding: its {name} must be a whole number.")
    return int(value)


def check_weights(weights: Sequence[float], num_sounds: int, kind: str = "linear") -> None:
    """Checks what `blend` takes, before the sounds are there.

    Raises:
        UserError: the numbers of sounds and weights differ, a weight is not finite, or they do
            not suit this kind.
    """
    if kind == "spherical":
        shares = all(0 <= weight <= 1 for weight in weights) and abs(sum(weights) - 1) <= 1e-6
        if not (num_sounds == len(weights) == 2 and shares):
            raise UserError(
                "--interpolation=spherical takes two inputs and two weights from 0 to 1 with the "
                "sum 1, as --blend=0.25,0.75."
            )
    if num_sounds != len(weights):
        raise UserError(
            f"--blend has {count(len(weights), 'weight')} for {count(num_sounds, 'input')}: give "
            "one for each."
        )
    if not np.isfinite(np.float32(weights)).all():
        raise UserError("--blend has a weight that is not a finite number.")


def blend(
    sounds: Sequence[EncodedSound], weights: Sequence[float], kind: str = "linear"
) -> EncodedSound:
    """Returns the weighted sum of embeddings (Engel et al. 2017, section 4.2).

    Args:
        sounds: they are cut to the shortest.
        weights: one a sound; 0.5, 0.5 is the mean.
        kind: see `interpolate`; `spherical` is for two sounds and weights with the sum 1.

    Raises:
        UserError: see `check_weights`.
    """
    check_weights(weights, len(sounds), kind)
    if kind == "spherical":
        return interpolate(*sounds, weights[1], kind)
    frames = min(len(sound.embedding) for sound in sounds)
    pairs = zip(sounds, weights, strict=True)
    pitches = {sound.pitch for sound in sounds}
    return EncodedSound(
        embedding=sum(np.float32(weight) * sound.embedding[:frames] for sound, weight in pairs),
        hop_length=sounds[0].hop_length,
        num_samples=min(sound.num_samples for sound in sounds),
        source=" + ".join(sound.source for sound in sounds),
        fingerprint=sounds[0].fingerprint,
        pitch=pitches.pop() if len(pitches) == 1 else -1,
    )


def interpolate(
    first: EncodedSound, second: EncodedSound, weight: float, kind: str = "linear"
) -> EncodedSound:
    """Returns a point on the way from one embedding to another.

    Args:
        first: where weight is 0, exactly; both are cut to the shorter.
        second: where weight is 1, exactly.
        weight: from 0 to 1.
        kind: `linear` is the weighted sum of `blend`, as in Engel et al. 2017, section 4.2, which
            shortens vectors on the way. `spherical` turns every frame's vector at constant angular
            speed in the plane of both (Shoemake 1985), with a norm that goes linearly from one to
            the other; frames that span no plane, since one is 0 or they are parallel, go linearly.

    Raises:
        ValueError: the weight is not from 0 to 1, or there is no such kind.
    """
    if kind not in INTERPOLATIONS:
        raise ValueError(f"kind={kind!r} is not one of {', '.join(INTERPOLATIONS)}")
    if not 0 <= weight <= 1:
        raise ValueError(f"weight={weight} is not from 0 to 1")
    point = blend([first, second], [1 - weight, weight])
    if kind == "linear" or weight in (0, 1):
        return point
    frames = len(point.embedding)
    arc = _on_arc(first.embedding[:frames], second.embedding[:frames], weight, point.embedding)
    return point._replace(embedding=arc)


def _on_arc(
    first: np.ndarray, second: np.ndarray, weight: float, fallback: np.ndarray
) -> np.ndarray:
    """Interpolates float32 `[frames, channels]` spherically, or takes `fallback` without an arc."""
    ends = [first.astype(np.float64), second.astype(np.float64)]
    norms = [np.linalg.norm(end, axis=1, keepdims=True) for end in ends]
    nothing = (norms[0] == 0) | (norms[1] == 0)
    start, stop = (end / np.where(nothing, 1, norm) for end, norm in zip(ends, norms, strict=True))
    # The arc cosine of the product of both is inexact where they are nearly parallel.
    difference, total = (np.linalg.norm(x, axis=1) for x in (start - stop, start + stop))
    angle = 2 * np.arctan2(difference, total)[:, None]
    sine = np.sin(angle)
    has_arc = ~nothing & (sine > _SMALLEST_SINE)
    turned = np.sin((1 - weight) * angle) * start + np.sin(weight * angle) * stop
    turned *= ((1 - weight) * norms[0] + weight * norms[1]) / np.where(has_arc, sine, 1)
    return np.where(has_arc, turned, fallback).astype(np.float32)


def stretch(sound: EncodedSound, factor: float) -> EncodedSound:
    """Stretches a sound in time, without a change of pitch, by interpolating its embedding.

    Args:
        sound: of which the frames are interpolated linearly.
        factor: of the length: 2 is twice as long.

    Raises:
        UserError: the factor is not from 0.01 to 100.
    """
    if not 0.01 <= factor <= 100:
        raise UserError(f"a sound is stretched by a factor from 0.01 to 100, not {factor}.")
    if factor == 1:
        return sound
    num_samples = max(1, round(sound.num_samples * factor))
    num_frames = -(-num_samples // sound.hop_length)
    # A frame's place is its middle.
    places = (np.arange(num_frames) + 0.5) / factor - 0.5
    known = np.arange(len(sound.embedding))
    channels = [np.interp(places, known, channel) for channel in sound.embedding.T]
    return sound._replace(
        embedding=np.stack(channels, axis=1).astype(np.float32), num_samples=num_samples
    )
