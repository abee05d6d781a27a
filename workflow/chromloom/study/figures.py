"""What the figures of a study show."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from chromloom.errors import InputError
from chromloom.models.registry import model_settings
from chromloom.study.runs import Run, Runs

# Panels of the figures that are made by default, by the figure that draws them.
PANELS = {
    "fig3": ["fig3a", "fig3b", "fig3g", "figS14"],
    "fig4": ["fig4a", "fig4d", "fig4e", "figS3"],
    "fig4f": ["fig4f"],
    "fig6": ["fig6a", "fig6c", "fig6e"],
    "fig6b": ["fig6b"],
    "fig7": ["fig7", "fig7d"],
    "fig8": ["fig8a", "fig8b"],
    "fig8c": ["fig8c"],
    "fig9": ["fig9"],
}
NEEDS = {
    "fig3": "a model that predicts maps",
    "fig4": "labels (key labels) of the cell type of the map shown",
    "fig4f": "two models of the map shown, and labels (key labels) of its cell type",
    "fig5": "a model that predicts maps",
    "fig6": "a model that can be edited, and labels (key labels) of the cell type of the map shown",
    "fig6a": "attribution.domains beside what fig6 needs",
    "fig6b": "a model whose predictions are attributed to bins",
    "fig7": "a duplication among the edits (key edits) of the sample shown, a model that can be "
    "edited, and perturbation.maps: true",
    "fig7d": "a sample that was measured after the duplication shown (columns edit_of and edit)",
    "fig8": "sites in perturbation.knockouts, and a model that can be edited",
    "fig8c": "perturbation.boundaries, a model that can be edited, and labels (key labels)",
    "fig9": "samples that were measured after an edit (columns edit_of and edit)",
}
"""What figures and panels of Hi-C-LSTM need; a panel that is not here, what its figure does."""
EPIPHANY_PANELS = ("fig2b", "fig2c", "fig2e", "fig3a", "fig5a")
"""Panels that are drawn from the tables of compared predictors."""


class Figures(Runs):
    """The map, runs and edits that figures show, and the panels that have something to show."""

    @cached_property
    def focus(self) -> str:
        """The map that figures show: the first trained one of the sample that the config names.

        The sample may be any where the config names none. A map with a model that can be edited
        comes first, then one with a predicted map. "" where no model is trained at all.

        Raises
        ------
        InputError
            The sample that the config names has no model.
        """
        wanted = self.config["figures"]["sample"]
        runs = [*self.pair_runs, *self.map_runs, *self.runs]
        shown = [run.map for run in runs if wanted in ("", run.sample)]
        if wanted and not shown:
            raise InputError(
                f"figures.sample {wanted!r}: no sample with a model; name one of "
                f"{sorted({run.sample for run in runs})}"
            )
        return shown[0] if shown else ""

    @property
    def focus_sample(self) -> str:
        """Sample of the map that figures show; "" where there is none."""
        return self.focus.split(".")[0]

    def shown(self, runs: Iterable[Run]) -> list[Run]:
        """Those of some runs that are of the map that figures show."""
        return [run for run in runs if run.map == self.focus]

    @cached_property
    def focus_run(self) -> Run | None:
        """The run that is compared with those of other samples and bin sizes; None without one."""
        return next(iter(self.shown([*self.pair_runs, *self.map_runs])), None)

    @cached_property
    def shown_duplications(self) -> list[str]:
        """Names of the duplications among the edits of the sample that figures show."""
        if not self.focus:
            return []
        sample, resolution = self.focus.split(".")[:2]
        rows = self.fitted_rows(sample, int(resolution))
        return [row.edit.edit for row in rows if row.edit and row.edit.kind == "duplication"]

    @cached_property
    def shown_compared_edits(self) -> list[str]:
        """Those of `compared_edits` that are of the run and the duplication that figures show."""
        edits = [f"{self.focus_run}/{edit}.against." for edit in self.shown_duplications[:1]]
        return [stem for stem in self.compared_edits if stem.startswith(tuple(edits))]

    @cached_property
    def panels(self) -> dict[str, list[str]]:
        """Those of `PANELS` that have something to show in this study."""
        editable, predicted = self.shown(self.pair_runs), self.shown(self.map_runs)
        classified = self.shown(self.classified)
        labelled = editable and self.labels_of(self.focus_sample)
        # Predictors are attributed to signals or bases, not to bins.
        explained = labelled and editable[0].model not in self.predictors
        drawn = editable and self.config["perturbation"]["maps"]
        duplicated = drawn and self.shown_duplications
        has = {
            "fig3b": predicted and self.samples.against[self.focus_sample],
            "fig3": predicted,
            "fig4": classified,
            "fig4f": len(classified) > 1,
            "fig6a": explained and self.config["attribution"]["domains"],
            "fig6": explained,
            "fig6b": self.shown(self.attributed),
            "fig7": duplicated,
            "fig7d": duplicated and self.shown_compared_edits,
            "fig8": editable and self.knockouts,
            "fig8c": labelled and self.config["perturbation"]["boundaries"],
            "fig9": self.compared_edits,
        }
        return {
            figure: [panel for panel in panels if has.get(panel, has[figure])]
            for figure, panels in PANELS.items()
        }

    @cached_property
    def panel_targets(self) -> dict[str, tuple[list[str], str]]:
        """Every figure and panel of `PANELS` -> its panels in this study, and what it needs."""
        return {
            name: ([panel for panel in names if panel in self.panels[figure]], NEEDS[need])
            for figure, panels in PANELS.items()
            for name, names in {**{panel: [panel] for panel in panels}, figure: panels}.items()
            for need in [name if name in NEEDS else figure]
        }

    @cached_property
    def predictor_panels(self) -> dict[str, dict[str, list[str]]]:
        """Panel of the Epiphany article -> map -> predictors that it shows, the first one first.

        Figure 2b has those that read what the first reads (targets, losses, models), figure 5a
        those that differ from it in their signals alone; the others have all.
        """
        panels: dict[str, dict[str, list[str]]] = {panel: {} for panel in EPIPHANY_PANELS}
        for shown, names in self.compared_predictors.items():
            first, *others = (self.predictors[name] for name in names)
            alike = [p.name for p in others if p.signals == first.signals]
            ablated = [
                p.name
                for p in others
                if (p.model, p.options, p.samples) == (first.model, first.options, first.samples)
                and p.signals != first.signals
            ]
            for own in panels.values():
                own[shown] = names
            panels["fig2b"][shown] = [first.name, *alike]
            panels["fig5a"][shown] = [first.name, *ablated]
            if not ablated:
                del panels["fig5a"][shown]
        return panels

    @cached_property
    def shown_predictors(self) -> tuple[str, list[str]]:
        """The map whose regions the Epiphany figures show, and its predictors; ("", []) without.

        That of the other figures where predictors are compared on it, else the first.
        """
        compared = self.compared_predictors
        if not compared:
            return "", []
        shown = self.focus if self.focus in compared else next(iter(compared))
        return shown, compared[shown]

    @property
    def judge(self) -> str:
        """The first of `shown_predictors` that was trained with a discriminator; "" without."""
        for name in self.shown_predictors[1]:
            plan = self.predictors[name]
            if getattr(model_settings(plan.model, **plan.options), "adversarial", False):
                return name
        return ""

    @cached_property
    def edited_signals(self) -> list[tuple[Run, Run]]:
        """Runs of the first predictor on a sample with edited signals and on one without them."""
        pairs: list[tuple[Run, Run]] = []
        runs = {
            (run.sample, run.resolution, run.norm, run.model): run for run in self.predictor_runs
        }
        for run in self.predictor_runs:
            asked = self.signal_edits.get(self.samples.cell_type[run.sample])
            before = [
                other
                for (sample, *shape), other in runs.items()
                if asked
                and self.samples.cell_type[sample] == asked["of"]
                and shape == [run.resolution, run.norm, run.model]
            ]
            if before and run.sample not in [edited.sample for edited, _ in pairs]:
                pairs.append((run, before[0]))
        return pairs

    @cached_property
    def agreement_panels(self) -> dict[str, dict[str, Any]]:
        """What every panel of agreement by distance shows, of those that have something to show.

        Returns
        -------
        dict
            panel -> by (model, sample or resolution); stems of the tables; scored, the pairs of
            samples that decoders were trained and scored on.
        """
        if not self.focus:
            return {}
        panels = {}
        names = [("fig3a", "fig3b"), ("fig3c", "fig3d"), ("figS1a", "figS1b"), ("figS1c", "figS1d")]
        for (own, replicate), shown in zip(names, [self.focus, *self._other_maps()]):
            panels[own] = self._by_model(shown)
            if self.samples.against[shown.split(".")[0]]:
                panels[replicate] = self._by_model(shown, replicate=True)
        if self.focus_run:
            panels["fig3e"] = self._by_sample(self.focus_run)
            panels["fig3f"] = self._by_sample(self.focus_run, replicate=True)
            panels["fig5e"] = {
                "by": "resolution",
                "stems": list(map(str, self.other_resolutions)),
                "scored": [[self.focus_sample] * 2],
            }
        return {panel: shown for panel, shown in panels.items() if shown["stems"]}

    def scored_on(self, panel: str) -> list[str]:
        """Samples of the map that all lines of a panel of models are scored on."""
        shown = self.agreement_panels.get(panel, {"by": ""})
        pairs = shown["scored"] if shown["by"] == "model" else []
        return sorted({against for _, against in pairs})

    @cached_property
    def other_resolutions(self) -> list[Run]:
        """The run that figures show, at every bin size that it was trained at."""
        own = self.focus_run
        return [
            run
            for run in self.map_runs
            if own and (run.sample, run.norm, run.model) == (own.sample, own.norm, own.model)
        ]

    def _by_model(self, map: str, *, replicate: bool = False) -> dict[str, Any]:
        """Models of a map, by their decoders where there are any, or predictors where none is.

        They are scored on the map or on its replicate.
        """
        sample, decoders = map.split(".")[0], self.config["reconstruction"]["decoders"]
        other = self.samples.against[sample]
        ending = "-replicate" if replicate else ""
        runs = [run for run in self.runs if run.map == map]
        predicted = [run for run in runs if run in self.map_runs]
        return {
            "by": "model",
            "stems": [f"{run}.{decoder}{ending}" for run in runs for decoder in decoders]
            or [str(run) for run in predicted or self.predictor_runs if run.map == map],
            "scored": [[sample, other], [other, other]] if replicate else [[sample] * 2],
        }

    def _by_sample(self, own: Run, *, replicate: bool = False) -> dict[str, Any]:
        """The model, bin size and norm of a run, on every sample."""
        samples = self.samples
        kind = (own.resolution, own.norm, own.model)
        runs = [run for run in self.map_runs if (run.resolution, run.norm, run.model) == kind]
        others = samples.against if replicate else samples["sample"]
        scored = [[run.sample, others[run.sample]] for run in runs]
        return {
            "by": "sample",
            "stems": [str(run) for run, pair in zip(runs, scored) if all(pair)],
            "scored": scored,
        }

    def _other_maps(self) -> list[str]:
        """The first predicted map of every other cell type; none thinned or fine-tuned."""
        shown, maps = {self.samples.cell_type[self.focus_sample]}, []
        for run in self.map_runs:
            row = self.samples.loc[run.sample]
            if row.cell_type not in shown and not (row.thin_of or row.fine_tune_of):
                shown.add(row.cell_type)
                maps.append(run.map)
        return maps
