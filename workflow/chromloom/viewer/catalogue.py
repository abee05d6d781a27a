"""What there is to look at in the folder of a study, found by the names that its outputs have.

`read.py` reads it, `server.py` hands it to the browser. A browser asks for a layer by its id and
never by a path, so that nothing but the layers found here can be read through the server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chromloom.errors import InputError
from chromloom.normalize.square import covered, resolutions
from chromloom.signals.store import SignalStore

# Kind of map, the files of it, the pixel column shown; ids and labels come from their paths.
MAPS = (
    ("observed", "results/normalized/*.cool", "value"),
    ("predicted", "results/predictions/*.mcool", "count"),
    ("interval", "results/intervals/*.width.mcool", "count"),
    ("wild type", "results/perturbation/*/*/wild_type.mcool", "count"),
    ("edited", "results/perturbation/*/*/edited_on_reference.mcool", "count"),
    ("difference", "results/perturbation/*/*/difference.mcool", "count"),
    ("rearranged", "results/perturbation/*/*/edited.mcool", "count"),
)
TRACKS = (
    ("E1", "results/analysis/*/E1.bw"),
    ("insulation", "results/analysis/*/insulation.bw"),
    ("importance", "results/attribution/*.bw"),
    ("screen", "results/perturbation/*.screen.bw"),
)
STORES = "results/signals/*.h5"
FEATURES = (
    ("genes", "results/expression/*.genes.tsv"),
    ("variants", "results/variants/*.edits.tsv"),
    ("boundaries", "results/analysis/*/boundaries.bed"),
    ("loops", "results/analysis/*/loops.bedpe"),
)


@dataclass(frozen=True)
class Layer:
    """Something to look at.

    Attributes
    ----------
    kind : str
        Of a map (`MAPS`), a track (`TRACKS`, or "signal") or features (`FEATURES`).
    label : str
        Shown to the user: the kind and the map, run, edit or cell type.
    path : Path
    part : str
        Pixel column of a map, name of a signal, a map whose chromosomes an annotation of genes is
        read for; "" for other layers.
    """

    kind: str
    label: str
    path: Path
    part: str = ""


class Catalogue:
    """The layers of a study.

    Parameters
    ----------
    study : str or Path
        Folder that has `results`.
    genes : str or Path, optional
        Genes to show, in a format of `genome.genes.read_genes`; those of the expression of the
        study without it.

    Attributes
    ----------
    study : Path
    maps, tracks, features : dict of str -> Layer
        By id. Files that lead out of the study through a link are left out.

    Raises
    ------
    InputError
        The folder has no map.
    """

    def __init__(self, study: str | Path, genes: str | Path | None = None) -> None:
        self.study = Path(study).resolve()
        self.maps = _numbered("map", self._maps())
        if not self.maps:
            raise InputError(
                f"{study} has no map to look at, as results/normalized/….cool; give the folder "
                "that a study was run in (runs/demo after `make demo`)"
            )
        self.tracks = _numbered("track", self._tracks())
        self.features = _numbered("features", self._features(genes))

    def describe(self) -> dict:
        """What the page shows to choose from; chromosomes are those on which a map has pixels."""
        maps = [
            {"id": id, "kind": layer.kind, "label": layer.label, "chroms": covered(layer.path)}
            for id, layer in self.maps.items()
        ]
        others = [
            [{"id": id, "kind": layer.kind, "label": layer.label} for id, layer in group.items()]
            for group in (self.tracks, self.features)
        ]
        name = self.study.name
        return {"study": name, "maps": maps, "tracks": others[0], "features": others[1]}

    def _found(self, pattern: str) -> Iterator[Path]:
        """Files of a pattern that lie in the study."""
        for path in sorted(self.study.glob(pattern)):
            if path.resolve().is_relative_to(self.study):
                yield path

    def _maps(self) -> Iterator[Layer]:
        for kind, pattern, column in MAPS:
            for path in self._found(pattern):
                edit = path.parts[-3:-1] if "perturbation" in pattern else ()
                name = " ".join(reversed(edit)) or path.name.rpartition(".")[0]
                yield Layer(kind, f"{kind}: {name.removesuffix('.width')}", path, column)

    def _tracks(self) -> Iterator[Layer]:
        for kind, pattern in TRACKS:
            for path in self._found(pattern):
                name = path.parent.name if "analysis" in pattern else path.stem
                yield Layer(kind, f"{kind}: {name.removesuffix('.screen')}", path)
        for path in self._found(STORES):
            with SignalStore(path) as store:
                cell_type, signals = store.cell_type, store.signals
            for signal in signals:
                yield Layer("signal", f"{signal}: {cell_type}", path, signal)

    def _features(self, genes: str | Path | None) -> Iterator[Layer]:
        if genes:
            uri = next(iter(resolutions(self.maps["map0"].path).values()))
            yield Layer("genes", f"genes: {Path(genes).name}", Path(genes), uri)
        for kind, pattern in FEATURES:
            if genes and kind == "genes":
                continue
            for path in self._found(pattern):
                name = path.parent.name if "analysis" in pattern else path.name.split(".")[0]
                yield Layer(kind, f"{kind}: {name}", path)


def _numbered(word: str, layers: Iterator[Layer]) -> dict[str, Layer]:
    return {f"{word}{number}": layer for number, layer in enumerate(layers)}
