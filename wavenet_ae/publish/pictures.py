"""Figures as SVG inside a page."""

import io
import re
from collections.abc import Callable, Mapping, Sequence

import librosa
import matplotlib
import numpy as np
from markupsafe import escape
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wavenet_ae.audio import rainbowgram
from wavenet_ae.audio.files import SAMPLE_RATE_HZ

_SERIES_COLOURS = ("#2f7fd0", "#e07b1f", "#3f9f5f", "#a05fb0")
_DASHES = ("--", ":", "-.", "-")
_SLANTED = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
# Replaced by the page's own text colour, light or dark.
_INK = "#010203"
_STYLE = {
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",  # the same picture, the same ids
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
# How to read what `draw_rainbowgram` draws.
RAINBOWGRAMS_SHOW = (
    "Rainbowgrams show the pitch upwards and the time to the right; bright is loud "
    f"({rainbowgram.DYNAMIC_RANGE_DB:g} dB below each sound's own peak is black), and colour is "
    "the change of phase: a steady partial keeps its colour."
)


def draw_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    references: Mapping[str, float],
    label: str,
    *,
    across: str,
    measured: str,
) -> str:
    """Draws curves beside constants.

    Args:
        curves: points by name, at most four curves.
        references: heights of horizontal lines by name, at most four.
        label: says what is drawn over what.
        across: names the horizontal axis.
        measured: names the vertical one.
    """

    def draw(axes: Axes) -> None:
        for (name, points), colour in zip(curves.items(), _SERIES_COLOURS, strict=False):
            marker = "o" if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, ms=3, label=name)
        for (name, height), dashes in zip(references.items(), _DASHES, strict=False):
            axes.axhline(height, color=_INK, lw=1, ls=dashes, label=name)
        axes.set_xlabel(across)
        axes.set_ylabel(measured)
        axes.spines[["top", "right"]].set_visible(False)
        axes.figure.legend(loc="outside upper left", ncols=4, columnspacing=1.2, handlelength=1.6)

    return _svg(label, (5.6, 3.2), draw)


def draw_rainbowgram(audio: np.ndarray, label: str) -> str:
    """Draws float32 `[samples]` at 16 kHz over time and pitch."""
    rgb = rainbowgram.rainbowgram(audio)
    hop_s = rainbowgram.HOP_SAMPLES / SAMPLE_RATE_HZ
    octaves = rainbowgram.LOWEST_NOTE_MIDI + 12 * np.arange(rainbowgram.OCTAVES)
    # Ticks point at the middles of bins and frames.
    edges = (np.array([0, rainbowgram.NUM_BINS]) - 0.5) * 12 / rainbowgram.BINS_PER_OCTAVE
    extent = (-hop_s / 2, (rgb.shape[1] - 0.5) * hop_s, *(octaves[0] + edges))

    def draw(axes: Axes) -> None:
        axes.imshow(rgb, extent=extent, origin="lower", aspect="auto", interpolation="none")
        axes.set_xlim(0, len(audio) / SAMPLE_RATE_HZ)
        axes.set_xlabel("time in s")
        axes.set_yticks(octaves, librosa.midi_to_note(octaves))

    return _svg(f"Rainbowgram of {label}.", (4.2, 2.8), draw)


def draw_channels(
    values: np.ndarray, seconds: float, hop_s: float, limit: float, label: str
) -> str:
    """Draws channels over time.

    Args:
        values: `[frames, channels]`.
        seconds: of the sound, where the time ends.
        hop_s: seconds from frame to frame.
        limit: the range of colours, from minus to plus this value.
        label: says what the values are of.
    """
    frames, channels = values.shape
    extent = (0, frames * hop_s, channels + 0.5, 0.5)
    colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}

    def draw(axes: Axes) -> None:
        image = axes.imshow(values.T, extent=extent, aspect="auto", interpolation="none", **colours)
        axes.figure.colorbar(image)
        axes.locator_params("x", nbins=9)
        axes.set_xlim(0, seconds)
        axes.set_xlabel("time in s")
        axes.set_ylabel("channel")

    return _svg(label, (4.2, 2.8), draw)


def draw_correlation(matrix: np.ndarray, pitches: np.ndarray, label: str) -> str:
    """Draws correlation coefficients between the notes of an instrument.

    Args:
        matrix: `[pitches, pitches]`, from -1 to 1; NaN, where a note has no variance, is left out.
        pitches: int `[pitches]`, MIDI, ascending.
        label: says what is correlated.
    """
    places = np.unique(np.linspace(0, len(pitches) - 1, 9).round().astype(int))
    names = librosa.midi_to_note(pitches[places])

    def draw(axes: Axes) -> None:
        image = axes.imshow(
            matrix, origin="lower", interpolation="none", cmap="RdBu_r", vmin=-1, vmax=1
        )
        axes.figure.colorbar(image, label="correlation")
        axes.set_xticks(places, names, rotation=90)
        axes.set_yticks(places, names)

    return _svg(f"Correlation of {label}.", (4.2, 3.4), draw)


def draw_bars(
    places: Sequence[float],
    series: Mapping[str, Sequence[float]],
    label: str,
    *,
    across: str,
    counted: str = "notes",
    width: float = 1,
    names: Mapping[float, str] | None = None,
) -> str:
    """Draws numbers as bars, one series on top of the other.

    Args:
        places: the middles of the bars.
        series: the heights by name, at most four; several have a legend.
        label: says what is counted over what.
        across: names the horizontal axis.
        counted: names the vertical one.
        width: of the bars.
        names: at ticks, slanted if there are many; None for numbers.
    """

    def draw(axes: Axes) -> None:
        bottom = np.zeros(len(places))
        for (name, heights), colour in zip(series.items(), _SERIES_COLOURS, strict=False):
            axes.bar(places, heights, width, bottom, color=colour, label=name)
            bottom += heights
        axes.set_xlabel(across)
        axes.set_ylabel(counted)
        axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.spines[["top", "right"]].set_visible(False)
        if names is None:
            axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
        else:
            axes.set_xticks(list(names), names.values(), **(_SLANTED if len(names) > 10 else {}))
        if len(series) > 1:
            axes.figure.legend(loc="outside upper left", ncols=4, handlelength=1)

    return _svg(label, (5.6, 3.2), draw)


def draw_shares(shares: np.ndarray, rows: Sequence[str], columns: Sequence[str], label: str) -> str:
    """Draws shares with their percentages.

    Args:
        shares: float `[rows, columns]`, 0 to 1; NaN is left out.
        rows: their names, from top to bottom.
        columns: their names.
        label: says what they are shares of.
    """

    def draw(axes: Axes) -> None:
        axes.imshow(shares, aspect="auto", interpolation="none", cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            if np.isfinite(share):
                # The cells have their own background, light or dark.
                ink = "white" if share > 0.5 else "black"
                cell = f"{100 * share:.0f}"
                axes.text(column, row, cell, ha="center", va="center", color=ink, fontsize=7)
        axes.set_xticks(range(len(columns)), columns, **_SLANTED)
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return _svg(label, (5.6, 4), draw)


def _svg(label: str, size_inches: tuple[float, float], draw: Callable[[Axes], None]) -> str:
    """Returns a figure as SVG for the inside of a page.

    Args:
        label: says what it shows, for screen readers.
        size_inches: width and height; the page scales it.
        draw: fills the axes.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(size_inches, layout="constrained")
        draw(figure.add_subplot())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
