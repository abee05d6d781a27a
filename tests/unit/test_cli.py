"""The command line calls the library as the library wants to be called."""

from pathlib import Path
from unittest.mock import create_autospec

import pandas as pd
import pytest

from chromloom.attribution import attribute
from chromloom.cli import main
from chromloom.errors import InputError
from chromloom.evaluation import maps as evaluate
from chromloom.models.hiclstm import released
from chromloom.perturbation import perturb
from chromloom.prediction import export as predict
from chromloom.sequence import motifs
from chromloom.training import windows


@pytest.fixture
def inputs(monkeypatch, tmp_path):
    """A working directory with the files that the commands of these tests read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    for name in ("a.cool", "b.cool", "g.fa", "g.fa.gz", "e.bed", "a.pth"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "module", "function", "expected"),
    [
        ("predict m a.cool o.mcool", predict, "predict_map", {"region": None}),
        (
            "predict m a.cool o.mcool --region chr1:0-9,000 --max-distance 5000",
            predict, "predict_map", {"region": "chr1:0-9,000", "max_distance": 5000},
        ),
        ("attribute m out --chrom chr1 --chrom chr2", attribute, "attribute",
         {"chroms": ["chr1", "chr2"], "out_raw_bw": Path("out/importance.raw.bw")}),
        ("motifs g.fa o.bed --threshold 1e-5", motifs, "find_motifs", {"threshold": 1e-5}),
        ("windows a.cool g.fa.gz out --also b.cool --length 4096 --crop 2", windows,
         "write_windows", {"length": 4096, "windows": None, "seed": 1}),
        ("compare a.cool b.cool o.tsv", evaluate, "evaluate_maps",
         {"against": [Path("b.cool")]}),
    ],
)  # fmt: skip
def test_a_command_is_a_call(arguments, module, function, expected, monkeypatch, inputs):
    called = create_autospec(getattr(module, function))
    called.return_value = pd.DataFrame(), pd.DataFrame()
    monkeypatch.setattr(module, function, called)
    assert main(arguments.split()) == 0
    given = called.call_args.kwargs
    assert {name: given[name] for name in expected} == expected


def test_the_published_model_is_imported_with_chromosome_lengths(monkeypatch, inputs):
    (inputs / "sizes").write_text("chr1\t3000000\n")
    called = create_autospec(released.import_published)
    monkeypatch.setattr(released, "import_published", called)
    assert main(["import", "a.pth", "sizes", "out"]) == 0
    assert called.call_args.args == (Path("a.pth"), Path("out"))
    assert called.call_args.kwargs["chromsizes"].to_dict() == {"chr1": 3_000_000}


def test_edits_are_predicted_and_drawn(monkeypatch, inputs):
    def write(*_, **given):
        assert given["flank"] == 1000
        (inputs / "del").mkdir()
        (inputs / "perturbation.tsv").write_text("edit\tvalue\ndel\t1\ndel\t2\n")
        (inputs / "del" / "maps.tsv").write_text(
            "map\tchrom1\tstart1\tchrom2\tstart2\tvalue\nwild type\tchr1\t0\tchr1\t0\tNaN\n"
        )

    monkeypatch.setattr(perturb, "perturb", create_autospec(perturb.perturb, side_effect=write))
    assert main(["edit", "m", "a.cool", "e.bed", str(inputs), "--flank", "1000"]) == 0
    assert {path.name for path in (inputs / "del").iterdir()} == {
        "maps.tsv", "maps.pdf", "maps.png",
    }  # fmt: skip


def test_bad_input_is_one_line_and_status_1(monkeypatch, capsys, inputs):
    monkeypatch.setattr(predict, "predict_map", create_autospec(predict.predict_map))
    predict.predict_map.side_effect = InputError("a.cool is damaged")
    assert main(["predict", "m", "a.cool", "o.mcool"]) == 1
    assert "chromloom: a.cool is damaged\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict n a.cool o.mcool", "chromloom: model n does not exist; correct its path\n"),
        ("compare a.cool c.cool o.tsv", "chromloom: other c.cool does not exist"),
        ("windows a.cool g.fa.gz o --also b.cool --also d.cool", "also d.cool does not exist"),
    ],
)
def test_what_is_not_there_is_named(arguments, message, capsys, inputs):
    assert main(arguments.split()) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict m a.cool o.mcool --max-distance 1e6", "'1e6' is not a whole number from 1"),
        ("edit m a.cool e.bed o --flank -5", "'-5' is not a whole number from 0"),
        ("motifs g.fa o.bed --threshold 5", "'5' is not a p-value, above 0 and at most 1"),
        ("motifs g.fa o.bed --threshold x", "'x' is not a p-value"),
    ],
)
def test_numbers_that_cannot_be_are_refused(arguments, message, capsys, inputs):
    with pytest.raises(SystemExit):
        main(arguments.split())
    assert message in capsys.readouterr().err
