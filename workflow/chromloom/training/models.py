"""Training of any model by its name: what the rule `train_model` calls.

Importing this is light, so that a workflow may ask what a model needs and can do.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chromloom.errors import InputError

MODEL_NAMES = (
    "hiclstm-refined", "hiclstm-paper", "hiclstm-released", "eig", "pca", "sniper-intra",
    "sniper-inter", "sniper-intra-fc", "sniper-inter-fc", "sci", "sci-intra", "sbcid",
)  # fmt: skip
NEEDS_TRANS = ("sniper-inter", "sniper-inter-fc", "sci")
ONLY_VECTORS = (*NEEDS_TRANS, "sci-intra", "sbcid")


def resolve_model(name: str, options: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict]:
    """The model that a name stands for, with the settings that differ from its own.

    Parameters
    ----------
    name : str
        One of `MODEL_NAMES`, or a variant that `options` declares.
    options : mapping
        Settings by name. An entry with the key `model` declares a variant of that model (or of
        another variant): its settings, and those given to the model itself where it has none.

    Returns
    -------
    model : str
        One of `MODEL_NAMES`.
    settings : dict

    Raises
    ------
    InputError
        A name that is neither, or variants that lead back to themselves.
    """
    settings: dict[str, Any] = {}
    seen = [name]
    while True:
        own = dict(options.get(seen[-1], {}))
        model = own.pop("model", None)
        settings = own | settings
        if model is None:
            break
        if model in seen:
            raise InputError(
                f"model '{name}' is a variant of itself ({' -> '.join([*seen, model])}); let one "
                f"name a model: {', '.join(MODEL_NAMES)}"
            )
        seen.append(model)
    if seen[-1] not in MODEL_NAMES:
        near = difflib.get_close_matches(seen[-1], [*MODEL_NAMES, *options], n=1)
        raise InputError(
            f"model '{seen[-1]}' is unknown; "
            + (f"did you mean '{near[0]}'? " if near else "")
            + f"Expected one of {', '.join(MODEL_NAMES)}, or a variant in training.options"
        )
    return seen[-1], settings


def needs_trans(model: str) -> bool:
    """Whether a model reads contacts between chromosomes."""
    return model in NEEDS_TRANS


def predicts_maps(model: str) -> bool:
    """Whether a model has a decoder of its own; the others need one trained on their vectors."""
    return model not in ONLY_VECTORS


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
) -> None:
    """Train a model on a normalised map and write its folder.

    Parameters
    ----------
    model : str
        One of `MODEL_NAMES`.
    map_path : path
        Normalised map.
    out_dir : path
        Model folder, see `chromloom.models.trained`.
    options : dict, optional
        Settings that differ from the model's own (`HiCLSTMSettings`, `VectorSettings`).
    seed, device, resume_dir
        As in `chromloom.training.fit.train`; only Hi-C-LSTM goes on from a killed run.
    input_path : path, optional
        SNIPER: normalised map of low coverage whose rows are encoded.

    Raises
    ------
    InputError
        An unknown model or option, or a map that lacks what the model reads.
    """
    from chromloom.models.baselines.vectors import MODELS

    options = options or {}
    if input_path is not None and not model.startswith("sniper"):
        raise InputError(f"model '{model}' reads one map; leave input_path={input_path} out")
    if model in MODELS:
        from chromloom.training.vectors import train_vectors

        train_vectors(
            model, map_path, out_dir, options=options, seed=seed, device=device,
            input_path=input_path,
        )  # fmt: skip
        return
    if model not in MODEL_NAMES:
        raise InputError(f"model '{model}' is unknown; expected one of {', '.join(MODEL_NAMES)}")
    from chromloom.models.hiclstm.module import HiCLSTMSettings
    from chromloom.training.fit import train

    settings = HiCLSTMSettings.from_preset(model.removeprefix("hiclstm-"), **options)
    train(map_path, out_dir, settings, seed=seed, device=device, resume_dir=resume_dir)
