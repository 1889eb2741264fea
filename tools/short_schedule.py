"""Prints flags that fit a training into a time: short_schedule.py CONFIG STEP_JSON SECONDS.

STEP_JSON is from `benchmark.py --task=train`. The learning rates change at the same fractions of
the training as in CONFIG; a tenth of the time is left for evaluations and checkpoints.
"""

import json
import runpy
import sys
from pathlib import Path

_EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
_SHARE = 0.9
_FEWEST_STEPS = 20


def flags(config: str, step_ms: float, compile_s: float, seconds: float) -> list[str]:
    """Returns the flags, for a configuration `FILE.py[:variant]`; none where time is too short."""
    path, _, variant = config.partition(":")
    settings = runpy.run_path(path)["get_config"](variant)
    num_steps = min(int((_SHARE * seconds - compile_s) * 1000 / step_ms), settings.num_steps)
    if num_steps < _FEWEST_STEPS:
        return []
    fraction = num_steps / settings.num_steps
    boundaries = [max(1, round(fraction * boundary)) for boundary in settings.optimizer.boundaries]
    changes = {
        "num_steps": num_steps,
        "optimizer.boundaries": f"({''.join(f'{boundary},' for boundary in boundaries)})",
        "log_every_steps": max(1, num_steps // 100),
        "eval_every_steps": max(1, num_steps // 3),
        "checkpoint_every_steps": num_steps,
        "checkpoint_every_minutes": 1.0,
        "summarize_every_steps": 0,
        "eval_batches": 16,
    }
    if (decay := settings.model.get("batch_norm_decay")) is not None:
        changes["model.batch_norm_decay"] = min(decay, max(0.9, 1 - 10 / num_steps))
    if settings.ema_decay:
        # Over the last twentieth of the steps: a long run's average would reach back to the start.
        changes["ema_decay"] = round(1 - 20 / num_steps, 6)
    return [f"--config.{name}={value}" for name, value in changes.items()]


def main() -> None:
    """Prints the flags, or says that there is no time."""
    config, step, seconds = sys.argv[1:]
    sys.path.insert(0, str(_EXPERIMENTS))  # configurations import each other
    found = json.loads(Path(step).read_text())
    fitting = flags(config, found["step_ms"]["median"], found["compile_s"], float(seconds))
    if not fitting:
        sys.exit(f"error: {seconds} seconds are too few for a training of {config}.")
    print(*fitting)


if __name__ == "__main__":
    main()
