"""The trained weights and the notes that come with the package; README.md is their model card."""

from pathlib import Path

from wavenet_ae.system.errors import UserError

NAME = "pretrained"
_FOLDER = Path(__file__).parent
NOTES = _FOLDER / "notes"  # FLAC files with names like NSynth's, not from a training split


def find(folder: Path, task: str | None = None) -> Path:
    """Returns the folder that a --checkpoint names.

    Args:
        folder: `pretrained` for the model of the task, `pretrained/wavenet` for a certain one;
            anything else, or an existing folder of that name, is returned unchanged.
        task: a task's name, for `pretrained`; None for the WaveNet.

    Raises:
        UserError: there is no pretrained model of that name, or for that task.
    """
    if folder.parts[:1] != (NAME,) or Path(NAME).exists():
        return folder
    name, *others = folder.parts[1:] or (task or "wavenet",)
    known = sorted(config.parent.name for config in _FOLDER.glob("*/config.json"))
    if name not in known or others:
        choice = ", ".join(f"{NAME}/{model}" for model in known)
        if folder == Path(NAME):
            raise UserError(
                f"{NAME} stands for no model of this kind, since the package holds only {choice}: "
                "train one, and name its run."
            )
        raise UserError(
            f"there is no model {Path(NAME, name, *others)}: the package holds {choice}."
        )
    return _FOLDER / name


def contains(folder: Path) -> bool:
    """Returns whether a model's folder is one of the package's."""
    return _FOLDER.resolve() in folder.resolve().parents
