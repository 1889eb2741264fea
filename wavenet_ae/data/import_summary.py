"""What an import of recordings came to, in sentences."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from wavenet_ae.data import note_labels, nsynth
from wavenet_ae.data.note_labels import Labels

_ORIGINS = {
    "table": "from the table",
    "name": "from names",
    "number": "from names",
    "tracker": "by the pitch tracker",
    "folder": "from folders",
    "default": "from --{label}",
    "words": "recognised by a word",
    "assumed": "ASSUMED to be {assumed}",
}
_ASSUMED = {"family": note_labels.ASSUMED_FAMILY, "source": note_labels.ASSUMED_SOURCE}


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
        facts: what `ImportFolder` knows of their files.
        made: how many sounds this call made.
    """
    instruments = len({it.instrument for it in labels})
    kept = f" ({len(labels) - made} of them from before)" if made < len(labels) else ""
    lines = [
        f"{output}: {_count(len(labels), 'note')} of {_count(instruments, 'instrument')}{kept}"
    ]
    for name in ("pitch", "velocity"):
        values = [getattr(it, name) for it in labels]
        lines.append(f"{name}: {min(values)} to {max(values)}; {_origins(labels, name)}")
    for name in ("family", "source"):
        lines.append(f"{name}: {_origins(labels, name)}")
    if any(it.origins[name] == "assumed" for it in labels for name in _ASSUMED):
        lines.append("  tell what was assumed with --family, --source or columns of --labels")
    low = sum(it.origins["pitch"] == "number" and it.pitch < nsynth.PITCHES.start for it in labels)
    if low:
        lines.append(
            f"  {_count(low, 'pitch', 'pitches')} below {nsynth.PITCHES.start} (a piano's lowest "
            "key) came from numbers in names: if they count takes, use --nonames"
        )
    lines.append(f"sounds: {_sounds([it['sound'] for it in facts])}")
    return lines


def _count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


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
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return (
        ", ".join(told)
        or f"all were {nsynth.NOTE_SECONDS} s long; none was cut or changed in level"
    )
