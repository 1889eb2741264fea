"""A stand-in for a trained model, which plays tones at once: a WaveNet's take minutes."""

from types import SimpleNamespace

import numpy as np

HOP = 512


class ToneCodec:
    """Plays a tone of the given pitch, as loud as the embedding says; some pitches out of tune.

    Attributes:
        off: cents by which it misses pitches.
        batches: the pitches of each call.
        stop_at: raises KeyboardInterrupt at this call, from 1.
    """

    hop_length, embedding_size, keeps_level = HOP, 1, True

    def __init__(self, off=None, num_pitches=128, stop_at=None, fingerprint="tones"):
        self.off, self.num_pitches, self.stop_at = off or {}, num_pitches, stop_at
        self.batches, self.embeddings, self.settings = [], [], {"temperature": 1.0}
        self.trained = SimpleNamespace(
            fingerprint=fingerprint, name="tones", describe=lambda: {"fingerprint": fingerprint}
        )

    def encode(self, audio):
        num_frames = -(-audio.shape[1] // HOP)
        padded = np.pad(audio, ((0, 0), (0, num_frames * HOP - audio.shape[1])))
        return np.abs(padded.reshape(len(audio), num_frames, HOP)).max(axis=2)[..., None]

    def generate(self, embedding, keys, pitch=None):
        pitch = np.full(len(embedding), 60) if pitch is None else pitch
        self.batches.append(pitch.tolist())
        self.embeddings.append(embedding)
        if len(self.batches) == self.stop_at:
            raise KeyboardInterrupt
        cents = np.array([self.off.get(int(p), 0) for p in pitch])
        hz = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
        level = np.repeat(embedding[..., 0], HOP, axis=1)
        phase = 2 * np.pi * hz[:, None] * np.arange(level.shape[1]) / 16_000
        sound = level * (0.7 * np.sin(phase) + 0.3 * np.sin(2 * phase))
        middle = sound.shape[1] // HOP // 2 * HOP
        yield sound[:, :middle].astype(np.float32)
        yield sound[:, middle:].astype(np.float32)


def tone(hz, seconds=2.0, peak=0.5):
    """A sine that is held for all but its last half second, in which it falls by 60 dB."""
    samples = np.arange(round(16_000 * seconds))
    tail = 10 ** -np.maximum((samples - len(samples) + 8000) / 8000 * 3, 0)
    return (peak * np.sin(2 * np.pi * hz * samples / 16_000) * tail).astype(np.float32)
