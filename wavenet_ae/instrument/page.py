"""The page on which a rendered instrument is played: one HTML file that needs no network.

Its parts lie in `page/`: a template, a style sheet and JavaScript modules, each of which the page
holds under the name by which the others import it, `page/NAME.js`. As long as the sounds are small
enough, the page holds them, too; then it also works by a double click on the file.
"""

import base64
import html
import io
import json
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from wavenet_ae.instrument import rendered
from wavenet_ae.instrument.rendered import RenderedInstrument
from wavenet_ae.system import results
from wavenet_ae.system.errors import UserError

PAGE = "index.html"
LIMIT_BYTES = 40_000_000

PARTS = Path(__file__).with_name("page")
_TOOL = "instrument page"
# In place of a value the template has {{name}}, as a string or a comment where that is needed.
_MARK = re.compile(r'(?:/\*|<!--|")?\{\{(\w+)\}\}(?:\*/|-->|")?')


class Page(NamedTuple):
    """A page that has been written.

    Attributes:
        path: of the page.
        holds_sounds: whether it needs no files beside it, and so no server.
    """

    path: Path
    holds_sounds: bool


def check(folder: Path) -> None:
    """Raises a UserError in advance where `write_page` will refuse to replace a file."""
    results.check(folder, [PAGE], _TOOL)


def write_page(folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> Page:
    """Writes the page of a rendered instrument into its folder.

    Args:
        folder: has what `rendered.write` has written, and the notes.
        limit_bytes: of the page with its sounds in it. A larger one is written without them and
            reads the notes' files beside it, for which it needs a server (`wavenet-ae play`).

    Raises:
        UserError: the folder holds no instrument, a note is no sound, or another file has the
            page's name.
    """
    instrument = rendered.read(folder)
    room = limit_bytes - len(_render_notes(instrument, "").encode())
    sounds = _encode_sounds(instrument, folder, room)
    path = folder / PAGE
    with results.replacing(path, _TOOL) as temporary:
        temporary.write_text(_render_notes(instrument, sounds), encoding="utf-8")
    return Page(path, sounds is not None)


def render(name: str, described: Mapping[str, Any], sounds: str = "") -> str:
    """Returns the page.

    Args:
        name: its title.
        described: what it plays, as its `main.js` reads it.
        sounds: elements that hold them.
    """
    modules = {path.name: path.read_text() for path in sorted(PARTS.glob("*.js"))}
    values = {
        "title": html.escape(name),
        "style": (PARTS / "style.css").read_text(),
        "instrument": _in_script(json.dumps(described)),
        "sounds": sounds,
        "modules": _in_script(json.dumps(_import_map(modules))),
    }
    template = (PARTS / "index.html").read_text()
    return _MARK.sub(lambda mark: values[mark[1]], template)


def _render_notes(instrument: RenderedInstrument, sounds: str | None) -> str:
    """Returns the page with elements that hold its sounds, or with None of them."""
    described = {"embedded": sounds is not None, **asdict(instrument)}
    return render(instrument.name, described, sounds or "")


def _import_map(modules: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """Returns what makes the modules found by name: on a page from a file, others are not."""
    return {
        "imports": {
            f"page/{name}": f"data:text/javascript;charset=utf-8,{urllib.parse.quote(text)}"
            for name, text in modules.items()
        }
    }


def _in_script(text: str) -> str:
    """Keeps JSON from ending the script element that it stands in."""
    return text.replace("<", "\\u003c")


def _encode_sounds(instrument: RenderedInstrument, folder: Path, limit_bytes: int) -> str | None:
    """Returns elements that hold the notes as FLAC, or None if they are larger than the limit."""
    elements, size = [], 0
    for name in dict.fromkeys(note.file for note in instrument.notes):
        flac = base64.b64encode(_as_flac(folder / name)).decode()
        name = html.escape(name)
        elements.append(f'<script type="text/plain" data-file="{name}">{flac}</script>\n')
        size += len(elements[-1].encode())
        if size > limit_bytes:
            return None
    return "".join(elements)


def _as_flac(path: Path) -> bytes:
    """Compresses a file of 16 bits without loss, so that its loop stays as it is."""
    try:
        samples, rate_hz = soundfile.read(path, dtype="int16")
    except soundfile.SoundFileError as error:
        raise UserError(f"{path} is not a sound file: render the instrument again.") from error
    flac = io.BytesIO()
    soundfile.write(flac, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return flac.getvalue()
