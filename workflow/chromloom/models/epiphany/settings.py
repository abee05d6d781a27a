"""Settings of Epiphany; `models.registry` says how those of the article and of its code differ."""

from dataclasses import dataclass
from typing import ClassVar

from chromloom.errors import InputError
from chromloom.models.settings import NetworkFit, Settings

PUBLISHED = NetworkFit(
    learning_rate=1e-4,
    weight_decay=5e-4,
    renew_optimizer=True,
    schedule="halving",
    halve_every=16,
    epochs=55,
)


@dataclass(frozen=True)
class EpiphanySettings(Settings):
    """Architecture, objective and fit; the defaults are those of the published code at 10 kb.

    Attributes
    ----------
    width : float
        Factor of the channels of the four convolutions: 70, 90, 70, 20.
    hidden_size, layers : int
        Size and number of the bidirectional LSTMs; from the second on, what an LSTM gives is added
        to what it was given.
    head_size : int
        Size of the layer between LSTMs and output; 0 for an output that is linear in the LSTMs.
    dropout : float
    window : float
        Length of the signals that a stripe is read from, in lengths of the stripe, which is the
        distance that the predictor reaches.
    stripes : int
        Consecutive stripes that the LSTMs read.
    shared : bool
        Compute convolutions of overlapping windows once. In training they then have one dropout;
        the prediction is the same.
    frames : {"fixed", "random"}
        Training stripes: in a row from the start of the chromosome, or from elsewhere every epoch.
    target : {"oe", "value", "nb_oe", "nb_z"}
        What is predicted: contact over expected, contact strength, or counts over the mean of a
        negative binomial regression on distance and balancing weights, and their Z-scores, after
        HiC-DC+ (`normalize.counts`).
    covariates : tuple of str
        Signals whose logs that regression has in place of balancing weights, as HiC-DC+ has GC,
        mappability and effective length. The network does not read them.
    log2 : bool
        Predict log2(target + 1).
    adversarial : bool
        Train a discriminator of observed and predicted maps alongside, MSE + GAN.
    mse_weight : float
        Share of the squared error in the loss; the rest is that of the discriminator.
    mse_sum : bool
        Sum the squared errors of all pairs and do not take their mean.
    fit : NetworkFit
    """

    width: float = 1.0
    hidden_size: int = 1200
    layers: int = 3
    head_size: int = 900
    dropout: float = 0.1
    window: float = 1.4
    stripes: int = 200
    shared: bool = True
    frames: str = "fixed"
    target: str = "oe"
    covariates: tuple[str, ...] = ()
    log2: bool = True
    adversarial: bool = True
    mse_weight: float = 0.95
    mse_sum: bool = False
    fit: NetworkFit = PUBLISHED

    CHOICES: ClassVar = {
        "frames": ("fixed", "random"),
        "target": ("oe", "value", "nb_oe", "nb_z"),
    }
    RANGES: ClassVar = {
        "width": (0.01, 100),
        "hidden_size": (1, 100_000),
        "layers": (1, 32),
        "head_size": (0, 100_000),
        "dropout": (0, 0.95),
        "window": (0.1, 10),
        "stripes": (2, 100_000),
        "mse_weight": (0, 1),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target == "nb_z" and self.log2:
            raise InputError("target=nb_z is below 0 where contacts are few; set log2 to false")
        if self.covariates and not self.target.startswith("nb_"):
            raise InputError(
                f"covariates are of the targets nb_oe and nb_z; expected none with {self.target}"
            )
