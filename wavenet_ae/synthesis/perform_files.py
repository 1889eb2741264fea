"""MIDI files to sound files: the WaveNet that is conditioned on notes plays them."""

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files, midi
from wavenet_ae.data import piano_roll
from wavenet_ae.models.midi_wavenet import MidiWaveNet
from wavenet_ae.synthesis import generate_files
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.generate_files import Job
from wavenet_ae.synthesis.wavenet_codec import WaveNetGenerator
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding

RINGING_S = 2.0  # after the last note has been released
_WINDOW_FRAMES = 1024  # 4 s, of which the context stack computes the embedding at once
_LOUDEST = 127


@dataclasses.dataclass(frozen=True)
class Player(WaveNetGenerator):
    """A `Codec` that cannot encode, of a MIDI-conditioned WaveNet.

    What it generates from is not an embedding but a piano roll, whose embedding is computed on the
    way. So the memory does not grow with that, and the roll names all that a sound is made from.
    """

    @property
    def embedding_size(self) -> int:
        """Keys of the piano roll."""
        return self.model.num_keys

    @property
    def roll(self) -> str:
        """The kind of piano roll that the model was trained with.

        Raises:
            UserError: the run's configuration does not say.
        """
        kind = self.trained.config["dataset"].get("roll")
        if kind not in piano_roll.KINDS:
            raise UserError(
                f"{self.trained.name}: its config.json lacks dataset.roll, which is "
                f"{' or '.join(piano_roll.KINDS)}: restore it from a copy."
            )
        return kind

    def read(self, path: Path) -> EncodedSound:
        """Reads the piano roll of a MIDI file; notes that a piano has no key for are left out.

        Args:
            path: of the file.

        Returns:
            Its `embedding` is uint8 `[frames, num_keys]`, velocities; it lasts 2 s longer than
            the last note.

        Raises:
            UserError: as `midi.read_notes`; or there are no notes that a piano can play.
        """
        notes = midi.read_notes(path)
        keys = piano_roll.KEYS
        played = piano_roll.notes_of(notes)
        if not len(played):
            raise UserError(
                f"{path} holds no notes from {keys[0]} to {keys[-1]}, a piano's: transpose it."
            )
        if left_out := sum(note.pitch not in keys for note in notes):
            tqdm.write(
                f"{path.name}: {left_out} of {len(notes)} notes are left out, which are not "
                f"from {keys[0]} to {keys[-1]}",
                file=sys.stderr,
            )
        num_samples = int(played[:, 1].max()) + round(RINGING_S * files.SAMPLE_RATE_HZ)
        drawn = piano_roll.draw(played, 0, -(-num_samples // self.hop_length), self.roll)
        return EncodedSound(
            embedding=piano_roll.to_velocities(drawn),
            hop_length=self.hop_length,
            num_samples=num_samples,
            source=path.name,
            fingerprint=self.trained.fingerprint,
        )

    def generate(
        self, embedding: np.ndarray, keys: jax.Array, pitch: None = None
    ) -> Iterator[np.ndarray]:
        """Streams performances.

        Args:
            embedding: the piano rolls, uint8 `[batch, frames, num_keys]`, velocities.
            keys: see `Codec.generate`.
            pitch: not read.

        Yields:
            As `Codec.generate`.
        """
        return super().generate(_Embedding(self.embed, embedding, self.model), keys)

    def embed(self, roll: np.ndarray) -> np.ndarray:
        """Computes the embedding of piano rolls.

        Args:
            roll: uint8 `[batch, frames + 2 * roll_margin, num_keys]`, velocities.

        Returns:
            float32 `[batch, frames, channels]`.
        """
        rows = sharding.padded_rows(len(roll), self._mesh)
        on_devices = jax.device_put(roll[rows], sharding.batch_sharded(self._mesh))
        return np.asarray(_embed(self.model, self._params, on_devices))[: len(roll)]


@functools.partial(jax.jit, static_argnums=0)
def _embed(model: MidiWaveNet, params: Any, roll: jax.Array) -> jax.Array:
    return model.apply({"params": params}, roll / np.float32(_LOUDEST), method="embed")


class _Embedding:
    """The embedding of piano rolls, of which only a window is there at a time.

    The sampler reads it as an array `[batch, frames, channels]`: rows, and then frames of them, in
    order.
    """

    def __init__(
        self, embed: Callable[[np.ndarray], np.ndarray], rolls: np.ndarray, model: MidiWaveNet
    ):
        self._embed, self._rolls, self._model = embed, rolls, model
        self._first, self._window = 0, None
        self.shape = (*rolls.shape[:2], model.embedding_size)

    def __len__(self) -> int:
        return len(self._rolls)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, tuple):
            return _Embedding(self._embed, self._rolls[index], self._model)
        rows, frames = index
        start, stop, _ = frames.indices(self.shape[1])
        end = self._first + _WINDOW_FRAMES
        if self._window is None or not self._first <= start <= stop <= end:
            self._first, self._window = start, self._embed(self._surroundings(start))
        return self._window[rows, start - self._first : stop - self._first]

    def _surroundings(self, start: int) -> np.ndarray:
        """Returns the rolls around a window, with silence before and after the music."""
        first = start - self._model.roll_margin
        last = start + _WINDOW_FRAMES + self._model.roll_margin
        inside = self._rolls[:, max(first, 0) : last]
        after = last - max(first, 0) - inside.shape[1]
        return np.pad(inside, ((0, 0), (max(-first, 0), after), (0, 0)))


def perform_files(
    player: Player,
    sources: Sequence[files.Source],
    output: Path,
    *,
    seed: int = 0,
    batch_size: int = 16,
) -> int:
    """Writes one WAV file per MIDI file, 2 s longer than its last note.

    What is in the folder already, from the same notes and settings, is not made again; no other
    file is replaced. Files without notes are reported, the others are performed.

    Args:
        player: the model.
        sources: the MIDI files.
        output: the folder; sub-folders are kept.
        seed: with a file's name it makes the random key.
        batch_size: performances generated together.

    Returns:
        The number of files refused.

    Raises:
        UserError: a file cannot be written or replaced.
    """
    generate_files.check_names(output, [source.stem for source in sources])
    jobs, refused = [], 0
    for source in processes.progress(sources, unit="file", desc="reading"):
        try:
            jobs.append(Job(source.stem, player.read(source.path)))
        except UserError as error:
            tqdm.write(f"refused: {error}", file=sys.stderr)
            refused += 1
    generate_files.generate_files(
        player,
        jobs,
        output,
        seed=seed,
        batch_size=batch_size,
        num_sounds=len(sources),
        replace=False,
    )
    return refused
