"""The tables, with programs that are compiled for this machine."""

import json

import jax
import pytest

from wavenet_ae.compilation import chips, programs, survey, survey_document
from wavenet_ae.publish import markdown
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding

OUT_OF_MEMORY = (
    "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory "
    "required for HLO temporaries (347.52G) exceeds available HBM (15.75G). HLO module: jit_step."
)


class TooLarge:
    def as_text(self):
        return "a program"

    def compile(self):
        raise jax.errors.JaxRuntimeError(OUT_OF_MEMORY)


class Unreadable:
    """A program of a compiler that does not fit JAX."""

    def as_text(self):
        raise jax.errors.JaxRuntimeError("INTERNAL: RET_CHECK failure")

    def memory_analysis(self):
        return None


@pytest.fixture
def config(tiny_config):
    return json.loads(tiny_config)


@pytest.fixture(autouse=True)
def this_machine(monkeypatch):
    """Makes its device stand for all slices; batches of 64 are too large for it."""
    lower = programs.lower_train_step

    def lower_small(config, devices):
        return TooLarge() if config["batch_size"] == 64 else lower(config, devices)

    def refuse_odd(batch_size, *_):
        if batch_size % 2:
            raise UserError(f"config.batch_size={batch_size} cannot be split")

    monkeypatch.setattr(chips, "devices_of", lambda topology: jax.devices())
    monkeypatch.setattr(programs, "lower_train_step", lower_small)
    monkeypatch.setattr(sharding, "check_batch_size", refuse_odd)
    monkeypatch.setattr(survey, "_versions", lambda: {"jax": "0", "libtpu": "0"})


def test_rows_tell_what_programs_need(config, tmp_path, capsys):
    rows = survey.compile_all(config, ["v5e:2x4"], [4, 5, 64], [2], tmp_path)
    step, odd, large, sampler = rows
    assert step["memory_bytes"]["total"] == sum(
        size for kind, size in step["memory_bytes"].items() if kind != "total"
    )
    chip = chips.CHIPS["v5e"]
    assert step["floors_s"] == {
        "compute": step["flops"] / chip.flops_per_s,
        "memory": step["hbm_bytes"] / chip.hbm_bytes_per_s,
    }
    assert odd["reason"] == "config.batch_size=5 cannot be split"
    assert large["reason"].endswith("(347.52G) exceeds available HBM (15.75G)")
    # Of one sample: a chunk is 8 frames of 64.
    lowered = programs.lower_sampler(config, jax.devices(), 2)
    whole = programs.describe(lowered.compile(), chip)
    assert sampler["flops"] == pytest.approx(whole["flops"] / (8 * 64))
    assert sampler["memory_bytes"] == whole["memory_bytes"]

    said = capsys.readouterr()
    assert "at most" in said.out
    assert "not measured" in said.out
    assert "training step, batch 5, v5e:2x4\n\nconfig.batch_size=5 cannot be split\n" in said.out
    assert f"- memory: {step['memory_bytes']['total'] / 2**30:.2f} of 15.75 GiB (" in said.out
    assert said.err.count("compiling") == 3
    assert json.loads((tmp_path / "compiled.json").read_text())["rows"] == rows
    written = (tmp_path / "compiled.md").read_text()
    assert "floors, not measurements" in written
    # 4 crops of 256, and 2 sounds: at most so many a second.
    for row, samples in ((step, 4 * 256), (sampler, 2)):
        rate = samples / max(row["floors_s"].values())
        assert f"| {rate:,.0f} | {row['compile_seconds']} s |" in written
    lines = [line for line in written.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3 + 2 + 1
    assert len({line.count("|") for line in lines[:5]}) == 1


def test_an_interrupted_survey_goes_on(config, tmp_path, capsys, monkeypatch):
    (first,) = survey.compile_all(config, ["v5e:2x4"], [4], [], tmp_path)
    capsys.readouterr()
    rows = survey.compile_all(config, ["v5e:2x4", "v6e:2x4"], [4], [], tmp_path)
    assert capsys.readouterr().err == "compiling training step, batch 4, v6e:2x4 ...\n"
    assert rows[0] == first
    # Rows of other calls stay, and another compiler's are made anew.
    monkeypatch.setattr(survey, "_versions", lambda: {"jax": "0", "libtpu": "1"})
    survey.compile_all(config, ["v6e:2x4"], [4], [], tmp_path)
    assert "compiling" in capsys.readouterr().err
    saved = json.loads((tmp_path / "compiled.json").read_text())["rows"]
    assert [row["topology"] for row in saved] == ["v5e:2x4", "v6e:2x4"]


def test_results_of_other_settings_are_kept(config, tmp_path):
    survey.compile_all(config, ["v5e:2x4"], [5], [], tmp_path)
    config["model"]["decoder_channels"] = 8
    with pytest.raises(UserError, match="of other settings: use another --output"):
        survey.compile_all(config, ["v5e:2x4"], [5], [], tmp_path)
    (tmp_path / "compiled.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read"):
        survey.compile_all(config, ["v5e:2x4"], [5], [], tmp_path)


def test_programs_that_cannot_be_read_have_a_way_out(config, monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda self: Unreadable())
    with pytest.raises(
        UserError, match=r"RET_CHECK.*jax 0 and libtpu 0 may be incompatible.*make libtpu"
    ):
        survey.compile_all(config, ["v5e:2x4"], [4], [], None)


def test_exchanges_are_told_by_kind(config, capsys):
    (row,) = survey.compile_all(config, ["v5e:2x4"], [4], [], None)
    assert "exchanged: nothing" in capsys.readouterr().out
    sizes = [(3e6, 1), (1e6, 2)]
    row["collectives"] = [
        {"kind": "all-reduce", "dtypes": ["bf16"], "arrays": 1, "bytes": size, "times": times}
        for size, times in sizes
    ]
    shown = markdown.render_blocks([survey_document.card(row)])
    assert "3 x all-reduce of bf16, together 5 MB (the largest 3 MB)" in shown
