"""Settings of Akita: its network, what it learns from windows, and how it is fitted."""

from dataclasses import dataclass
from typing import ClassVar

from chromloom.errors import InputError
from chromloom.models.settings import NetworkFit, Part, Settings

PUBLISHED_FIT = NetworkFit(
    optimizer="sgd",
    learning_rate=0.0065,
    momentum=0.99575,
    clip_norm=10.0,
    batch_size=2,
    epochs=200,
    patience=12,
)


@dataclass(frozen=True)
class WindowFit(Part):
    """What is learnt from windows of a map.

    Attributes
    ----------
    loss : {"mse", "poisson"}
        Mean squared error of log observed/expected, made as published (`training.windows`); or the
        Poisson deviance of raw counts, which needs none of that.
    coarse_grain, cutoff, max_levels, clip, sigma, width, most_filtered
        Of mse: see `training.windows.TargetSettings`.
    stride : int
        Bins from one training window to the next; 0 for a quarter of what a window predicts.
    wander : bool
        Of poisson: windows begin up to a stride later, drawn anew in every epoch. Targets of mse
        are made once.
    shift : int
        bp by which the sequence of a training window is moved at most, either way.
    mirror : bool
        Read half of the training windows as the other strand, and predict the mean of both.
    start : {"random", "ctcf", "contacts"}
        First values of the convolutions over bases: drawn, or with a motif in the first two filters
        of the first one, one for each strand, which the next ones begin by handing on: that of
        CTCF, or, of poisson, the one that is found where contacts across a bin are fewest
        (`sequence.discover`), as wide as the convolution.
    frozen : bool
        The first convolution keeps its first values. It takes most of the time of training, as the
        only one that is computed for every base.
    """

    loss: str = "mse"
    coarse_grain: bool = True
    cutoff: int = 2
    max_levels: int = 8
    clip: float = 2.0
    sigma: float = 1.0
    width: int = 5
    most_filtered: float = 0.5
    stride: int = 0
    wander: bool = False
    shift: int = 11
    mirror: bool = True
    start: str = "random"
    frozen: bool = False

    CHOICES: ClassVar = {"loss": ("mse", "poisson"), "start": ("random", "ctcf", "contacts")}
    RANGES: ClassVar = {
        "cutoff": (0, 1_000_000),
        "max_levels": (1, 16),
        "clip": (0, 100),
        "sigma": (0, 100),
        "width": (1, 99),
        "most_filtered": (0, 1),
        "stride": (0, 100_000),
        "shift": (0, 100_000),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start == "contacts" and self.loss != "poisson":
            raise InputError(
                "model setting start=contacts reads counts; expected loss=poisson, or another start"
            )


@dataclass(frozen=True)
class AkitaSettings(Settings):
    """Architecture and fit; defaults are the published ones (params.json of the public code).

    Attributes
    ----------
    window, crop : int
        Bins of sequence that are read at once; of these, how many at either end have no prediction.
    filters, kernel, tower_kernel : int
        Convolutions over bases: their channels, width of the first and of the others. Each is
        followed by max-pooling, until a position is a bin.
    widest_pool : int
        Largest of these poolings where the bin size leaves a choice, see `module.pool_sizes`. Wide
        ones make a network that is fast on a CPU.
    residual_filters, residual_blocks : int
        Dilated convolutions over bins.
    residual_dropout : float
    bottleneck, bottleneck_kernel : int
        Channels of a bin that reach the map. The article has 48 and width 1, the public code 64 and
        5, which are the defaults.
    pair_filters, pair_residual_filters, pair_blocks : int
        Dilated convolutions over pairs of bins.
    pair_dropout : float
    rate : float
        Dilation of block k is round(rate^k), in both.
    distance : {"bins", "log"}
        What a pair is told of its distance d: d itself, as published, or log(1 + d). Against values
        around 1, d takes nearly all the variance that the next normalisation leaves, so that
        learning starts from a map of distance alone.
    ordered : bool
        A pair is told which of its bins is on the left, by convolutions of their own for either
        side in place of the mean of both, as published; maps of the other strand are turned as
        maps, as in the article, and not by their bins. The mean does not tell convergent from
        divergent motifs.
    between : bool
        Of `ordered`: a pair is told sums over the bins between, too, weighted by how likely an
        extruder that starts there has passed them (`module.spanned`). Two-dimensional convolutions
        alone have to learn from examples that what stands between two bins keeps them apart.
    composition : bool
        Bins are told their shares of the four bases beside what the tower makes of them: maxima of
        short windows, as pooling takes them, are poor means.
    norm_memory : float
        Share of the running mean and variance of batch normalisation that a step keeps.
    heads : tuple of int
        Outputs of published weights that are taken, from 0, one per training sample; all where none
        is named.
    checkpointing : bool
        Compute activations anew in the backward pass instead of keeping them: less memory, a third
        more time.
    windows : WindowFit
    fit : NetworkFit
    """

    window: int = 512
    crop: int = 32
    filters: int = 96
    kernel: int = 11
    tower_kernel: int = 5
    widest_pool: int = 2
    residual_filters: int = 48
    residual_blocks: int = 8
    residual_dropout: float = 0.4
    bottleneck: int = 64
    bottleneck_kernel: int = 5
    pair_filters: int = 48
    pair_residual_filters: int = 24
    pair_blocks: int = 6
    pair_dropout: float = 0.1
    rate: float = 1.75
    distance: str = "bins"
    ordered: bool = False
    between: bool = False
    composition: bool = False
    norm_memory: float = 0.9265
    heads: tuple[int, ...] = ()
    checkpointing: bool = False
    windows: WindowFit = WindowFit()
    fit: NetworkFit = PUBLISHED_FIT

    CHOICES: ClassVar = {"distance": ("bins", "log")}
    RANGES: ClassVar = {
        "window": (8, 100_000),
        "crop": (0, 50_000),
        **dict.fromkeys(
            ["filters", "residual_filters", "bottleneck", "pair_filters", "pair_residual_filters"],
            (1, 4096),
        ),
        **dict.fromkeys(["kernel", "tower_kernel", "bottleneck_kernel"], (1, 999)),
        **dict.fromkeys(["residual_blocks", "pair_blocks"], (0, 32)),
        **dict.fromkeys(["residual_dropout", "pair_dropout"], (0, 0.95)),
        "rate": (1, 4),
        "widest_pool": (2, 1000),
        "norm_memory": (0, 0.99999),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kernel", "tower_kernel", "bottleneck_kernel"):
            if getattr(self, name) % 2 == 0:
                raise InputError(f"model setting {name}={getattr(self, name)}; expected an odd one")
        if self.between and not self.ordered:
            raise InputError("model setting between=True needs ordered=True")
        if self.size < 4:
            raise InputError(
                f"model settings window={self.window} and crop={self.crop} leave {self.size} bins "
                "of a window; expected 4 or more"
            )

    @property
    def size(self) -> int:
        """Bins of a window that are predicted."""
        return self.window - 2 * self.crop

    @property
    def step(self) -> int:
        """Bins from one predicted window to the next, of which the maps are averaged."""
        return max(self.size // 4, 1)

    @property
    def n_distances(self) -> int:
        """Distances, from 0, of which every pair lies whole in one of the predicted windows."""
        return self.size - self.step + 1
