"""Weights of Akita as Keras wrote them (.h5), read without Keras.

The published files hold one group per layer, with the weights `kernel:0`, `bias:0`, `gamma:0`,
`beta:0`, `moving_mean:0` and `moving_variance:0`. Layers are called by kind and number (`conv1d`,
`conv1d_1`, …, `batch_normalization`, …, `conv2d`, …, `dense`) in the order in which the network was
built, which is that of the modules here; Keras goes on counting where one process built two
networks, so that numbers are taken as an order.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from chromloom.errors import CheckpointError
from chromloom.models.akita.module import Akita

KINDS = ("conv1d", "batch_normalization", "conv2d", "dense")
CONV = {"kernel": "weight", "bias": "bias"}  # of Keras -> of torch
NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def read_published(path: str | Path, network: Akita) -> dict[str, Tensor]:
    """State of a network from a file of Keras.

    Parameters
    ----------
    path : path
        HDF5, of a whole model or of weights alone.
    network : Akita
        Of the settings and bin size that the weights were trained with, and of their number of
        targets or of those that its setting `heads` names.

    Returns
    -------
    dict
        What `network.load_state_dict` takes.

    Raises
    ------
    CheckpointError
        No HDF5; more or fewer layers of a kind; a weight that is missing, of another shape or not
        finite. The message names the layer.
    """
    layers = _read_layers(path)
    state = {}
    expected = {kind: [m for k, m in _modules(network) if k == kind] for kind in KINDS}
    for kind, modules in expected.items():
        if len(found := layers.get(kind, [])) != len(modules):
            raise CheckpointError(
                f"{path}: {len(found)} layers {kind}; expected {len(modules)}: give the settings "
                "that the weights were trained with (filters, residual_blocks, pair_blocks, bins)"
            )
        for (layer, weights), (name, module) in zip(found, modules):
            for theirs, ours, values in _expected(module):
                if theirs not in weights:
                    raise CheckpointError(
                        f"{path}: layer {layer} has no {theirs} (it has "
                        f"{', '.join(sorted(weights))}); expected a layer as Akita's"
                    )
                array = weights[theirs]
                if kind == "dense" and network.settings.heads:
                    array = _chosen(array, network.settings.heads, path)
                turned = _as_torch(array, module) if theirs == "kernel" else array
                if turned.shape != values.shape:
                    shape = tuple(values.shape)
                    if theirs == "kernel":
                        shape = (*shape[2:][: array.ndim - 2], shape[1], shape[0])
                    raise CheckpointError(
                        f"{path}: {theirs} of layer {layer} has shape {array.shape}, expected "
                        f"{shape}: give the settings that the weights were trained with"
                    )
                if not np.isfinite(array).all():
                    raise CheckpointError(f"{path}: {theirs} of layer {layer} is not finite")
                tensor = torch.as_tensor(np.ascontiguousarray(turned, np.float32))
                state[f"{name}.{ours}"] = tensor
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = tensor
    return state


def _chosen(array: np.ndarray, heads: Sequence[int], path: str | Path) -> np.ndarray:
    """Columns of the last layer's weights."""
    if not all(0 <= head < array.shape[-1] for head in heads):
        raise CheckpointError(
            f"{path} has {array.shape[-1]} outputs; heads {', '.join(map(str, heads))} were asked "
            f"for, expected some of 0 to {array.shape[-1] - 1}"
        )
    return array[..., list(heads)]


def _read_layers(path: str | Path) -> dict[str, list[tuple[str, dict[str, np.ndarray]]]]:
    """Layers by kind, in order: their names and weights."""
    layers: dict[str, dict[str, np.ndarray]] = {}

    def take(place: str, item: object) -> None:
        *groups, layer, name = place.split("/") if "/" in place else ("", "", "")
        if isinstance(item, h5py.Dataset) and layer and "optimizer_weights" not in groups:
            layers.setdefault(layer, {})[name.partition(":")[0]] = item[()]

    try:
        with h5py.File(path) as file:
            file.visititems(take)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read as HDF5 ({error}); expected weights that Keras saved as .h5"
        ) from error
    kinds: dict[str, list[tuple[int, str]]] = {kind: [] for kind in KINDS}
    for layer in layers:
        if found := re.fullmatch(r"(.+?)(?:_(\d+))?", layer):
            kind, number = found.groups()
            if kind in kinds:
                kinds[kind].append((int(number or 0), layer))
    return {kind: [(n, layers[n]) for _, n in sorted(own)] for kind, own in kinds.items()}


def _modules(network: Akita) -> Iterator[tuple[str, tuple[str, nn.Module]]]:
    """Kind, name and module of what has weights, in the order of the published layers."""
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            yield "batch_normalization", (name, module)
        elif module is network.head:
            yield "dense", (name, module)
        elif isinstance(module, nn.Conv1d | nn.Conv2d):
            yield "conv1d" if isinstance(module, nn.Conv1d) else "conv2d", (name, module)


def _expected(module: nn.Module) -> Iterator[tuple[str, str, Tensor]]:
    """Weights of a module: Keras's name, torch's name, value."""
    own = module.state_dict()
    is_norm = isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    for theirs, ours in (NORM if is_norm else CONV).items():
        if ours in own:
            yield theirs, ours, own[ours]


def _as_torch(array: np.ndarray, module: nn.Module) -> np.ndarray:
    """Kernel (…, in, out) as (out, in, …); a dense layer (in, out) as a convolution of width 1."""
    array = np.moveaxis(array, [-1, -2], [0, 1])
    dims = 1 if isinstance(module, nn.Conv1d) else 2
    return array.reshape(array.shape + (1,) * (dims + 2 - array.ndim))
