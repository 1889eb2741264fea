"""The command `wavenet-ae TOOL ...`."""

import difflib
import importlib
import os
import sys

TOOLS = {
    "generate": "reconstruct, blend or stretch sounds with a trained model",
    "encode": "turn sounds into embeddings",
    "translate": "play sounds as another domain would, such as another instrument",
    "perform": "play MIDI files with a WaveNet that is conditioned on notes",
    "resynthesize": "find the notes of recordings, and play them with such a WaveNet",
    "report": "write a page to listen to: sounds, and what a model makes of them",
    "interpolate": "write a page of sounds between two notes",
    "instrument": "render a playable instrument: notes at every point between sounds",
    "play": "play an instrument in the browser: rendered notes, or the decoder live",
    "import-notes": "turn your own recordings into labelled notes",
    "render-soundfont": "render a SoundFont into labelled notes",
    "render-phrases": "render melodies or MIDI files with a SoundFont, as long recordings",
    "render-midi": "render MIDI files, or piano pieces by rule, as performances with known notes",
    "render-synthetic": "synthesize labelled notes of instruments drawn at random",
    "build-dataset": "build a dataset to train on from notes, long recordings or performances",
    "prepare-nsynth": "build or convert the official NSynth dataset of TFDS",
    "dataset-stats": "count and check what a dataset holds",
    "import-magenta": "convert a TensorFlow checkpoint of the paper's authors",
    "pull": "fetch a model by URL, to use it offline",
    "export": "write a model's weights as safetensors, to share",
}


def main() -> None:
    """Runs the tool that the first argument names, and exits with its code."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name == "help" and arguments[:1] and arguments[0] in TOOLS:
        name, *arguments = arguments[0], "--help"
    if name in ("-h", "--help", "help"):
        _print(_overview())
        return
    if name == "--version":
        import wavenet_ae

        _print(f"wavenet_ae {wavenet_ae.__version__}")
        return
    if name not in TOOLS:
        near = difflib.get_close_matches(name.replace("_", "-"), TOOLS, n=1)
        hint = f"did you mean {near[0]}?" if near else "wavenet-ae --help lists the tools."
        print(f"error: wavenet-ae has no tool {name!r}: {hint}", file=sys.stderr)
        sys.exit(1)
    from wavenet_ae.cli import command_line

    sys.argv = [f"wavenet-ae {name}", *arguments]
    tool = importlib.import_module(f"wavenet_ae.cli.{name.replace('-', '_')}")
    if {"-h", "-help", "--help"} & set(arguments):
        _print(command_line.help_text(tool))
        return
    command_line.run(tool.main)


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # of `| head`; Python would flush once more when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _overview() -> str:
    width = max(map(len, TOOLS))
    return "\n".join(
        [
            "WaveNet autoencoders: encode, blend, translate and play sounds; prepare datasets.",
            "",
            *(f"  wavenet-ae {name:{width}}  {does}" for name, does in TOOLS.items()),
            "",
            "wavenet-ae TOOL --help shows a tool's flags, with examples. For example:",
            "",
            "  wavenet-ae generate flute.wav --output=out",
            "  wavenet-ae generate flute.wav bass.wav --blend=0.5,0.5 --output=out",
        ]
    )
