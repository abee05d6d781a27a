"""Decoders of any frozen representation: LSTM, CNN, FC, which predict a frame of a row each.

Two variants. `published`, as the released code has them: frames of 150 observed contacts of a row
with the gaps squeezed out, target contact probability; the LSTM of preset `released`, one small
convolution, or a single linear layer, which are not of one size, whatever the article says.
`dense`, on one footing: frames of 150 consecutive bins, zeros included, target log
observed/expected, one hidden layer of one size for all three. Training is in
`chromloom.training.decode`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, max_pool2d, softsign

from chromloom.errors import InputError
from chromloom.models.hiclstm.module import HiCLSTM
from chromloom.models.hiclstm.released import ReleasedHiCLSTM
from chromloom.models.hiclstm.settings import PRESETS, HiCLSTMSettings
from chromloom.models.registry import DECODERS

VARIANTS: dict[str, dict[str, Any]] = {
    "published": {**PRESETS["released"], "preset": "released", "epochs": 20},
    "dense": {
        **PRESETS["paper"],
        "preset": "decoder",
        "hidden_size": 16,
        "norm_input": False,
        "norm_recurrent": False,
        "target": "log_oe",
        "loss_weight": "variance",
        "epochs": 20,
        "schedule": "one_cycle",
        "learning_rate": 0.01,
        "clip_norm": 1.0,
        "tile_rows": 128,
    },
}


@dataclass(frozen=True)
class DecoderSettings(HiCLSTMSettings):
    """A decoder and its training; see `HiCLSTMSettings` for what is not named here.

    `directions` is 2 for cnn and fc: their prediction of a pair depends on the whole frame, as that
    of an LSTM read both ways does.

    Attributes
    ----------
    decoder : {"lstm", "cnn", "fc"}
    kernel : int
        Width in bins of the dense CNN's filter, odd.
    """

    decoder: str = "lstm"
    kernel: int = 9

    CHOICES: ClassVar = {"decoder": DECODERS}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise InputError(f"decoder setting kernel={self.kernel!r}; expected an odd number")


def decoder_settings(
    decoder: str, embedding_dim: int, variant: str = "dense", **options: Any
) -> DecoderSettings:
    """Settings of a decoder of representations of `embedding_dim` numbers.

    Parameters
    ----------
    decoder : {"lstm", "cnn", "fc"}
    embedding_dim : int
    variant : {"dense", "published"}
    **options
        Settings that differ.

    Raises
    ------
    InputError
        Unknown decoder, variant or setting.
    """
    if variant not in VARIANTS:
        raise InputError(
            f"decoder variant '{variant}' is unknown; expected one of {', '.join(VARIANTS)}"
        )
    fixed = {"embedding_dim", "decoder", "head", "bilinear", "start", "directions"}
    fixed |= {"layers", "dropout"}
    known = set(DecoderSettings.option_names()) - fixed
    if unknown := sorted(set(options) - known):
        raise InputError(
            f"decoder '{decoder}' has no settings {', '.join(unknown)}; expected some of "
            f"{', '.join(sorted(known))}"
        )
    directions = 2 if decoder != "lstm" and variant == "dense" else 1
    own = {"decoder": decoder, "embedding_dim": embedding_dim, "directions": directions}
    return DecoderSettings.of(**{**VARIANTS[variant], **own, **options})


def new_decoder(
    settings: DecoderSettings, lengths: list[int]
) -> "HiCLSTM | ReleasedHiCLSTM | _Decoder":
    """Module of a decoder with room for the representations; parameters are yet to be drawn."""
    n_bins = sum(lengths)
    if settings.preset == "released":
        kinds: dict[str, Callable[..., ReleasedHiCLSTM | _Decoder]] = {
            "lstm": ReleasedHiCLSTM,
            "cnn": PublishedCNN,
        }
        return kinds.get(settings.decoder, PublishedFC)(settings, n_bins)
    if settings.decoder == "lstm":
        return HiCLSTM(settings, n_bins, len(lengths))
    return {"cnn": FrameCNN, "fc": FrameFC}[settings.decoder](settings, n_bins)


class _Decoder(nn.Module):
    """Representations, and parameters that are drawn from U(-1/sqrt(fan in), 1/sqrt(fan in))."""

    def __init__(self, settings: DecoderSettings, n_bins: int):
        super().__init__()
        self.settings = settings
        self.embedding = nn.Parameter(torch.zeros(n_bins, settings.architecture.embedding_dim))

    def _add(self, name: str, *shape: int, fan_in: int) -> None:
        """A parameter of the decoder."""
        self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        self._bounds = {**getattr(self, "_bounds", {}), name: fan_in**-0.5}

    def reset(self, seed: int) -> None:
        """Draw the decoder's parameters from `seed`."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, bound in self._bounds.items():
                getattr(self, name).uniform_(-bound, bound, generator=generator)

    def decoder_parameters(self) -> list[nn.Parameter]:
        """All parameters but the representations."""
        return [getattr(self, name) for name in self._bounds]


