"""A model folder as the map source that it is."""

from pathlib import Path

import pandas as pd

from chromloom.models.registry import find_model, load
from chromloom.models.trained import TrainedModel
from chromloom.normalize.maps import NormalizedMap
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
        Of the model in tables; by default that of its run, where the folder is named as one
        (`{sample}.{resolution}.{norm}.{model}`), else the model's own in the registry.
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
    observed = NormalizedMap(map_path)
    run = "{sample}.{resolution}.{norm}.".format(**model.config)
    of_run = Path(model_dir).name.removeprefix(run)
    if of_run == Path(model_dir).name or "." in of_run:
        of_run = model.name
    source = load(find_model(model.name).source)
    return source(model, observed, name=name or of_run, mode=mode, motifs=motifs)
