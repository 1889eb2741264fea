"""The summary of an import of recordings, in sentences."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.recordings import note_labels
from wavenet_ae.prepare.recordings.name_pattern import NamePattern
from wavenet_ae.prepare.recordings.note_labels import Labels
from wavenet_ae.system.counting import count

_ORIGINS = {
    "table": "from the table",
    "name": "from names",
    "number": "from names",
    "dynamic": "from dynamics in names",
    "layer": "from velocity layers in names",
    "tracker": "by the pitch tracker",
    "folder": "from folders",
    "default": "from --{label}",
    "words": "recognised by a word",
    "assumed": "ASSUMED to be {assumed}",
}
_ASSUMED = {"family": note_labels.ASSUMED_FAMILY, "source": note_labels.ASSUMED_SOURCE}

_SHOWN = 3  # files, of a pattern


def describe(
    output: Path,
    labels: Collection[Labels],
    facts: Sequence[Mapping[str, Any]],
    made: int,
) -> list[str]:
    """Returns lines on the notes, their labels and their sounds.

    Args:
        output: the folder of notes.
        labels: the notes' labels; at least one note.
        facts: what `ImportedFiles` knows of their files.
        made: how many sounds this call made.
    """
    instruments = len({it.instrument for it in labels})
    kept = f" ({len(labels) - made} of them from before)" if made < len(labels) else ""
    lines = [f"{output}: {count(len(labels), 'note')} of {count(instruments, 'instrument')}{kept}"]
    lines.append(f"instrument: {_origins(labels, 'instrument')}")
    for name in ("pitch", "velocity"):
        values = [getattr(it, name) for it in labels]
        lines.append(f"{name}: {min(values)} to {max(values)}; {_origins(labels, name)}")
    lines += [f"  {line}" for line in _loudness(labels)]
    for name in ("family", "source"):
        lines.append(f"{name}: {_origins(labels, name)}")
    if any(it.origins[name] == "assumed" for it in labels for name in _ASSUMED):
        lines.append("  correct what was assumed by --family, --source or columns of --labels")
    low = sum(it.origins["pitch"] == "number" and it.pitch < nsynth.PITCHES.start for it in labels)
    if low:
        lines.append(
            f"  {count(low, 'pitch', 'pitches')} below {nsynth.PITCHES.start} (a piano's lowest "
            "key) came from numbers in names: if they count takes, use --nonames"
        )
    lines.append(f"sounds: {_sounds([it['sound'] for it in facts])}")
    return lines


def describe_pattern(
    pattern: NamePattern, fitting: int, total: int, labels: Mapping[str, Labels]
) -> list[str]:
    """Returns lines on what a pattern makes of the first files' names.

    Args:
        pattern: of the names.
        fitting: how many fit.
        total: how many there are.
        labels: by file, of those that were not refused.
    """
    lines = [f"--pattern={pattern.text} fits {fitting} of {total} names; the first are"]
    for file, it in islice(labels.items(), _SHOWN):
        pitch = "to be tracked" if it.pitch is None else it.pitch
        lines.append(f"  {file}: {it.instrument}, pitch {pitch}, velocity {it.velocity}")
    return lines


def _loudness(labels: Collection[Labels]) -> Iterator[str]:
    """Yields the velocities that dynamics and velocity layers were read as."""
    dynamics = {it.dynamic: it.velocity for it in labels if it.dynamic}
    if dynamics:
        louder = sorted(dynamics.items(), key=lambda it: it[1])
        yield "velocities of dynamics: " + ", ".join(f"{text} {level}" for text, level in louder)
    layers: dict[str, dict[int, int]] = defaultdict(dict)
    for it in labels:
        if it.layer is not None:
            layers[it.instrument][it.layer] = it.velocity
    # Instruments with the same layers share a line.
    for velocities in sorted({tuple(sorted(of.items())) for of in layers.values()}):
        yield "velocities of layers: " + ", ".join(f"v{n} {level}" for n, level in velocities)


def _origins(labels: Collection[Labels], name: str) -> str:
    words = Counter(
        _ORIGINS[it.origins[name]].format(label=name, assumed=_ASSUMED.get(name)) for it in labels
    )
    return ", ".join(f"{count} {text}" for text, count in words.items())


def _sounds(sounds: Sequence[Mapping[str, float]]) -> str:
    counts = {
        f"cut to {nsynth.NOTE_SECONDS} s": sum(it["cut_s"] > 0 for it in sounds),
        "followed by zeros": sum(it["padded_s"] > 0 for it in sounds),
        "freed of silence before the onset": sum(it["trimmed_s"] > 0 for it in sounds),
        "changed in level": sum(it["gain"] != 1 for it in sounds),
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    return (
        ", ".join(parts)
        or f"all were {nsynth.NOTE_SECONDS} s long; none was cut or changed in level"
    )