class _FrameDecoder(_Decoder):
    """A decoder with the interface of `HiCLSTM`: one tile, one frame."""

    S = offset = spread = None
    directions = ()

    def reads(self, d0: int) -> bool:
        """Every frame is read."""
        return True

    def tile(
        self,
        rows: Tensor,
        cols: Tensor,
        row_ok: Tensor,
        col_ok: Tensor,
        chrom: int,
        d0: int,
        *,
        backend: str = "auto",
    ) -> Tensor:
        """Raw output of one tile, (L, B); parameters as for `HiCLSTM.tile`.

        The frame is whole unless the chromosome ends in it; columns that are not ok or beyond the
        end count as 0, the mean representation.
        """
        n_rows, length = len(rows), len(cols) - len(rows) + 1
        missing = max(self.settings.architecture.frame - length, 0)
        cols = torch.where(col_ok[:, None], cols, 0.0)
        cols = torch.cat([cols, cols.new_zeros(missing, cols.shape[1])])  # (B + frame - 1, d)
        return self._frames(rows, cols.T, n_rows)[:length]

    def _frames(self, rows: Tensor, cols: Tensor, n_rows: int) -> Tensor:
        """Output (frame, B) of rows (B, d) with columns (d, B + frame - 1)."""
        raise NotImplementedError


class FrameFC(_FrameDecoder):
    """Fully connected: R_i and all R_j of the frame -> H (softsign) -> a value at each place."""

    W_row: Tensor
    W_col: Tensor
    b: Tensor
    W_out: Tensor
    bias: Tensor

    def __init__(self, settings: DecoderSettings, n_bins: int):
        super().__init__(settings, n_bins)
        made = settings.architecture
        d, hidden, frame = made.embedding_dim, made.hidden_size, made.frame
        self._add("W_row", hidden, d, fan_in=d * (frame + 1))
        self._add("W_col", hidden, d, frame, fan_in=d * (frame + 1))
        self._add("b", hidden, fan_in=d * (frame + 1))
        self._add("W_out", frame, hidden, fan_in=hidden)
        self._add("bias", frame, fan_in=hidden)

    def _frames(self, rows: Tensor, cols: Tensor, n_rows: int) -> Tensor:
        read = conv1d(cols[None], self.W_col)[0]  # (H, B)
        h = softsign(read + self.W_row @ rows.T + self.b[:, None])
        return self.W_out @ h + self.bias[:, None]  # (frame, B)


class FrameCNN(_FrameDecoder):
    """Convolution of [R_i; R_j] along the frame -> H (softsign) -> a value at each place."""

    W_row: Tensor
    W_col: Tensor
    b: Tensor
    W_out: Tensor
    bias: Tensor

    def __init__(self, settings: DecoderSettings, n_bins: int):
        super().__init__(settings, n_bins)
        made, width = settings.architecture, settings.kernel
        d, hidden = made.embedding_dim, made.hidden_size
        self._add("W_row", hidden, d, fan_in=d * (width + 1))
        self._add("W_col", hidden, d, 1, width, fan_in=d * (width + 1))
        self._add("b", hidden, fan_in=d * (width + 1))
        self._add("W_out", hidden, fan_in=hidden)
        self._add("bias", made.frame, fan_in=hidden)

    def _frames(self, rows: Tensor, cols: Tensor, n_rows: int) -> Tensor:
        frames = cols.unfold(1, self.settings.architecture.frame, 1)  # (d, B, frame)
        padding = (0, self.settings.kernel // 2)
        read = conv2d(frames[None], self.W_col, padding=padding)[0]  # (H, B, frame)
        h = softsign(read + (self.W_row @ rows.T + self.b[:, None])[:, :, None])
        return torch.einsum("hbt,h->tb", h, self.W_out) + self.bias[:, None]


class PublishedFC(_Decoder):
    """The released code's FC: one linear layer of the frame's pairs, 2 d 150 -> 150, sigmoid."""

    W_out: Tensor
    bias: Tensor

    def __init__(self, settings: DecoderSettings, n_bins: int):
        super().__init__(settings, n_bins)
        d, frame = settings.architecture.embedding_dim, settings.architecture.frame
        self._add("W_out", frame, 2 * d * frame, fan_in=2 * d * frame)
        self._add("bias", frame, fan_in=2 * d * frame)

    def forward(
        self,
        embedding: Tensor,
        rows: Tensor,
        cols: Tensor,
        state: Tensor,
        columns: Tensor | None = None,
    ) -> Tensor:
        """Contact probability (N, frame) of frames; parameters as for `ReleasedHiCLSTM`."""
        columns = embedding if columns is None else columns
        pairs = torch.stack([embedding[rows], columns[cols]], dim=1)  # (N, 2, frame, d)
        return torch.sigmoid(self._features(pairs) @ self.W_out.T + self.bias)

    def _features(self, pairs: Tensor) -> Tensor:
        """What the linear layer reads of pairs (N, 2, frame, d)."""
        return pairs.flatten(1)


class PublishedCNN(PublishedFC):
    """The released code's CNN: one filter over row and column, pooled, then a linear layer.

    Conv2d 2 -> 1 channels, kernel (2, 1), padding 1, sigmoid; max-pool 2 x 2; linear, sigmoid.
    """

    W_conv: Tensor
    b_conv: Tensor

    def __init__(self, settings: DecoderSettings, n_bins: int):
        _Decoder.__init__(self, settings, n_bins)
        d, frame = settings.architecture.embedding_dim, settings.architecture.frame
        pooled = (frame + 1) // 2 * ((d + 2) // 2)
        self._add("W_conv", 1, 2, 2, 1, fan_in=4)
        self._add("b_conv", 1, fan_in=4)
        self._add("W_out", frame, pooled, fan_in=pooled)
        self._add("bias", frame, fan_in=pooled)

    def _features(self, pairs: Tensor) -> Tensor:
        filtered = conv2d(pairs, self.W_conv, self.b_conv, padding=1)  # (N, 1, frame + 1, d + 2)
        return max_pool2d(torch.sigmoid(filtered), 2).flatten(1)
