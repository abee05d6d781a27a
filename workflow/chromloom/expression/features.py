"""Signals around genes, made once per cell type: bins around the TSS, the body, the elements.

Features run with the gene: upstream comes first on both strands, and the bin of the TSS is the
same one. Bins are those of the signal store, so the TSS lies somewhere within its bin.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from chromloom.errors import InputError
from chromloom.expression.elements import ElementMarks, Signals, scale_marks
from chromloom.expression.settings import EDGES, WindowSettings
from chromloom.files import atomic_path

REACH = 20_000
"""bp on both sides of the TSS; Chromoformer's 40 kb."""
_MASKED = 0.5  # a body or window with less known is missing


@dataclass(frozen=True, eq=False)
class Marks:
    """Signals of genes.

    Attributes
    ----------
    genes : ndarray, (n_genes,), str
        Ids.
    signals : list of str
        Names, in the order of the arrays.
    transforms : list of str
        What the values of each are: none (linear), log1p or arcsinh.
    bin_size : int
        bp.
    around : ndarray, (n_genes, n_signals, n_bins), float32
        Bins from upstream to downstream, n_bins even, the TSS in bin n_bins // 2; NaN = missing or
        beyond the chromosome.
    body : ndarray, (n_genes, n_signals), float32
        Mean over the bins of the gene, NaN where most are missing.
    elements : ElementMarks, optional
        Of the elements that touch the genes; None where no interactions are given.
    added : dict of ndarray, (n_genes, n_numbers), float32
        Features beside the marks, by name (`expression.added`); NaN = missing.
    """

    genes: np.ndarray
    signals: list[str]
    transforms: list[str]
    bin_size: int
    around: np.ndarray
    body: np.ndarray
    elements: ElementMarks | None = None
    added: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.genes)

    def of(self, rows: np.ndarray) -> "Marks":
        """The marks of some genes, by their numbers or a mask."""
        rows = np.arange(len(self))[rows]
        return replace(
            self,
            genes=self.genes[rows],
            around=self.around[rows],
            body=self.body[rows],
            elements=self.elements and self.elements.of(rows),
            added={name: values[rows] for name, values in self.added.items()},
        )

    @classmethod
    def join(cls, parts: Sequence["Marks"]) -> "Marks":
        """The marks of several sets of genes with the same signals, as of one after another.

        What only some of them have, elements or added features, is left out.
        """
        first = parts[0]
        elements = [part.elements for part in parts if part.elements is not None]
        common = [name for name in first.added if all(name in part.added for part in parts)]
        return replace(
            first,
            genes=np.concatenate([part.genes for part in parts]),
            around=np.concatenate([part.around for part in parts]),
            body=np.concatenate([part.body for part in parts]),
            elements=ElementMarks.join(elements, list(map(len, parts)))
            if len(elements) == len(parts)
            else None,
            added={name: np.concatenate([p.added[name] for p in parts]) for name in common},
        )

    def select(self, signals: Sequence[str], transforms: Sequence[str], bin_size: int) -> "Marks":
        """The marks that a model was trained on, in its order.

        Raises
        ------
        InputError
            One is missing, or its transform or the size of bins is another.
        """
        for name, transform in zip(signals, transforms):
            if name not in self.signals:
                raise InputError(
                    f"the features lack signal {name!r} that the model reads (they have "
                    f"{', '.join(self.signals)}); give it under this name in the sheet of signals"
                )
            own = self.transforms[self.signals.index(name)]
            if own != transform:
                raise InputError(
                    f"signal {name!r} has transform {own!r}, the model was trained on "
                    f"{transform!r}; correct its row in the sheet of signals"
                )
        if bin_size != self.bin_size:
            raise InputError(
                f"features have bins of {self.bin_size} bp, the model was trained on {bin_size} bp"
            )
        order = [self.signals.index(name) for name in signals]
        return replace(
            self,
            signals=list(signals),
            transforms=list(transforms),
            around=self.around[:, order],
            body=self.body[:, order],
            elements=self.elements and self.elements.select(order),
        )

    def within(self, reach: int) -> "Marks":
        """The marks of so many bp on both sides of the TSS.

        Raises
        ------
        InputError
            The features reach less far.
        """
        middle, side = self.around.shape[2] // 2, reach // self.bin_size
        if side > middle:
            raise InputError(
                f"the model reads {reach:,} bp on both sides of the TSS; features reach "
                f"{middle * self.bin_size:,} bp: give its setting reach a smaller value"
            )
        return replace(self, around=self.around[:, :, middle - side : middle + side])

    def binned(self, size: int) -> np.ndarray:
        """Bins around the TSS, on the scale that models see; 0 where nothing is known.

        Parameters
        ----------
        size : int
            bp, a multiple of `bin_size` that divides both sides.

        Returns
        -------
        ndarray, (n_genes, n_signals, n_bins), float32

        Raises
        ------
        InputError
            Bins of this size cannot be made of the store's.
        """
        step, n = size // self.bin_size, self.around.shape[2]
        if step == 0 or size % self.bin_size or (n // 2) % step:
            raise InputError(
                f"features at {size} bp cannot be made of {n} bins of {self.bin_size} bp; expected "
                f"a multiple of {self.bin_size} bp that divides {n // 2 * self.bin_size:,} bp"
            )
        shape = (len(self), len(self.signals), n // step, step)
        values = _mean(self.around.reshape(shape)) if step > 1 else self.around
        return scale_marks(values, self.linear, axis=1)

    def windows(self, edges: Sequence[int] = EDGES) -> np.ndarray:
        """Means in windows around the TSS and over the body, as columns of a table.

        Parameters
        ----------
        edges : sequence of int
            bp from the TSS, rising; borders of the windows, rounded down to bins.

        Returns
        -------
        ndarray, (n_genes, n_signals * n_windows), float32
            Windows of the first signal, its body, those of the second one, …; 0 where nothing is
            known.
        """
        middle = self.around.shape[2] // 2
        places = np.array([middle + edge // self.bin_size for edge in edges])
        parts = [_mean(self.around[:, :, lo:hi]) for lo, hi in pairwise(places)]
        values = np.stack([*parts, self.body], axis=2)  # (n, n_signals, windows + 1)
        return scale_marks(values, self.linear, axis=1).reshape(len(self), -1)

    def window_names(self, edges: Sequence[int] = EDGES) -> list[str]:
        """Names of the columns of `windows`: signal:from..to or signal:body."""
        spans = [*(f"{lo}..{hi}" for lo, hi in pairwise(edges)), "body"]
        return [f"{signal}:{span}" for signal in self.signals for span in spans]

    def seen_by(self, settings: WindowSettings) -> np.ndarray:
        """What a model sees, (n_genes, n_features), float32.

        Raises
        ------
        InputError
            Its windows reach farther than the features, or it reads elements and there are none.
        """
        found = [] if settings.parts == "added" else [self._means_for(settings)]
        if settings.added:
            found.append(self.of_added(settings.added))
        return np.hstack(found)

    def _means_for(self, settings: WindowSettings) -> np.ndarray:
        """Means of marks at the promoter and the elements."""
        if settings.parts == "elements":
            return self.of_elements()
        edges, reach = settings.edges, self.around.shape[2] // 2 * self.bin_size
        if max(-edges[0], edges[-1]) > reach:
            raise InputError(
                f"edges of model '{settings.preset}' from {edges[0]:,} to {edges[-1]:,} bp; "
                f"features reach {reach:,} bp"
            )
        values = self.windows(edges)
        if not settings.body:
            kept = [not name.endswith(":body") for name in self.window_names(edges)]
            values = values[:, kept]
        return values if settings.parts == "promoter" else np.hstack([values, self.of_elements()])

    @property
    def linear(self) -> list[int]:
        """Numbers of the signals that are put on a scale of logarithms."""
        return [k for k, transform in enumerate(self.transforms) if transform == "none"]

    def known_elements(self) -> ElementMarks:
        """The elements.

        Raises
        ------
        InputError
            There are none.
        """
        if self.elements is None:
            raise InputError(
                "the model reads elements, and the genes have none; give interactions of the cell "
                "type (expression.interactions), or set parts of the model to embedding or promoter"
            )
        return self.elements

    def without_elements(self) -> "Marks":
        """The genes without any element.

        Raises
        ------
        InputError
            They have none to begin with.
        """
        nothing = np.empty(0, dtype=np.int64)
        return replace(self, elements=self.known_elements().take(nothing, nothing, nothing))

    def of_elements(self) -> np.ndarray:
        """What simple models see of a gene's elements, as columns of a table.

        Returns
        -------
        ndarray, (n_genes, 2 * n_signals + 1), float32
            Over the elements of a gene, mean (weighted by frequency) and maximum of each signal's
            mean; the number of elements. 0 where there is none.

        Raises
        ------
        InputError
            The features have no elements.
        """
        elements = self.known_elements()
        values = elements.means(self.linear)  # (n_signals, E)
        table = np.zeros((len(self), 2 * len(values) + 1), np.float32)
        weight = np.bincount(elements.gene, elements.frequency, minlength=len(self))
        for k, row in enumerate(values):
            total = np.bincount(elements.gene, row * elements.frequency, minlength=len(self))
            table[:, k] = np.divide(total, weight, out=np.zeros(len(self)), where=weight > 0)
            np.maximum.at(table[:, len(values) + k], elements.gene, row)
        table[:, -1] = np.bincount(elements.gene, minlength=len(self))
        return table

    def of_added(self, names: Sequence[str]) -> np.ndarray:
        """Added features, side by side; 0 where nothing is known; (n_genes, n_numbers), float32.

        Raises
        ------
        InputError
            The genes lack one.
        """
        for name in names:
            if name not in self.added:
                raise InputError(
                    f"the model reads the added feature {name!r}, which these genes have not "
                    f"(they have {', '.join(self.added) or 'none'}); name its file in "
                    "expression.added"
                )
        nothing = np.empty((len(self), 0), np.float32)
        return np.nan_to_num(np.hstack([nothing, *(self.added[name] for name in names)]))

    def permuted(self, signals: Sequence[str], *, seed: int) -> "Marks":
        """The marks with some signals or added features exchanged between genes, all of them alike.

        At elements they are exchanged between the bins of all elements.
        """
        known = [*self.signals, *self.added]
        missing = [name for name in signals if name not in known]
        if missing:
            raise InputError(
                f"signal {missing[0]!r} cannot be permuted; there are {', '.join(known)}"
            )
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        chosen = [self.signals.index(name) for name in signals if name in self.signals]
        added = {
            name: values[order] if name in signals else values
            for name, values in self.added.items()
        }
        around, body = self.around.copy(), self.body.copy()
        around[:, chosen], body[:, chosen] = around[order][:, chosen], body[order][:, chosen]
        elements = self.elements
        if elements is not None:
            values = elements.values.copy()
            values[chosen] = values[chosen][:, rng.permutation(values.shape[1])]
            elements = replace(elements, values=values)
        return replace(self, around=around, body=body, elements=elements, added=added)

    def save(self, path: str | Path) -> None:
        """Write the marks as HDF5, atomically."""
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs.update({"signals": self.signals, "transforms": self.transforms})
            file.attrs["bin_size"] = self.bin_size
            file["genes"] = self.genes.astype(object)
            file["body"] = self.body
            shape = (min(256, len(self)), *self.around.shape[1:])
            file.create_dataset("around", data=self.around, chunks=shape, compression="lzf")
            if self.elements is not None:
                group = file.create_group("elements")
                for part in fields(self.elements):
                    group[part.name] = getattr(self.elements, part.name)
            for name, values in self.added.items():
                file[f"added/{name}"] = values


def open_marks(path: str | Path) -> Marks:
    """Read what `Marks.save` wrote.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    with _hdf5(path) as file:
        return Marks(
            genes=file["genes"].asstr()[:],
            signals=[str(name) for name in file.attrs["signals"]],
            transforms=[str(name) for name in file.attrs["transforms"]],
            bin_size=int(file.attrs["bin_size"]),
            around=file["around"][:],
            body=file["body"][:],
            elements=_read_elements(file),
            added={name: values[:] for name, values in file.get("added", {}).items()},
        )


def _read_elements(file: h5py.File) -> ElementMarks | None:
    if "elements" not in file:
        return None
    return ElementMarks(**{f.name: file[f"elements/{f.name}"][:] for f in fields(ElementMarks)})


@contextmanager
def _hdf5(path: str | Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path} cannot be read as features of genes ({error}); make it again by build_genes"
        ) from error


def gather_marks(
    store: Signals,
    genes: pd.DataFrame,
    *,
    signals: Sequence[str] | None = None,
    reach: int = REACH,
    check: bool = True,
) -> Marks:
    """Read the signals around genes.

    Parameters
    ----------
    store : Signals
        Of the cell type.
    genes : DataFrame
        gene, chrom, start, end, tss, strand.
    signals : sequence of str, optional
        Names, in order; all of the store by default.
    reach : int
        bp on both sides of the TSS.
    check : bool
        Refuse a signal without any value; a few genes may have none.

    Returns
    -------
    Marks
        One row per gene, in the order of `genes`.

    Raises
    ------
    InputError
        A signal or chromosome is not in the store, or a signal has no value around any gene.
    """
    names = list(store.signals if signals is None else signals)
    size, side = store.bin_size, reach // store.bin_size
    around = np.empty((len(genes), len(names), 2 * side), np.float32)
    body = np.empty((len(genes), len(names)), np.float32)
    forward = (genes["strand"] == "+").to_numpy()
    tss = genes["tss"].to_numpy() // size
    first, last = genes["start"].to_numpy() // size, -(-genes["end"].to_numpy() // size)
    steps = np.arange(-side, side)
    for chrom, rows in genes.groupby("chrom", sort=False).indices.items():
        if chrom not in store.chromsizes.index:
            raise InputError(
                f"genes on {chrom}, which the signals have not (they have "
                f"{', '.join(store.chromsizes.index[:4])}, …); give genes and signals of one "
                "assembly"
            )
        n = -(-int(store.chromsizes[chrom]) // size)
        lo = max(min(first[rows].min(), tss[rows].min() - side), 0)
        hi = min(max(last[rows].max(), tss[rows].max() + side + 1), n)
        values = store.read(str(chrom), lo, hi, names)  # (n_signals, hi - lo)
        padded = np.pad(values, ((0, 0), (side, side)), constant_values=np.nan)
        turned = np.where(forward[rows, None], steps, -steps)  # (genes, 2 side)
        around[rows] = padded[:, tss[rows, None] + turned + side - lo].transpose(1, 0, 2)
        body[rows] = _body(values, first[rows] - lo, last[rows] - lo)
    for k, name in enumerate(names):
        if check and not np.isfinite(around[:, k]).any():
            raise InputError(
                f"signal {name!r} has no value around any of the {len(genes):,} genes; give its "
                "file of these chromosomes, or leave it out (expression.signals)"
            )
    transforms = [str(store.transforms.get(name, "none")) for name in names]
    return Marks(genes["gene"].to_numpy(dtype=str), names, transforms, size, around, body)


def _body(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Mean of the known bins [first, last), (n_genes, n_signals); NaN where most are unknown."""
    known = np.isfinite(values)
    zero = np.zeros((len(values), 1))
    sums = np.hstack([zero, np.cumsum(np.where(known, values, 0), axis=1, dtype=float)])
    counts = np.hstack([zero, np.cumsum(known, axis=1)])
    n = counts[:, last] - counts[:, first]  # (n_signals, n_genes)
    total = sums[:, last] - sums[:, first]
    mean = np.divide(total, n, out=np.full_like(total, np.nan), where=n > 0)
    return np.where(n >= _MASKED * (last - first), mean, np.nan).T


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is known; NaN where most is not."""
    known = np.isfinite(values)
    n = known.sum(axis=-1)
    total = np.where(known, values, 0).sum(axis=-1, dtype=np.float64)
    mean = np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)
    return np.where(n >= _MASKED * values.shape[-1], mean, np.nan)
