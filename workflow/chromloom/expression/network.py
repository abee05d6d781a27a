"""Networks of expression: what they read, one of the class and one of the level, their files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from chromloom.errors import CheckpointError, InputError
from chromloom.expression.encoding import Encoding
from chromloom.expression.features import Marks
from chromloom.expression.settings import EDGES, WindowSettings
from chromloom.expression.train import Batches, train_network
from chromloom.models.chromoformer import Chromoformer, Elements
from chromloom.models.expression.settings import OUTPUTS, ChromoformerSettings, RivalSettings
from chromloom.models.registry import find_model, load, model_named
from chromloom.models.trained import resolve_device

Settings = ChromoformerSettings | RivalSettings
_BATCH = 512  # genes predicted at a time


def new_network(settings: Settings, n_marks: int, task: str, n_windows: int = 0) -> nn.Module:
    """The network that settings are of; its forward takes what `Inputs.batch` gives."""
    module = load(find_model(model_named(settings.preset)).module)
    windows = {"n_windows": n_windows} if n_windows else {}
    return module(settings, n_marks, task, **windows)


class Inputs:
    """What a network reads of genes, batch by batch.

    Parameters
    ----------
    marks : Marks
    settings : Settings
    encoding : Encoding, optional
        Of the mean marks in windows, for a network that reads them.

    Raises
    ------
    InputError
        The network reads elements and there are none, or reads farther than the features reach.
    """

    def __init__(self, marks: Marks, settings: Settings, encoding: Encoding | None = None) -> None:
        near = marks.within(settings.reach)
        self.promoters = [torch.from_numpy(near.binned(size)) for size in settings.bin_sizes]
        self.elements = marks.known_elements() if settings.parts == "all" else None
        self.windows = None
        if encoding is not None:
            self.windows = encoding.apply(read_windows(marks, settings.reach))
        self._binned = []
        if self.elements is not None:
            turn = settings.turn_elements
            self._binned = [
                self.elements.binned(size // marks.bin_size, marks.linear, turn=turn)
                for size in settings.bin_sizes
            ]

    def batch(self, rows: Tensor, device: str = "cpu") -> tuple[Any, ...]:
        """Promoters and elements of some genes, the latter None of a network that has none.

        A list of each, by bin size. Of a network that reads windows these are a third part,
        (B, n_windows).
        """
        promoters = [part[rows].to(device) for part in self.promoters]
        windows = () if self.windows is None else (self.windows[rows].to(device),)
        if self.elements is None:
            return promoters, None, *windows
        chosen, gene = self.elements.find(rows.numpy())
        rank = self.elements.rank[chosen]
        alike = (
            torch.from_numpy(gene).to(device),
            torch.from_numpy(rank).to(device),
            torch.from_numpy(self.elements.frequency[chosen]).to(device),
        )
        most = int(rank.max(initial=-1)) + 1
        parts = []
        for promoter, (values, first) in zip(promoters, self._binned):
            marks, known, offset = _padded(values, first, chosen, promoter.shape[2])
            parts.append(
                Elements(
                    *alike,
                    torch.from_numpy(marks).to(device),
                    torch.from_numpy(known).to(device),
                    offset,
                    most,
                )
            )
        return promoters, parts, *windows


def read_windows(marks: Marks, reach: int) -> np.ndarray:
    """Mean marks in the windows that simple models read, those within so many bp of the TSS.

    Returns
    -------
    ndarray, (n_genes, n_features), float32
    """
    edges = tuple(edge for edge in EDGES if abs(edge) <= reach)
    return marks.seen_by(WindowSettings("windows", edges))


def _padded(
    values: np.ndarray, first: np.ndarray, chosen: np.ndarray, frame: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Elements in the middle of a frame as long as the promoter's, without bins that none has.

    Returns
    -------
    marks : ndarray, (E, n_signals, n), float32
        0 beyond an element.
    known : ndarray, (E, n), bool
    offset : int
        Number in the frame of the first of the n bins.
    """
    length = (first[1:] - first[:-1])[chosen]
    start = (frame - length) // 2
    lo, hi = int(start.min(initial=frame)), int((start + length).max(initial=0))
    place = np.arange(lo, max(hi, lo))
    known = (place >= start[:, None]) & (place < (start + length)[:, None])
    source = np.where(known, first[chosen][:, None] + place - start[:, None], 0)
    if not values.shape[1]:
        return np.zeros((len(chosen), len(values), len(place)), np.float32), known, lo
    marks = values[:, source] * known  # (n_signals, E, n)
    return np.ascontiguousarray(marks.transpose(1, 0, 2)), known, lo


def fit_network(
    task: str,
    inputs: Batches,
    target: np.ndarray,
    genes: pd.DataFrame,
    settings: Settings,
    n_marks: int,
    *,
    seed: int,
    device: str,
    n_windows: int = 0,
) -> tuple[nn.Module, list[dict]]:
    """A new network of a task, trained, and its history; see `train.train_network`."""
    torch.manual_seed(seed)
    network = new_network(settings, n_marks, task, n_windows).to(device)
    with threadpool_limits(1):  # the products of a batch are too small to share
        history = train_network(
            network, inputs, torch.from_numpy(target), genes, settings, seed=seed, device=device
        )
    return network, history


@torch.no_grad()
def apply_network(network: nn.Module, inputs: Batches, n_genes: int, device: str) -> Tensor:
    """What a network makes of all genes, (n_genes, n_outputs), float64, on the CPU."""
    network.eval()
    batches = torch.arange(n_genes).split(_BATCH)
    return torch.cat([network(*inputs.batch(rows, device)).cpu() for rows in batches]).double()


