"""Documents as HTML pages that hold their sounds and pictures themselves."""

import base64
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.publish import pictures
from wavenet_ae.publish.document import Document, Sound, SoundGrid

_TEMPLATE = "page.html.jinja"
_MARKED = ((r"`([^`]+)`", r"<code>\1</code>"), (r"\*\*(.+?)\*\*", r"<strong>\1</strong>"))


def render(document: Document) -> str:
    """Returns a self-contained page.

    Raises:
        AudioFileError: the file of a sound does not exist or is not a sound.
    """
    sounds = dict.fromkeys(s.path for part in (document, *document.sections) for s in _sounds(part))
    rainbowgrams = {
        path: pictures.draw_rainbowgram(files.load(path), path.stem)
        for path in tqdm(sounds, unit="sound", desc="drawing", disable=not sounds)
    }
    uris = {path: _uri(path) for path in sounds}
    numbers = itertools.count(1)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wavenet_ae.publish", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "inline": _inline,
        "kind": lambda block: type(block).__name__,
        "picture": lambda svg: _with_own_ids(svg, f"picture{next(numbers)}"),
        "rainbowgram": lambda sound: rainbowgrams[sound.path],
        "uri": lambda sound: uris[sound.path],
    }
    return environment.get_template(_TEMPLATE).render(document=document)


def _sounds(block: Any) -> Iterator[Sound]:
    """Finds the sounds of a block and of those inside it."""
    if isinstance(block, Sound):
        yield block
    elif isinstance(block, SoundGrid):
        yield from itertools.chain(*block.rows)
    else:
        for inner in getattr(block, "blocks", ()):
            yield from _sounds(inner)


def _uri(path: Path) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _with_own_ids(svg: str, prefix: str) -> Markup:
    """Returns a picture with ids that are unique on the page."""
    return Markup(re.sub(r'(\sid="|url\(#|\shref="#)', rf"\g<1>{prefix}-", svg))


def _inline(text: str) -> Markup:
    """Escapes a text, and replaces its marks by tags."""
    html = str(escape(text))
    for mark, tags in _MARKED:
        html = re.sub(mark, tags, html)
    return Markup(html)
