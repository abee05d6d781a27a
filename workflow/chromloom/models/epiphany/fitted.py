"""Trained Epiphany as what a predictor asks for log ratios."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from chromloom.errors import InputError
from chromloom.models.epiphany.module import Epiphany, band_of, stripes_of
from chromloom.models.epiphany.settings import EpiphanySettings

LEAST = 1e-6
"""Of contact over expected: a linear output may fall below 0."""


class FittedEpiphany:
    """A network, and what its target is brought over the expected by.

    Parameters
    ----------
    network : Epiphany
    scale : ndarray, (n_distances,)
        Contact strength by distance, of target value; standard deviation of counts over their
        mean, of target nb_z. Not used otherwise.
    """

    def __init__(self, network: Epiphany, scale: np.ndarray) -> None:
        self.network, self.scale = network.eval(), np.asarray(scale, np.float32)
        self.settings = network.settings

    @classmethod
    def of_tensors(
        cls,
        settings: EpiphanySettings,
        tensors: Mapping[str, Tensor],
        *,
        mirrored: np.ndarray,
        n_distances: int,
        device: str = "cpu",
    ) -> "FittedEpiphany":
        """The network whose state `tensors` holds."""
        own = {name: t for name, t in tensors.items() if name != "scale"}
        network = Epiphany(settings, len(mirrored), n_distances, int(own["step"]))
        network.load_state_dict(own)
        return cls(network.to(device), tensors["scale"].numpy())

    @property
    def stride(self) -> int:
        """Frames begin at every half of one."""
        return max(self.settings.stripes // 2, 1)

    @property
    def context(self) -> int:
        """Bins beyond both ends of a pair: a frame, and half a window around its last stripe."""
        step = int(self.network.step)
        return self.settings.stripes + -(-self.network.window // (2 * step))

    @torch.no_grad()
    def log_ratio(self, features: np.ndarray) -> np.ndarray:
        """Log of contact over expected of a chromosome.

        Parameters
        ----------
        features : ndarray, (n_signals, n * step), float32

        Returns
        -------
        ndarray, (n_distances, n), float32
            Band layout; NaN beyond the end of the chromosome. The mean of the frames that hold a
            stripe.
        """
        device = self.network.fc.weight.device
        return self.ratio(torch.as_tensor(features, device=device)).cpu().numpy()

    def ratio(self, features: Tensor) -> Tensor:
        """The same as a tensor with gradients, (n_distances, n)."""
        network = self.network
        step, size = int(network.step), self.settings.stripes
        n, half = features.shape[1] // step, network.window // 2
        numbers = []
        # The last frame may reach beyond the chromosome, where there is no signal.
        last = -(-max(n - size, 0) // self.stride) * self.stride + size
        padded = nn.functional.pad(features, (half, half + (last - n) * step))
        for lo in range(0, last, size):
            stripes = min(size, last - lo)
            piece = padded[None, :, lo * step : (lo + stripes - 1) * step + network.window]
            encode = network.encode if self.settings.shared else network.encode_windows
            numbers.append(encode(piece))
        of_windows = torch.cat(numbers, dim=1)
        total = of_windows.new_zeros(last, network.n_distances)
        times = of_windows.new_zeros(last, 1)
        for lo in range(0, last - size + 1, self.stride):
            own = slice(lo, lo + size)
            total[own] = total[own] + network.decode(of_windows[:, own])[0]
            times[own] += 1
        target = band_of((total / times)[:n])
        ratio = torch.exp2(target) - 1 if self.settings.log2 else target
        scale = torch.as_tensor(self.scale, device=ratio.device)[:, None]
        if self.settings.target == "value":
            ratio = ratio / scale
        elif self.settings.target == "nb_z":
            ratio = 1 + ratio * scale
        return torch.log(ratio.clamp(min=LEAST))

    @torch.no_grad()
    def perceive(self, ratio: np.ndarray) -> np.ndarray:
        """Perceptual score of a map: what the discriminator takes for observed.

        Parameters
        ----------
        ratio : ndarray, (n_distances, n)
            Contact over expected in band layout; NaN = not known, 0 to the discriminator.

        Returns
        -------
        ndarray, (n // stripes,), float32
            Of whole frames of stripes from the start of the chromosome: probability of being
            observed, 0 to 1.

        Raises
        ------
        InputError
            The network was trained without a discriminator.
        """
        if not self.settings.adversarial:
            raise InputError(
                "a perceptual score needs a predictor with a discriminator; train with "
                "adversarial: true"
            )
        target = np.asarray(ratio, float)
        if self.settings.target == "value":
            target = target * self.scale[:, None]
        elif self.settings.target == "nb_z":
            with np.errstate(divide="ignore", invalid="ignore"):
                target = (target - 1) / self.scale[:, None]
        stripes = stripes_of(np.log2(target + 1) if self.settings.log2 else target)
        size = self.settings.stripes
        frames = np.nan_to_num(stripes[: len(stripes) // size * size], posinf=0, neginf=0)
        frames = frames.reshape(-1, size, stripes.shape[1]).astype(np.float32)
        if not len(frames):
            return np.empty(0, np.float32)
        given = torch.as_tensor(frames, device=self.network.fc.weight.device)
        return torch.sigmoid(self.network.discriminator(given)).cpu().numpy()
