"""Trained models on disk and in use: what every room after training opens.

A model folder holds `model.safetensors` (parameters and recalibration), `config.json` (settings,
seed, versions, device, map), `bins.parquet` (chrom, start, end, masked), `expected.tsv` (of the
map trained on) and `history.tsv` (one row per epoch). Nothing is ever unpickled.
"""

import json
import logging
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import chromloom
from chromloom.errors import CheckpointError, InputError
from chromloom.files import atomic_path, read_tsv, write_json, write_tsv
from chromloom.genome.bins import Bins, OnBins, blank_band
from chromloom.models.registry import DECODER_VARIANTS, Model, find_model, load
from chromloom.normalize.probability import (
    contact_probability,
    contact_strength,
    mean_contact_probability,
)

logger = logging.getLogger(__name__)

ROWS = 1024
"""Rows of a block when a whole chromosome is gone through."""


def describe(settings: Any, model: str, *, seed: int, device: str) -> dict[str, Any]:
    """What every model folder's config says of its run: model, settings, seed, device, versions."""
    return {
        "model": model,
        "settings": settings.to_dict(),
        "seed": seed,
        "device": device,
        "versions": {
            "chromloom": chromloom.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def write_model(
    out_dir: str | Path,
    tensors: dict[str, Tensor],
    config: dict[str, Any],
    *,
    bins: Bins,
    expected: pd.DataFrame,
    history: pd.DataFrame,
    write_more: Callable[[Path], None] | None = None,
) -> None:
    """Write a model folder, whole or not at all.

    Parameters
    ----------
    out_dir : path
        Folder; an older one is replaced.
    tensors : dict
        Parameters by name, and `recalibration` (see `TrainedModel.to_value`).
    config : dict
        `model` (its name in the registry), `settings`, sample, resolution, norm, assembly,
        ignore_diags, seed, device, versions.
    bins : Bins
    expected, history : DataFrame
        Written as they are.
    write_more : callable, optional
        Given the folder, writes further files into it.
    """
    with atomic_path(out_dir) as folder:
        folder.mkdir()
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            folder / "model.safetensors",
        )
        rows = {"expected.tsv": len(expected), "history.tsv": len(history)}
        write_json(config | {"rows": rows}, folder / "config.json")
        bins[["chrom", "start", "end", "masked"]].to_parquet(folder / "bins.parquet", index=False)
        write_tsv(expected, folder / "expected.tsv")
        write_tsv(history, folder / "history.tsv")
        if write_more is not None:
            write_more(folder)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file.

    Raises
    ------
    CheckpointError
        The file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; train the model, or correct the path") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read as safetensors ({error}); it is truncated or of another "
            "format: train the model again"
        ) from error


def load_parameters(module: torch.nn.Module, tensors: dict[str, Tensor], source: Any) -> None:
    """Copy tensors into a module whose parameters must have their names and shapes.

    Raises
    ------
    CheckpointError
        A parameter is missing, superfluous or of another shape.
    """
    wanted = module.state_dict()
    for name, parameter in wanted.items():
        if name not in tensors:
            raise CheckpointError(
                f"{source} has no parameter '{name}' (expected shape {tuple(parameter.shape)}); "
                "it belongs to other model settings: use its own config, or train again"
            )
        if tensors[name].shape != parameter.shape:
            raise CheckpointError(
                f"{source}: parameter '{name}' has shape {tuple(tensors[name].shape)}, expected "
                f"{tuple(parameter.shape)}; it belongs to other model settings or another map: "
                "use its own config, or train again"
            )
    extra = sorted(set(tensors) - set(wanted))
    if extra:
        raise CheckpointError(
            f"{source} has the parameters {', '.join(extra)}, which these model settings lack; "
            "use its own config, or train again"
        )
    module.load_state_dict(tensors)


def _open_settings(config: dict[str, Any]) -> tuple[Model, Any]:
    """Where the code of a model folder (of its decoder, where it is one) lies, and its settings."""
    line = DECODER_VARIANTS[config["variant"]] if "decoder" in config else None
    line = line or find_model(config["model"])
    options = dict(config["settings"])
    try:
        return line, load(line.settings)(options.pop("preset"), **options)
    except InputError as error:  # a setting that was renamed, say
        raise ValueError(error) from error


