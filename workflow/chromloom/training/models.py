"""Training of any model by its name: what the rule `train_model` calls."""

from pathlib import Path
from typing import Any

from chromloom.errors import InputError
from chromloom.models.registry import find_model, load, model_settings


def train_model(
    model: str,
    map_path: str | Path,
    out_dir: str | Path,
    *,
    options: dict[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    resume_dir: str | Path | None = None,
    input_path: str | Path | None = None,
    joint_path: str | Path | None = None,
) -> None:
    """Train a model on a normalised map and write its folder.

    Parameters
    ----------
    model : str
        A name of `chromloom.models.registry`.
    map_path : path
        Normalised map.
    out_dir : path
        Model folder, see `chromloom.models.trained`.
    options : dict, optional
        Settings that differ from the model's own.
    seed, device, resume_dir
        As in `chromloom.training.fit.train`; only Hi-C-LSTM goes on from a killed run.
    input_path : path, optional
        SNIPER: normalised map of low coverage whose rows are encoded.
    joint_path : path, optional
        Joint fit that the map took part in (`chromloom.training.joint`), of the same settings and
        seed, which a Hi-C-LSTM starts from.

    Raises
    ------
    InputError
        An unknown model or option, or a map that lacks what the model reads.
    """
    line = find_model(model)
    if line.scope != "map":
        raise InputError(f"model '{model}' is learnt on a study, not on one map")
    more: dict[str, Any] = {}
    if input_path is not None:
        if not line.takes_input_map:
            raise InputError(f"model '{model}' reads one map; leave input_path={input_path} out")
        more["input_path"] = input_path
    if joint_path is not None:
        more["joint_path"] = joint_path
    settings = model_settings(model, **(options or {}))
    load(line.train)(
        map_path, out_dir, settings, seed=seed, device=device, resume_dir=resume_dir, **more
    )