@dataclass
class NetworkModel:
    """A network of the class and one of the level, of one fold.

    Attributes
    ----------
    settings : Settings
    networks : dict of Module
        By task, clf and reg.
    history : DataFrame
        As of `train.train_network`, of both tasks.
    encoding : Encoding, optional
        Of the windows that the networks read.
    """

    settings: Settings
    networks: dict[str, nn.Module]
    history: pd.DataFrame
    device: str = "cpu"
    encoding: Encoding | None = None

    @classmethod
    def fit(
        cls,
        marks: Marks,
        genes: pd.DataFrame,
        settings: Settings,
        *,
        seed: int,
        device: str = "cpu",
    ) -> "NetworkModel":
        """Train on genes: one row of `marks` per row of `genes` (chrom, level, high).

        No gene but these is looked at.
        """
        device = str(resolve_device(device))
        encoding = None
        if settings.windows:
            encoding = Encoding.fit(read_windows(marks, settings.reach), settings.windows)
        inputs = Inputs(marks, settings, encoding)
        targets = {
            "clf": genes["high"].to_numpy(dtype=np.int64),
            "reg": genes["level"].to_numpy(dtype=np.float32),
        }
        networks, history = {}, []
        for task, target in targets.items():
            networks[task], rows = fit_network(
                task, inputs, target, genes, settings, len(marks.signals), seed=seed,
                device=device, n_windows=encoding.size if encoding else 0,
            )  # fmt: skip
            history += rows
        return cls(settings, networks, pd.DataFrame(history), device, encoding)

    def inputs(self, marks: Marks) -> Inputs:
        """What the networks read of genes."""
        return Inputs(marks, self.settings, self.encoding)

    def predict(self, marks: Marks) -> tuple[np.ndarray, np.ndarray]:
        """Level, log2(value + 1), and probability of being high, (n_genes,) each."""
        inputs = self.inputs(marks)
        found = {
            task: apply_network(network, inputs, len(marks), self.device)
            for task, network in self.networks.items()
        }
        return found["reg"][:, 0].numpy(), found["clf"].softmax(dim=1)[:, 1].numpy()

    @property
    def has_impact(self) -> bool:
        """Whether it has the embeddings that `impact` compares."""
        return isinstance(self.settings, ChromoformerSettings) and self.settings.parts == "all"

    def impact(
        self, marks: Marks, task: str = "reg", *, against: Marks | None = None
    ) -> np.ndarray:
        """Predicted cis-regulatory impact of genes, of a network that reads elements.

        The distance between core promoter and regulatory embedding, each standardised over its
        numbers (Methods, "Computation of the predicted cis-regulatory impact"). The Regulation
        layers move the embedding of a gene without elements, too. With `against`, marks of the
        same genes, it is the distance between both regulatory embeddings, as they are: without
        elements, what these alone do.

        Returns
        -------
        ndarray, (n_genes,), float64

        Raises
        ------
        InputError
            The network has no such embeddings.
        """
        network = self.networks[task]
        if not isinstance(network, Chromoformer) or not self.has_impact:
            raise InputError(
                f"model '{self.settings.preset}' has no promoter and regulatory embedding to tell "
                "an impact of elements from; name a chromoformer with elements"
            )
        inputs, found = self.inputs(marks), []
        others = self.inputs(against) if against is not None else None
        network.eval()
        with torch.no_grad():
            for rows in torch.arange(len(marks)).split(_BATCH):
                before, after = network.embeddings(*inputs.batch(rows, self.device))
                if others is not None:
                    _, before = network.embeddings(*others.batch(rows, self.device))
                else:
                    before, after = (
                        (x - x.mean(1, True)) / x.std(1, keepdim=True) for x in (before, after)
                    )
                found.append((after - before).norm(dim=1).cpu())
        return torch.cat(found).double().numpy()

    def save(self, folder: str | Path) -> None:
        """Write weights and history to a folder that exists."""
        for task, network in self.networks.items():
            save_network(network, Path(folder) / f"{task}.safetensors")
        if self.encoding is not None:
            self.encoding.save(folder)
        self.history.to_csv(Path(folder) / "history.tsv", sep="\t", index=False)

    @classmethod
    def load(cls, folder: str | Path, settings: Settings, *, n_signals: int) -> "NetworkModel":
        """Read from a folder.

        Raises
        ------
        CheckpointError
            Weights are missing, damaged or of other shapes.
        """
        encoding = Encoding.load(folder)[0] if settings.windows else None
        n_windows = encoding.size if encoding else 0
        networks = {
            task: load_network(
                Path(folder) / f"{task}.safetensors", settings, n_signals, task, n_windows
            )
            for task in OUTPUTS
        }
        return cls(settings, networks, pd.DataFrame(), encoding=encoding)


def save_network(network: nn.Module, path: Path) -> None:
    """Write the weights of a network, as safetensors."""
    save_file({name: x.cpu().contiguous() for name, x in network.state_dict().items()}, path)


def load_network(
    path: Path, settings: Settings, n_signals: int, task: str, n_windows: int = 0
) -> nn.Module:
    """A network with the weights of a file.

    Raises
    ------
    CheckpointError
        Weights are missing, damaged or of other shapes.
    """
    network = new_network(settings, n_signals, task, n_windows)
    load_weights(network, path, f"{n_signals} signals and the settings beside them")
    return network


def load_weights(network: nn.Module, path: Path, what: str) -> None:
    """Set the weights of a network to those of a file; `what` they should fit, for the message.

    Raises
    ------
    CheckpointError
        Weights are missing, damaged or of other shapes.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        first = str(error).splitlines()
        raise CheckpointError(
            f"{path}: weights do not fit {what} ({' '.join(first[:2]).strip()}); train the model "
            "again"
        ) from error