class TrainedModel(OnBins):
    """A trained model: representations, predictions and their scales.

    Attributes
    ----------
    settings
        Of the model, such as `HiCLSTMSettings`.
    config : dict
        What `config.json` holds: model, sample, resolution, norm, assembly, ignore_diags, seed, ….
    bins : Bins
    expected_table : DataFrame
        Expected of the map trained on.
    module : nn.Module
    recalibration : ndarray, (n_dist,), float32
        Factor of the contact strength at each distance.
    device : torch.device
    pairs_path : Path or None
        Preset `released` keeps there which pairs it reads.
    """

    pairs_path: Path | None = None

    def __init__(
        self,
        module: torch.nn.Module,
        config: dict[str, Any],
        *,
        bins: Bins,
        expected_table: pd.DataFrame,
        recalibration: np.ndarray,
    ):
        self.module: Any = module
        self.config, self.bins = config, bins
        self.settings: Any = module.settings
        self.expected_table, self.recalibration = expected_table, recalibration
        self.ignore_diags = int(config["ignore_diags"])
        self.device = next(module.parameters()).device
        self._numbers = {name: k for k, name in enumerate(bins.extents)}

    @staticmethod
    def load(folder: str | Path, device: str = "cpu") -> "TrainedModel":
        """Open a model folder.

        Parameters
        ----------
        folder : path
            Written by `chromloom.training`.
        device : str
            auto, cpu or cuda.

        Raises
        ------
        CheckpointError
            A file is missing or damaged, or the parameters do not fit the settings and the bins.
        """
        folder = Path(folder)
        tensors = read_tensors(folder / "model.safetensors")
        try:
            config = json.loads((folder / "config.json").read_text())
            table = pd.read_parquet(folder / "bins.parquet").astype({"chrom": str, "masked": bool})
            source = f"the model of sample '{config['sample']}'"
            bins = Bins(table, int(config["resolution"]), source=source)
            rows = config.get("rows", {}).get("expected.tsv")
            expected = read_tsv(folder / "expected.tsv", rows=rows)
            if "model" not in config:
                raise CheckpointError(
                    f"{folder} was written by an older version, whose models are not read any "
                    "more; train the model again"
                )
            line, settings = _open_settings(config)
            recalibration = tensors.pop("recalibration").numpy()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{folder} is not a whole model folder ({type(error).__name__}: {error}); expected "
                "model.safetensors, config.json, bins.parquet and expected.tsv as training writes "
                "them: train the model again"
            ) from error
        module = load(line.module)(settings, bins.lengths)
        load_parameters(module, tensors, folder / "model.safetensors")
        module.requires_grad_(False).to(resolve_device(device))
        model = load(line.trained)(
            module, config, bins=bins, expected_table=expected, recalibration=recalibration
        )
        model.pairs_path = folder / "pairs.safetensors"
        return model

    @property
    def name(self) -> str:
        """Name of the model in the registry; of a decoder, that of the model that it decodes."""
        return self.config["model"]

    @property
    def reads_between(self) -> bool:
        """Whether a pair depends on no other bins than those from its first to its second."""
        return True

    @property
    def frame(self) -> int | None:
        """Distances (bins) read together, from a multiple of it on; None for all at once."""
        return None

    @property
    def padding(self) -> np.ndarray | None:
        """What is read where there is no bin, (d,); None for models without such a vector."""
        return None

    @property
    def embedding_dim(self) -> int:
        """Numbers of a bin's representation (d)."""
        return self.module.embedding.shape[1]

    def representation(self, chrom: str) -> np.ndarray:
        """Representations of a chromosome's bins, (n, d), float32; NaN at masked bins."""
        values = self.module.embedding[slice(*self.extent(chrom))].cpu().numpy().copy()
        values[self.mask(chrom)] = np.nan
        return values

    def predict_band(
        self,
        chrom: str,
        lo: int,
        hi: int,
        *,
        representation: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        strand: np.ndarray | None = None,
        origin: np.ndarray | None = None,
        max_dist: int | None = None,
    ) -> np.ndarray:
        """Predicted target of the rows [lo, hi) in band layout.

        Parameters
        ----------
        chrom : str
            Chromosome of n bins.
        lo, hi : int
            Rows, 0 <= lo < hi <= n.
        representation : ndarray, (m, d), optional
            Representations of an edited chromosome, which then has m bins.
        mask : ndarray, (m,), bool, optional
            Its masked bins. By default those whose representation is NaN and, when m = n, those
            of the model.
        strand : ndarray, (m,), int, optional
            1 or -1 = the bin lies turned round in the edited chromosome; read by models whose S
            is oriented.
        origin : ndarray, (m,), int, optional
            Bin of the reference chromosome that lies at each position of the edited one, -1 = of
            another chromosome; read by models that know which pairs were observed.
        max_dist : int, optional
            Distances below this only (bins).

        Returns
        -------
        ndarray, (n_dist, hi - lo), float32
            On the scale of the target (`settings.objective`), n_dist = min(n - lo, max_dist).
            NaN for masked bins, d < `ignore_diags` and beyond the chromosome's end.
        """
        R, masked = self._edited(chrom, representation, mask)
        n_dist = len(R) - lo if max_dist is None else min(len(R) - lo, max_dist)
        with torch.inference_mode():
            target = self._target(chrom, R, masked, lo, hi, 0, n_dist, strand=strand, origin=origin)
            band = target.cpu().numpy()
        blank_band(band, masked, lo, hi, self.ignore_diags)
        return band

    def predict_torch(
        self,
        chrom: str,
        R: Tensor,
        lo: int,
        hi: int,
        d0: int,
        d1: int,
        *,
        mask: np.ndarray | None = None,
        columns: Tensor | None = None,
        between: Tensor | None = None,
    ) -> Tensor:
        """Predicted target of rows [lo, hi) x distances [d0, d1), differentiable in R.

        Parameters
        ----------
        R : Tensor, (n, d)
            Representations of all bins of the chromosome; masked rows may hold anything.
        mask : ndarray, (n,), bool, optional
            Masked bins; those of the model by default.
        columns : Tensor, (n, d), optional
            Representations that enter as columns, where their gradient is wanted apart from the
            rows'; R by default.
        between : Tensor, (n, d), optional
            Likewise, of the bins that lie between the two of a pair (barriers).

        Returns
        -------
        Tensor, (d1 - d0, hi - lo)
            0 where there is no pair (masked, d < `ignore_diags`, beyond the end), so that a sum
            is one over unmasked pairs.
        """
        masked = self.mask(chrom) if mask is None else mask
        y = self._target(chrom, R, masked, lo, hi, d0, d1, columns, between)
        no_pair = np.zeros((d1, hi - lo), dtype=np.float32)
        blank_band(no_pair, masked, lo, hi, self.ignore_diags)
        return torch.where(torch.from_numpy(np.isnan(no_pair[d0:])).to(y.device), 0.0, y)

    def to_value(
        self, target_band: np.ndarray, expected_band: np.ndarray, *, first_dist: int = 0
    ) -> np.ndarray:
        """Contact strength of a target band.

        Log observed/expected is inverted as f exp(L) (expected + k) - k, clipped at 0, with one
        factor f a distance, the ratio of observed to predicted strength plus k over the map trained
        on: the exponential of a mean log is biased low. (A factor of the strength itself is worse:
        where strength is far below k it grows to 2 and moves with distance, which an edit then
        takes for a change.) Contact probability is inverted by its formula.

        Parameters
        ----------
        target_band, expected_band : ndarray, (n_dist, n_rows), float32
            Band layout; the expected of an edited chromosome is the caller's to give.
        first_dist : int
            Distance of the bands' first row.

        Returns
        -------
        ndarray, (n_dist, n_rows), float32
            Scale of counts; NaN where a band is NaN.
        """
        aim = self.settings.objective
        if aim.target == "cp":
            return contact_strength(target_band, *aim.coefficients)
        dist = np.arange(first_dist, first_dist + len(target_band))
        factor = self.recalibration[np.minimum(dist, len(self.recalibration) - 1), None]
        k = aim.pseudocount
        return np.maximum(factor * np.exp(target_band) * (expected_band + k) - k, 0)

    def to_cp(
        self, target_band: np.ndarray, expected_band: np.ndarray, *, first_dist: int = 0
    ) -> np.ndarray:
        """Contact probability of a target band; parameters as for `to_value`.

        Of a model of counts it is the mean contact probability of a count with the predicted mean,
        which at low depth is far from the contact probability of the mean.
        """
        aim = self.settings.objective
        if aim.target == "cp":
            return target_band
        value = self.to_value(target_band, expected_band, first_dist=first_dist)
        if aim.loss == "poisson":
            return mean_contact_probability(value, aim.cp_a)
        return contact_probability(value, *aim.coefficients)

    def _edited(
        self, chrom: str, representation: np.ndarray | None, mask: np.ndarray | None
    ) -> tuple[Tensor, np.ndarray]:
        """Representations without NaN on the device, and the mask."""
        own = self.mask(chrom)
        if representation is None:
            R = self.module.embedding[slice(*self.extent(chrom))]
            return R, own if mask is None else mask
        representation = np.asarray(representation, dtype=np.float32)
        if mask is None:
            mask = np.isnan(representation).any(axis=1)
            mask = mask | own if len(mask) == len(own) else mask
        return torch.from_numpy(np.nan_to_num(representation)).to(self.device), mask

    def _target(
        self,
        chrom: str,
        R: Tensor,
        masked: np.ndarray,
        lo: int,
        hi: int,
        d0: int,
        d1: int,
        columns: Tensor | None = None,
        between: Tensor | None = None,
        strand: np.ndarray | None = None,
        origin: np.ndarray | None = None,
    ) -> Tensor:
        """Predicted target (d1 - d0, hi - lo), anything where there is no pair."""
        ok = torch.from_numpy(~masked).to(R.device)
        columns = torch.where(ok[:, None], R if columns is None else columns, 0.0)
        rows = torch.where(ok[lo:hi, None], R[lo:hi], 0.0)
        cols, col_ok = cut_columns(columns, ok, lo + d0, hi + d1 - 1)
        y = self.module.tile(rows, cols, ok[lo:hi], col_ok, self._numbers[chrom], d0)
        return torch.sigmoid(y) if self.settings.objective.target == "cp" else y


def cut_columns(R: Tensor, ok: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    """Representations (L, d) of the columns [first, last) and which are ok (L,).

    Beyond the chromosome's end they are 0 and not ok.
    """
    beyond = max(last - len(R), 0)
    cols = torch.cat([R[first:last], R.new_zeros(beyond, R.shape[1])])
    return cols, torch.cat([ok[first:last], ok.new_zeros(beyond)])


def resolve_device(device: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` stands for here.

    Raises
    ------
    InputError
        Another word, or cuda where there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device '{device}' is unknown; expected auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda' was asked for, but torch sees no GPU here; set auto or cpu")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
