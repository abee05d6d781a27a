"""Which models there are, and what each reads, gives and can do: one line for each in `MODELS`.

Rules, figures, training and the command line ask this table and nothing else, so that a new model
is its own file and one line here (CONTRIBUTING.md shows it). Importing it is light: where the code
of a model lies is written as `module:name` and looked up when it is used. Models of one's own are
registered by a Python file named in the config (`training.plugins`) or in the environment variable
CHROMLOOM_PLUGINS.
"""

import importlib
import importlib.util
import os
import re
import runpy
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from chromloom.errors import InputError, nearest

PLUGINS = "CHROMLOOM_PLUGINS"
"""Environment variable: Python files that register models, separated as PATH is."""
READS = {"contacts", "signals", "sequence"}
GIVES = {"embedding", "map", "expression", "difference"}
SCOPES = ("map", "study")


@dataclass(frozen=True, kw_only=True)
class Model:
    """One line of the table. Paths to code are written `module:name`.

    Attributes
    ----------
    settings : str
        What makes the settings: called with the preset, then options by name.
    preset : str
        What the settings call the model, no two the same; its name in the table by default.
    defaults : mapping
        Options of this model that differ from the defaults of its settings.
    train : str
        Function (map_path, out_dir, settings, *, seed, device, resume_dir) that writes the model
        folder.
    fit : str
        Models of vectors: function (normalized, settings, *, seed, device) that returns a
        `models.baselines.vectors.Fitted`. Predictors: function (stretches, settings, *, mirrored,
        seed, device, resume_dir, fingerprint) that returns tensors and history. "" for others,
        which are trained by `train` alone.
    module : str
        Function (settings, lengths) that returns the torch module, its parameters yet to be set;
        `lengths` are the bins of each chromosome.
    decoder : str
        Models of vectors: class (settings, lengths) of the module that turns vectors into contacts;
        "" for representations alone.
    trained : str
        Class that a trained model is used through, a `models.trained.TrainedModel`; of predictors a
        `models.predictor.Fitted`, of models of expression one with fit, predict, save and load.
    source : str
        Function (model_dir, map_path, *, name, device, mode, motifs) that opens a trained model as
        a map source, a `prediction.source.MapSource`.
    apply : str
        Predictors: function that applies the folders of all folds to a sample.
    published : str
        Predictors: function (path, module) that reads a state of the module from a file of weights
        as the authors publish them; "" where there is none.
    inputs : str
        Predictors: what is read of signals, a name of `signals.features.INPUTS`.
    reads : frozenset of {"contacts", "signals", "sequence"}
    gives : frozenset of {"embedding", "map", "expression", "difference"}
        "difference" is the change of expression between two cell types.
        Without "map" it needs a decoder trained on it to predict contacts.
    scope : {"map", "study"}
        Fitted to one map and belonging to it, or learnt on some samples and applied to others.
    takes_input_map : bool
        Training takes a second map, of low coverage, whose rows are encoded.
    needs_trans : bool
        It reads contacts between chromosomes.
    editable : bool
        Its prediction of a pair is a function of vectors that can be moved, removed and replaced.
    screenable : bool
        Bins can be knocked out one at a time by `screen_bins`.
    attributed : bool
        Its attribution is made by default, not by target alone.
    gradients : bool
        Predictors: predicted pairs can be attributed to signals.
    gpu : bool
        A GPU makes training faster.
    threads : int
        Threads that training has a use for.
    article : str
        The system that it belongs to, which has a page of the report: an article's, or our own;
        "" for baselines.
    colour : str
        In figures, "#RRGGBB".
    plugin : Path or None
        File that registered it; None for the models of this library.
    """

    settings: str
    module: str
    train: str
    trained: str
    source: str = "chromloom.prediction.hiclstm:open_hiclstm"
    article: str = ""
    colour: str = ""
    preset: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fit: str = ""
    decoder: str = ""
    apply: str = "chromloom.prediction.predicted:apply_predictor"
    published: str = ""
    inputs: str = "features"
    reads: frozenset[str] = frozenset({"contacts"})
    gives: frozenset[str] = frozenset({"embedding", "map"})
    scope: str = "map"
    takes_input_map: bool = False
    needs_trans: bool = False
    editable: bool = False
    screenable: bool = False
    attributed: bool = False
    gradients: bool = False
    gpu: bool = False
    threads: int = 1
    plugin: Path | None = None

    @property
    def predicts_maps(self) -> bool:
        """Whether it predicts contacts without a decoder trained on it."""
        return "map" in self.gives


