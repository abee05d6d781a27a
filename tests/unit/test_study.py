"""What a study works out from its config and sheets, on small ones of a few rows."""

import pandas as pd
import pytest

from chromloom.errors import InputError
from chromloom.files import link_folders
from chromloom.study import Study
from chromloom.study.runs import Run

CORE = {"cell_type": "A", "assembly": "hg38", "contacts": "a.cool"}
LABELS = "task\tpath\tformat\tkind\tcell_type\tassembly\tcircular\n"


@pytest.fixture
def study(tmp_path, monkeypatch, repo_root):
    """A study of samples given as `name={column: value}`, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def build(config=None, /, **samples) -> Study:
        samples = samples or {"A": {}}
        rows = [{"sample": name, **CORE, **row} for name, row in samples.items()]
        pd.DataFrame(rows).fillna("").to_csv("samples.tsv", sep="\t", index=False)
        return Study({"samples": "samples.tsv", **(config or {})}, repo_root)

    return build


def test_what_is_shipped_is_named_by_the_folder_of_links_and_the_rest_beside_it(
    tmp_path, monkeypatch, repo_root
):
    monkeypatch.chdir(tmp_path)
    shipped = link_folders(repo_root, ["config", "resources"], ".workflow")
    pd.DataFrame([{"sample": "A", **CORE}]).to_csv("samples.tsv", sep="\t", index=False)
    built = Study({"samples": "samples.tsv"}, repo_root, shipped)
    assert built.find_path("config/datasets.tsv") == ".workflow/config/datasets.tsv"
    assert built.find_path("README.md") == str(repo_root / "README.md")
    assert built.assembly_files("A")[0] == ".workflow/resources/hg38/chrom.sizes"


def names(runs) -> list[str]:
    return [str(run) for run in runs]


def test_a_run_is_named_by_its_parts():
    run = Run("A", 10_000, "KR", "eig")
    assert str(run) == f"{run}" == "A.10000.KR.eig"
    assert run.map == "A.10000.KR"


def test_a_bare_config_gets_every_default(study):
    built = study()
    assert built.config["seed"] == 1
    assert names(built.runs) == ["A.10000.ICE.hiclstm-refined"]
    assert built.labels == {"A": []}
    assert built.edits == {"A": []}
    assert built.datasets is None
    assert built.label_sheet == ""


def test_maps_and_runs_are_the_product_of_a_rows_own_columns(study):
    built = study(
        {
            "contacts": {"resolutions": [10_000, 50_000]},
            "training": {"models": ["eig"], "resolutions": [50_000]},
        },
        A={"norms": "KR,ICE"},
        B={"resolutions": "5000,20000", "models": "pca,eig"},
        C={"models": "-"},
    )
    assert built.maps == [
        "A.50000.KR", "A.50000.ICE", "B.5000.ICE", "C.50000.ICE",
    ]  # fmt: skip
    assert names(built.runs) == [
        "A.50000.KR.eig", "A.50000.ICE.eig", "B.5000.ICE.pca", "B.5000.ICE.eig",
    ]  # fmt: skip


def test_a_thinned_sample_has_the_resolutions_of_its_whole(study):
    built = study(A={"resolutions": "5000"}, B={"contacts": "-", "thin_of": "A", "fraction": ".1"})
    assert built.resolutions("B") == [5000]
    assert built.sources == {"A": "a.cool"}
    assert built.maps == ["A.5000.ICE", "B.5000.ICE"]


def test_dumps_by_chromosome_are_the_files_that_match(study, tmp_path):
    for name in ("chr1.txt", "chr2.txt"):
        (tmp_path / name).write_text("0\t5000\t1\n")
    files = [str(tmp_path / "chr1.txt"), str(tmp_path / "chr2.txt")]
    built = study(A={"contacts": f"{tmp_path}/{{chrom}}.txt"}, B={"contacts": f"{tmp_path}/chr*"})
    assert built.contact_files("A") == built.contact_files("B") == files
    with pytest.raises(InputError, match=r"sample 'A': no file matches .*\{chrom\}\.gz"):
        study(A={"contacts": f"{tmp_path}/{{chrom}}.gz"})


def test_chromosomes_of_the_row_win_over_the_configs_and_none_is_all(study):
    built = study({"contacts": {"chromosomes": ["chr2"]}}, A={"chromosomes": "chr1, chr3"}, B={})
    assert built.chromosomes("A") == ["chr1", "chr3"]
    assert built.chromosomes("B") == ["chr2"]
    assert study().chromosomes("A") is None


def test_what_a_run_can_depends_on_the_model_that_its_name_stands_for(study):
    models = ["mine", "hiclstm-released", "eig", "pca", "sci"]
    options = {"mine": {"model": "hiclstm-paper", "epochs": 3, "seed": 7}}
    built = study({"training": {"models": models, "options": options}})

    def of(runs):
        return [run.model for run in runs]

    assert of(built.map_runs) == ["mine", "hiclstm-released", "eig", "pca"]
    assert of(built.pair_runs) == ["mine", "hiclstm-released", "eig"]
    assert of(built.attributed) == ["mine", "hiclstm-released"]
    assert of(built.screened) == ["mine", "eig"]
    assert built.training("mine") == {"model": "hiclstm-paper", "seed": 7, "options": {"epochs": 3}}
    assert built.model("sci").needs_trans
    assert not built.model("mine").needs_trans


def test_further_seeds_and_sizes_are_variants(study):
    built = study({"training": {"seeds": [1, 2]}, "figures": {"ablation": {"sizes": [4]}}})
    assert built.seeds_of("hiclstm-refined") == ["hiclstm-refined", "hiclstm-refined-seed2"]
    assert built.training("hiclstm-refined-seed2")["seed"] == 2
    assert built.training("hiclstm-paper-d4-dropout") == {
        "model": "hiclstm-paper", "seed": 1, "options": {"embedding_dim": 4, "dropout": 0.2},
    }  # fmt: skip
    assert built.ablation["hiclstm-paper-d4"][:2] == (4, "as it is")


def test_loops_are_called_at_bin_sizes_at_which_they_can(study):
    resolutions = {"resolutions": [4_000, 28_000, 100_000]}
    models = {"models": ["eig"], **resolutions}
    built = study({"contacts": resolutions, "training": models})
    assert built.searched_for_loops == [
        "A.4000.ICE", "A.28000.ICE", "A.4000.ICE.eig", "A.28000.ICE.eig",
    ]  # fmt: skip


def test_a_view_shows_what_the_study_makes_of_a_run(study):
    built = study({"training": {"models": ["hiclstm-refined", "eig"]}})
    names = ("hiclstm-refined", "eig")
    view = {name: built.files_to_view("A", "10000", "ICE", name) for name in names}
    tracks = ["observed", "predicted", "cool", "E1", "insulation"]
    loops = ["observed_loops", "predicted_loops"]
    assert list(view["hiclstm-refined"]) == [*tracks, "importance", *loops]
    assert list(view["eig"]) == [*tracks, *loops]
    assert view["eig"]["predicted"] == "results/predictions/A.10000.ICE.eig.mcool"
    assert view["eig"]["observed_loops"] == "results/analysis/A.10000.ICE/loops.bedpe"


def test_a_sample_without_contacts_is_in_the_sheet_and_nothing_of_a_map_is_planned(study):
    built = study(A={}, B={"contacts": "-", "cell_type": "B"})
    assert list(built.samples.index) == ["A", "B"]
    assert built.mapped == ["A"]
    assert built.sources == {"A": "a.cool"}
    assert {run.sample for run in built.runs} == {"A"}
    assert built.maps == ["A.10000.ICE"]


def test_a_study_of_samples_without_contacts_plans_nothing(study):
    built = study(A={"contacts": "-"})
    assert built.runs == built.maps == built.analysed == []
    assert built.focus == built.focus_sample == ""
    assert built.focus_run is None
    assert not any(built.panels.values())
    assert not built.agreement_panels


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"B": {"contacts": "-", "models": "eig"}}, "no contacts, which models 'eig' needs"),
        ({"B": {"contacts": "-", "against": "A"}}, "no contacts, which against 'A' needs"),
        ({"B": {"contacts": "-"}, "C": {"against": "B"}}, "against 'B' has no contacts"),
        ({"B": {"thin_of": "A", "fraction": ".1"}}, "thinned from 'A' and has contacts 'a.cool'"),
        ({"B": {"against": "C"}}, "against 'C' is not known"),
        ({"B": {"edit_of": "A", "edit": "x"}}, "'A' has no edit 'x'; it has none"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(study, rows, message):
    with pytest.raises(InputError, match=message):
        study(A={}, **rows)


def test_a_model_of_contacts_between_chromosomes_needs_more_than_one(study):
    config = {"contacts": {"chromosomes": ["chr1"]}, "training": {"models": ["sci"]}}
    with pytest.raises(InputError, match="'sci' reads contacts between chromosomes and only chr1"):
        study(config)


def test_knockouts_of_boundaries_need_domains(study):
    with pytest.raises(InputError, match=r"perturbation\.boundaries needs domains"):
        study({"perturbation": {"boundaries": "CTCF"}})


# Files


def test_paths_are_of_the_working_directory_then_of_the_workflows_folder(
    study, tmp_path, repo_root, monkeypatch
):
    built = study()
    assert built.find_path("config/demo/edits.bed") == str(repo_root / "config/demo/edits.bed")
    (tmp_path / "config/demo").mkdir(parents=True)
    (tmp_path / "config/demo/edits.bed").touch()
    assert built.find_path("config/demo/edits.bed") == "config/demo/edits.bed"
    monkeypatch.setenv("MAPS", "/maps")
    assert built.find_path("$MAPS/a.cool") == "/maps/a.cool"
    assert built.find_path("") == ""
    with pytest.raises(InputError, match="no such environment variable"):
        built.find_path("$NO_SUCH_VARIABLE/a.cool")


def test_a_data_set_is_where_it_is_downloaded_to(study, tmp_path):
    table = "dataset\tfile\turl\nd\td.hic\thttps://a.b/d.hic\n"
    (tmp_path / "datasets.tsv").write_text(table)
    built = study({"datasets": "datasets.tsv"}, A={"contacts": "dataset:d"})
    assert built.sources == {"A": "resources/downloads/d.hic"}
    assert built.dataset_of_file("d.hic")["dataset"] == "d"
    with pytest.raises(InputError, match=r"dataset:e: no such row .* \(datasets\.tsv\)"):
        study({"datasets": "datasets.tsv"}, A={"contacts": "dataset:e"})
    with pytest.raises(InputError, match=r"dataset:e: no such row .* \(none is configured\)"):
        study(A={"contacts": "dataset:e"})


def test_data_sets_have_files_of_their_own_and_web_addresses(study, tmp_path):
    (tmp_path / "datasets.tsv").write_text("dataset\tfile\nd\tx.hic\ne\tx.hic\n")
    with pytest.raises(InputError, match=r"data sets d, e have the file 'x\.hic'"):
        study({"datasets": "datasets.tsv"}, A={})
    (tmp_path / "datasets.tsv").write_text("dataset\tfile\turl\nd\tx.hic\tftp://a.b/x.hic\n")
    with pytest.raises(InputError, match="ftp"):
        study({"datasets": "datasets.tsv"}, A={})


def test_labels_are_those_of_the_cell_type_and_of_any(study, tmp_path):
    rows = ["X\tx.bed\tbed\tbinary\tA\thg38\tno", "Y\ty.bed,z.bed\tbed\tbinary\t*\thg38\tno"]
    (tmp_path / "labels.tsv").write_text(LABELS + "\n".join(rows))
    built = study({"labels": "labels.tsv"}, A={}, B={"cell_type": "B"})
    assert built.labels_of("A") == ["x.bed", "y.bed", "z.bed"]
    assert built.labels_of("B") == ["y.bed", "z.bed"]
    assert built.classified == built.runs


def test_a_folder_of_knockouts_is_one_set_a_file(study, tmp_path):
    (tmp_path / "peaks").mkdir()
    for name in ("CTCF.narrowPeak.gz", "RAD21.bed", ".hidden"):
        (tmp_path / "peaks" / name).touch()
    built = study({"perturbation": {"knockouts": {"folder": "peaks", "one": "one.bed"}}})
    assert built.knockouts == {
        "CTCF": "peaks/CTCF.narrowPeak.gz", "RAD21": "peaks/RAD21.bed", "one": "one.bed",
    }  # fmt: skip


def test_edits_are_the_rows_own_or_the_configs_or_none(study, tmp_path):
    (tmp_path / "all.bed").write_text("chr1\t0\t50000\tDEL:cut\n")
    (tmp_path / "own.bed").write_text("chr1\t0\t50000\tDUP:twice\n")
    built = study({"edits": "all.bed"}, A={}, B={"edits": "own.bed"}, C={"edits": "-"})
    assert [built.edits_of(sample, 10_000) for sample in "ABC"] == [["cut"], ["twice"], []]


def test_edits_are_those_of_the_assembly_that_the_bins_can_show(study, tmp_path):
    rows = ["20 500 501 20 700501 700502 wide . + -", "20 500 501 20 9500 9501 narrow . + -"]
    rows += ["chr99 500 501 chr99 9500 9501 nowhere . + -"]
    (tmp_path / "e.bedpe").write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    sizes = {"resolutions": [5000, 10000]}
    config = {"edits": "e.bedpe", "contacts": sizes, "training": {"models": ["eig"], **sizes}}
    built = study(config, A={}, B={"chromosomes": "chr1"})
    assert built.edits_of("A", 10_000) == ["wide"]
    assert built.edits_of("A", 5_000) == ["wide", "narrow"]
    assert built.edits_of("B", 5_000) == []
    assert built.edits["A"][0].chrom == "chr20"
    assert built.edited == [("A", 5000), ("A", 10000), ("B", 5000), ("B", 10000)]
    assert built.edit_summaries[1:3] == [
        "e.bedpe, A at 10000 bp: 1 edits; 2 records left out (size 1, place 1)",
        "e.bedpe, B at 5000 bp: 0 edits; 3 records left out (chromosome 2, place 1)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr99\t0\t50000\tDEL\n", "e.bed, line 1: chromosome 'chr99' is not in the assembly"),
        ("20\t0\t64444168\tDEL\n", "chr20:0-64444168 does not lie inside chr20"),
    ],
)
def test_edits_that_the_assembly_does_not_have_are_refused_when_planned(
    study, tmp_path, text, message
):
    (tmp_path / "e.bed").write_text(text)
    with pytest.raises(InputError, match=message):
        study({"edits": "e.bed"})


def test_a_measured_edit_that_was_left_out_says_why(study, tmp_path):
    (tmp_path / "e.bedpe").write_text("chr1\t5\t6\tchr1\t90000\t90001\tx\t.\t+\t-\tCNV\n")
    with pytest.raises(InputError, match=r"no edit 'x' \(CNV: a copy number .* it has none"):
        study({"edits": "e.bedpe"}, A={}, B={"edit_of": "A", "edit": "x", "edits": "-"})


# Simulated genomes


def test_simulated_genomes_give_what_the_sheets_name(study, tmp_path):
    (tmp_path / "edits.bed").write_text("chr1\t0\t50000\tDEL:cut\n")
    maps = "results/simulated/contacts"
    built = study(
        {
            "edits": "edits.bed",
            "analysis": {"phasing": "results/simulated/signals/gc.bw"},
            "variants": {"genes": "results/simulated/expression/genes.bed"},
        },
        A={"contacts": f"{maps}/A.hic"},
        cut={"contacts": f"{maps}/cut.mcool", "edit_of": "A", "edit": "cut", "edits": "-"},
        other={"contacts": "results/simulated/seed7/contacts/A.hic"},
        real={},
    )
    assert built.simulated_files == [
        "contacts/A.hic", "contacts/cut.mcool", "expression/genes.bed", "signals/gc.bw",
    ]  # fmt: skip
    assert [(m["file"], m["edit"].get("kind")) for m in built.other_simulated_maps] == [
        ("A.hic", None), ("cut.mcool", "deletion"), ("A.hic", None),
    ]  # fmt: skip
    assert [built.truth(sample) for sample in built.samples.index] == [
        "results/simulated/truth", "", "results/simulated/seed7/truth", "",
    ]  # fmt: skip
    assert {run.sample for run in built.judged} == {"A", "other"}


# What is compared and shown


def test_a_transfer_needs_the_same_map_of_the_other_sample(study, tmp_path):
    (tmp_path / "labels.tsv").write_text(LABELS + "X\tx.bed\tbed\tbinary\t*\thg38\tno")
    config = {"labels": "labels.tsv", "training": {"models": ["eig"]}}
    built = study(config, A={}, B={"classify_from": "A"})
    assert built.transfers == ["B.10000.ICE.eig.from.A"]
    with pytest.raises(InputError, match="classify_from 'A' has no map at 10000 bp and ICE"):
        study(config, A={"norms": "KR"}, B={"classify_from": "A"})


def test_measured_edits_are_compared_by_every_model_of_the_wild_type(study, tmp_path):
    (tmp_path / "edits.bed").write_text("chr1\t0\t50000\tDUP:twice\n")
    built = study(
        {"edits": "edits.bed", "training": {"models": ["hiclstm-paper", "eig", "pca"]}},
        A={},
        twice={"edit_of": "A", "edit": "twice", "models": "-", "edits": "-"},
    )
    paper, eig = (f"A.10000.ICE.{model}/twice.against.twice" for model in ("hiclstm-paper", "eig"))
    assert built.compared_edits == [paper, eig]
    assert built.shown_compared_edits == [paper]
    assert built.panels["fig7"] == ["fig7", "fig7d"]
    assert built.panels["fig9"] == ["fig9"]


def test_figures_show_the_sample_that_the_config_names_or_the_first_that_can_be_edited(study):
    samples = {"A": {"models": "pca"}, "B": {"models": "eig"}, "C": {"models": "-"}}
    assert study(**samples).focus == "B.10000.ICE"
    assert study({"figures": {"sample": "A"}}, **samples).focus == "A.10000.ICE"
    with pytest.raises(InputError, match=r"figures\.sample 'C': no sample with a model"):
        _ = study({"figures": {"sample": "C"}}, **samples).focus


def test_a_study_of_models_without_edits_draws_what_they_can_show(study, tmp_path):
    (tmp_path / "labels.tsv").write_text(LABELS + "X\tx.bed\tbed\tbinary\t*\thg38\tno")
    (tmp_path / "edits.bed").write_text("chr1\t0\t50000\tDUP:twice\n")
    config = {
        "labels": "labels.tsv",
        "edits": "edits.bed",
        "perturbation": {"knockouts": {"one": "one.bed"}},
    }
    full = {figure for figure, panels in study(config).panels.items() if panels}
    assert full == {"fig3", "fig4", "fig6", "fig6b", "fig7", "fig8"}
    pca = study({**config, "training": {"models": ["pca"]}})
    assert {figure for figure, panels in pca.panels.items() if panels} == {"fig3", "fig4"}
    assert str(pca.focus_run) == "A.10000.ICE.pca"
    sci = study({**config, "training": {"models": ["sci"]}})
    assert {figure for figure, panels in sci.panels.items() if panels} == {"fig4"}
    assert sci.focus_run is None
    assert sci.agreement_panels == {}


def test_panels_of_agreement_say_what_they_compare(study):
    config = {
        "contacts": {"resolutions": [10_000, 50_000]},
        "training": {"models": ["eig", "pca"], "resolutions": [10_000, 50_000]},
    }
    replicate = {"models": "-"}
    built = study(config, A={"against": "R"}, R=replicate, B={"cell_type": "B"})
    shown = built.agreement_panels
    assert set(shown) == {"fig3a", "fig3b", "fig3c", "fig3e", "fig3f", "fig5e"}
    both = ["A.10000.ICE.eig", "A.10000.ICE.pca"]
    assert shown["fig3a"] == {"by": "model", "stems": both, "scored": [["A", "A"]]}
    assert shown["fig3b"] == {"by": "model", "stems": both, "scored": [["A", "R"], ["R", "R"]]}
    assert shown["fig3c"]["stems"] == ["B.10000.ICE.eig", "B.10000.ICE.pca"]
    assert shown["fig3e"]["stems"] == ["A.10000.ICE.eig", "B.10000.ICE.eig"]
    assert shown["fig3f"]["stems"] == ["A.10000.ICE.eig"]
    assert shown["fig5e"]["stems"] == ["A.10000.ICE.eig", "A.50000.ICE.eig"]
    decoded = study({**config, "reconstruction": {"decoders": ["fc"]}}, A={"against": "R"}, R={})
    assert decoded.agreement_panels["fig3b"]["stems"] == [
        "A.10000.ICE.eig.fc-replicate", "A.10000.ICE.pca.fc-replicate",
    ]  # fmt: skip


# Assemblies, and what can be known before anything runs


def test_files_of_an_assembly_are_those_it_has(study, tmp_path, repo_root):
    (tmp_path / "mine.v2.chrom.sizes").write_text("chr1\t1000\n")
    (tmp_path / "GCF_1.40").mkdir()
    for name in ("chrom.sizes", "blacklist.bed"):
        (tmp_path / "GCF_1.40" / name).write_text("chr1\t1000\n" * (name == "chrom.sizes"))
    genome = "results/simulated/simulated"
    built = study(
        A={},
        B={"assembly": "mine.v2.chrom.sizes"},
        C={"assembly": "GCF_1.40"},
        D={"assembly": genome, "contacts": "results/simulated/contacts/A.hic"},
    )
    shipped = repo_root / "resources" / "hg38"
    assert built.assembly_files("A") == [
        str(shipped / name) for name in ("chrom.sizes", "centromeres.bed", "blacklist.bed")
    ]
    assert built.assembly_files("B") == ["mine.v2.chrom.sizes"]
    assert built.assembly_files("C") == ["GCF_1.40/chrom.sizes", "GCF_1.40/blacklist.bed"]
    assert built.assembly_files("D")[0] == f"{genome}/chrom.sizes"
    names = [built.assembly_name(sample) for sample in built.samples.index]
    assert names == ["hg38", "mine.v2", "GCF_1.40", "simulated"]
    assert built.chromsizes("B").to_dict() == {"chr1": 1000}
    assert built.chromsizes("D") is None
    assert "simulated/centromeres.bed" in built.simulated_files


def test_memory_follows_the_longest_chromosome_that_is_kept(study):
    built = study({}, A={}, B={"chromosomes": "chr21,chr22"}, C={"assembly": "results/simulated/x"})
    longest = -(-248_956_422 // 10_000)  # chr1 of hg38
    assert built.largest_pairs("A", 10_000) == longest * (longest + 1) // 2
    shorter = -(-50_818_468 // 50_000)  # chr22
    assert built.largest_pairs("B", 50_000) == shorter * (shorter + 1) // 2
    assert built.largest_pairs("C", 10_000) == 5_000 * 5_001 // 2


def test_assemblies_and_chromosomes_are_checked_before_anything_runs(study, tmp_path):
    with pytest.raises(InputError, match=r"'hg99' is neither shipped \(hg19, hg38, mm10\)"):
        study(A={"assembly": "hg99"})
    with pytest.raises(InputError, match=r"sample 'A' .*: chromosomes 'chr99' are not in"):
        study(A={"chromosomes": "chr1,chr99"})
    with pytest.raises(InputError, match="region 'chr99:1-2': no chromosome 'chr99'"):
        study(A={}, B={"fine_tune_of": "A", "fine_tune_region": "chr99:1-2"})
    assert study(A={"chromosomes": "1,2"}).chromosomes("A") == ["1", "2"]


@pytest.mark.parametrize("written", ["dm6", "dm6.chrom.sizes", "sizes/dm6.chrom.sizes"])
def test_labels_may_name_the_assembly_or_its_file(study, tmp_path, written):
    (tmp_path / "sizes").mkdir()
    (tmp_path / "sizes" / "dm6.chrom.sizes").write_text("chr2L\t1000\n")
    (tmp_path / "labels.tsv").write_text(LABELS + f"X\tx.bed\tbed\tbinary\tA\t{written}\tno")
    built = study({"labels": "labels.tsv"}, A={"assembly": "sizes/dm6.chrom.sizes"})
    assert built.classified == built.runs


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"A": {"against": "A"}}, "sample 'A': against is the sample itself"),
        (
            {"A": {"against": "B"}, "B": {"assembly": "hg19"}},
            "against 'B' is on hg19, the sam",
        ),
        ({"A": {"against": "B"}, "B": {"resolutions": "25000"}}, "against 'B' has no map at 10000"),
        ({"A": {"contacts": "-", "thin_of": "A", "fraction": ".5"}}, r"itself \(A -> A\); mend it"),
        (
            {"A": {"fine_tune_of": "B"}, "B": {"fine_tune_of": "A"}},
            r"fine_tune_of leads back to itself \(A -> B -> A\)",
        ),
        ({"A": {}, "B": {"contacts": "-", "thin_of": "A"}}, "thin_of 'A' needs fraction; fill it"),
        ({"A": {"fraction": ".5"}}, "fraction '.5' stands without thin_of"),
        ({"A": {"edit": "x"}}, "edit 'x' stands without edit_of"),
        ({"A": {}, "B": {"edit_of": "A"}}, "edit_of 'A' needs edit"),
    ],
)
def test_rows_that_name_others_are_comparable_and_whole(study, rows, message):
    with pytest.raises(InputError, match=message):
        study(**rows)


def test_replicates_may_name_each_other(study):
    built = study(A={"against": "B", "resolutions": "10000, 25000"}, B={"against": "A"})
    assert built.resolutions("A") == [10_000, 25_000]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"training": {"resolutions": [25_000]}},
            "no map is written at 25000 bp; exp",
        ),
        (
            {"training": {"options": {"eig": {"embeding_dim": 3}}}},
            "training.options, 'eig': .* did you mean 'embedding_dim'",
        ),
        ({"training": {"options": {"eig": {"embedding_dim": "3"}}}}, "'eig': .* expected int"),
        (
            {"training": {"options": {"eg": {"embedding_dim": 3}}}},
            "'eg' is unknown; did you mean",
        ),
        (
            {"expression": {"options": {"marks-ridge": {"alpah_": 3}}}},
            "expression.options, 'marks",
        ),
    ],
)
def test_what_models_are_asked_for_is_checked_before_anything_runs(study, config, message):
    with pytest.raises(InputError, match=message):
        study(config)
    own = {"split": "random", "without": ["x"], "permute": ["all"], "control": "no-elements"}
    study({"expression": {"options": {"mine": {"model": "marks-ridge", **own}}}})


def test_labels_are_of_the_cell_types_of_samples(study, tmp_path):
    (tmp_path / "labels.tsv").write_text(LABELS + "X\tx.bed\tbed\tbinary\ta\thg38\tno")
    with pytest.raises(InputError, match=r"its cell types \(a\) are none of the samples' \(A\)"):
        study({"labels": "labels.tsv"})


def test_labels_of_another_assembly_are_refused_before_anything_runs(study, tmp_path):
    (tmp_path / "labels.tsv").write_text(LABELS + "X\tx.bed\tbed\tbinary\tA\thg19\tno")
    with pytest.raises(InputError, match=r"task 'X': its coordinates are of hg19, the map's of hg"):
        study({"labels": "labels.tsv"})
    assert study({"labels": "labels.tsv"}, A={"models": "-"}, B={"cell_type": "B"}).classified == []


def test_knockouts_of_boundaries_need_labels(study, tmp_path):
    config = {"attribution": {"domains": "X"}, "perturbation": {"boundaries": "X"}}
    with pytest.raises(InputError, match=r"is a task of the label sheet, and there is none"):
        study(config)
    (tmp_path / "labels.tsv").write_text(LABELS + "X\tx.bed\tbed\tboundaries\tA\thg38\tno")
    config["labels"] = "labels.tsv"
    samples = {"A": {"cell_type": "unlabelled"}, "B": {"cell_type": "A"}}
    assert not study(config, **samples).panels["fig8c"]  # the first sample, which figures show
    assert study(config | {"figures": {"sample": "B"}}, **samples).panels["fig8c"] == ["fig8c"]


@pytest.mark.parametrize(
    "config",
    [
        {"attribution": {"domains": "TADs"}},
        {"attribution": {"domains": "X"}, "perturbation": {"boundaries": "TADs"}},
        {"edits": "edits.bed", "perturbation": {"loops": "TADs"}},
    ],
)
def test_tasks_that_the_config_names_are_in_the_label_sheet(study, tmp_path, config):
    (tmp_path / "labels.tsv").write_text(LABELS + "X\tx.bed\tbed\tboundaries\tA\thg38\tno")
    (tmp_path / "edits.bed").write_text("chr1\t0\t50000\tDEL:cut\n")
    with pytest.raises(InputError, match=r"has no task 'TADs' for cell type 'A'; it has X"):
        study({"labels": "labels.tsv", **config})


def test_two_files_of_a_folder_of_knockouts_cannot_have_one_name(study, tmp_path):
    (tmp_path / "peaks").mkdir()
    for name in ("CTCF.rep1.bed", "CTCF.rep2.bed"):
        (tmp_path / "peaks" / name).touch()
    with pytest.raises(InputError, match=r"CTCF\.rep2\.bed and .*CTCF\.rep1\.bed are both called"):
        study({"perturbation": {"knockouts": {"folder": "peaks"}}})


def test_comparisons_name_elements_of_the_sample_shown(study, tmp_path):
    rows = ["X\tx.bed\tbed\tboundaries\tA\thg38\tno", "Y\ty.bed\tbed\tmulticlass\tA\thg38\tno"]
    (tmp_path / "labels.tsv").write_text(LABELS + "\n".join(rows))

    def with_pair(*pair):
        return study({"labels": "labels.tsv", "attribution": {"comparisons": {"p": list(pair)}}})

    assert with_pair("X", "X-X").focus_run
    with pytest.raises(InputError, match=r"comparisons, p: 'X&CTCF' names 'CTCF', .* has X"):
        with_pair("X&CTCF", "X")
    with pytest.raises(InputError, match="'X-Y' names 'Y', which is no task of single bins"):
        with_pair("X", "X-Y")


def test_edits_of_orientation_need_motifs(study, tmp_path):
    table = "edit\tkind\tchrom\tstart\tend\nturn\torientation\tchr1\t600000\t610000\n"
    (tmp_path / "edits.tsv").write_text(table)
    with pytest.raises(InputError, match=r"edits.tsv: edit 'turn' turns motifs, .*BED6"):
        study({"edits": "edits.tsv"})
    motifs = {"perturbation": {"motifs": "ctcf.bed"}}
    assert study({"edits": "edits.tsv", **motifs}).edits_of("A", 10_000) == ["turn"]
    assert study({"edits": "edits.tsv"}, A={"models": "pca"}).pair_runs == []


@pytest.mark.parametrize("region", ["chr99:1-2000", "chr1", "chr2:5000-1000", "chr2:0-999999999"])
def test_the_region_of_figures_is_one_of_the_sample_shown(study, region):
    figures = {"figures": {"region": region}}
    with pytest.raises(InputError, match=r"figures.region, for sample 'A': region"):
        study(figures, A={"chromosomes": "2"})
    assert study({"figures": {"region": "chr2:1000-2000"}}, A={"chromosomes": "2"}).focus


def test_a_hic_is_told_by_content_and_by_name_while_it_is_not_there(study, tmp_path):
    (tmp_path / "deposited").write_bytes(b"HIC\0\x08\0\0\0")
    (tmp_path / "named.hic").write_bytes(b"\x89HDF")
    files = {"A": "deposited", "B": "named.hic", "C": "yet.hic", "D": "a.cool"}
    built = study(**{sample: {"contacts": file} for sample, file in files.items()})
    found = [built.hic_vectors(sample, "KR") for sample in files]
    assert found == ["deposited", "", "yet.hic", ""]
    assert not any(built.hic_vectors(sample, "ICE") for sample in files)


SIGNALS = "signal\tcell_type\tassembly\tpath\ttransform\treference\n"


def test_signals_are_those_of_a_cell_type(study, tmp_path):
    rows = "CTCF\tA\thg38\ta.bw\tlog1p\t\nCTCF\tB\thg38\tb.bw\tlog1p\tA\nDNase\tC\tmm10\tc.bw\t\t\n"
    (tmp_path / "signals.tsv").write_text(SIGNALS + rows)
    bins = {"bin_sizes": [100, 500], "quantile_chromosomes": ["chr1"]}
    built = study({"signals": "signals.tsv", "bin_signals": bins})
    assert built.signal_stores == ["A.100", "A.500", "B.100", "B.500", "C.100", "C.500"]
    assert built.signal_files("B") == ["b.bw"]
    assert built.signal_references("B") == ["A"]
    assert built.signal_sisters("A") == ["B"]
    assert built.signal_sisters("C") == []
    assert built.signal_assembly == {"A": "hg38", "B": "hg38", "C": "mm10"}
    assert built.signals["A"][0].transform == "log1p"
    assert built.signals["C"][0].transform == "none"
    assert study().signal_stores == []


def test_cell_types_with_edited_signals_have_those_of_the_one_they_are_of(study, tmp_path):
    (tmp_path / "signals.tsv").write_text(SIGNALS + "CTCF\tA\thg38\ta.bw\tlog1p\t\n")
    edits = {"less": {"of": "A", "edits": "less.bed"}}
    built = study({"signals": "signals.tsv", "signal_edits": edits})
    assert [s.signal for s in built.signals["less"]] == [s.signal for s in built.signals["A"]]
    assert built.signal_assembly["less"] == built.signal_assembly["A"]
    assert "less" not in built.binned
    assert "A" in built.binned
    for wrong in ({"A": {"of": "A", "edits": "x"}}, {"less": {"of": "Z", "edits": "x"}}):
        with pytest.raises(InputError, match="expected a new name, of one of"):
            study({"signals": "signals.tsv", "signal_edits": wrong})
    with pytest.raises(InputError, match="no signals; name a sheet"):
        study({"signal_edits": edits})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("CTCF\tA\thg19\ta.bw\t\t\n", "cell type 'A' are on assembly 'hg19'.*on 'hg38'"),
        ("CTCF\tA\tnone\ta.bw\t\t\n", "assembly 'none' is neither shipped"),
        ("CTCF\tA.1\thg38\ta.bw\t\t\n", "cell_type 'A.1' cannot be part of a file name"),
        ("CTCF\tA\thg38\ta.bw\tlog2\t\n", "'log2' is not one of"),
        ("CTCF\tA\thg38\ta.bw\t\tB\nCTCF\tB\thg38\tb.bw\t\t\n", "of 'B', of no chromosomes"),
        ("CTCF\tA\thg38\ta.bw\t\t\nCTCF\tA\thg38\tb.bw\t\t\n", "has the signal 'CTCF' twice"),
        ("CTCF\tA\thg38\ta.bw\t\t\nCTCF\ta\thg38\tb.bw\t\t\n", "'A' and 'a' differ in case only"),
    ],
)
def test_wrong_signals_stop_before_anything_runs(study, tmp_path, rows, message):
    (tmp_path / "signals.tsv").write_text(SIGNALS + rows)
    with pytest.raises(InputError, match=message):
        study({"signals": "signals.tsv"})


def test_expression_is_predicted_of_cell_types_with_signals(study, tmp_path):
    rows = [f"H3K4me3\t{cell_type}\thg38\t{cell_type}.bw" for cell_type in ("A", "B")]
    (tmp_path / "signals.tsv").write_text("\n".join(["signal\tcell_type\tassembly\tpath", *rows]))
    asked = {"genes": "genes.gtf", "table": "rpkm.tsv"}
    assert study({"signals": "signals.tsv"}).expressed == {}
    built = study({"signals": "signals.tsv", "expression": asked})
    assert built.expressed == {"A": "A", "B": "B"}
    variant = {"near": {"model": "marks-ridge", "body": False, "seed": 3}}
    options = {"models": ["marks-mean", "near"], "options": variant, "columns": {"A": "E116"}}
    built = study({"signals": "signals.tsv", "expression": asked | options})
    assert built.expressed == {"A": "E116"}
    training = {"model": "marks-ridge", "seed": 3, "options": {"body": False}}
    assert built.expression_training("near") == training
    variant = {"near": {"model": "chromoformer", "parts": "embedding"}}
    options = {"models": ["near"], "options": variant}
    built = study({"signals": "signals.tsv", "expression": asked | options})
    assert built.expression_models == ["near"]  # it reads no elements: no controls of them
    own = {"genes_of": {"B": "mouse.gtf"}, "tables": {"B": "mouse.tsv"}}
    built = study({"signals": "signals.tsv", "expression": asked | own})
    assert built.genes_of("A") == ("genes.gtf", "rpkm.tsv")
    assert built.genes_of("B") == ("mouse.gtf", "mouse.tsv")
    for changes, message in (
        ({"table": ""}, "expression.genes is given and expression.table is not"),
        ({"genes": ""}, "expression.table is given and expression.genes is not"),
        ({"models": ["eig"]}, "'eig' does not predict expression; expected some of marks-mean"),
        ({"models": ["marks-men"]}, "did you mean 'marks-mean'"),
        ({"columns": {"C": "E1"}}, "cell type 'C' has no signals; it has to be one of A, B"),
        (
            {"models": ["chromoformer"]},
            "'chromoformer' reads elements, and 'A' has no inter",
        ),
        (
            {"models": ["far"], "options": {"far": {"model": "marks-ridge", "parts": "all"}}},
            "'far' reads elements, and 'A' has no inter",
        ),
        ({"interactions": {"A": "no.bedpe"}}, "'no.bedpe' of 'A' is neither a file nor a map"),
        ({"screen": ["marks-mean"]}, "takes elements away, and 'A' has no interactions"),
        ({"screen": ["eig"]}, "expression.screen: 'eig' does not predict expression"),
        ({"interactions": {"C": ""}}, "no expression of 'C' is predicted; expected some of A, B"),
        ({"tested": {"a": "x"}}, "expression.tested: no expression of 'a' is predicted"),
        ({"genes_of": {"C": "x"}}, "expression.genes_of: no expression of 'C' is predicted"),
        ({"folds": [["chr1"], ["chr2"], ["chr30"]]}, "expression.folds: no chromosome 'chr30'"),
        ({"folds": [["chr1"], ["chr30"]]}, "expression.folds: fewer than two have any of the"),
        (
            {
                "models": ["pool"],
                "options": {"pool": {"model": "marks-ridge", "cell_types": ["C"]}},
            },
            "cell_types of 'pool' has 'C', whose expression is not predicted; expected some of A",
        ),
    ):
        with pytest.raises(InputError, match=message):
            study({"signals": "signals.tsv", "expression": asked | changes})
    options = {"pool": {"model": "marks-ridge", "cell_types": ["A", "B"]}}
    pooled = {"expression": asked | {"models": ["marks-ridge", "pool"], "options": options}}
    built = study({"signals": "signals.tsv"} | pooled)
    assert [built.pooled_with(cell_type, "pool") for cell_type in "AB"] == [["B"], ["A"]]
    assert built.pooled_with("A", "marks-ridge") == []
    rows[1] = rows[1].replace("hg38", "mm10")
    (tmp_path / "signals.tsv").write_text("\n".join(["signal\tcell_type\tassembly\tpath", *rows]))
    with pytest.raises(InputError, match="'pool' is trained on 'A' and 'B' together, of hg38 and"):
        study({"signals": "signals.tsv"} | pooled)
    with pytest.raises(InputError, match="there are no signals to tell expression from"):
        study({"expression": asked})


def test_elements_come_from_files_or_from_maps_of_the_study(predicting, tmp_path):
    (tmp_path / "x.bedpe").touch()
    asked = {"genes": "genes.gtf", "table": "rpkm.tsv", "models": ["marks-mean", "chromoformer"]}
    asked["controls"] = ["no-elements", "shuffled-elements"]
    asked["columns"] = {"A": "E116"}
    named = {
        str(tmp_path / "x.bedpe"): (str(tmp_path / "x.bedpe"), ""),
        "A.10000.ICE": ("results/normalized/A.10000.ICE.cool", "value"),
        "A.10000.ICE.mine": (
            "results/predictions/A.10000.ICE.mine.mcool", "count",
        ),
    }  # fmt: skip
    for name, (path, column) in named.items():
        built = predicting(config={"expression": asked | {"interactions": {"A": name}}})
        assert built.interactions_of("A") == (path, column)
        assert built.interactions_of("B") == ("", "")
    assert built.expression_models == [
        "marks-mean", "chromoformer", "chromoformer-no-elements", "chromoformer-shuffled-elements",
    ]  # fmt: skip
    added = {
        "vectors": "results/representations/A.10000.ICE.eig.parquet",
        "E1": "results/analysis/A.10000.ICE/E1.bw",
        "other": str(tmp_path / "x.bedpe"),
    }
    reading = asked | {"models": ["marks-mean"], "options": {"marks-mean": {"added": ["E1"]}}}
    adding = predicting(config={"expression": reading | {"added": {"A": added}}})
    assert adding.added_to("A") == added
    assert adding.added_to("B") == {}
    for changes, message in (
        ({"A": {"E1": "results/analysis/A.5.ICE/E1.bw"}}, "neither a file nor a result of the stu"),
        ({"A": {"x": str(tmp_path / "x.bedpe")}}, "'marks-mean' reads the added feature 'E1', wh"),
        ({"C": {"E1": "e.bw"}}, "expression.added: no expression of 'C' is predicted; expected"),
    ):
        with pytest.raises(InputError, match=message):
            predicting(config={"expression": reading | {"added": changes}})
    screen = {"screen": ["chromoformer-no-elements"], "interactions": {"A": "A.10000.ICE"}}
    with pytest.raises(InputError, match="'chromoformer-no-elements' is the control no-elements"):
        predicting(config={"expression": asked | screen})
    training = built.expression_training("chromoformer-no-elements")
    assert training == {"model": "chromoformer", "seed": 1, "options": {"control": "no-elements"}}


@pytest.fixture
def predicting(study, tmp_path):
    """A study of two mapped samples and one with signals alone, and predictors."""

    def build(predictors=None, /, config=None, **samples) -> Study:
        sheet = "signal\tcell_type\tassembly\tpath\tformat\n"
        for cell_type in "AB":
            sheet += f"CTCF\t{cell_type}\thg38\t{cell_type}.bw\t\n"
        (tmp_path / "signals.tsv").write_text(sheet + "motifs\tA\thg38\tmotifs.bed\tmotifs\n")
        (tmp_path / "A.bw").touch()
        (tmp_path / "B.bw").touch()
        (tmp_path / "motifs.bed").touch()
        asked = {"model": "weave", "samples": ["A"], "signals": ["CTCF"], "folds": 3}
        predictors = {"mine": {}} if predictors is None else predictors
        settings = {
            "signals": "signals.tsv",
            "training": {"models": ["eig"]},
            "predictors": {name: {**asked, **own} for name, own in predictors.items()},
        }
        samples = samples or {"A": {}, "B": {"cell_type": "B", "contacts": "-"}}
        return study(settings | (config or {}), **samples)

    return build


def test_a_predictor_is_applied_to_every_sample_that_has_its_signals(predicting):
    two = {"mine": {}, "with-motifs": {"signals": ["CTCF", "motifs+", "motifs-"]}}
    built = predicting(two)
    assert names(built.predictor_runs) == [
        "A.10000.ICE.mine", "A.10000.ICE.with-motifs", "B.10000.ICE.mine",
    ]  # fmt: skip
    assert names(built.runs) == ["A.10000.ICE.eig"]
    assert "B.10000.ICE.mine" not in names(built.map_runs)
    assert "A.10000.ICE.mine" in names(built.pair_runs)
    assert names(built.screened) == ["A.10000.ICE.eig"]
    assert built.attributed == []
    plan = built.predictors["mine"]
    assert (plan.folds, plan.resolution, plan.norm) == ([0, 1, 2], 10_000, "ICE")
    assert plan.split == {"test": [], "validation": [], "folds": 3, "gap": 1_000_000}
    assert built.store_of(plan, "B") == "B.100"
    assert built.seeds_of("mine") == ["mine"], "the seed of a predictor is its own key"


def test_a_predictor_is_applied_to_other_assemblies_that_it_names(predicting, tmp_path):
    sheet = "signal\tcell_type\tassembly\tpath\n"
    (tmp_path / "both.tsv").write_text(sheet + "CTCF\tA\thg38\tA.bw\nCTCF\tlimb\tmm10\tB.bw\n")
    samples = {"A": {}, "limb": {"cell_type": "limb", "assembly": "mm10", "contacts": "-"}}
    config = {"signals": "both.tsv", "contacts": {"chromosomes": []}}
    built = predicting({"mine": {}}, config=config, **samples)
    assert names(built.predictor_runs) == ["A.10000.ICE.mine"]
    built = predicting({"mine": {"other_assemblies": ["mm10"]}}, config=config, **samples)
    assert names(built.predictor_runs) == ["A.10000.ICE.mine", "limb.10000.ICE.mine"]
    assert built.application("mine", "limb") == {"other_assembly": True}
    assert built.application("mine", "A") == {}
    targets = config | {"attribution": {"targets": {"pixel": ["chr1:1-1000000"]}}}
    built = predicting({"mine": {"other_assemblies": ["mm10"]}}, config=targets, **samples)
    assert built.signal_attributions == ["A.10000.ICE.mine.signals/pixel"]
    (tmp_path / "hg38.fa").write_text(">chr1\nACGT\n")
    with pytest.raises(InputError, match="'mine': it reads the sequence and is applied to its own"):
        predicting(
            {"mine": {"other_assemblies": ["mm10"], "sequence": {"kmers": 4}}},
            config={"sequences": {"hg38": "hg38.fa"}},
        )


def test_a_predictor_may_read_sequence_alone(predicting, tmp_path):
    (tmp_path / "hg38.fa").write_text(">chr1\nACGT\n")
    built = predicting(
        {"mine": {"signals": [], "sequence": {"kmers": 4}}},
        config={"sequences": {"hg38": "hg38.fa"}},
    )
    plan = built.predictors["mine"]
    assert (plan.signals, plan.sequence, plan.bin_size) == ((), {"kmers": 4}, 0)
    assert built.sequence("hg38") == "hg38.fa"
    assert names(built.predictor_runs) == ["A.10000.ICE.mine", "B.10000.ICE.mine"]
    with pytest.raises(InputError, match=r"sequences, 'hg38': none\.fa does not exist"):
        predicting({"mine": {"sequence": {"kmers": 4}}}, config={"sequences": {"hg38": "none.fa"}})


def test_maps_of_systems_that_were_not_seen_are_shown_on_their_pages(predicting):
    networks = {
        "ridge": {"model": "pairs-ridge"},
        "weave": {},
        "tested": {"model": "epiphany-released", "folds": 0, "test": ["chr3"]},
        "by-fold": {"model": "epiphany-released"},
    }
    networks = {f"my-{name}": own for name, own in networks.items()}
    built = predicting(networks)
    assert names(built.unseen) == [f"A.10000.ICE.my-{n}" for n in ("weave", "tested", "by-fold")]
    assert built.page("my-tested", "Perturbation") == "Epiphany"
    assert built.page("my-weave", "Perturbation") == "weave"
    assert built.page("my-ridge", "Perturbation") == "Perturbation"
    assert built.page("eig", "Perturbation") == "Perturbation"


def test_panels_of_predictors_show_those_that_differ_in_one_thing(predicting):
    motifs = {"signals": ["CTCF", "motifs+", "motifs-"]}
    built = predicting(
        {"mine": {}, "ridge": {"model": "pairs-ridge"}, "more": motifs,
         "other": {**motifs, "options": {"members": 2}}}
    )  # fmt: skip
    panels = built.predictor_panels
    assert panels["fig2b"] == {"A.10000.ICE": ["mine", "ridge"]}
    assert panels["fig5a"] == {"A.10000.ICE": ["mine", "more"]}
    assert panels["fig2c"] == {"A.10000.ICE": ["mine", "ridge", "more", "other"]}
    assert not predicting({"mine": {}, "ridge": {"model": "pairs-ridge"}}).predictor_panels["fig5a"]


def test_differences_are_of_two_cell_types_with_maps_that_a_predictor_was_applied_to(predicting):
    samples = {"A": {}, "A2": {"cell_type": "A"}, "B": {"cell_type": "B"}}
    built = predicting({"mine": {}, "motifs": {"signals": ["motifs+"]}}, **samples)
    assert built.compared_cell_types == {
        ("A.10000.ICE", "B.10000.ICE"): ["mine"],
        ("A2.10000.ICE", "B.10000.ICE"): ["mine"],
    }
    assert predicting().compared_cell_types == {}


def test_maps_after_edits_of_signals_are_shown_beside_those_of_the_cell_type_as_it_is(
    predicting, tmp_path
):
    (tmp_path / "masked.bed").write_text("chr1\t0\t1000\tmask:CTCF\n")
    config = {"signal_edits": {"A-masked": {"of": "A", "edits": "masked.bed"}}}
    samples = {"A": {}, "masked": {"cell_type": "A-masked", "contacts": "-"}}
    built = predicting({"mine": {}, "ridge": {"model": "pairs-ridge"}}, config=config, **samples)
    ((after, before),) = built.edited_signals
    assert (str(after), str(before)) == ("masked.10000.ICE.mine", "A.10000.ICE.mine")
    assert built.edits_of_signals(after) == "results/signals/A-masked.100.edits.tsv"
    assert built.shown_predictors == ("A.10000.ICE", ["mine", "ridge"])
    assert predicting().edited_signals == []


def test_a_study_of_predictors_alone_draws_what_they_can_show(predicting, tmp_path):
    (tmp_path / "labels.tsv").write_text(LABELS + "X\tx.bed\tbed\tbinary\t*\thg38\tno")
    config = {"labels": "labels.tsv"}
    built = predicting(config=config, A={"models": "mine"})
    assert {figure for figure, panels in built.panels.items() if panels} == {"fig3"}
    assert built.agreement_panels["fig3a"]["stems"] == ["A.10000.ICE.mine"]
    both = predicting(config=config, A={})
    assert both.agreement_panels["fig3a"]["stems"] == ["A.10000.ICE.eig"]
    assert both.panels["fig6"]


def test_the_column_models_chooses_among_predictors(predicting):
    samples = {"A": {"models": "pca"}, "B": {"cell_type": "B", "contacts": "-", "models": "mine"}}
    built = predicting(**samples)
    assert names(built.predictor_runs) == ["B.10000.ICE.mine"]
    assert names(built.runs) == ["A.10000.ICE.pca"]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (
            {"model": "eig"},
            "model 'eig' learns no maps from signals or sequence; expected one of weave, epiphany-",
        ),
        ({"model": "marks-mean"}, "model 'marks-mean' learns no maps"),
        ({"samples": ["B"]}, "sample 'B' has no contacts to learn from"),
        ({"signals": ["CTCF", "H3K27ac"]}, "cell type 'A' of sample 'A' has no signal 'H3K27ac'"),
        ({"resolution": 25_000}, "sample 'A' has no map at 25000 bp and ICE"),
        ({"test": ["chr3"]}, "give either test or folds"),
        ({"folds": 0}, "give either test or folds"),
        ({"folds": 0, "test": ["chr30"]}, "chr30"),
        ({"folds": 0, "test": ["chr3"], "validation": ["chr3"]}, "a region has one role"),
        ({"options": {"wings": 2}}, "wings"),
        ({"signals": []}, "it reads nothing; name signals, or what it reads of the sequence"),
        (
            {"model": "epiphany-released", "sequence": {"kmers": 4}},
            "reads signals in their own bins",
        ),
        ({"sequence": {"kmers": 4}}, "there is no sequence of assembly 'hg38'"),
        ({"model": "akita-small"}, "reads the bases of the sequence and nothing else"),
        ({"windows": "w.bed"}, "windows have their roles in their file; leave test, validation"),
        ({"model": "akita-small", "signals": []}, "there is no sequence of assembly 'hg38'"),
    ],
)
def test_predictors_that_cannot_be_trained_are_refused(predicting, own, message):
    with pytest.raises(InputError, match=message):
        predicting({"mine": own})


def test_published_weights_are_a_file_of_models_that_have_them(predicting, tmp_path):
    (tmp_path / "epiphany.pt").touch()
    asked = {"model": "epiphany-released", "weights": "epiphany.pt"}
    assert predicting({"mine": asked}).predictors["mine"].weights == "epiphany.pt"
    assert predicting({"mine": {}}).predictors["mine"].weights == ""
    with pytest.raises(InputError, match=r"no weights of model 'weave' are published.*epiphany-r"):
        predicting({"mine": {"weights": "epiphany.pt"}})


def test_windows_with_roles_stand_in_place_of_a_split(predicting, tmp_path):
    (tmp_path / "w.bed").touch()
    built = predicting({"mine": {"folds": 0, "windows": "w.bed"}})
    assert built.predictors["mine"].windows == "w.bed"
    assert built.predictors["mine"].folds == [0]


def test_what_predictors_of_bases_learn_from_depends_on_some_options(predicting, tmp_path):
    (tmp_path / "hg38.fa").write_text(">chr1\nACGT\n")
    options = {"window": 64, "loss": "mse", "clip": 1.5, "epochs": 3, "filters": 4}
    near, far = "chr1:100000-120000", "chr1:900000-920000"
    built = predicting(
        {"bases": {"model": "akita-small", "signals": [], "options": options}, "mine": {}},
        config={
            "sequences": {"hg38": "hg38.fa"},
            "attribution": {"targets": {"near": [near], "far": [near, far], "all": ["chr1"]}},
        },
    )
    assert built.base_predictors == ["bases"]
    assert names(built.base_runs) == ["A.10000.ICE.bases"]
    asked = built.target_options(built.predictors["bases"])
    assert asked == {"window": 64, "loss": "mse", "clip": 1.5}
    own = [path for path in built.signal_attributions if ".bases." in path]
    assert own == [f"{sample}.10000.ICE.bases.signals/near" for sample in "AB"], "one window"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"loci": {"here": "chr1:0-100"}}, "loci, here: no predictor reads bases"),
        ({"deletions": {"set": ["chr77:0-100"]}}, "no predictor reads bases"),
    ],
)
def test_windows_that_no_predictor_reads_are_refused(predicting, asked, message):
    with pytest.raises(InputError, match=message):
        predicting(config={"sequence_analysis": asked})


def test_windows_beyond_a_chromosome_are_refused(predicting, tmp_path):
    (tmp_path / "hg38.fa").write_text(">chr1\nACGT\n")
    with pytest.raises(InputError, match="saturation, here: region 'chr77:0-9': no chromosome"):
        predicting(
            {"bases": {"model": "akita-small", "signals": []}},
            config={
                "sequences": {"hg38": "hg38.fa"},
                "sequence_analysis": {"saturation": {"here": "chr77:0-9"}},
            },
        )


def test_a_predictor_may_not_have_the_name_of_a_model_of_one_map(predicting):
    with pytest.raises(InputError, match="'eig': this is the name of a model"):
        predicting({"eig": {}})


def test_a_model_that_is_learnt_on_a_study_is_no_model_of_one_map(study):
    with pytest.raises(InputError, match=r"model 'weave' is learnt on a study.*key predictors"):
        study({"training": {"models": ["weave"]}})
    with pytest.raises(InputError, match=r"model 'marks-mean' is learnt.*part expression"):
        study({"training": {"models": ["marks-mean"]}})


def test_a_joint_fit_is_a_model_of_each_of_its_samples(study):
    config = {
        "joint": {"both": {"samples": ["A", "B"]}},
        "training": {"options": {"both-d8": {"model": "both", "embedding_dim": 8}}, "seeds": [7]},
    }
    built = study(config, A={}, B={"models": "eig,both-d8"}, C={})
    assert names(built.runs) == [
        "A.10000.ICE.hiclstm-refined", "A.10000.ICE.both",
        "B.10000.ICE.eig", "B.10000.ICE.both-d8", "B.10000.ICE.both",
        "C.10000.ICE.hiclstm-refined",
    ]  # fmt: skip
    assert built.joint_samples("both") == built.joint_samples("both-d8") == ["A", "B"]
    assert built.joint_samples("both-seed7") == ["A", "B"]
    assert built.joint_samples("hiclstm-refined") == []
    assert built.training("both-d8") == {
        "model": "hiclstm-refined", "seed": 1, "options": {"embedding_dim": 8}
    }  # fmt: skip
    fit = built.joint_fit("both-d8", "10000", "ICE")
    assert fit == "results/joint/both-d8.10000.ICE.safetensors"
    assert built.joint_fit("eig", "10000", "ICE") == ""
    assert built.joint_maps("both", "10000", "ICE", suffix="expected.tsv") == [
        f"results/normalized/{sample}.10000.ICE.expected.tsv" for sample in "AB"
    ]


@pytest.mark.parametrize(
    ("joint", "samples", "message"),
    [
        ({"eig": {}}, {}, "'eig': this is the name of a model"),
        ({"mine": {"model": "eig"}}, {}, "'eig' is not fitted to counts"),
        ({"mine": {"samples": ["A", "Z"]}}, {}, "sample 'Z' has no contacts.*A, B"),
        ({"mine": {}}, {"B": {"assembly": "hg19"}}, "'A' and 'B' are of two assemblies"),
        ({"mine": {}}, {"B": {"norms": "KR"}}, "'B' has no map at 10000 bp and ICE"),
        ({"mine": {}}, {"B": {"resolutions": "5000"}}, "'B' has no map at 10000 bp and ICE"),
        ({"mine": {}}, {"B": {"fine_tune_of": "C"}, "C": {}}, "'B' is fine-tuned"),
        (
            {"mine": {}},
            {"B": {"contacts": "-", "thin_of": "A", "fraction": "0.1"}},
            "'B' holds reads of 'A'",
        ),
        ({"mine": {}}, {"B": {}, "C": {"models": "mine"}}, "'C' has the model 'mine' and is not"),
    ],
)
def test_joint_fits_that_cannot_be_are_refused(study, joint, samples, message):
    joint = {name: {"samples": ["A", "B"], **own} for name, own in joint.items()}
    with pytest.raises(InputError, match=message):
        study({"joint": joint}, **{"A": {}, "B": {}, **samples})


def test_a_predictor_starts_from_no_joint_fit(predicting):
    """Rules that train models of one map are tried on its runs, too."""
    assert predicting().joint_fit("mine", "10000", "ICE") == ""
