"""A model folder as the map source that it is."""

import json
from pathlib import Path
from typing import Any

from chromloom.errors import CheckpointError
from chromloom.models.registry import find_model, load
from chromloom.prediction.source import MapSource


def open_source(
    model_dir: str | Path,
    map_path: str | Path | None,
    *,
    name: str | None = None,
    device: str = "cpu",
    **options: Any,
) -> MapSource:
    """Open a trained model as a map source, as its line in the table of models says.

    Parameters
    ----------
    model_dir : str or Path
        Folder of a trained model.
    map_path : str or Path, optional
        Normalised map that it was trained on; of a predictor's run that of the sample, if any.
    name : str, optional
        Of the model in tables; by default that of its run, where the folder is named as one
        (`{sample}.{resolution}.{norm}.{model}`), else the model's own in the registry.
    device : {"auto", "cpu", "cuda"}
    **options
        How edits are predicted: `mode` and `motifs`, see `prediction.hiclstm.HiCLSTMMap`.

    Raises
    ------
    CheckpointError
        The folder is not whole.
    InputError
        The map has other bins than the model, or an option is unknown.
    """
    if not Path(model_dir).is_dir():
        raise CheckpointError(f"{model_dir} is no folder; expected the folder of a trained model")
    try:
        config = json.loads((Path(model_dir) / "config.json").read_text())
        model, run = config["model"], "{sample}.{resolution}.{norm}.".format(**config)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{model_dir} has no config.json that says which model it is of ({error!r}); expected "
            "the folder of a trained model, as this version writes it: train the model again"
        ) from error
    of_run = Path(model_dir).name.removeprefix(run)
    if of_run == Path(model_dir).name or "." in of_run:
        of_run = model
    opener = load(find_model(model).source)
    return opener(model_dir, map_path, name=name or of_run, device=device, **options)
