"""A model folder as the map source that it is."""

from pathlib import Path

import pandas as pd

from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
from chromloom.prediction.hiclstm import HiCLSTMMap
from chromloom.prediction.source import EditableMap


def open_source(
    model_dir: str | Path,
    map_path: str | Path,
    *,
    name: str | None = None,
    device: str = "cpu",
    mode: str = "lifted",
    motifs: pd.DataFrame | None = None,
) -> EditableMap:
    """Open a trained model as a map source.

    Parameters
    ----------
    model_dir : str or Path
        Folder of a trained model.
    map_path : str or Path
        Normalised map that it was trained on.
    name : str, optional
        Of the model in tables; by default see `model_name`.
    device : {"auto", "cpu", "cuda"}
    mode, motifs
        How edits are predicted; see `HiCLSTMMap`.

    Raises
    ------
    CheckpointError
        The folder is not whole.
    InputError
        The map has other bins than the model, or an option is unknown.
    """
    model = TrainedModel.load(model_dir, device)
    name = name or model_name(model_dir, model)
    return HiCLSTMMap(model, NormalizedMap(map_path), name=name, mode=mode, motifs=motifs)


def model_name(model_dir: str | Path, model: TrainedModel) -> str:
    """Name of a model: that of its run where the folder is named so, else that of its settings.

    A decoder's folder says in its config of which model it decodes the representations.
    """
    parts = Path(model_dir).name.split(".")
    if "model" in model.config:
        return model.config["model"]
    if len(parts) > 3:  # sample.resolution.norm.model
        return parts[-1]
    preset = model.settings.preset
    return f"hiclstm-{preset}" if preset in ("refined", "paper", "released") else preset
