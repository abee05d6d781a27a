"""Expression from files to scores and figure, as a user runs it: signals and genes, no contacts."""

import json

import numpy as np
import yaml

from chromloom.files import read_tsv

SIZES = {"chr1": 1_000_000, "chr2": 1_000_000, "chr3": 1_000_000}


def write_expression_study(folder):
    """Sixty genes per chromosome, whose peaks are as high as they are expressed."""
    rng = np.random.default_rng(1)
    genes, values, peaks = [], ["gene_id\tE116\tE003\t"], []
    for chrom in SIZES:
        for k, start in enumerate(np.sort(rng.choice(900, 60, replace=False)) * 1_000 + 20_000):
            strand, level = rng.choice(["+", "-"]), max(rng.normal(2, 3), 0)
            name = f"ENSG{chrom[3]}{k:03d}"
            genes.append(f"{chrom}\t{start}\t{start + 3_000}\t{name}\t0\t{strand}")
            values.append(f"{name}\t{2**level - 1:.3f}\t0\t")
            peaks.append(f"{chrom}\t{start}\t{start + 3_000}\t.\t0\t.\t{level + 0.1:.2f}\t1\t1")
    ends = [line.split("\t")[:3] for line in genes]
    pairs = [
        "\t".join([*one, *other, ".", "2"])
        for one, other in zip(ends, ends[2:])
        if one[0] == other[0]
    ]
    texts = {
        "interactions.bedpe": pairs,
        "genes.bed": genes,
        "rpkm.tsv": values,
        "H3K4me3.broadPeak": peaks,
        "chrom.sizes": [f"{chrom}\t{size}" for chrom, size in SIZES.items()],
        "samples.tsv": ["sample\tcell_type\tassembly\tcontacts", "A\tA\tchrom.sizes\t-"],
        "signals.tsv": [
            "signal\tcell_type\tassembly\tpath\ttransform",
            "H3K4me3\tA\tchrom.sizes\tH3K4me3.broadPeak\tlog1p",
        ],
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    config = {
        "samples": "samples.tsv",
        "signals": "signals.tsv",
        "device": "cpu",
        "reconstruction": {"bootstraps": 20},
        "expression": {
            "genes": "genes.bed",
            "table": "rpkm.tsv",
            "columns": {"A": "E116"},
            "models": ["marks-ridge", "permuted", "marks-elements"],
            "interactions": {"A": "interactions.bedpe"},
            "controls": ["shuffled-elements"],
            "options": {"permuted": {"model": "marks-ridge", "permute": ["all"]}},
            "folds": "chromosome",
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_expression_is_predicted_and_scored_from_signals_alone(snakemake, tmp_path):
    write_expression_study(tmp_path)
    configfile = str(tmp_path / "config.yaml")
    snakemake(tmp_path, "--configfile", configfile, "--cores", "2", "chromoformer_fig2")
    results = tmp_path / "results" / "expression"
    scores = read_tsv(results / "A.scores.tsv").set_index(["chrom", "model", "metric"])["value"]
    assert scores["all", "marks-ridge", "auc"] > 0.8
    assert scores["all", "marks-ridge", "r"] > scores["all", "permuted", "r"] + 0.4
    folds = sorted(path.name for path in (results / "A.marks-ridge").iterdir() if path.is_dir())
    assert folds == ["0", "1", "2"]
    config = json.loads((results / "A.permuted" / "0" / "config.json").read_text())
    assert config["signals"] == ["H3K4me3"]
    elements = read_tsv(results / "A.elements.tsv")
    assert elements.groupby("gene").size().max() >= 2
    config = json.loads(
        (results / "A.marks-elements-shuffled-elements" / "0" / "config.json").read_text()
    )
    assert config["control"] == "shuffled-elements"
    figure = tmp_path / "results" / "figures" / "chromoformer" / "fig2.tsv"
    assert set(read_tsv(figure)["model"]) == {
        "marks-ridge", "permuted", "marks-elements", "marks-elements-shuffled-elements"
    }  # fmt: skip
