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
        ("compare a.cool b.cool {tmp}/o.tsv", evaluate, "evaluate_maps",
         {"against": [Path("b.cool")]}),
    ],
)  # fmt: skip
def test_a_command_is_a_call(arguments, module, function, expected, monkeypatch, tmp_path):
    called = create_autospec(getattr(module, function))
    called.return_value = pd.DataFrame(), pd.DataFrame()
    monkeypatch.setattr(module, function, called)
    assert main(arguments.format(tmp=tmp_path).split()) == 0
    given = called.call_args.kwargs
    assert {name: given[name] for name in expected} == expected


def test_the_published_model_is_imported_with_chromosome_lengths(monkeypatch, tmp_path):
    (tmp_path / "sizes").write_text("chr1\t3000000\n")
    called = create_autospec(released.import_published)
    monkeypatch.setattr(released, "import_published", called)
    assert main(["import", "a.pth", str(tmp_path / "sizes"), "out"]) == 0
    assert called.call_args.args == (Path("a.pth"), Path("out"))
    assert called.call_args.kwargs["chromsizes"].to_dict() == {"chr1": 3_000_000}


def test_edits_are_predicted_and_drawn(monkeypatch, tmp_path):
    def write(*_, **given):
        assert given["flank"] == 1000
        (tmp_path / "del").mkdir()
        (tmp_path / "perturbation.tsv").write_text("edit\tvalue\ndel\t1\ndel\t2\n")
        (tmp_path / "del" / "maps.tsv").write_text(
            "map\tchrom1\tstart1\tchrom2\tstart2\tvalue\nwild type\tchr1\t0\tchr1\t0\tNaN\n"
        )

    monkeypatch.setattr(perturb, "perturb", create_autospec(perturb.perturb, side_effect=write))
    assert main(["edit", "m", "a.cool", "e.bed", str(tmp_path), "--flank", "1000"]) == 0
    assert {path.name for path in (tmp_path / "del").iterdir()} == {
        "maps.tsv", "maps.pdf", "maps.png",
    }  # fmt: skip


def test_bad_input_is_one_line_and_status_1(monkeypatch, capsys):
    monkeypatch.setattr(predict, "predict_map", create_autospec(predict.predict_map))
    predict.predict_map.side_effect = InputError("a.cool does not exist")
    assert main(["predict", "m", "a.cool", "o.mcool"]) == 1
    assert "chromloom: a.cool does not exist\n" in capsys.readouterr().err
