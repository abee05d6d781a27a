"""Expression from files to scores and panels, as a user runs it: signals and genes, no maps."""

import json

import numpy as np
import yaml

from chromloom.files import read_tsv

SIZES = {"chr1": 1_000_000, "chr2": 1_000_000, "chr3": 1_000_000}
TINY = {
    "model": "chromoformer", "bin_sizes": [500, 2000], "size": 8, "feedforward": 8, "hidden": 8,
    "pair_feedforward": 8, "regulation_layers": 1, "regulation_heads": 2,
    "regulation_head_size": 4, "regulation_feedforward": 8, "epochs": 1,
}  # fmt: skip
MODELS = ["marks-ridge", "tiny", "tiny-permuted-marks"]


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
    tested = [
        "\t".join([*other, one.split("\t")[3], str(k % 2)])
        for k, (one, other) in enumerate(zip(genes, ends[2:]))
    ]
    texts = {
        "interactions.bedpe": pairs,
        "domains.bed": ["chr1\t0\t500000"],
        "active.bed": [line for line in genes if line.startswith("chr1")],
        "tested.tsv": ["chrom\tstart\tend\tgene\tregulated", *tested],
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
            "models": ["marks-ridge", "tiny"],
            "interactions": {"A": "interactions.bedpe"},
            "controls": ["permuted-marks"],
            "options": {"tiny": TINY},
            "folds": "chromosome",
            "screen": ["tiny"],
            "tested": {"A": "tested.tsv"},
            "domains": {"A": "domains.bed"},
            "kinds_of_elements": {"active": "active.bed"},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_expression_is_predicted_scored_and_drawn_without_maps(snakemake, tmp_path):
    write_expression_study(tmp_path)
    gene = "results/figures/chromoformer/genes/A.tiny.ENSG1000.png"
    names = [f"chromoformer_fig{number}" for number in (2, 3, 4, 5, 7)]
    targets = [*names, "chromoformer", gene]
    snakemake(tmp_path, "--configfile", str(tmp_path / "config.yaml"), "--cores", "2", *targets)
    results = tmp_path / "results" / "expression"
    scores = read_tsv(results / "A.scores.tsv").set_index(["chrom", "model", "metric"])["value"]
    assert scores["all", "marks-ridge", "auc"] > 0.8
    assert scores["all", "marks-ridge", "r"] > scores["all", "tiny-permuted-marks", "r"] + 0.4
    folds = sorted(path.name for path in (results / "A.marks-ridge").iterdir() if path.is_dir())
    assert folds == ["0", "1", "2"]
    config = json.loads((results / "A.tiny-permuted-marks" / "0" / "config.json").read_text())
    assert config["signals"] == ["H3K4me3"]
    assert config["control"] == "permuted-marks"
    elements = read_tsv(results / "A.elements.tsv")
    assert elements.groupby("gene").size().max() >= 2
    assert read_tsv(results / "A.impact_counts.tsv")["active"].max() >= 2
    assert set(read_tsv(results / "A.tested.tsv")["ranking"]) >= {"screen", "distance"}
    assert "within domain" in set(read_tsv(results / "A.strata.tsv")["stratum"])
    assert (results / "A.tiny.attribution" / "H3K4me3.bw").exists()
    figures = tmp_path / "results" / "figures" / "chromoformer"
    assert set(read_tsv(figures / "fig2.tsv")["model"]) == set(MODELS)
    assert set(read_tsv(figures / "fig3.A.tsv")["model"]) == {"tiny", "chromoformer", *MODELS}
    assert {path.name for path in figures.glob("*.png")} == {
        "fig2.png", "fig3.A.png", "fig4.A.tiny.png", "fig5.A.png", "fig7.A.png"
    }  # fmt: skip
    assert (tmp_path / gene).exists()


def test_a_model_of_several_cell_types_reads_the_genes_of_each(plan, tmp_path):
    write_expression_study(tmp_path)
    rows = (tmp_path / "signals.tsv").read_text()
    (tmp_path / "signals.tsv").write_text(rows + rows.splitlines()[1].replace("\tA\t", "\tB\t"))
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    pool = {"model": "marks-ridge", "cell_types": ["A", "B"]}
    config["expression"] |= {
        "columns": {"A": "E116", "B": "E116"}, "models": ["marks-ridge", "pool"],
        "options": {"pool": pool}, "screen": [],
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    jobs = plan(tmp_path, tmp_path / "config.yaml", "results/expression/A.pool.predictions.tsv")
    read = {job["rule"]: set(job["input"]) for job in jobs["jobs"]}
    made = {
        f"results/expression/{cell}.{part}" for cell in "AB" for part in ("genes.tsv", "marks.h5")
    }
    assert read["train_expression"] == made
    assert not any(path.startswith("results/expression/B") for path in read["predict_expression"])
