"""Predicted against true change, beside simple baselines, on the simulated genome.

The truth is the noise-free contact intensity of the edited plan, in reference coordinates, as a
perfect balancing would show it. Changes are log2((edited + 0.5) / (wild type + 0.5)) of contact
strength, the pseudocount on the scale of counts; Pearson over all pairs within the flank that are
known to all. Also reported: contact probability (the article's scale) and contact strength.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from chromloom.edits.edit import Edit
from chromloom.errors import InputError
from chromloom.genome.bins import Bins
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import PSEUDOCOUNT, contact_probability
from chromloom.perturbation.predict import Prediction, map_back
from chromloom.perturbation.simple import (
    baselines,
    edited_positions,
    observed_window,
)
from chromloom.simulate.contacts import expected_contacts
from chromloom.simulate.edits import apply_edit
from chromloom.simulate.plan import Plan

KINDS = ("deletion", "inversion", "duplication")


def draw_edits(plan: Plan, bins: Bins, *, n_edits: int, seed: int) -> list[Edit]:
    """Draw edits of every kind: 100 to 800 kb long, at a random place inside, off masked bins.

    Half of them are centred on a strong CTCF site, where an edit matters most.
    """
    rng = np.random.default_rng(seed)
    resolution = bins.resolution
    edits = []
    for kind in KINDS:
        for number in range(n_edits):
            for _ in range(1000):
                chrom = str(rng.choice(bins.chromnames))
                mask = bins.mask(chrom)
                size = int(rng.integers(100_000, 800_001) // resolution)
                sites = plan.rows("sites", chrom)
                sites = sites.loc[sites["strength"] > 0.5, "start"].to_numpy() // resolution
                centre = rng.choice(sites) if number % 2 else rng.integers(0, len(mask))
                lo = int(centre) - size // 2
                hi = lo + size
                around = slice(max(lo - 20, 0), hi + 20)
                if lo >= 20 and hi <= len(mask) - 20 and mask[around].mean() < 0.1:
                    break
            else:
                raise InputError(
                    f"no place for a {kind}: the simulated chromosomes are too short or "
                    "masked; plan a larger genome"
                )
            edits.append(Edit(f"{kind}{number}", kind, chrom, lo * resolution, hi * resolution))
    return edits


def score_changes(prediction: Prediction, observed: NormalizedMap, plan: Plan) -> pd.DataFrame:
    """Score a prediction and the baselines against the simulated change; see the module."""
    edit = prediction.edited.edit
    truth = simulate_change(prediction, observed, plan)
    methods = {
        "model": (prediction.wild_type, prediction.on_reference),
        **baselines(prediction, observed),
    }
    scales = {
        "log2": _log2,
        "cp": lambda m: contact_probability(m, observed.cp_a),
        "value": lambda m: m,
    }
    known = np.isfinite(truth[0]) & np.isfinite(truth[1])
    for pair in methods.values():
        known &= np.isfinite(pair[0]) & np.isfinite(pair[1])
    rows = []
    for scale, transform in scales.items():
        true = (transform(truth[1]) - transform(truth[0]))[known]
        for method, (wild_type, edited) in methods.items():
            change = (transform(edited) - transform(wild_type))[known]
            r = np.corrcoef(true, change)[0, 1] if change.std() > 0 else np.nan
            rows.append(
                (
                    edit.edit,
                    edit.kind,
                    f"{edit.chrom}:{edit.start}-{edit.end}",
                    method,
                    scale,
                    known.sum(),
                    r,
                    np.mean((true - change) ** 2),
                )
            )
    return pd.DataFrame(
        rows, columns=["edit", "kind", "region", "method", "scale", "n_pairs", "pearson", "mse"]
    )


def simulate_change(
    prediction: Prediction, observed: NormalizedMap, plan: Plan
) -> tuple[np.ndarray, np.ndarray]:
    """Noise-free wild type and edited map on the reference bins of a prediction.

    Returns
    -------
    wild_type, edited : ndarray, (k, k), float64
        Upper triangle, scaled so that the wild type sums to the observed map's strength.
    """
    edit, resolution = prediction.edited.edit, observed.resolution
    lo = edit.start // resolution * resolution
    hi = min(-(-edit.end // resolution) * resolution, int(plan.chromsizes[edit.chrom]))
    changed = apply_edit(plan, replace(edit, start=lo, end=hi))
    first, _ = observed.extent(edit.chrom)
    positions = prediction.bins - first
    wild_type = intensities(plan, edit.chrom, resolution, positions, observed.ignore_diags)
    at, index = edited_positions(prediction, observed.bins)
    in_edited = intensities(changed, edit.chrom, resolution, at, observed.ignore_diags)
    on_reference = map_back(in_edited, index, len(positions))
    values = observed_window(observed, edit.chrom, positions)
    both = np.isfinite(values) & np.isfinite(wild_type)
    scale = values[both].sum() / wild_type[both].sum()
    return scale * wild_type, scale * on_reference


def _log2(values):
    return np.log2(values + PSEUDOCOUNT)


def intensities(
    plan: Plan, chrom: str, resolution: int, positions: np.ndarray, ignore_diags: int
) -> np.ndarray:
    """Noise-free balanced intensity among ascending bins of a plan's chromosome.

    Returns
    -------
    ndarray, (p, p), float64
        Upper triangle, in the plan's units; NaN below `ignore_diags`.
    """
    lo, hi = int(positions[0]), int(positions[-1]) + 1
    band = expected_contacts(plan, chrom, resolution, lo, hi, visible=False)
    i, j = np.meshgrid(positions, positions, indexing="ij")
    wanted = j - i >= ignore_diags
    return np.where(wanted, band[np.where(wanted, j - i, 0), i - lo], np.nan)
