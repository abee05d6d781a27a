"""From signals to maps on a small simulated genome: split, train, apply, predict, score, edit."""

import json

import cooler
import numpy as np
import pandas as pd
import pytest
from study import CONFIG

RUN = "A.10000.ICE.weave"
TARGETS = [
    f"results/reconstruction/{RUN}.tsv",
    "results/reconstruction/A.10000.ICE.pairs-ridge.tsv",
    "results/reconstruction/A.10000.ICE.epiphany.tsv",
    "results/reconstruction/A.10000.ICE.akita.tsv",
    "results/perturbation/A.10000.ICE.akita/gone/summary.tsv",
    "results/attribution/A.10000.ICE.akita.signals/near",
    "akita_fig1",
    "akita_fig2",
    "akita_fig3",
    "akita_figS7",
    "akita_saturation",
    f"results/analysis/{RUN}/insulation.tsv",
    f"results/attribution/{RUN}.signals/pixel",
    f"results/perturbation/{RUN}/gone/summary.tsv",
    "results/variants/variants.tsv",
    "results/variants/A.vcf.gz",
    "results/figures/unseen/A.10000.ICE.akita.png",
    "results/variants/A.10000.ICE/two.png",
    "results/perturbation/A.10000.ICE.akita/two/lift.tsv",
    "results/predictions/B.10000.ICE.weave.mcool",
    "results/predictions/A2.10000.ICE.weave.mcool",
    "results/signals/masked.1000.edits.tsv",
    "results/tables/reconstruction.tsv",
    "results/predictors/A.10000.ICE.scores.tsv",
    "epiphany_fig2",
    "epiphany_fig2b",
    "epiphany_fig2c",
    "epiphany_fig2e",
    "epiphany_fig3a",
    "epiphany_fig2d",
    "epiphany_figS2",
    "epiphany_fig6",
]
SAMPLES = """\
sample\tcell_type\tassembly\tcontacts\tmodels\tedits
A\tA\tresults/simulated/simulated\tresults/simulated/contacts/A.mcool\tweave,pairs-ridge,epiphany,akita\tedits.tsv
B\tB\tresults/simulated/simulated\t-\tweave\t
A2\tmasked\tresults/simulated/simulated\t-\tweave\t
"""
EDITS = """\
edit\tcompound\tkind\tchrom\tstart\tend\talt
gone\t\tDEL\tchr1\t1000000\t1200000\t
bases\t\tSUB\tchr2\t1000000\t1000001\tT
\ttwo\tINV\tchr2\t600000\t900000\t
\ttwo\tDEL\tchr2\t700000\t760000\t
"""
NEAR_AND_FAR = {"chr1:1000000-1200000": False, "chr2": True}
MARKS = ["DNase", "H3K4me3", "CTCF"]
SHARED = {"samples": ["A"], "signals": [*MARKS, "motifs+", "motifs-"], "max_distance": 500_000}
TINY = {
    "width": 0.05,
    "hidden_size": 4,
    "layers": 1,
    "head_size": 0,
    "adversarial": False,
    "epochs": 1,
}
BASES = {
    **{"window": 24, "filters": 2, "widest_pool": 100, "residual_filters": 4, "bottleneck": 4},
    **{"pair_filters": 4, "pair_residual_filters": 4, "epochs": 1},
}
SMALL = {"embedding_dim": 4, "channels": 8, "blocks": 2, "epochs": 2}
PREDICT = CONFIG | {
    "simulate": {
        "chromsizes": {"chr1": 2_500_000, "chr2": 2_000_000, "chr3": 1_500_000},
        "depth": 0.03,
    },
    "signals": "signals.tsv",
    "bin_signals": {"bin_sizes": [1000]},
    "signal_edits": {"masked": {"of": "A", "edits": "masked.bed"}},
    "variants": {"controls": 3, "shifts": [-11, 0], "reference": "skip"},
    "attribution": {
        "targets": {
            "pixel": ["chr1:500000-520000", "chr1:700000-720000"],
            "near": ["chr3:600000-620000", "chr3:660000-680000"],
        }
    },
    "sequence_analysis": {
        "motifs": "motifs",
        "draws": 1,
        "tracks": {"CTCF": "results/simulated/signals/A_CTCF.bw"},
        "loci": {"middle": "chr3:700000-800000"},
        "saturation": {"few": "chr3:700000-700004"},
        "deletions": {"two": ["chr3:700000-701000", "chr3:720000-723000"]},
        "insertions": {"site": {"segment": "CCACCAGGGGGCGC", "copies": [1, 2], "backgrounds": 1}},
    },
    "predictors": {
        "weave": {**SHARED, "model": "weave", "folds": 3, "options": SMALL},
        "pairs-ridge": {
            **SHARED,
            **{"model": "pairs-ridge", "test": ["chr3"], "sequence": {"kmers": 2}},
        },
        "epiphany": {
            **SHARED,
            **{"model": "epiphany-released", "test": ["chr3"], "signals": MARKS, "options": TINY},
        },
        "akita": {
            **{"model": "akita-small", "samples": ["A"], "test": ["chr3"], "max_distance": 100_000},
            "options": BASES,
        },
    },
    "sequences": {"simulated": "results/simulated/simulated/genome.fa"},
}