HICLSTM: dict[str, Any] = {
    "settings": "chromloom.models.hiclstm.settings:HiCLSTMSettings.from_preset",
    "module": "chromloom.models.hiclstm.module:new_module",
    "train": "chromloom.training.fit:train",
    "trained": "chromloom.models.hiclstm.trained:HiCLSTMTrained",
    "article": "Hi-C-LSTM",
    "editable": True,
    "screenable": True,
    "attributed": True,
    "gpu": True,
    "threads": 8,
}
"""What all Hi-C-LSTMs have in common."""
VECTORS: dict[str, Any] = {
    "module": "chromloom.models.baselines.vectors:VectorModule",
    "train": "chromloom.training.vectors:train",
    "trained": "chromloom.models.baselines.vectors:VectorModel",
}
"""What all models have in common that are fitted as one table of vectors."""
ALONE = frozenset({"embedding"})
SNIPER: dict[str, Any] = {
    **VECTORS,
    "settings": "chromloom.models.baselines.settings:SniperSettings.of",
    "fit": "chromloom.models.baselines.sniper:fit_sniper",
    "takes_input_map": True,
    "gpu": True,
    "threads": 8,
}
SNIPER_INTRA = {**SNIPER, "decoder": "chromloom.models.baselines.sniper:DecoderRows"}
SNIPER_INTER = {**SNIPER, "gives": ALONE, "needs_trans": True}
SCI: dict[str, Any] = {
    **VECTORS,
    "settings": "chromloom.models.baselines.settings:SCISettings.of",
    "fit": "chromloom.models.baselines.sci:fit_sci",
    "gives": ALONE,
}
PCA: dict[str, Any] = {
    **VECTORS,
    "settings": "chromloom.models.baselines.settings:PCASettings.of",
    "fit": "chromloom.models.baselines.pca:fit_pca",
    "decoder": "chromloom.models.baselines.pca:ComponentRows",
}
SBCID: dict[str, Any] = {
    **VECTORS,
    "settings": "chromloom.models.baselines.settings:SBCIDSettings.of",
    "fit": "chromloom.models.baselines.sbcid:fit_sbcid",
    "gives": ALONE,
}
RELEASED: dict[str, Any] = {
    **HICLSTM,
    "module": "chromloom.models.hiclstm.released:new_module",
    "trained": "chromloom.models.hiclstm.released:ReleasedTrainedModel",
    "screenable": False,  # its decoder sees a frame at once: no bin can be knocked out by itself
}
EIG: dict[str, Any] = {
    **HICLSTM,
    "attributed": False,  # slow, and nothing asks for it
    "gpu": False,
    "threads": 2,
}
EXPRESSION: dict[str, Any] = {
    "module": "",
    "train": "chromloom.expression.fit:train_folds",
    "source": "",
    "reads": frozenset({"signals"}),
    "gives": frozenset({"expression"}),
    "scope": "study",
    "threads": 2,
}
"""What all models of expression have in common; `trained` has fit, predict, save and load."""
BOTH = frozenset({"signals", "contacts"})
SIMPLE: dict[str, Any] = {
    **EXPRESSION,
    "settings": "chromloom.expression.settings:SimpleSettings.of",
    "trained": "chromloom.expression.baselines:SimpleModel",
}
CHROMOFORMER: dict[str, Any] = {
    **EXPRESSION,
    "settings": "chromloom.models.expression.settings:ChromoformerSettings.of",
    "trained": "chromloom.expression.network:NetworkModel",
    "module": "chromloom.models.chromoformer:Chromoformer",
    "article": "Chromoformer",
    "gpu": True,
    "threads": 1,  # the products of a batch are too small to share
}
RIVAL: dict[str, Any] = {
    **CHROMOFORMER,
    "settings": "chromloom.models.expression.settings:RivalSettings.of",
}
_RIVALS = "chromloom.models.expression."
DIFFERENCE: dict[str, Any] = {
    "gives": frozenset({"difference"}),
    "trained": "chromloom.expression.difference:DifferenceModel",
}
"""What models of the change between two cell types have in common."""
PREDICTOR: dict[str, Any] = {
    "train": "chromloom.training.predictor:train_predictor",
    "source": "chromloom.prediction.predicted:PredictedMap.open",
    "reads": frozenset({"signals"}),
    "gives": frozenset({"map"}),
    "scope": "study",
    "editable": True,
}
"""What all predictors of maps from signals have in common."""
WEAVE: dict[str, Any] = {
    **PREDICTOR,
    "settings": "chromloom.models.weave.settings:WeaveSettings.of",
    "module": "chromloom.models.weave.module:Weave",
    "fit": "chromloom.training.weave:fit_weave",
    "trained": "chromloom.models.weave.fitted:FittedWeave",
    "gives": frozenset({"embedding", "map"}),
    "gradients": True,
    "gpu": True,
    "threads": 4,
    "article": "weave",
}
PAIRS: dict[str, Any] = {
    **PREDICTOR,
    "settings": "chromloom.models.pairs.settings:PairSettings.of",
    "module": "chromloom.models.pairs.features:pair_features",
    "fit": "chromloom.training.pairs:fit_pairs",
    "threads": 4,
}
"""Regression on features of both bins and of what lies between them."""
MEAN: dict[str, Any] = {
    **PREDICTOR,
    "settings": "chromloom.models.mean:MeanSettings.of",
    "module": "chromloom.models.mean:FittedMean",
    "fit": "chromloom.training.mean:fit_mean",
    "trained": "chromloom.models.mean:FittedMean",
    "gpu": True,
    "threads": 4,
}
"""The mean of predictors that read features of bins."""
AKITA: dict[str, Any] = {
    **PREDICTOR,
    "settings": "chromloom.models.akita.settings:AkitaSettings.of",
    "module": "chromloom.models.akita.module:Akita",
    "train": "chromloom.training.akita:train_akita",
    "fit": "chromloom.training.networks:fit_network",
    "trained": "chromloom.models.akita.fitted:FittedAkita",
    "source": "chromloom.prediction.akita:AkitaMap.open",
    "published": "chromloom.models.akita.published:read_published",
    "apply": "chromloom.prediction.akita:apply_akita",
    "reads": frozenset({"sequence"}),
    "article": "Akita",
    "gradients": True,
    "gpu": True,
    "threads": 8,
}
AKITA_SMALL: dict[str, Any] = {
    "window": 64,
    "crop": 4,
    "filters": 12,
    "kernel": 19,
    "widest_pool": 25,
    "residual_filters": 24,
    "residual_blocks": 4,
    "residual_dropout": 0.0,
    "bottleneck": 24,
    "bottleneck_kernel": 3,
    "pair_filters": 24,
    "pair_residual_filters": 16,
    "pair_blocks": 4,
    "pair_dropout": 0.0,
    "norm_memory": 0.95,
    "rate": 2.0,
    "distance": "log",
    "ordered": True,
    "between": True,
    "composition": True,
    "loss": "poisson",
    "start": "ctcf",
    "frozen": True,
    "stride": 50,
    "wander": True,
    "optimizer": "adamw",
    "learning_rate": 3e-3,
    "momentum": 0.0,
    "weight_decay": 1e-3,
    "schedule": "one-cycle",
    "clip_norm": 1.0,
    "batch_size": 1,
    "epochs": 20,
    "patience": 0,
}
"""A network that a CPU trains in minutes, of bins of some thousand bp."""
FITTED = "chromloom.models.pairs.fitted:"
EPIPHANY: dict[str, Any] = {
    **PREDICTOR,
    "settings": "chromloom.models.epiphany.settings:EpiphanySettings.of",
    "module": "chromloom.models.epiphany.module:Epiphany",
    "inputs": "signals",
    "fit": "chromloom.training.epiphany:fit_epiphany",
    "trained": "chromloom.models.epiphany.fitted:FittedEpiphany",
    "published": "chromloom.models.epiphany.published:read_published",
    "article": "Epiphany",
    "gradients": True,
    "gpu": True,
    "threads": 4,
}
"""The settings' own defaults are those of the published code."""
EPIPHANY_PAPER = {
    "hidden_size": 900,
    "head_size": 0,
    "frames": "random",
    "log2": False,
    "mse_sum": True,
    "weight_decay": 0.0,
    "renew_optimizer": False,
    "schedule": "constant",
    "patience": 10,
}
"""What the article says otherwise: LSTMs of d = 900 with a linear output, random regions, a summed
squared error, Adam until the loss ceases to fall. It gives no weight decay, schedule or lambda."""
WHOLE = {"input_fraction": 1.0}  # rows that are encoded are those that are reproduced

