"""SFZ: text files that map WAV files to keys, for sfizz, sforzando, liquidsfz and others."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from wavenet_ae.instrument.packs import names
from wavenet_ae.instrument.packs.zones import Patch, Zone

SUFFIX = ".sfz"

X_CONTROLLER = 1  # the modulation wheel
Y_CONTROLLER = 74  # brightness: the Y axis of many controllers
_HIGHEST = 127  # a controller's

# Within `ampeg_release` sfizz falls by 9 nepers.
_RELEASE_DB = 78.0
_ZONE_DB = 60.0


def patch_text(patch: Patch) -> str:
    """Returns the file of one sound."""
    lines = [*_head(patch.name, patch.zones), "<global>", "amp_veltrack=100", ""]
    return "\n".join([*lines, *map(_region, patch.zones)]) + "\n"


def morph_text(name: str, rows: Sequence[Sequence[Patch]], places: Sequence[Sequence[int]]) -> str:
    """Returns the file of a square, in which two controllers morph notes, held ones too.

    Every key starts a note of each cell; the controllers fade each note between its neighbours', so
    that the levels are the bilinear weights of the place between the cells.

    Args:
        name: to show.
        rows: of cells, from the bottom; all have the same length.
        places: the controllers' values at which the rows and the columns are heard alone,
            ascending: of Y, then of X.
    """
    of_rows, of_columns = places
    cells = [cell for row in rows for cell in row]
    lines = [
        f"// CC{X_CONTROLLER} is X and CC{Y_CONTROLLER} is Y; each key takes {len(cells)} voices.",
        *_head(name, cells[0].zones),
        f"set_cc{X_CONTROLLER}=0",
        f"label_cc{X_CONTROLLER}=X",
    ]
    if len(rows) > 1:
        lines += [f"set_cc{Y_CONTROLLER}=0", f"label_cc{Y_CONTROLLER}=Y"]
    lines += ["<global>", "amp_veltrack=100", "xf_cccurve=gain", ""]
    for row, cells_of_row in enumerate(rows):
        for column, cell in enumerate(cells_of_row):
            lines += [
                f"// {names.shown(cell.name)}",
                "<group>",
                *_fades(X_CONTROLLER, of_columns, column),
                *_fades(Y_CONTROLLER, of_rows, row),
                *map(_region, cell.zones),
                "",
            ]
    return "\n".join(lines) + "\n"


def places(count: int) -> list[int]:
    """Returns the controller's values at which so many cells of a side are heard alone."""
    return [round(_HIGHEST * index / max(1, count - 1)) for index in range(count)]


def _fades(controller: int, values: Sequence[int], index: int) -> list[str]:
    """Returns how a cell is faded from the one before, and to the next."""
    lines = []
    if index:
        lines.append(
            f"xfin_locc{controller}={values[index - 1]} xfin_hicc{controller}={values[index]}"
        )
    if index + 1 < len(values):
        lines.append(
            f"xfout_locc{controller}={values[index]} xfout_hicc{controller}={values[index + 1]}"
        )
    return lines


def _head(name: str, zones: Sequence[Zone]) -> list[str]:
    folder = PurePosixPath(zones[0].file).parent
    return [f"// {names.shown(name)}", "<control>", f"default_path={folder}/"]


def _region(zone: Zone) -> str:
    note, (first, last) = zone.note, zone.keys
    opcodes = [
        "<region>",
        f"sample={PurePosixPath(zone.file).name}",
        f"lokey={first} hikey={last} pitch_keycenter={note.pitch} tune={zone.tune_cents}",
        f"volume={zone.gain_db:.2f}",
        # Looping goes on through the release; `loop_sustain` would end with the file.
        f"loop_mode={'loop_continuous' if note.loop else 'no_loop'}",
        f"ampeg_release={zone.release_s * _RELEASE_DB / _ZONE_DB:.3f}",
    ]
    if note.loop:
        # The last sample of the loop is repeated.
        opcodes.append(f"loop_start={note.loop[0]} loop_end={note.loop[1] - 1}")
    return " ".join(opcodes)
