"""What config and sheets say: samples, files, labels, signals, edits."""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from chromloom.classification.labels import ELEMENTS, read_label_sheet
from chromloom.contacts.sniff import is_hic
from chromloom.contacts.text import files_of
from chromloom.edits.edit import Edit
from chromloom.edits.read import Row, fit_bins, read_rows
from chromloom.errors import InputError
from chromloom.genome.assembly import (
    assembly_files,
    assembly_name,
    read_chromsizes,
    sequence_file,
)
from chromloom.models.registry import use_plugins
from chromloom.sheets import NAME, check_case, check_config, check_references, read_sheet
from chromloom.signals.sheet import SignalSource, signal_sources

# Columns of the sample sheet that name other samples of it.
REFERENCES = ("against", "thin_of", "fine_tune_of", "classify_from", "edit_of")
DEPENDENT = {
    "fraction": "thin_of",
    "part": "thin_of",
    "edit": "edit_of",
    "fine_tune_region": "fine_tune_of",
}
"""Columns that say something of the sample that another column names."""
# Files of the assembly of a simulated genome.
SIMULATED_ASSEMBLY = ("chrom.sizes", "centromeres.bed", "blacklist.bed")
SIMULATED_LENGTH = 50_000_000  # bp


class Samples:
    """Config and sheets of a study, read, and what they say of each sample.

    Parameters
    ----------
    config : mapping
        The user's configuration; checked and completed with defaults.
    root : str or Path
        Folder of the workflow, which holds `workflow/schemas`. Paths of config and sheets are those
        of the working directory, else of `shipped`, else of this folder.
    shipped : str or Path, optional
        Folder by which `config` and `resources` of the workflow are named; `root` by default.

    Attributes
    ----------
    config : dict
        With every default.
    samples : DataFrame
        Sample sheet, indexed by sample; str, "" where a cell is empty.
    datasets : DataFrame or None
        Table of data sets, indexed by dataset.
    labels : dict
        cell type -> files of its labels (list of str).
    tasks, elements : dict
        cell type -> names of its tasks in the label sheet (list of str); those of single bins.
    edit_rows : dict
        sample -> rows of its file of edits (list of Row), those left out with their reasons.
    edits : dict
        sample -> its edits (list of Edit), whatever the size of the bins.
    signals : dict
        cell type -> files of its signals (list of SignalSource); those of the sheet alone.
    sources : dict
        sample -> its contact map; not of samples that are thinned or have no contacts.
    knockouts : dict
        name -> file of a set of sites to knock out.

    Raises
    ------
    InputError
        Config or sheets are not as they should be.
    """

    def __init__(
        self, config: Mapping[str, Any], root: str | Path, shipped: str | Path | None = None
    ) -> None:
        self.root, self.shipped = Path(root), Path(shipped or root)
        schemas = self.root / "workflow" / "schemas"
        self.config = check_config(dict(config), schemas / "config.schema.yaml")
        use_plugins(map(self.find_path, self.config["training"]["plugins"]))
        self.samples = self._sheet("samples", "sample")
        self.datasets = self._sheet("datasets", "dataset") if self.config["datasets"] else None
        if self.datasets is not None:
            self._check_datasets(self.datasets)
        for column in REFERENCES:
            check_references(
                self.samples, column, list(self.samples.index), path=self.config["samples"]
            )
        self._check_contacts()
        self._read_labels()
        self._read_signals()
        self.sources = {
            sample: self.dataset_path(row.contacts)
            for sample, row in self.samples.iterrows()
            if row.contacts != "-"
        }
        for sample in self.sources:
            self.contact_files(sample)
        self.knockouts = self._site_sets(self.config["perturbation"]["knockouts"])
        self.edit_rows = self._read_edits()
        self.edits: dict[str, list[Edit]] = {
            sample: [row.edit for row in rows if row.edit]
            for sample, rows in self.edit_rows.items()
        }

    # Files

    @cached_property
    def named_files(self) -> dict[str, str]:
        """Files that rows of the sheets name -> sheet, row and column."""
        place = self.config["samples"] + ", sample {!r}, column {}"
        named = {
            file: place.format(sample, "contacts")
            for sample in self.sources
            for file in self.contact_files(sample)
        }
        for sample in self.samples.index:
            named[self.cell_labels(sample)] = place.format(sample, "cell_labels")
        if self.config["labels"]:
            for row in read_label_sheet(self.label_sheet, must_exist=False).itertuples():
                place = f"{self.label_sheet}, task {row.task!r}, column path"
                named.update(dict.fromkeys(map(str, row.path), place))
        for sources in self.signals.values():
            for source in sources:
                place = f"{self.config['signals']}, signal {source.signal!r}, column path"
                named.update(dict.fromkeys(source.paths, place))
        return named

    def find_path(self, path: str) -> str:
        """A path of the config or of a sheet, as seen from the working directory.

        Environment variables and `~` are filled in; a relative path that is not in the working
        directory and is in the folder of the workflow is that one. "" stays "".

        Raises
        ------
        InputError
            An environment variable is not set.
        """
        path = os.path.expandvars(os.path.expanduser(path))
        if not path:
            return ""
        if "$" in path:
            raise InputError(
                f"{path}: no such environment variable; set it (for example: "
                "export CHROMLOOM_REAL_DATA=/path/to/maps)"
            )
        if os.path.exists(path):
            return path
        beside = (folder / path for folder in (self.shipped, self.root))
        return next((str(place) for place in beside if place.exists()), path)

    def dataset_path(self, reference: str) -> str:
        """Where the file of `dataset:NAME` is downloaded to; any other path as `find_path` has it.

        Raises
        ------
        InputError
            The table of data sets has no such row.
        """
        kind, _, name = reference.partition("dataset:")
        if kind or not name:
            return self.find_path(reference)
        if self.datasets is None or name not in self.datasets.index:
            raise InputError(
                f"{reference}: no such row in the table of data sets "
                f"({self.config['datasets'] or 'none is configured'})"
            )
        return f"resources/downloads/{self.datasets.file[name]}"

    def contact_files(self, sample: str) -> list[str]:
        """Files of a sample's map: one, or those of a folder, a glob or a path with `{chrom}`.

        Raises
        ------
        InputError
            No file matches.
        """
        try:
            return files_of(self.sources[sample])
        except InputError as error:
            raise InputError(f"{self.config['samples']}, sample {sample!r}: {error}") from None

    def hic_vectors(self, sample: str, norm: str) -> str:
        """A sample's .hic, whose stored vectors are taken where the norm is one of juicer's; or "".

        Told by content once it is there.
        """
        source = self.sources.get(sample, "") if norm != "ICE" else ""
        return source if source and is_hic(source) else ""

    def dataset_of_file(self, file: str) -> dict[str, str]:
        """Row of the table of data sets that gives a downloaded file."""
        rows = [] if self.datasets is None else self.datasets.to_dict("records")
        return next(row for row in rows if row["file"] == file)

    @property
    def label_sheet(self) -> str:
        """Path of the label sheet; "" where the config names none."""
        return self.find_path(self.config["labels"])

    def labels_of(self, sample: str) -> list[str]:
        """Files of the labels of a sample's cell type."""
        return self.labels[self.samples.cell_type[sample]]

    # Signals

    @cached_property
    def signal_stores(self) -> list[str]:
        """Stores of binned signals that are made by default, as `{cell_type}.{bin_size}`."""
        sizes = self.config["bin_signals"]["bin_sizes"]
        return [f"{cell_type}.{size}" for cell_type in self.signals for size in sizes]

    @property
    def signal_edits(self) -> dict[str, dict[str, str]]:
        """Cell types with edited signals -> `of`, the cell type, and `edits`, the file."""
        return self.config["signal_edits"]

    @property
    def binned(self) -> list[str]:
        """Cell types whose signals are binned from files, the others being edited ones of these."""
        return [cell_type for cell_type in self.signals if cell_type not in self.signal_edits]

    def signal_files(self, cell_type: str) -> list[str]:
        """Files of the signals of a cell type."""
        return [path for source in self.signals[cell_type] for path in source.paths]

    def signal_references(self, cell_type: str) -> list[str]:
        """Cell types whose quantiles signals of a cell type are given."""
        names = [source.reference for source in self.signals[cell_type] if source.reference]
        return list(dict.fromkeys(names))

    def signal_sisters(self, cell_type: str) -> list[str]:
        """Other cell types of the same assembly with a file of a signal of the same name."""
        own = {source.signal for source in self.signals[cell_type]}
        return [
            other
            for other, sources in self.signals.items()
            if other != cell_type
            and own & {source.signal for source in sources}
            and self.signal_assembly[other] == self.signal_assembly[cell_type]
        ]

    # Samples

    def edits_path(self, sample: str) -> str:
        """File of the edits of a sample: its own, else the one of the config; "" for none."""
        own = self.samples.edits[sample]
        return "" if own == "-" else self.find_path(own or self.config["edits"])

    @property
    def edit_options(self) -> dict[str, str]:
        """Which records of a VCF are taken, arguments of `edits.read.read_rows`."""
        return {key: self.config["perturbation"][key] for key in ("vcf_filter", "vcf_genotype")}

    @cached_property
    def mapped(self) -> list[str]:
        """Samples with a contact map; the others have signals or a sequence alone."""
        rows = self.samples
        return list(rows.index[(rows.contacts != "-") | (rows.thin_of != "")])

    def resolutions(self, sample: str) -> list[int]:
        """Bin sizes (bp) that a sample is extracted at."""
        rows = self.samples.resolutions
        own = rows[sample] or rows.get(self.samples.thin_of[sample], "")
        return [int(item) for item in listed(own)] or self.config["contacts"]["resolutions"]

    def trained_resolutions(self, sample: str) -> list[int]:
        """Bin sizes (bp) that models are trained at: those asked for, else the sample's finest."""
        has = self.resolutions(sample)
        return [r for r in self.config["training"]["resolutions"] if r in has] or [min(has)]

    def norms(self, sample: str) -> list[str]:
        """Balancing methods of a sample; its contact map carries the weights of the first."""
        return listed(self.samples.norms[sample]) or self.config["normalization"]["norms"]

    def chromosomes(self, sample: str) -> list[str] | None:
        """Chromosomes that the sheet or the config asks for; None is all of them."""
        own = listed(self.samples.chromosomes[sample])
        return own or self.config["contacts"]["chromosomes"] or None

    def assembly(self, sample: str) -> str:
        """Shipped name, chromsizes file or folder of a sample's assembly."""
        return self.find_assembly(self.samples.assembly[sample])

    def find_assembly(self, assembly: str) -> str:
        """Shipped name, chromsizes file or folder of an assembly that a sheet names."""
        shipped = (self.shipped / "resources" / assembly).is_dir()
        return assembly if shipped else self.find_path(assembly)

    def assembly_name(self, sample: str) -> str:
        """Name of a sample's assembly, as its normalised map and the label sheet have it."""
        return assembly_name(self.assembly(sample))

    def assembly_files(self, sample: str) -> list[str]:
        """Files of a sample's assembly: lengths and, where it has them, centromeres and blacklist.

        Raises
        ------
        InputError
            The assembly is neither shipped nor a file or folder.
        """
        return self.files_of_assembly(self.assembly(sample))

    def files_of_assembly(self, assembly: str) -> list[str]:
        """Files of an assembly, as `find_assembly` has it; see `assembly_files`."""
        if simulated_path(assembly)[0]:  # yet to be made
            return [f"{assembly}/{name}" for name in SIMULATED_ASSEMBLY]
        found = assembly_files(assembly, self.shipped / "resources").values()
        here = Path.cwd()
        return [str(p.relative_to(here) if p.is_relative_to(here) else p) for p in found]

    def sequence(self, assembly: str) -> str:
        """File of the sequence of an assembly, by name; "" where neither config nor folder has one.

        Raises
        ------
        InputError
            The config names a file that is not there.
        """
        if named := self.config["sequences"].get(assembly, ""):
            path = self.dataset_path(named)
            if not (
                named.startswith("dataset:") or simulated_path(path)[0] or Path(path).is_file()
            ):
                raise InputError(
                    f"sequences, {assembly!r}: {path} does not exist; give a FASTA or 2bit file"
                )
            return path
        own = self.assembly_called(assembly)
        return str(sequence_file(own, self.shipped / "resources") or "")

    def assembly_called(self, name: str) -> str:
        """Shipped name, chromsizes file or folder of the assembly of samples that has a name."""
        named = map(self.find_assembly, self.samples["assembly"])
        return next((found for found in named if assembly_name(found) == name), name)

    def chromsizes(self, sample: str) -> pd.Series | None:
        """Lengths of a sample's chromosomes, see `chromsizes_of`."""
        return self.chromsizes_of(self.assembly(sample))

    def chromsizes_of(self, assembly: str) -> pd.Series | None:
        """Lengths (bp) of chromosomes by name; None while the genome is to be simulated.

        Parameters
        ----------
        assembly : str
            As `find_assembly` has it.

        Raises
        ------
        InputError
            The assembly is neither shipped nor a file or folder, or the file is malformed.
        """
        simulated = simulated_path(assembly)[0]
        return None if simulated else read_chromsizes(self.files_of_assembly(assembly)[0])

    def largest_pairs(self, sample: str, resolution: int) -> int:
        """Pairs of bins of the longest chromosome of a sample's map.

        The memory of its jobs follows them. A genome that is yet to be simulated counts as having a
        chromosome of `SIMULATED_LENGTH`.
        """
        sizes = self.chromsizes(sample)
        kept = self.chromosomes(sample)
        if sizes is not None and kept and set(kept) <= set(sizes.index):
            sizes = sizes[kept]
        longest = SIMULATED_LENGTH if sizes is None else int(sizes.max())
        n_bins = -(-longest // resolution)
        return n_bins * (n_bins + 1) // 2

    def cell_labels(self, sample: str) -> str:
        """Table of the cells of a sample's .scool; "" for other maps."""
        return self.find_path(self.samples.cell_labels[sample])

    def pooled_cell_type(self, sample: str) -> str | None:
        """The cell type whose cells of a .scool are pooled; None for other maps."""
        row = self.samples.loc[sample]
        return row.cell_type if row.cell_labels else None

    def truth(self, sample: str) -> str:
        """Folder with the truth of the simulated genome of a sample.

        "" for other maps, and for those that are edited or fine-tuned.
        """
        row = self.samples.loc[sample]
        genome, _ = simulated_path(row.contacts)
        return f"{genome}/truth" if genome and not (row.edit_of or row.fine_tune_of) else ""

    # Reading

    def _sheet(self, key: str, index: str) -> pd.DataFrame:
        schema = self.root / "workflow" / "schemas" / f"{key}.schema.yaml"
        return read_sheet(self.find_path(self.config[key]), schema, key=index)

    def _read_labels(self) -> None:
        cell_types = dict.fromkeys(self.samples.cell_type)
        self.labels: dict[str, list[str]] = {cell_type: [] for cell_type in cell_types}
        self.tasks: dict[str, list[str]] = {cell_type: [] for cell_type in cell_types}
        self.elements: dict[str, list[str]] = {cell_type: [] for cell_type in cell_types}
        if not self.config["labels"]:
            return
        # Files may still have to be made when the study is planned.
        sheet = read_label_sheet(self.label_sheet, must_exist=False)
        for cell_type in cell_types:
            rows = sheet[sheet.cell_type.isin([cell_type, "*"])]
            self.labels[cell_type] = [str(path) for paths in rows.path for path in paths]
            self.tasks[cell_type] = list(rows.task)
            self.elements[cell_type] = list(rows.task[rows.kind.isin(ELEMENTS)])
        if not any(self.tasks.values()):
            raise InputError(
                f"{self.label_sheet}: its cell types ({', '.join(sheet.cell_type.unique())}) are "
                f"none of the samples' ({', '.join(cell_types)}); write one of these, or * for all"
            )

    def _read_signals(self) -> None:
        """Signals by cell type, and the assembly of each cell type's signals."""
        self.signals: dict[str, list[SignalSource]] = {}
        self.signal_assembly: dict[str, str] = {}
        if not self.config["signals"]:
            if self.signal_edits:
                raise InputError("signal_edits are given and no signals; name a sheet of them")
            return
        path = self.config["signals"]
        schema = self.root / "workflow" / "schemas" / "signals.schema.yaml"
        sheet = read_sheet(self.find_path(path), schema, key="signal", unique=False)
        for source in signal_sources(sheet, path=path, find=self.dataset_path):
            if not NAME.fullmatch(source.cell_type):
                raise InputError(
                    f"{path}: cell_type {source.cell_type!r} cannot be part of a file name; use "
                    "at most 80 letters, digits, '_' and '-', starting with a letter or digit"
                )
            if source.reference and not self.config["bin_signals"]["quantile_chromosomes"]:
                raise InputError(
                    f"{path}: {source.signal!r} of {source.cell_type!r} is given the quantiles of "
                    f"{source.reference!r}, of no chromosomes; name some that no predictor is "
                    "tested on in bin_signals.quantile_chromosomes"
                )
            self.signals.setdefault(source.cell_type, []).append(source)
        own = zip(self.samples["cell_type"], self.samples["assembly"])
        named = dict(zip(sheet["cell_type"], sheet["assembly"]))
        edited = [(name, named[of]) for name, of in self._add_edited_signals()]
        rows = [*zip(sheet["cell_type"], sheet["assembly"]), *edited, *own]
        check_case((cell_type for cell_type, _ in rows), f"{path}: cell_type")
        for cell_type, assembly in rows:
            if cell_type not in self.signals:
                continue
            found = self.find_assembly(assembly)
            self.files_of_assembly(found)  # refused here where it is none
            first = self.signal_assembly.setdefault(cell_type, found)
            if assembly_name(found) != assembly_name(first):
                raise InputError(
                    f"{path}: signals of cell type {cell_type!r} are on assembly "
                    f"{assembly_name(first)!r}, others of it, or its samples, on "
                    f"{assembly_name(found)!r}; lift the files over to one assembly"
                )

    def _add_edited_signals(self) -> list[tuple[str, str]]:
        """Give edited cell types the signals of those they are of; returns both names."""
        pairs = [(name, asked["of"]) for name, asked in self.signal_edits.items()]
        for name, of in pairs:
            if name in self.signals or of not in self.binned:
                raise InputError(
                    f"signal_edits, {name!r} of {of!r}: expected a new name, of one of "
                    f"{', '.join(self.binned)} ({self.config['signals']})"
                )
            self.signals[name] = [replace(source, cell_type=name) for source in self.signals[of]]
        return pairs

    def _read_edits(self) -> dict[str, list[Row]]:
        """Rows of the file of edits of each sample; those of one assembly are read once."""
        read: dict[tuple, list[Row]] = {}
        rows: dict[str, list[Row]] = {}
        for sample in self.samples.index:
            path, kept = self.edits_path(sample), self.chromosomes(sample)
            if not path:
                rows[sample] = []
                continue
            key = path, self.assembly(sample), *(kept or [])
            if key not in read:
                read[key] = read_rows(
                    path,
                    chromsizes=self.chromsizes(sample),
                    chromosomes=kept,
                    **self.edit_options,
                )
            rows[sample] = read[key]
        return rows

    def fitted_rows(self, sample: str, resolution: int) -> list[Row]:
        """Rows of the edits of a sample, without those that bins of a size cannot show."""
        key = sample, resolution
        if key not in self._fits:
            rows, chromsizes = self.edit_rows[sample], self.chromsizes(sample)
            if rows and chromsizes is not None:
                rows = fit_bins(rows, chromsizes, resolution)
            self._fits[key] = rows
        return self._fits[key]

    @cached_property
    def _fits(self) -> dict[tuple[str, int], list[Row]]:
        return {}

    def _site_sets(self, named: Mapping[str, str]) -> dict[str, str]:
        """Files of sets of sites by name; a folder is one set a file."""
        sets: dict[str, str] = {}
        for name, path in named.items():
            found = Path(self.find_path(path))
            if found.is_dir():
                for file in sorted(found.glob("[!.]*")):
                    own = file.name.split(".")[0]
                    if own in sets:
                        raise InputError(
                            f"perturbation.knockouts: {file} and {sets[own]} are both called "
                            f"{own}, after the first part of their names; rename one"
                        )
                    sets[own] = str(file)
            else:
                sets[name] = str(found)
        return sets

    def _check_datasets(self, rows: pd.DataFrame) -> None:
        """Refuse two data sets that would be downloaded to one file."""
        for file, names in rows.groupby("file").groups.items():
            if len(names) > 1:
                raise InputError(
                    f"{self.config['datasets']}: data sets {', '.join(names)} have the file "
                    f"{file!r}; give each its own name"
                )

    def _check_contacts(self) -> None:
        """Refuse what a sample without a contact map cannot be, and a thinned one with a map."""
        path = self.config["samples"]
        for sample, row in self.samples.iterrows():
            where = f"{path}, sample {sample!r}"
            for column, other in DEPENDENT.items():
                if row[column] and not row[other]:
                    raise InputError(
                        f"{where}: {column} {row[column]!r} stands without {other}, which says of "
                        f"which sample; fill in {other}, or leave {column} empty"
                    )
            for column in ("fraction", "edit"):
                if row[DEPENDENT[column]] and not row[column]:
                    raise InputError(
                        f"{where}: {DEPENDENT[column]} {row[DEPENDENT[column]]!r} needs {column}; "
                        "fill it in"
                    )
            if row.thin_of and row.contacts != "-":
                raise InputError(
                    f"{where}: it is thinned from {row.thin_of!r} and has contacts "
                    f"{row.contacts!r}; write '-' for contacts, or empty the column thin_of"
                )
            for column in REFERENCES:
                for other in listed(row[column]):
                    if other not in self.mapped:
                        raise InputError(
                            f"{where}: {column} {other!r} has no contacts; name a sample that has"
                        )
            if sample in self.mapped:
                continue
            for column in (*REFERENCES, "fine_tune_region", "cell_labels", "models"):
                if column == "models" and set(listed(row[column])) <= set(
                    self.config["predictors"]
                ):
                    continue
                if row[column] not in ("", "-"):
                    raise InputError(
                        f"{where}: it has no contacts, which {column} {row[column]!r} needs; leave "
                        f"the column {column} empty, or give the sample a contact map"
                    )


def listed(cell: str) -> list[str]:
    """The items of a comma-separated cell of a sheet."""
    return [item.strip() for item in cell.split(",") if item.strip()]


def simulated_path(path: str) -> tuple[str, str]:
    """Folder of the simulated genome that a file is of, and its path there; "" for other files."""
    found = re.fullmatch(r"(results/simulated(?:/seed[0-9]+)?)/(.+)", path)
    return (found[1], found[2]) if found else ("", "")