MODELS: dict[str, Model] = {
    "hiclstm-refined": Model(**HICLSTM, preset="refined", colour="#0072B2"),
    "hiclstm-paper": Model(**HICLSTM, preset="paper", colour="#56B4E9"),
    "hiclstm-released": Model(**RELEASED, preset="released", colour="#D55E00"),
    "eig": Model(**EIG, colour="#009E73"),
    "pca": Model(**PCA, colour="#E69F00"),
    "sniper-intra": Model(**SNIPER_INTRA, colour="#CC79A7"),
    "sniper-inter": Model(**SNIPER_INTER, colour="#882255"),
    "sniper-intra-fc": Model(**SNIPER_INTRA, defaults=WHOLE, colour="#AA4499"),
    "sniper-inter-fc": Model(**SNIPER_INTER, defaults=WHOLE, colour="#332288"),
    "sci": Model(**SCI, needs_trans=True, colour="#999933"),
    "sci-intra": Model(**SCI, colour="#000000"),
    "sbcid": Model(**SBCID, colour="#999999"),
    "marks-mean": Model(**SIMPLE, colour="#117733"),
    "marks-ridge": Model(**SIMPLE, colour="#DDCC77"),
    "marks-xgboost": Model(**SIMPLE, colour="#88CCEE"),
    "marks-network": Model(
        **EXPRESSION | {"threads": 1},
        settings="chromloom.expression.settings:EncodedSettings.of",
        trained="chromloom.expression.encoded:EncodedModel",
        colour="#CC6677",
    ),
    "marks-elements": Model(
        **{**SIMPLE, "reads": BOTH}, defaults={"parts": "all"}, colour="#225522"
    ),
    "chromoformer": Model(**{**CHROMOFORMER, "reads": BOTH}, colour="#AA4466"),
    "chromoformer-embedding": Model(
        **CHROMOFORMER, defaults={"parts": "embedding"}, colour="#661100"
    ),
    "deepchrome": Model(**RIVAL | {"module": _RIVALS + "deepchrome:DeepChrome"}, colour="#6699CC"),
    "attentivechrome": Model(
        **RIVAL | {"module": _RIVALS + "attentivechrome:AttentiveChrome"}, colour="#994455"
    ),
    "hm-crnn": Model(**RIVAL | {"module": _RIVALS + "hm_crnn:HMCRNN"}, colour="#997700"),
    "gc-merge": Model(
        **RIVAL | {"module": _RIVALS + "gc_merge:GCMerge", "reads": BOTH}, colour="#004488"
    ),
    "difference-ridge": Model(
        **SIMPLE | DIFFERENCE | {"trained": "chromloom.expression.difference:DifferenceRidge"},
        colour="#CCBB44",
    ),
    "chromoformer-diff": Model(
        **CHROMOFORMER
        | {"module": "chromloom.models.chromoformer_diff:ChromoformerDiff", "reads": BOTH}
        | DIFFERENCE,
        colour="#BB5566",
    ),
    "deepdiff": Model(
        **RIVAL | {"module": _RIVALS + "deepdiff:DeepDiff"} | DIFFERENCE, colour="#DDAA33"
    ),
    "weave": Model(**WEAVE, colour="#6A3D9A"),
    "epiphany-released": Model(**EPIPHANY, colour="#1B9E77"),
    "epiphany-paper": Model(**EPIPHANY, defaults=EPIPHANY_PAPER, colour="#66C2A5"),
    "akita-paper": Model(**AKITA, colour="#7570B3"),
    "akita-small": Model(**AKITA, defaults=AKITA_SMALL, colour="#E7298A"),
    "distance": Model(**PAIRS, trained=FITTED + "Distance", colour="#666666"),
    "pairs-ridge": Model(**PAIRS, trained=FITTED + "Ridge", colour="#B15928"),
    "pairs-xgboost": Model(**PAIRS, trained=FITTED + "Boosted", colour="#F0027F"),
    "mean": Model(**MEAN, colour="#1F78B4"),
}
DECODERS = ("lstm", "cnn", "fc")
"""Decoders that are trained on any model's vectors (`models.decoders`)."""
DECODER: dict[str, Any] = {
    "settings": "chromloom.models.decoders:DecoderSettings.of",
    "module": "chromloom.models.decoders:new_decoder",
    "train": "chromloom.training.decode:train_decoder",
    "gives": frozenset({"map"}),
}
DECODER_VARIANTS: dict[str, Model] = {
    "dense": Model(**DECODER, trained="chromloom.models.hiclstm.trained:HiCLSTMTrained"),
    "published": Model(**DECODER, trained="chromloom.models.hiclstm.released:ReleasedTrainedModel"),
}


