"""Training of preset `released`: frames of observed contacts, as the published code does it.

Frames are cut from each row's observed contacts, padded to full length with index 0 and target 0,
and the padding is inside the loss. Batches of 210 frames in an order drawn from (seed, epoch); Adam
over all parameters, the whole table of representations included. Anomaly detection and the
checkpoint after every batch are left out.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from chromloom.models.hiclstm.released import ReleasedHiCLSTM, cut_frames
from chromloom.models.hiclstm.settings import HiCLSTMSettings
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import contact_probability
from chromloom.training.learner import LazyAdam, clip_gradients, flatten, learning_rate_factor


class FrameBatch(NamedTuple):
    """Index pairs and targets of some frames, and the seed of their initial states."""

    pairs: Tensor  # (2, N, frame), int64: genome-wide bins, 0 where padded
    target: Tensor  # (N, frame)
    noise_seed: int
    n_pairs: int


class FrameLoader:
    """Batches of one epoch after another; see `chromloom.training.tiles.TileLoader`.

    Parameters
    ----------
    normalized : NormalizedMap
    settings : HiCLSTMSettings
    seed : int
    region : (chrom, start, end), optional
        bp; only pairs within it.
    """

    def __init__(
        self,
        normalized: NormalizedMap,
        settings: HiCLSTMSettings,
        *,
        seed: int,
        region: tuple[str, int, int] | None = None,
    ):
        self.settings, self.seed = settings, seed
        self.epoch = self.position = 0
        index = [np.zeros((2, 0, settings.architecture.frame), dtype=np.int32)]
        target = [np.zeros((0, settings.architecture.frame), dtype=np.float32)]
        for chrom in normalized.chromnames if region is None else [region[0]]:
            first, _ = normalized.extent(chrom)
            pixels = normalized.pixels(chrom)
            if region is not None:
                start = pixels["i"] * normalized.resolution
                end = (pixels["j"] + 1) * normalized.resolution
                pixels = pixels[(start >= region[1]) & (end <= region[2])]
            i, j = pixels["i"].to_numpy(), pixels["j"].to_numpy()
            pairs, frames, places = cut_frames(i, j, settings.architecture.frame)
            if not len(pairs):
                continue
            shape = (frames[-1] + 1, settings.architecture.frame)
            index.append(np.zeros((2, *shape), dtype=np.int32))
            index[-1][:, frames, places] = i[pairs] + first, j[pairs] + first
            target.append(np.zeros(shape, dtype=np.float32))
            target[-1][frames, places] = contact_probability(
                pixels["value"].to_numpy()[pairs],
                *settings.objective.coefficients,
            )
        self._index = torch.from_numpy(np.concatenate(index, axis=1))
        self._target = torch.from_numpy(np.concatenate(target))
        self.n_tiles = -(-len(self._target) // settings.fit.tile_rows)
        self.n_pairs = int((self._index[1] > 0).sum())

    def __iter__(self) -> Iterator[FrameBatch]:
        """Batches of the epoch from `position` on."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self._target))
        size = self.settings.fit.tile_rows
        for k in range(self.position, self.n_tiles):
            yield self._batch(order[k * size : (k + 1) * size], k)

    def _batch(self, chosen: np.ndarray, number: int) -> FrameBatch:
        noise = np.random.SeedSequence([self.seed, self.epoch, number]).generate_state(1)
        index = self._index[:, chosen].long()
        return FrameBatch(index, self._target[chosen], int(noise[0]), int((index[1] > 0).sum()))


class FrameLearner:
    """Trains a `ReleasedHiCLSTM` batch by batch.

    Parameters
    ----------
    model : ReleasedHiCLSTM
        On its device; changed in place.
    freeze_decoder : bool
        Train representations only.
    """

    def __init__(self, model: ReleasedHiCLSTM, *, freeze_decoder: bool = False):
        self.model, self.settings = model, model.settings
        decoder = [p for name, p in model.named_parameters() if name != "embedding"]
        model.embedding.requires_grad_(True)
        for parameter in decoder:
            parameter.requires_grad_(not freeze_decoder)
        groups = {"embedding": [model.embedding]} | ({} if freeze_decoder else {"decoder": decoder})
        self._parts = {}
        for name, parameters in groups.items():
            values, gradient = flatten(parameters)
            self._parts[name] = (LazyAdam(values), gradient)

    def step(self, batch: FrameBatch, progress: float) -> Tensor:
        """Learn from one batch; returns its mean squared error times its number of pairs, ()."""
        embedding, hidden = self.model.embedding, self.settings.architecture.hidden_size
        generator = torch.Generator().manual_seed(batch.noise_seed)
        state = torch.randn(2, len(batch.target), hidden, generator=generator).to(embedding)
        index, target = batch.pairs.to(embedding.device), batch.target.to(embedding.device)
        output = self.model(embedding, *index, state)
        loss = torch.nn.functional.mse_loss(output, target)
        gradients = [gradient for _, gradient in self._parts.values()]
        for gradient in gradients:
            gradient.zero_()
        loss.backward()
        clip_gradients(gradients, self.settings.fit.clip_norm)
        fit = self.settings.fit
        rate = learning_rate_factor(fit, progress) * fit.learning_rate
        for adam, gradient in self._parts.values():
            adam.step(slice(None), gradient, rate)
        return loss.detach() * batch.n_pairs

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        return {
            f"{name}.{part}": getattr(adam, part)
            for name, (adam, _) in self._parts.items()
            for part in ("values", "mean", "square", "steps")
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])


def write_pairs(normalized: NormalizedMap, path) -> None:
    """Write which pairs were observed, for `ReleasedTrainedModel`: columns by row."""
    tensors = {}
    for chrom in normalized.chromnames:
        pixels, n = normalized.pixels(chrom), len(normalized.mask(chrom))
        counts = np.bincount(pixels["i"], minlength=n)
        tensors[f"{chrom}.pointer"] = np.append(0, np.cumsum(counts)).astype(np.int64)
        kind = np.uint16 if n < 2**16 else np.int32
        tensors[f"{chrom}.columns"] = pixels["j"].to_numpy().astype(kind)
    save_file(tensors, path)
