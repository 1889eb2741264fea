"""A page to listen to: a model's loss, and its reconstructions of sounds that are new to it."""

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae import pretrained
from wavenet_ae.audio import files
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import input_pipeline, nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.evaluation import report_document
from wavenet_ae.evaluation.notes import choose_notes, choose_pair, named_note, read_labels
from wavenet_ae.evaluation.report_document import Blend, Part, Run, ShownSound
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.synthesis import codec, embeddings
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.encode_files import (
    encode_sound,
    find_pitch,
    pitch_in_name,
    report_other_pitch,
)
from wavenet_ae.synthesis.generate_files import (
    Job,
    check_names,
    check_pitch,
    generate_by_codecs,
    save_sounds,
)
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.metrics import METRICS_FILE, TIMING_FILE, read_metrics
from wavenet_ae.training.trained import TrainedModel, find, load_trained

FILES = StudyFiles("report")
AUDIO_FOLDER = "audio"

# Suffixes of files' names.
_ORIGINAL, _AGAIN, _BEFORE, _BLEND = "original", "reconstruction", "before", "blend"
_UNFIT = re.compile(r"[^\w.-]")  # for a part of a file's name that is also a picture's id


class _Sounds(NamedTuple):
    """Sounds to show, float32 `[samples]` each, by the stem of their files; and the notes' labels.

    Attributes:
        originals: by stem, which is unique.
        notes: by stem, of those that are notes with labels.
        pitches: by stem, MIDI, or -1 if unknown.
        pair: the stems of the two to blend, if there are two.
    """

    originals: dict[str, np.ndarray]
    notes: dict[str, Note]
    pitches: dict[str, int]
    pair: tuple[str, str] | None


class _Shown(NamedTuple):
    """What a part of the page is about.

    Attributes:
        model: that reconstructs the sounds.
        start: the model that its training started from, which reconstructs them, too, or None.
        run: its training, None for the pretrained model.
        sounds: to reconstruct.
        folder: for the WAV files.
    """

    model: Codec
    start: Codec | None
    run: Run | None
    sounds: _Sounds
    folder: Path


def write_report(
    checkpoints: Sequence[Path | str],
    output: Path,
    *,
    inputs: Sequence[Path] = (),
    pitch: int | None = None,
    data_dir: str | None = None,
    split: str = "test",
    num_notes: int = 4,
    seconds: float = float(nsynth.NOTE_SECONDS),
    temperature: float = 1.0,
    seed: int = 0,
) -> Path:
    """Encodes and regenerates sounds, blends two of them, and writes the page about it.

    Sounds that an earlier call generated from the same weights and settings are reused.

    Args:
        checkpoints: a run (its folder or URL), or `pretrained`, or both: a part of the page each,
            in this order. A run shows its loss and notes of its dataset, and what the weights that
            it started from make of them, if it has `init_from`; the pretrained model shows the
            notes that come with the package.
        output: a folder, for `report.html` and the WAV files in `audio`; those of the pretrained
            model are in `audio/pretrained`.
        inputs: sound files that the pretrained model reconstructs, too.
        pitch: MIDI, of these files; None takes the one in their names, else what a tracker finds.
        data_dir: TFDS's folder of datasets; None for the one that the run names.
        split: of the run's dataset, to take the notes from.
        num_notes: how many to show; fewer if the split has fewer.
        seconds: of every sound; the rest is cut off.
        temperature: of the generation.
        seed: of the generation; it has no influence on the choice of notes.

    Returns:
        The page's path.

    Raises:
        UserError: the run, its checkpoint, its metrics or the split do not exist, a sound cannot
            be read or has no pitch, or the output cannot be written.
    """
    if not 0 < seconds < math.inf:
        raise UserError(f"--seconds={seconds} must be a number above 0.")
    checkpoints = [find(checkpoint, "wavenet") for checkpoint in checkpoints]
    are_pretrained = [pretrained.contains(folder) for folder in checkpoints]
    if not checkpoints or len(set(are_pretrained)) < len(are_pretrained):
        raise UserError("--checkpoint takes one run, or pretrained, or one of each.")
    if inputs and not any(are_pretrained):
        raise UserError("--input is for the pretrained model: add --checkpoint=pretrained.")
    num_samples = max(1, round(seconds * SAMPLE_RATE_HZ))
    # All inputs are checked before anything is written.
    FILES.check(output)
    found = []
    for folder, is_pretrained in zip(checkpoints, are_pretrained, strict=True):
        trained = load_trained(folder, "wavenet")
        model, start = codec.create(trained, temperature=temperature), None
        if is_pretrained:
            run = None
            sounds, where = _sounds_of_package(inputs, pitch, num_samples), "audio/pretrained"
        else:
            run = _read_run(folder, trained, data_dir, split)
            start = _find_start(trained, temperature)
            dataset = _open(trained, data_dir, split)
            sounds, where = _sounds_of_split(dataset, split, num_notes, num_samples), AUDIO_FOLDER
        found.append(_Shown(model, start, run, sounds, output / where))
        check_names(output / where, _names(found[-1]))
    parts = [_make_sounds(shown, seed) for shown in found]
    settings = {"num_asked": num_notes, "temperature": temperature, "seed": seed}
    return FILES.write(output, report_document.document(parts, **settings))


def _names(shown: _Shown) -> list[str]:
    """Returns the names of the sounds' files, without suffix."""
    sounds = shown.sounds
    kinds = [_ORIGINAL, _AGAIN, *([_BEFORE] if shown.start else [])]
    names = [f"{stem}_{kind}" for stem in sounds.originals for kind in kinds]
    return [*names, f"{'_'.join(sounds.pair)}_{_BLEND}"] if sounds.pair else names


