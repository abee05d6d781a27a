"""Settings of Akita's network."""

from dataclasses import dataclass
from typing import ClassVar

from chromloom.errors import InputError
from chromloom.models.settings import Settings


@dataclass(frozen=True)
class AkitaSettings(Settings):
    """Architecture; defaults are the published ones (params.json of the public code).

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
    norm_memory : float
        Share of the running mean and variance of batch normalisation that a step keeps.
    checkpointing : bool
        Compute activations anew in the backward pass instead of keeping them: less memory, a third
        more time.
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
    norm_memory: float = 0.9265
    checkpointing: bool = False

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
        if self.size < 4:
            raise InputError(
                f"model settings window={self.window} and crop={self.crop} leave {self.size} bins "
                "of a window; expected 4 or more"
            )

    @property
    def size(self) -> int:
        """Bins of a window that are predicted."""
        return self.window - 2 * self.crop
