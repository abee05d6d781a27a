"""Training of a mean of predictors: each of them by itself, on the same stretches."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from torch import Tensor

from chromloom.models.mean import MeanSettings
from chromloom.models.registry import find_model, load
from chromloom.training.stretches import Stretch


def fit_mean(
    stretches: Sequence[Stretch],
    settings: MeanSettings,
    *,
    mirrored: Sequence[int],
    seed: int = 0,
    device: str = "cpu",
    resume_dir: str | Path | None = None,
    fingerprint: str = "",
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Fit each model that the settings name.

    Parameters
    ----------
    stretches : sequence of Stretch
    settings : MeanSettings
    mirrored, seed, device, fingerprint
        As each of the models takes them.
    resume_dir : path, optional
        Each keeps its state in a folder of its name.

    Returns
    -------
    tensors : dict
        State of each model under its name.
    history : DataFrame
        Rows of each model (column `model`), with the columns that it has.
    """
    tensors: dict[str, Tensor] = {}
    histories = []
    for name, own in settings.members():
        state, history = load(find_model(name).fit)(
            stretches,
            own,
            mirrored=mirrored,
            seed=seed,
            device=device,
            resume_dir=Path(resume_dir) / name if resume_dir else None,
            fingerprint=fingerprint,
        )
        tensors |= {f"{name}.{key}": tensor for key, tensor in state.items()}
        history.insert(0, "model", name)
        histories.append(history)
    known = [history for history in histories if len(history)]
    return tensors, pd.concat(known, ignore_index=True) if known else histories[0]
