"""Sound files to other domains: the encoder of a translation network, and a domain's decoder."""

import dataclasses
import functools
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.models import translation
from wavenet_ae.synthesis import generate_files
from wavenet_ae.synthesis.encode_files import encode_sound
from wavenet_ae.synthesis.generate_files import Job
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.trained import TrainedModel

ALL = "all"


@dataclasses.dataclass(frozen=True)
class TranslationCodec(WaveNetCodec):
    """A `Codec` of a translation network's encoder and one of its decoders.

    Attributes:
        domain: the decoder's, one of the network's `domains`.
    """

    domain: str = dataclasses.field(kw_only=True)

    @property
    def settings(self) -> Mapping[str, float | str]:
        return {**super().settings, "domain": self.domain}

    @functools.cached_property
    def _params(self) -> Any:
        position = self.trained.task.domains.index(self.domain)
        own = translation.with_decoder(self.trained.params, position)
        return jax.device_put(own, sharding.replicated(self._mesh))


def create_codecs(
    trained: TrainedModel, domains: Sequence[str], temperature: float = 1.0
) -> list[TranslationCodec]:
    """Returns the codec of each domain that is asked for, once.

    Args:
        trained: a translation network.
        domains: their names; `all` takes every one.
        temperature: see `sampler.generate`.

    Raises:
        UserError: the network has no such domain, or the temperature is out of range.
    """
    known = trained.task.domains
    if unknown := [name for name in domains if name not in (*known, ALL)] or not domains:
        asked = unknown[0] if domains else ""
        raise UserError(
            f"--to={asked}: {trained.name} has the domains {', '.join(known)}: name some of "
            f"these, or {ALL}."
        )
    chosen = known if ALL in domains else dict.fromkeys(domains)
    return [TranslationCodec(trained, temperature, domain=name) for name in chosen]


def translate_files(
    codecs: Sequence[TranslationCodec],
    sources: Sequence[files.Source],
    output: Path,
    *,
    seed: int = 0,
    batch_size: int = 16,
) -> int:
    """Writes one WAV file, `INPUT_to_DOMAIN.wav`, per sound and domain, exactly as long.

    What is in the folder already, from the same sound and settings, is not made again; no other
    file is replaced. Unreadable files are reported, the others are translated.

    Args:
        codecs: of the same network, with a domain each.
        sources: the sound files.
        output: the folder; sub-folders are kept.
        seed: with a file's name it makes the random key.
        batch_size: sounds generated together.

    Returns:
        The number of files refused.

    Raises:
        UserError: a file cannot be written or replaced.
    """
    names = [name(source.stem, codec.domain) for codec in codecs for source in sources]
    generate_files.check_names(output, names)
    sounds, refused = [], 0
    for source in processes.progress(sources, unit="file", desc="encoding"):
        try:
            audio = files.load(source.path)
        except UserError as error:
            tqdm.write(f"refused: {error}", file=sys.stderr)
            refused += 1
        else:
            sounds.append((source, encode_sound(codecs[0], audio, source=source.path.name)))
    groups = [
        (codec, [Job(name(source.stem, codec.domain), sound) for source, sound in sounds])
        for codec in codecs
    ]
    generate_files.generate_by_codecs(
        groups, output, seed=seed, batch_size=batch_size, num_sounds=len(sources), replace=False
    )
    return refused


def name(sound: str, domain: str) -> str:
    """Returns the name of a sound's translation, without suffix."""
    return f"{sound}_to_{as_file_name(domain)}"


def as_file_name(text: str) -> str:
    """Returns a text with what a file's name cannot hold replaced by hyphens."""
    # A configuration from elsewhere may name a domain as no file can be named.
    return re.sub(r"[^\w.-]", "-", text)
