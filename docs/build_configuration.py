"""Write docs/configuration.md from the schemas: `python docs/build_configuration.py`."""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from chromloom.models.hiclstm.settings import PRESETS, Architecture, Fit, HiCLSTMSettings  # noqa: E402
from chromloom.models.settings import Objective  # noqa: E402

SHEETS = {
    "samples": "Sample sheet",
    "signals": "Signal sheet",
    "datasets": "Table of data sets",
}
HEAD = """# Configuration

This page is generated from the schemas in `workflow/schemas` by
`python docs/build_configuration.py`. A test keeps it up to date.

A study consists of one YAML file and a few tab-separated sheets. Pass it with
`--configfile my.yaml`, in place of the default study, `config/config.yaml`, of which it inherits
nothing. Relative paths are resolved in the working directory, then in the folder of the
`Snakefile`. Environment variables are expanded. An unknown key, a missing column or an invalid
value stops the run before any job starts, with one line that names it.
"""
SETTINGS = """Set them by model under `training.options`, for example
`{hiclstm-refined: {embedding_dim: 32}}`. The columns are the presets: `paper` is the model
`hiclstm-paper`, and so on. Settings of the other models are documented in
`workflow/chromloom/models/baselines`.
"""


def keys(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a schema with its rule, nested ones joined by dots."""
    for name, rule in schema["properties"].items():
        if "description" in rule:
            yield path + name, {**rule, "needed": name in schema.get("required", [])}
        if "properties" in rule:
            yield from keys(rule, f"{path}{name}.")
        if "properties" in (of_names := rule.get("additionalProperties") or {}):
            yield from keys(of_names, f"{path}{name}.NAME.")


def table(schema: dict[str, Any], first: str) -> str:
    """A Markdown table of a schema's keys: name, default (or required), meaning."""
    rows = [f"| {first} | default | meaning |", "|---|---|---|"]
    for name, rule in keys(schema):
        default = "required" if rule["needed"] else yaml_text(rule.get("default", ""))
        meaning = " ".join(str(rule["description"]).split())
        values = rule.get("enum") or rule.get("items", {}).get("enum")
        if values:
            meaning += f" ({', '.join(map(str, values))})"
        rows.append(f"| `{name}` | {default} | {meaning} |".replace("  ", " "))
    return "\n".join(rows)


def yaml_text(value: Any) -> str:
    """A default as it would stand in the YAML file; nothing for an absent one."""
    if value in ("", None):
        return ""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return f"`{text.strip().removesuffix('...').strip()}`"


def document() -> str:
    """The whole page."""
    schemas = ROOT / "workflow" / "schemas"
    parts = [HEAD]
    config = yaml.safe_load((schemas / "config.schema.yaml").read_text())
    parts += ["## Config file\n", table(config, "key") + "\n"]
    for name, title in SHEETS.items():
        schema = yaml.safe_load((schemas / f"{name}.schema.yaml").read_text())
        parts += [f"## {title}\n", f"{schema['description']}\n", table(schema, "column") + "\n"]
    labels = ast.get_docstring(
        ast.parse((ROOT / "workflow/chromloom/classification/labels.py").read_text())
    )
    parts += ["## Label sheet\n", "```text", labels, "```\n"]
    parts += ["## Settings of Hi-C-LSTM\n", SETTINGS, settings_table() + "\n"]
    return "\n".join(parts)


def settings_table() -> str:
    """Markdown table of a model's settings: what each preset makes of them, and the meaning."""
    presets = {name: HiCLSTMSettings.from_preset(name).to_dict() for name in PRESETS}
    meanings = {}
    for part in (Architecture, Objective, Fit):
        meanings |= attributes(inspect.getdoc(part))
    rows = [
        "| setting | " + " | ".join(presets) + " | meaning |",
        "|---" * (len(presets) + 2) + "|",
    ]
    for name in HiCLSTMSettings.option_names():
        cells = " | ".join(f"`{values[name]}`" for values in presets.values())
        rows.append(f"| `{name}` | {cells} | {meanings[name]} |")
    return "\n".join(rows)


def attributes(docstring: str) -> dict[str, str]:
    """Name -> description of the attributes in a numpydoc docstring; several may share one."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in docstring.split("Attributes\n----------\n", 1)[1].splitlines():
        if line and not line.startswith(" "):
            names = line.split(" : ")[0].split(", ")
            found |= dict.fromkeys(names, "")
        else:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


if __name__ == "__main__":
    (ROOT / "docs" / "configuration.md").write_text(document())