def register(name: str, model: Model) -> None:
    """Add a model to the table.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and hyphens, as in the names of files; what stands in
        `training.models`.
    model : Model

    Raises
    ------
    InputError
        The name, preset or colour is taken, the name is no name, or the model reads, gives or
        spans what no model does.
    """
    if not re.fullmatch("[a-z][a-z0-9-]*", name):
        raise InputError(
            f"model '{name}' cannot be registered; expected lower-case letters, digits and hyphens"
        )
    model = replace(model, preset=model.preset or name)
    for other, line in MODELS.items():
        for key, own in {"name": name, "preset": model.preset, "colour": model.colour}.items():
            if own == (other if key == "name" else getattr(line, key) or other):
                raise InputError(f"model '{name}': the {key} '{own}' is that of '{other}'")
    for key, known in {"reads": READS, "gives": GIVES, "scope": set(SCOPES)}.items():
        found = {model.scope} if key == "scope" else getattr(model, key)
        if not found <= known:
            raise InputError(
                f"model '{name}': {key} {', '.join(sorted(found))}; expected some of "
                f"{', '.join(sorted(known))}"
            )
    MODELS[name] = model


def models() -> dict[str, Model]:
    """The whole table, with the models that plugins register."""
    for path in filter(None, os.environ.get(PLUGINS, "").split(os.pathsep)):
        if Path(path) in _running:  # it asks for models while it registers its own
            break
        _run_plugin(Path(path))
    return MODELS


