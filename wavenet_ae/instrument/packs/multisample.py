"""`.multisample`: the archive that Bitwig and PreSonus exchange samples in."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from xml.etree import ElementTree

from wavenet_ae.instrument.packs import names
from wavenet_ae.instrument.packs.zones import Patch, Zone

SUFFIX = ".multisample"

_MAPPING = "multisample.xml"
_DATE = (1980, 1, 1, 0, 0, 0)  # the archive's content alone decides its bytes


def content(patch: Patch, samples: Mapping[str, bytes]) -> bytes:
    """Returns the archive of one sound; its files are stored, so that players can stream them.

    Args:
        patch: the sound.
        samples: its WAV files, by `Zone.file`.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_MAPPING, _DATE), mapping(patch))
        for zone in patch.zones:
            entry = zipfile.ZipInfo(PurePosixPath(zone.file).name, _DATE)
            archive.writestr(entry, samples[zone.file])
    return buffer.getvalue()


def mapping(patch: Patch) -> bytes:
    """Returns the archive's `multisample.xml`; its schema prescribes the elements' order."""
    root = ElementTree.Element("multisample", name=names.shown(patch.name))
    for name, text in (("generator", "wavenet_ae"), ("category", "Synth"), ("creator", "")):
        ElementTree.SubElement(root, name).text = text
    for zone in patch.zones:
        _add(root, zone)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def _add(root: ElementTree.Element, zone: Zone) -> None:
    note, (first, last) = zone.note, zone.keys

    def add(parent: ElementTree.Element, name: str, **attributes: object) -> ElementTree.Element:
        texts = {key.replace("_", "-"): str(value) for key, value in attributes.items()}
        return ElementTree.SubElement(parent, name, texts)

    sample = add(
        root,
        "sample",
        file=PurePosixPath(zone.file).name,
        gain=f"{zone.gain_db:.3f}",
        sample_start=0,
        sample_stop=note.samples,
    )
    tune = f"{zone.tune_cents / 100:.2f}"  # in semitones
    add(sample, "key", root=note.pitch, low=first, high=last, tune=tune, track=1)
    add(sample, "velocity", low=1, high=127)
    add(sample, "select", low=0, high=127)
    if note.loop:  # up to the sample after the last
        add(sample, "loop", mode="loop", start=note.loop[0], stop=note.loop[1])
    else:
        add(sample, "loop", mode="off")
