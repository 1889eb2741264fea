import json

import pytest
from compilation_marks import needs_libtpu
from entry_points import CONFIGS, assert_refused, changes, run

SMALL = changes(
    {
        "model.decoder_layers": 3,
        "model.encoder_layers": 2,
        "model.encoder_channels": 8,
        "model.dilation_cycle": 3,
        "crop_samples": 512,
        "num_steps": 1000,
    }
)


def compile_tpu(*flags, config="wavenet_ae.py:demo"):
    return run("compile_tpu", f"--config={CONFIGS / config}", *flags)


@needs_libtpu
def test_programs_are_compiled_and_told(tmp_path):
    flags = (*SMALL, "--topology=v5e:2x2", "--batch_size=6,8", f"--output={tmp_path}")
    result = compile_tpu(*flags)
    assert result.returncode == 0, result.stderr
    assert "floors, not measurements" in result.stdout.replace("\n", " ")
    refused = "training step, batch 6, v5e:2x2\n\nconfig.batch_size=6 cannot be split"
    assert refused in result.stdout
    uneven, step, sampler = json.loads((tmp_path / "compiled.json").read_text())["rows"]
    assert "reason" in uneven
    assert step["num_devices"] == 4
    assert [c["kind"] for c in step["collectives"]] == ["all-reduce"]
    assert sampler["collectives"] == []
    assert 0 < sampler["flops"] < 0.01 * step["flops"]
    for row in (step, sampler):
        assert row["unknown_loops"] == 0
        assert 0 < row["memory_bytes"]["total"] < row["hbm_bytes_per_device"]
    assert "| v5e:2x2 | 8 | 4 |" in (tmp_path / "compiled.md").read_text()

    again = compile_tpu(*flags)
    assert again.returncode == 0
    assert "compiling" in result.stderr
    assert "compiling" not in again.stderr
    assert again.stdout == result.stdout


@needs_libtpu
def test_slices_that_cannot_be_are_refused():
    assert_refused(
        compile_tpu("--topology=v5e:3x5"), "--topology=v5e:3x5 is not an available slice"
    )


@needs_libtpu
def test_models_without_a_sampler_are_refused():
    result = compile_tpu("--topology=v5e:2x2", "--program=sample", config="classifier.py:demo")
    assert_refused(result, "use --program=train")


@pytest.mark.parametrize(
    ("config", "flags", "reason"),
    [
        ("wavenet_ae.py:demo", ["--topology=v9:2x2"], "--topology=v9:2x2 is not a known topology"),
        ("wavenet_ae.py:demo", ["--topology=v5e:2x2", "--batch_size=8,x"], "--batch_size=8,x must"),
        ("wavenet_ae.py:demo", ["--topology=v5e:2x2", "--num_sounds=0"], "--num_sounds=0 must"),
        (
            "wavenet_ae.py:demo",
            ["--topology=v5e:2x2", "--config.accumulation_steps=0"],
            "config.accumulation_steps=0 must be",
        ),
        ("table1.py", ["--topology=v5e:2x2"], "does not configure a training"),
        ("missing.py", ["--topology=v5e:2x2"], "cannot be read"),
    ],
)
def test_bad_flags_are_refused(config, flags, reason):
    assert_refused(compile_tpu(*flags, config=config), reason)
