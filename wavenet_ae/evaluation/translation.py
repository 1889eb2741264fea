"""How well a translation network translates: whether melodies stay, and timbres change.

Automatic measures after Mor et al. 2019 (arXiv 1805.07848): the pitch of a translation against its
source, frame by frame and by dynamic time warping, which domain a classifier hears, and which one a
classifier finds in the latent.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wavenet_ae.audio import files
from wavenet_ae.data import domain_batches
from wavenet_ae.evaluation import translation_document, translation_scores
from wavenet_ae.evaluation.domain_probes import LatentProbe, TimbreProbe
from wavenet_ae.evaluation.translation_document import MODELS, ShownSource
from wavenet_ae.evaluation.translation_scores import Judge, Sounds
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.synthesis import translate_files
from wavenet_ae.synthesis.encode_files import encode_sound
from wavenet_ae.synthesis.generate_files import Job, check_names, generate_by_codecs, save_sounds
from wavenet_ae.synthesis.translate_files import TranslationCodec
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import (
    DATASET_NAME,
    NOT_NEGATIVE,
    PATH_OR_URL,
    SEED,
    TEXT,
    Rules,
    check,
    or_none,
    whole,
)
from wavenet_ae.training.trained import load_trained

FILES = StudyFiles("translation", numbers="translation.json", text="translation.md")
# What the classifiers learn from and are asked about.
_WINDOW_SECONDS = 2

_RULES: Rules = {
    "experiment": TEXT,
    **dict.fromkeys(MODELS, or_none(PATH_OR_URL)),
    "dataset": {"name": or_none(DATASET_NAME), "data_dir": or_none(PATH_OR_URL)},
    "train_split": TEXT,
    "test_split": TEXT,
    "crop_samples": whole(files.SAMPLE_RATE_HZ // 4),
    "num_excerpts": whole(2),
    "num_train_windows": whole(10),
    "temperature": NOT_NEGATIVE,
    "seed": SEED,
    "batch_size": whole(1),
    "num_shown": whole(0),
}


def evaluate_translation(config: Mapping[str, Any], workdir: Path) -> None:
    """Translates excerpts of a split to every domain, and scores the translations.

    Translations that an earlier call generated from the same weights and settings are reused.

    Args:
        config: `experiments/configs/translation_scores.py` documents the settings.
        workdir: the folder to write: `translation.json`, `translation.md`, `report.html`, and the
            sounds.

    Raises:
        UserError: a setting is wrong, a checkpoint is not of a translation, the two networks have
            different domains, the data does not exist, or a file cannot be written.
    """
    if jax.process_count() > 1:
        raise UserError("translations are evaluated in one process: leave out --distributed.")
    check(config, _RULES)
    FILES.check(workdir)
    codecs = _load_models(config)
    domains = codecs["translation"][0].trained.task.domains
    theirs = codecs["translation"][0].trained.config["dataset"]
    where = [config["dataset"][key] or theirs[key] for key in ("name", "data_dir")]
    train, test = _read(config, where, codecs["translation"][0].hop_length, domains)
    names = [
        translate_files.as_file_name(f"{domains[d]}_{i:03d}")
        for i, d in enumerate(test.domains.tolist())
    ]
    save_sounds(workdir / translation_scores.SOURCE, dict(zip(names, test.audio, strict=True)))

    timbre = TimbreProbe(train.audio, train.domains, config["seed"])
    judge = Judge(test, timbre, train.audio.shape[1])
    rows, latents, tables = judge.of_sources(), {}, {}
    for model, of_domains in codecs.items():
        latents[model] = _probe_latents(of_domains[0], train, judge, config["seed"])
        again = _translate(of_domains, test, names, workdir / model, config)
        scores = [judge.of_translations(sounds, target) for target, sounds in enumerate(again)]
        of_model = translation_scores.reconstructed_and_translated(scores, test.domains)
        rows |= {f"{model}_{kind}": columns for kind, columns in of_model.items()}
        tables[model] = translation_scores.by_pair(scores, test.domains)
    seed = config["seed"]
    found = {
        "data": _describe_data(where[0], config["test_split"], test),
        "domains": list(domains),
        "checkpoints": {model: c[0].trained.describe() for model, c in codecs.items()},
        "settings": {name: config[name] for name in ("seed", "temperature")},
        "rows": {row: translation_scores.summarise(scores, seed) for row, scores in rows.items()},
        "latent": translation_scores.summarise(latents, seed),
        "chance": 1 / len(domains),
        "tables": tables,
    }
    shown = _show(names, test.domains, domains, workdir, [*codecs], config["num_shown"])
    page = FILES.write(workdir, translation_document.document(found, shown), found)
    print(f"{page}: scores of {len(test.audio)} excerpts")


def _load_models(config: Mapping[str, Any]) -> dict[str, list[TranslationCodec]]:
    """Returns the codecs of all domains, by model."""
    codecs = {}
    for model in MODELS:
        if config[model] is None:
            continue
        trained = load_trained(config[model], "translation")
        codecs[model] = translate_files.create_codecs(
            trained, [translate_files.ALL], config["temperature"]
        )
    if "translation" not in codecs:
        raise UserError(
            "there is no --config.translation: name a run of experiments/configs/translation.py."
        )
    domains = {model: c[0].trained.task.domains for model, c in codecs.items()}
    for model, theirs in domains.items():
        if theirs != domains["translation"]:
            raise UserError(
                f"config.{model}: {config[model]} has the domains {', '.join(theirs)}, and "
                f"config.translation {', '.join(domains['translation'])}: they must be the same."
            )
    if len(domains["translation"]) < 2:
        raise UserError(
            f"config.translation: {config['translation']} has the domain "
            f"{domains['translation'][0]} alone, and nothing to translate to: name a run with two "
            "or more."
        )
    return codecs


def _read(
    config: Mapping[str, Any], where: Sequence[str], hop: int, domains: Sequence[str]
) -> tuple[Sounds, Sounds]:
    """Returns windows of the training split to learn from, and excerpts to translate."""
    # Whole frames, so that a translation is as long as its source.
    crop = config["crop_samples"] // hop * hop
    window = min(_WINDOW_SECONDS * files.SAMPLE_RATE_HZ // hop * hop, crop)
    train, test = (
        _sounds(domain_batches.open_split(*where, split, domains), samples, count)
        for split, samples, count in (
            (config["train_split"], window, config["num_train_windows"]),
            (config["test_split"], crop, config["num_excerpts"]),
        )
    )
    return train, test


def _sounds(split: domain_batches.DomainSplit, samples: int, count: int) -> Sounds:
    """Returns sounds of a split, evenly spread over the time of each domain."""
    num_domains = len(split.domains)
    batches: Iterator[Mapping[str, np.ndarray]] = domain_batches.evaluation_batches(
        split, batch_size=num_domains, crop_samples=samples, num_batches=count
    )
    rows = list(batches)
    if len(rows) < 2:
        raise UserError(
            f"the shortest domain has fewer than two excerpts of {samples} samples: lower "
            "--config.crop_samples, or name another split."
        )
    audio, domain = (np.concatenate([row[key] for row in rows]) for key in ("audio", "domain"))
    order = np.argsort(domain, kind="stable")
    return Sounds(audio[order], domain[order])


def _probe_latents(codec: TranslationCodec, train: Sounds, judge: Judge, seed: int) -> np.ndarray:
    """Returns how often a fresh classifier finds the domain in latents, `[sounds]`."""
    probe = LatentProbe(_encode(codec, train.audio), train.domains, seed)
    windows = judge.windows
    latents = _encode(codec, windows.reshape(-1, windows.shape[-1]))
    right = probe.name(latents).reshape(windows.shape[:2]) == judge.test.domains[:, None]
    return right.mean(axis=1)


def _encode(codec: TranslationCodec, audio: np.ndarray, rows: int = 32) -> np.ndarray:
    """Encodes in parts, the last of which is filled up, so that one program serves all."""
    parts = []
    batches = range(0, len(audio), rows)
    for first in processes.progress(batches, unit="batch", desc="encoding"):
        part = audio[first : first + rows]
        filled = part[np.arange(rows) % len(part)]
        parts.append(codec.encode(filled)[: len(part)])
    return np.concatenate(parts)


def _translate(
    codecs: Sequence[TranslationCodec],
    test: Sounds,
    names: Sequence[str],
    folder: Path,
    config: Mapping[str, Any],
) -> list[np.ndarray]:
    """Writes the translations to every domain, and returns them, `[sounds, samples]` for each."""
    encoded = [
        encode_sound(codecs[0], audio, source=name)
        for name, audio in zip(names, test.audio, strict=True)
    ]
    groups = [
        (
            codec,
            [
                Job(translate_files.name(name, codec.domain), sound)
                for name, sound in zip(names, encoded, strict=True)
            ],
        )
        for codec in codecs
    ]
    check_names(folder, [job.name for _, jobs in groups for job in jobs])
    generate_by_codecs(groups, folder, seed=config["seed"], batch_size=config["batch_size"])
    return [
        np.stack([files.load(folder / f"{job.name}.wav") for job in jobs]) for _, jobs in groups
    ]


def _describe_data(name: str, split: str, test: Sounds) -> dict[str, Any]:
    return {
        "name": name,
        "split": split,
        "num_excerpts": len(test.audio),
        "seconds": test.audio.shape[1] / files.SAMPLE_RATE_HZ,
    }


def _show(
    names: Sequence[str],
    sources: np.ndarray,
    domains: Sequence[str],
    workdir: Path,
    models: Sequence[str],
    count: int,
) -> list[ShownSource]:
    """Returns a few sources of each domain with their translations."""
    chosen = itertools.chain.from_iterable(
        np.flatnonzero(sources == domain)[:count].tolist() for domain in range(len(domains))
    )
    return [
        ShownSource(
            domains[sources[i]],
            workdir / translation_scores.SOURCE / f"{names[i]}.wav",
            {
                model: {
                    domain: workdir / model / f"{translate_files.name(names[i], domain)}.wav"
                    for domain in domains
                }
                for model in models
            },
        )
        for i in chosen
    ]
