"""Training of any model by its name: what the rule `train_model` calls.

Importing this is light, so that a workflow may ask what a model needs and can do.
"""

from pathlib import Path
from typing import Any

from chromloom.errors import InputError

NEEDS_TRANS = ("sniper-inter", "sniper-inter-fc", "sci")
ONLY_VECTORS = (*NEEDS_TRANS, "sci-intra", "sbcid")


def model_names() -> list[str]:
    """Names of all models that can be trained."""
    from chromloom.models.hiclstm import PRESETS
    from chromloom.models.vectors import MODELS

    return [*(name if name == "eig" else f"hiclstm-{name}" for name in PRESETS), *MODELS]


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
        One of `model_names`.
    map_path : path
        Normalised map.
    out_dir : path
        Model folder, see `chromloom.models.trained`.
    options : dict, optional
        Settings that differ from the model's own (`HiCLSTMSettings`, `chromloom.models.vectors`).
    seed, device, resume_dir
        As in `chromloom.training.fit.train`; only Hi-C-LSTM goes on from a killed run.
    input_path : path, optional
        SNIPER: normalised map of low coverage whose rows are encoded.

    Raises
    ------
    InputError
        An unknown model or option, or a map that lacks what the model reads.
    """
    from chromloom.models.vectors import MODELS

    options = options or {}
    if input_path is not None and not model.startswith("sniper"):
        raise InputError(f"model '{model}' reads one map; leave input_path={input_path} out")
    if model in MODELS:
        from chromloom.training.baselines import train_vectors

        train_vectors(
            model, map_path, out_dir, options=options, seed=seed, device=device,
            input_path=input_path,
        )  # fmt: skip
        return
    if model not in model_names():
        raise InputError(f"model '{model}' is unknown; expected one of {', '.join(model_names())}")
    from chromloom.models.hiclstm import HiCLSTMSettings
    from chromloom.training.fit import train

    settings = HiCLSTMSettings.from_preset(model.removeprefix("hiclstm-"), **options)
    train(map_path, out_dir, settings, seed=seed, device=device, resume_dir=resume_dir)