def use_plugins(paths: Iterable[str | Path]) -> None:
    """Let files register models, here and in the processes that are started from here.

    Parameters
    ----------
    paths : iterable of path
        Python files that call `register`. None leaves the plugins of the environment as they are.

    Raises
    ------
    InputError
        A file is missing.
    """
    if files := [os.path.abspath(path) for path in paths]:
        os.environ[PLUGINS] = os.pathsep.join(files)
    models()


@cache
def _run_plugin(path: Path) -> None:
    """Run a file that registers models, once; files beside it can be imported."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; training.plugins (or {PLUGINS}) names Python files that "
            "register models"
        )
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    before = set(MODELS)
    _running.append(path)
    try:
        runpy.run_path(str(path))
    finally:
        _running.remove(path)
    for name in set(MODELS) - before:
        if MODELS[name].plugin is None:
            MODELS[name] = replace(MODELS[name], plugin=path)


_running: list[Path] = []
"""Plugins that have begun to run and not ended: not begun again by what they call."""


def find_model(name: str) -> Model:
    """The line of a model.

    Raises
    ------
    InputError
        No model has this name; the message names the nearest.
    """
    known = models()
    if name not in known:
        raise InputError(_unknown(name, known))
    return known[name]


def model_named(preset: str) -> str:
    """Name of the model whose settings say `preset`."""
    for name, model in models().items():
        if (model.preset or name) == preset:
            return name
    raise InputError(_unknown(preset, models()))


def model_settings(name: str, **options: Any) -> Any:
    """Settings of a model, some of them replaced.

    Raises
    ------
    InputError
        An unknown model or setting, or values that do not go together.
    """
    model = find_model(name)
    return load(model.settings)(model.preset or name, **{**model.defaults, **options})


def load(path: str) -> Any:
    """What a path `module:name` of the table leads to."""
    module, _, name = path.partition(":")
    return attrgetter(name)(importlib.import_module(module))


def code_of(name: str) -> list[str]:
    """Files that a registered model is made of, beside the library's: plugin and own modules."""
    model = find_model(name)
    if model.plugin is None:
        return []
    keys = ("settings", "fit", "decoder", "module", "train", "trained", "apply")
    paths = filter(None, (getattr(model, key) for key in keys))
    found = (importlib.util.find_spec(path.partition(":")[0]) for path in paths)
    library = str(Path(__file__).parents[1])
    own = {s.origin for s in found if s and s.origin and not s.origin.startswith(library)}
    return sorted({str(model.plugin), *own})


