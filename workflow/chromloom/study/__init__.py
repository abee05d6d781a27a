"""What a study consists of, worked out from its configuration and sheets.

`Study` says which maps there are, which models are trained on them, which files they read and
which of them the figures show. The rules ask it and add nothing but paths; it knows no Snakemake
and reads no data but the sheets (samples, data sets, labels, edits) that it checks. Each file asks
those before it: `samples`, `predictors`, `runs`, `figures`, `checks`.

A *map* is named `{sample}.{resolution}.{norm}`, a *run* `{sample}.{resolution}.{norm}.{model}`:
the map of this sample as this model sees it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chromloom.study.checks import check_study
from chromloom.study.figures import Figures


class Study(Figures):
    """A study: what its config and sheets ask for, checked.

    See `study.samples.Samples` for its parameters and attributes, `study.runs.Runs` for more.

    Raises
    ------
    InputError
        Config or sheets are not as they should be, or contradict each other.
    """

    def __init__(
        self, config: Mapping[str, Any], root: str | Path, shipped: str | Path | None = None
    ) -> None:
        super().__init__(config, root, shipped)
        check_study(self)
