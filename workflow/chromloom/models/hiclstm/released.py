"""The model of the published code, so that its checkpoints load and give its numbers.

It differs from the article: only observed contacts of a row are read, 150 at a time with the gaps
squeezed out; states start from N(0, 1) noise (seeded here); no layer norm is ever applied; the
output is one linear layer over the whole frame; index 0 is the first bin of the genome and also
the padding of short frames. Plain torch: this preset is for comparison, not for speed.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn.functional import softsign

from chromloom.errors import CheckpointError
from chromloom.genome.bins import Bins
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.models.hiclstm.trained import HiCLSTMTrained
from chromloom.models.trained import describe, write_model

logger = logging.getLogger(__name__)

PUBLISHED_NAMES = {
    "pos_embed.weight": "embedding",
    "lstm.params.0.i2h.weight": "i2h.weight",
    "lstm.params.0.i2h.bias": "i2h.bias",
    "lstm.params.0.h2h.weight": "h2h.weight",
    "lstm.params.0.h2h.bias": "h2h.bias",
    "out.weight": "out.weight",
    "out.bias": "out.bias",
}
PUBLISHED_STARTS = {"chr1": 0, "chr21": 27_800, "chr22": 28_292}
"""First bin of the chromosomes in the checkpoint published for GM12878 at 100 kb (hg19).

Its numbering is not documented. chr1 starts it; chr21 and chr22 were found by sliding its
prediction along maps of these chromosomes and are sharp to one bin. The others are not known to
better than a few bins.
"""

FRAMES_AT_ONCE = 4096
MIN_CONTACTS = 10
"""Rows with this many contacts or fewer are not read."""


def new_module(settings: HiCLSTMSettings, lengths: list[int]) -> "ReleasedHiCLSTM":
    """Module of a genome with chromosomes of so many bins."""
    return ReleasedHiCLSTM(settings, sum(lengths))


class ReleasedHiCLSTM(nn.Module):
    """Representations and decoder of the published code; gates in its order i, f, o, g.

    Parameters
    ----------
    settings : HiCLSTMSettings
    n_bins : int
        Bins of the genome.
    """

    def __init__(self, settings: HiCLSTMSettings, n_bins: int):
        super().__init__()
        made = settings.architecture
        d, hidden, frame = made.embedding_dim, made.hidden_size, made.frame
        self.settings = settings
        self.embedding = nn.Parameter(torch.zeros(n_bins, d))
        self.i2h, self.h2h = nn.Linear(2 * d, 4 * hidden), nn.Linear(hidden, 4 * hidden)
        self.out = nn.Linear(frame * hidden, frame)

    def reset(self, seed: int) -> None:
        """Draw all parameters from `seed`, as the published code does."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.embedding.normal_(generator=generator)
            for layer, size in (
                (self.i2h, self.settings.architecture.hidden_size),
                (self.h2h, self.settings.architecture.hidden_size),
                (self.out, self.out.in_features),
            ):
                for parameter in layer.parameters():
                    parameter.uniform_(-(size**-0.5), size**-0.5, generator=generator)

    def forward(
        self,
        embedding: Tensor,
        rows: Tensor,
        cols: Tensor,
        state: Tensor,
        columns: Tensor | None = None,
    ) -> Tensor:
        """Contact probability of frames.

        Parameters
        ----------
        embedding : Tensor, (n, d)
        rows, cols : Tensor, (N, frame), int
            Rows of `embedding` of each pair; 0 and 0 where a frame is padded.
        state : Tensor, (2, N, H)
            h and c at the frame's start.
        columns : Tensor, (n, d), optional
            What `cols` are rows of; `embedding` by default.

        Returns
        -------
        Tensor, (N, frame)
        """
        d = embedding.shape[1]
        weight = self.i2h.weight
        P = embedding @ weight[:, :d].T + self.i2h.bias + self.h2h.bias  # (n, 4H)
        Q = (embedding if columns is None else columns) @ weight[:, d:].T
        h, c = state
        outputs = []
        for i, j in zip(rows.unbind(1), cols.unbind(1)):
            z = P[i] + Q[j] + h @ self.h2h.weight.T  # (N, 4H)
            gates, g = z.split([3 * h.shape[1], h.shape[1]], dim=1)
            i_gate, f_gate, o_gate = gates.sigmoid().chunk(3, dim=1)
            c = f_gate * c + i_gate * softsign(g)
            h = o_gate * softsign(c)
            outputs.append(h)
        return self.out(torch.cat(outputs, dim=1)).sigmoid()  # (N, frame * H) -> (N, frame)