JASPAR = """\
>MA0001.1 box
A [ 9 0 0 9 9 0 0 9 ]
C [ 0 9 0 0 0 9 0 0 ]
G [ 0 0 9 0 0 0 9 0 ]
T [ 0 0 0 0 0 0 0 0 ]
>MA0002.1 poly
0 0 0 0 0 0 0 0
0 0 0 0 0 0 0 0
0 0 0 0 0 0 0 0
9 9 9 9 9 9 9 9
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictors")
    (folder / "config.yaml").write_text(json.dumps(PREDICT))
    (folder / "samples.tsv").write_text(SAMPLES)
    (folder / "motifs").mkdir()
    (folder / "motifs" / "a.jaspar").write_text(JASPAR)
    (folder / "masked.bed").write_text("chr1\t1000000\t1200000\tmask:CTCF\n")
    (folder / "edits.tsv").write_text(EDITS)
    genome = "results/simulated"
    rows = [
        (mark, cell, f"{genome}/simulated", f"{genome}/signals/{cell}_{mark}.bw", "", "", "log1p")
        for cell in "AB"
        for mark in MARKS
    ]
    motifs = f"{genome}/labels/CTCF_motifs_MA0139.1.bed.gz"
    rows += [
        ("motifs", cell, f"{genome}/simulated", motifs, "motifs", "presence", "none")
        for cell in "AB"
    ]
    columns = ["signal", "cell_type", "assembly", "path", "format", "column", "transform"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "signals.tsv", sep="\t", index=False)
    return folder


@pytest.mark.slow
def test_maps_are_predicted_from_signals_scored_analysed_and_edited(snakemake, study):
    snakemake(study, "--configfile", str(study / "config.yaml"), "--cores", "2", *TARGETS)
    results = study / "results"
    splits = pd.read_table(results / "predictors" / "weave" / "splits.tsv")
    tested = splits[splits["role"] == "test"].set_index("chrom")["fold"]
    clr = cooler.Cooler(f"{results}/predictions/{RUN}.mcool::resolutions/10000")
    assert clr.info["metadata"]["fold_of"] == tested.to_dict()
    assert clr.info["metadata"]["max_distance"] == 500_000
    scores = pd.read_table(results / "reconstruction" / f"{RUN}.tsv")
    own = scores[(scores["model"] == "weave") & (scores["stratum"] == "all")]
    assert set(own["metric"]) >= {"pearson_logoe_by_distance", "nats_per_contact"}
    ridge = pd.read_table(results / "reconstruction" / "A.10000.ICE.pairs-ridge.tsv")
    counts = [t[(t["metric"] == "pearson_cp") & (t["stratum"] == "2-10")] for t in (scores, ridge)]
    assert counts[1]["n"].iloc[0] < counts[0]["n"].iloc[0], "only what was held out is scored"
    inputs = json.loads((results / "predictors" / "pairs-ridge" / "0" / "inputs.json").read_text())
    assert (inputs["signals"], inputs["sequence"]) == (SHARED["signals"], {"kmers": 2, "orfs": 0})
    other = cooler.Cooler(f"{results}/predictions/B.10000.ICE.weave.mcool::resolutions/10000")
    assert other.pixels()["count"][:].gt(0).any()
    masked = cooler.Cooler(f"{results}/predictions/A2.10000.ICE.weave.mcool::resolutions/10000")
    for region, same in NEAR_AND_FAR.items():
        one, other = (c.pixels().fetch(region) for c in (clr, masked))
        both = one.merge(other, on=["bin1_id", "bin2_id"])
        assert len(both) > 100
        assert np.allclose(both["count_x"], both["count_y"], rtol=1e-4) == same
    complete = pd.read_table(results / "attribution" / f"{RUN}.signals/pixel/completeness.tsv")
    assert complete["error"].iloc[0] < 0.05
    own = results / "sequence_analysis" / "A.10000.ICE.akita"
    regions = pd.read_table(own / "regions.tsv")
    assert set(regions["chrom"]) == {"chr3"}
    assert regions["mean_CTCF"].gt(0).all()
    assert set(pd.read_table(own / "motifs.ranked.tsv")["name"]) == {"box", "poly"}
    assert pd.read_table(own / "deletions" / "two.tsv")["bp"].tolist() == [0, 1000, 3000, 4000]
    assert len(pd.read_table(own / "saturation" / "few.tsv")) == 12
    assert (results / "attribution" / "A.10000.ICE.akita.signals" / "near" / "bases.bw").exists()
    for figure in ("fig1", "fig2", "fig3", "figS7", "saturation"):
        assert (results / "figures" / "akita" / f"{figure}.png").exists()
    variants = pd.read_table(results / "variants" / "variants.tsv")
    assert set(variants["model"]) == {"weave", "pairs-ridge", "epiphany", "akita"}
    changes = variants[variants["score"] == "mean_square_change"].set_index(["edit", "model"])
    for edit in ("gone", "two"):
        assert changes.loc[edit, "value"].gt(0).all()
        assert changes.loc[edit, "p_value"].between(0.25, 1).all()
    said = changes.loc["bases"]
    assert said.loc[["weave", "epiphany"], "reason"].str.contains("reads signals alone").all()
    assert said.loc[["pairs-ridge", "akita"], "value"].ge(0).all()
    assert changes.xs("akita", level="model")["n_readings"].eq(4).all()
    assert changes.xs("akita", level="model")["sd_readings"].notna().all()
    names = set(pd.read_table(results / "tables" / "reconstruction.tsv")["model"])
    assert {"weave", "pairs-ridge", "epiphany", "akita"} <= names
    scores = pd.read_table(results / "predictors" / "A.10000.ICE.scores.tsv")
    assert set(zip(scores["model"], scores["signals"])) == {
        (name, signals)
        for name, plan in PREDICT["predictors"].items()
        for signals in ("own", *(["B"] if "signals" in plan else []))
    }, "bases alone know of no cell type"
    assert set(scores["chrom"]) == {"all", "chr3"}, "what all predictors held out"
    assert (results / "figures" / "epiphany" / "fig2.png").exists()