def reads_elements(model: str, options: Mapping[str, Any]) -> bool:
    """Whether a model of expression reads elements: by its setting `parts` where it has one.

    Parameters
    ----------
    model : str
        Of the table.
    options : mapping
        Settings that differ from its own.
    """
    line = find_model(model)
    parts = options.get("parts", line.defaults.get("parts"))
    return "contacts" in line.reads if parts is None else parts in ("all", "elements")


def resolve_model(name: str, options: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict]:
    """The model that a name stands for, with the settings that differ from its own.

    Parameters
    ----------
    name : str
        A model of the table, or a variant that `options` declares.
    options : mapping
        Settings by name. An entry with the key `model` declares a variant of that model (or of
        another variant): its settings, and those given to the model itself where it has none.

    Returns
    -------
    model : str
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
                f"name a model: {', '.join(models())}"
            )
        seen.append(model)
    if seen[-1] not in models():
        raise InputError(_unknown(seen[-1], [*models(), *options]))
    return seen[-1], settings


def _unknown(name: str, known: Iterable[str]) -> str:
    near = nearest(name, (one for one in known if one != name))
    return (
        f"model '{name}' is unknown; "
        + (f"did you mean '{near}'? Expected" if near else "expected")
        + f" one of {', '.join(models())}, a variant in training.options, or a model "
        "registered by a file in training.plugins"
    )