def _find_start(trained: TrainedModel, temperature: float) -> Codec | None:
    """Returns the model whose weights a training started from, if there is one."""
    source = trained.config.get("init_from")
    if source is None:
        return None
    try:
        return codec.create(load_trained(source, "wavenet"), temperature=temperature)
    except UserError as error:
        print(f"what {trained.name} started from is not shown: {error}", file=sys.stderr)
        return None


def _open(trained: TrainedModel, data_dir: str | None, split: str) -> Sequence[dict[str, Any]]:
    dataset = trained.config["dataset"]
    return input_pipeline.open_split(dataset["name"], data_dir or dataset["data_dir"], split)


def _sounds_of_split(
    dataset: Sequence[dict[str, Any]], split: str, num_notes: int, num_samples: int
) -> _Sounds:
    places = read_labels(dataset)
    notes = choose_notes(places, num_notes)
    if len(notes) < num_notes:
        print(f"notes in the split {split}: {len(notes)}, fewer than --num_notes={num_notes}")
    pair = choose_pair(notes)
    return _Sounds(
        originals={note.name: dataset[places[note]]["audio"][:num_samples] for note in notes},
        notes={note.name: note for note in notes},
        pitches={note.name: note.pitch for note in notes},
        pair=(pair[0].name, pair[1].name) if pair else None,
    )


def _sounds_of_package(inputs: Sequence[Path], pitch: int | None, num_samples: int) -> _Sounds:
    """Returns the notes that come with the package, and the user's own sounds before them."""
    own = {
        f"{number}_{_UNFIT.sub('_', source.stem)}": source.path
        for number, source in enumerate(files.find(inputs) if inputs else (), start=1)
    }
    sounds = {stem: files.load(path) for stem, path in own.items()}
    if pitch is not None:
        for path in own.values():
            report_other_pitch(path.name, pitch, pitch_in_name(path))
    pitches = {
        stem: find_pitch(own[stem], audio) if pitch is None else pitch
        for stem, audio in sounds.items()
    }
    for stem, midi in pitches.items():
        if midi < 0:
            raise UserError(
                f"{own[stem]} has no pitch that the tracker could find: give it, MIDI, by --pitch "
                "(in make demo by PITCH=60), or use a sound that is a single note."
            )
    packaged = {path.stem: path for path in sorted(pretrained.NOTES.glob("*.flac"))}
    notes = {stem: named_note(stem) for stem in packaged}
    sounds |= {stem: files.load(path) for stem, path in packaged.items()}
    originals = {stem: audio[:num_samples] for stem, audio in sounds.items()}
    pitches |= {stem: note.pitch for stem, note in notes.items()}
    pair = choose_pair(notes.values())
    return _Sounds(originals, notes, pitches, (pair[0].name, pair[1].name))


def _make_sounds(part: _Shown, seed: int) -> Part:
    """Writes the originals, generates the other sounds, and returns the part of the page."""
    model, start, run, sounds, folder = part
    encoded = _encode(model, sounds, "encoding")
    for sound in encoded.values():
        check_pitch(model, sound)
    save_sounds(folder, {f"{stem}_{_ORIGINAL}": audio for stem, audio in sounds.originals.items()})
    jobs = [Job(f"{stem}_{_AGAIN}", sound) for stem, sound in encoded.items()]
    blend = _blend([encoded[stem] for stem in sounds.pair]) if sounds.pair else None
    groups = [(model, [*jobs, blend] if blend else jobs)]
    if start:
        before = _encode(start, sounds, "encoding, with the weights before the training")
        groups.append((start, [Job(f"{stem}_{_BEFORE}", one) for stem, one in before.items()]))
    generate_by_codecs(groups, folder, seed=seed)
    shown = {
        stem: ShownSound(
            encoded=sound,
            note=sounds.notes.get(stem),
            original=folder / f"{stem}_{_ORIGINAL}.wav",
            reconstruction=folder / f"{stem}_{_AGAIN}.wav",
            before=folder / f"{stem}_{_BEFORE}.wav" if start else None,
        )
        for stem, sound in encoded.items()
    }
    between = None
    if blend:
        between = Blend(*(shown[stem] for stem in sounds.pair), folder / f"{blend.name}.wav")
    before = start.trained if start else None
    return Part(model.trained, run, list(shown.values()), between, before)


def _encode(model: Codec, sounds: _Sounds, title: str) -> dict[str, EncodedSound]:
    return {
        stem: encode_sound(model, audio, source=stem, pitch=sounds.pitches[stem])
        for stem, audio in tqdm(sounds.originals.items(), unit="note", desc=title)
    }


def _blend(pair: Sequence[EncodedSound]) -> Job:
    sound = embeddings.blend(pair, [0.5, 0.5])
    name = "_".join(one.source for one in pair)
    # A model that is conditioned on pitch plays one at a time.
    return Job(f"{name}_{_BLEND}", sound._replace(pitch=pair[0].pitch))


def _read_run(folder: Path, trained: TrainedModel, data_dir: str | None, split: str) -> Run:
    """Reads the metrics of a run's folder."""
    metrics = [line for line in read_metrics(folder) if "train/bits_per_sample" in line]
    if not metrics:
        raise UserError(
            f"{folder / METRICS_FILE} holds no losses: restore it from a copy, or train further."
        )
    timing = read_metrics(folder, TIMING_FILE)
    return Run(
        split=split,
        metrics=metrics,
        samples_per_second=timing[-1]["samples_per_second"] if timing else None,
        num_train_notes=len(_open(trained, data_dir, "train")),
    )
