"""Weights of Epiphany as its authors publish them: a torch file of the generator's state."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from chromloom.errors import CheckpointError
from chromloom.models.epiphany.module import Epiphany


def read_published(path: str | Path, network: Epiphany) -> dict[str, Tensor]:
    """State of a network from a published file.

    Parameters
    ----------
    path : path
        Saved by torch: names of weights (`conv1.conv.weight`, ..., `rnn1.weight_ih_l0`, ...,
        `fc.weight`, `fc2.weight`) and their values. The 10-kb file is of `epiphany-released` with
        n_distances = 100, the 5-kb file of 200 with hidden_size 2400, layers 2, head_size 1200.
    network : Epiphany
        Of these sizes.

    Returns
    -------
    dict
        What `network.load_state_dict` takes; the discriminator, which is not published, is the
        network's own.

    Raises
    ------
    CheckpointError
        No such file; a weight that is missing, too many or of another shape, which is named.

    Notes
    -----
    The published network reads DNaseI, H3K27ac, H3K4me3, H3K27me3 and CTCF in this order, as its
    loader does (an example on its page has H3K27me3 before H3K4me3), as means of 100 bp without a
    transform, 0 where there is none; it gives log2(observed / expected + 1).
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, …
        first = (str(error) or repr(error)).splitlines()[0]
        raise CheckpointError(
            f"{path} is no file of weights ({first}); expected a state that torch saved"
        ) from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds no weights by name; expected a state of a network")
    own = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name != "step" and not name.startswith("discriminator.")
    }
    for name, tensor in own.items():
        found = tuple(state[name].shape) if name in state else "nothing"
        if found != tuple(tensor.shape):
            raise CheckpointError(
                f"{path}: weight {name} is {found}; expected {tuple(tensor.shape)}: give the "
                "settings, signals and distances that the weights were trained with"
            )
    if more := sorted(set(state) - set(own)):
        raise CheckpointError(
            f"{path}: weight {more[0]} belongs to no layer; give the settings that the weights "
            "were trained with (layers, head_size)"
        )
    return network.state_dict() | {name: state[name].to(own[name].dtype) for name in own}
