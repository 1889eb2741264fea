"""Names of sounds as names of files, and as text to show."""

import re
import unicodedata
from collections.abc import Iterable

# Some file systems allow 255 bytes; players add folders in front and suffixes behind.
_LONGEST = 48
_NOTHING_LEFT = "sound"
# Windows opens devices by these, whatever the suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


def file_names(names: Iterable[str]) -> list[str]:
    """Returns one file name a name, without suffix, each once on any file system and in any player.

    They hold only ASCII letters, digits, `-` and `_`: an SFZ file reads `$`, `<`, `=` and spaces as
    its own, and archives spoil other alphabets. Accents are taken off. Letter case does not tell
    names apart, as not every file system sees it: where two would be equal, the later gets a
    number.
    """
    used: set[str] = set()
    unique = []
    for name in map(_plain, names):
        candidate, number = name, 2
        while candidate.casefold() in used:
            candidate, number = f"{name}_{number}", number + 1
        used.add(candidate.casefold())
        unique.append(candidate)
    return unique


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", decomposed).strip("_-")[:_LONGEST].strip("_-")
    if not plain:
        return _NOTHING_LEFT
    return f"{plain}_" if _DEVICES.fullmatch(plain) else plain


def shown(name: str) -> str:
    """Returns a name as one line of text that XML and UTF-8 can hold."""
    printable = (character if character.isprintable() else " " for character in name)
    return " ".join("".join(printable).split()) or _NOTHING_LEFT


def ascii_bytes(names: Iterable[str], length: int) -> list[bytes]:
    """Returns names of at most so many bytes, each once, for formats that know only ASCII.

    What ASCII lacks is spelled without accents, or as `?`.
    """
    used: set[str] = set()
    unique = []
    for name in names:
        # Composed characters lose their accents, others keep their place as `?`.
        decomposed = unicodedata.normalize("NFKD", shown(name))
        bare = "".join(c for c in decomposed if not unicodedata.combining(c))
        plain = bare.encode("ascii", "replace").decode()
        candidate, number = plain[:length].rstrip(), 2
        while candidate in used:
            ending = f" {number}"
            candidate, number = plain[: length - len(ending)].rstrip() + ending, number + 1
        used.add(candidate)
        unique.append(candidate.encode())
    return unique