def cut_frames(rows: np.ndarray, cols: np.ndarray, frame: int) -> tuple[np.ndarray, ...]:
    """Cut each row's contacts into frames.

    Parameters
    ----------
    rows, cols : ndarray, (n_pairs,), int
        Contacts sorted by row, then column; rows with 10 contacts or fewer are left out.
    frame : int
        Contacts of a frame.

    Returns
    -------
    pairs : ndarray, (n_kept,), int
        Numbers of the pairs that are read.
    frames, places : ndarray, (n_kept,), int
        Frame and place in it of each.
    """
    _, start, counts = np.unique(rows, return_index=True, return_counts=True)
    kept = counts > MIN_CONTACTS
    start, counts = start[kept], counts[kept]
    total = int(counts.sum())
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)  # within the row
    first_frame = np.cumsum(-(-counts // frame)) - -(-counts // frame)
    pairs = np.repeat(start, counts) + place
    return pairs, np.repeat(first_frame, counts) + place // frame, place % frame


class ReleasedTrainedModel(HiCLSTMTrained):
    """A trained model of preset `released`.

    It reads the pairs that were observed in the map trained on (`pairs.safetensors` in its folder);
    pairs that were not, and rows with 10 contacts or fewer, are predicted as 0. Where that list is
    not known (the published checkpoint), all unmasked pairs are read. In an edited chromosome pairs
    move with their bins; those that were no pair before (copies of one bin or of neighbours, bins
    of two chromosomes) are read. The noise that states start from is drawn by bin from the seed.
    """

    @property
    def padding(self) -> np.ndarray:
        """Representation of the genome's first bin, which fills short frames, (d,)."""
        return self.module.embedding[0].cpu().numpy()

    def observed_pairs(self, chrom: str) -> tuple[np.ndarray, np.ndarray] | None:
        """(pointer (n + 1,), columns) of the observed pairs by row, or None if not known."""
        if self.pairs_path is None or not self.pairs_path.exists():
            return None
        with safe_open(self.pairs_path, "np") as file:
            return file.get_tensor(f"{chrom}.pointer"), file.get_tensor(f"{chrom}.columns")

    def _pair_list(
        self, chrom: str, masked: np.ndarray, lo: int, hi: int, origin: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns that are read, sorted, counted from the chromosome's start."""
        n, observed = len(masked), self.observed_pairs(chrom)
        if observed is not None and origin is not None:
            rows, cols = _moved_pairs(*observed, origin, lo, hi, self.ignore_diags)
        elif observed is not None and len(observed[0]) == n + 1:
            pointer, columns = observed
            rows = np.repeat(np.arange(lo, hi), np.diff(pointer[lo : hi + 1]))
            cols = columns[pointer[lo] : pointer[hi]].astype(np.int64)
        else:
            rows, cols = np.nonzero(np.arange(n) >= np.arange(lo, hi)[:, None] + self.ignore_diags)
            rows = rows + lo
        kept = ~masked[rows] & ~masked[cols]
        return rows[kept], cols[kept]

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
        """Contact probability (d1 - d0, hi - lo); 0 where nothing is read."""
        first, _ = self.extent(chrom)
        made = self.settings.architecture
        frame, hidden = made.frame, made.hidden_size
        rows, cols = self._pair_list(chrom, masked, lo, hi, origin)
        pairs, frames, places = cut_frames(rows, cols, frame)
        rows, cols = rows[pairs], cols[pairs]
        R = self._padded(R, masked, first)
        columns = None if columns is None else self._padded(columns, masked, first)
        n_frames = int(frames[-1]) + 1 if len(frames) else 0
        bins = np.zeros((2, n_frames, frame), dtype=np.int64)
        bins[:, frames, places] = rows + 1, cols + 1
        index = torch.from_numpy(bins).to(R.device)
        at = bins[0, :, 0] - 1
        bin_ids = first + (at if origin is None else np.where(origin[at] < 0, at, origin[at]))
        noise = _row_noise(int(self.config["seed"]), bin_ids, hidden)
        outputs = [
            self.module(R, *index[:, a : a + FRAMES_AT_ONCE], part.to(R), columns)
            for a, part in zip(
                range(0, n_frames, FRAMES_AT_ONCE), noise.split(FRAMES_AT_ONCE, dim=1)
            )
        ]
        y = R.new_zeros(d1 - d0, hi - lo)
        if not outputs:
            return y
        wanted = np.flatnonzero((cols - rows >= d0) & (cols - rows < d1))
        values = torch.cat(outputs)[frames[wanted], places[wanted]]
        place = (cols[wanted] - rows[wanted] - d0, rows[wanted] - lo)
        return y.index_put(tuple(torch.from_numpy(a).to(R.device) for a in place), values)

    def _padded(self, R: Tensor, masked: np.ndarray, first: int) -> Tensor:
        """Representations (n + 1, d), that of the padding (the genome's first bin) before them."""
        padding = R[:1] if first == 0 else self.module.embedding[:1].to(R.dtype)
        unread = torch.from_numpy(masked).to(R.device)[:, None]
        return torch.cat([padding, torch.where(unread, 0, R)])


def _moved_pairs(
    pointer: np.ndarray, columns: np.ndarray, origin: np.ndarray, lo: int, hi: int, nearest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of the rows [lo, hi) that are read where bins moved: rows and columns, sorted.

    `origin` (m,) is the reference bin at each position, -1 where it has none; a pair nearer than
    `nearest` in the reference was none there.
    """
    n = len(pointer) - 1
    listed = csr_array((np.ones(len(columns), np.int8), columns, pointer), shape=(n, n))
    seen = (listed + listed.T)[np.maximum(origin[lo:hi], 0)].toarray() > 0  # (hi - lo, n)
    seen = seen[:, np.maximum(origin, 0)]  # (hi - lo, m)
    left, right = origin[lo:hi, None], origin[None, :]
    seen |= (left < 0) | (right < 0) | (np.abs(right - left) < nearest)
    i, j = np.arange(lo, hi)[:, None], np.arange(len(origin))
    rows, cols = np.nonzero(seen & (j >= i + nearest))
    return rows + lo, cols


def _row_noise(seed: int, bin_ids: np.ndarray, hidden: int) -> Tensor:
    """States (2, N, H) of frames from N(0, 1), by row: the same however rows are blocked."""
    generator = torch.Generator()
    rows, counts = np.unique(bin_ids, return_counts=True)
    parts = [
        torch.randn(2, int(count), hidden, generator=generator.manual_seed(seed * 2**32 + int(row)))
        for row, count in zip(rows, counts)
    ]
    return torch.cat(parts, dim=1) if parts else torch.zeros(2, 0, hidden)


def read_published(path: str | Path) -> dict[str, Tensor]:
    """Parameters of a checkpoint published with Hi-C-LSTM, under this model's names.

    Its layer-norm parameters, which the published code never uses, are left out.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, holds more than tensors or other ones.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path} is missing; give the path of the published .pth file")
    try:
        published = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, …
        raise CheckpointError(
            f"{path} cannot be read as a torch state dict of tensors ({type(error).__name__}); "
            "it is truncated or of another format: fetch it again"
        ) from error
    missing = [name for name in PUBLISHED_NAMES if name not in published]
    if missing:
        raise CheckpointError(
            f"{path} lacks {', '.join(missing)}; expected the parameters of the published "
            "Hi-C-LSTM (pos_embed, lstm.params.0, out)"
        )
    return {name: published[key] for key, name in PUBLISHED_NAMES.items()}


def import_published(
    path: str | Path,
    out_dir: str | Path,
    *,
    chromsizes: pd.Series,
    chrom_starts: dict[str, int] = PUBLISHED_STARTS,
    masked: dict[str, np.ndarray] | None = None,
    resolution: int = 100_000,
    assembly: str = "hg19",
    sample: str = "GM12878",
    seed: int = 0,
) -> None:
    """Turn a published checkpoint into a model folder.

    Its frames start on the diagonal, so that the model has `ignore_diags` 0.

    Parameters
    ----------
    path : path
        The .pth file.
    out_dir : path
        Model folder.
    chromsizes : Series
        Chromosome name -> bp.
    chrom_starts : dict
        Number of each chromosome's first bin in the checkpoint's own count, that with bin 0 (which
        is also the padding) first. The model has these chromosomes only; a bin that the
        checkpoint lacks is masked.
    masked : dict, optional
        Chromosome -> (n,) bool: bins not to be read, such as those without contacts, for which
        the checkpoint holds nothing that was learnt.
    resolution : int
        bp.
    seed : int
        Of the noise that states start from.
    """
    import cooler

    parameters = read_published(path)
    table = parameters["embedding"]
    bins = cooler.binnify(chromsizes[list(chrom_starts)], resolution)
    bins["chrom"] = bins["chrom"].astype(str)
    within = bins.groupby("chrom", sort=False).cumcount()
    number = (bins["chrom"].map(chrom_starts) + within).to_numpy()
    unread = number >= len(table)
    for chrom, own in (masked or {}).items():
        unread[(bins["chrom"] == chrom).to_numpy()] |= own
    parameters["embedding"] = table[np.minimum(number, len(table) - 1)]
    settings = HiCLSTMSettings.from_preset("released", embedding_dim=table.shape[1])
    config: dict[str, Any] = describe(settings, "hiclstm-released", seed=seed, device="cpu") | {
        "sample": sample,
        "assembly": assembly,
        "resolution": resolution,
        "norm": "KR",
        "ignore_diags": 0,
        "imported_from": Path(path).name,
    }
    expected = pd.DataFrame(columns=["region1", "region2", "dist", "expected"])
    write_model(
        out_dir,
        {**parameters, "recalibration": torch.ones(1)},
        config,
        bins=Bins(bins.assign(masked=unread), resolution),
        expected=expected,
        history=pd.DataFrame(columns=["epoch"]),
    )
