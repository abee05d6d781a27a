"""Write docs/configuration.md from the schemas: `python docs/build_configuration.py`."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SHEETS = {
    "samples": "Sample sheet",
    "datasets": "Table of data sets",
}
HEAD = """# Configuration

Written by `python docs/build_configuration.py` from the schemas in `workflow/schemas`; a test
holds the two together.

A study is one YAML file and a few tab-separated sheets. Give it with `--configfile my.yaml`;
without it, `config/config.yaml` is used. Relative paths are looked for in the working directory,
then beside the `Snakefile`; environment variables are expanded. An unknown key, a missing column
or a value of the wrong kind stops the run before it starts, with one line that names it.
"""
SETTINGS = """Given by model under `training.options`, such as
`{hiclstm-refined: {embedding_dim: 32}}`; the columns are the presets (`hiclstm-paper` …, `eig`).
The other models' settings are attributes of the settings in `workflow/chromloom/models/baselines`.
"""


def keys(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a schema with its rule, nested ones joined by dots."""
    for name, rule in schema["properties"].items():
        if "description" in rule:
            yield path + name, rule
        if "properties" in rule:
            yield from keys(rule, f"{path}{name}.")


def table(schema: dict[str, Any], first: str) -> str:
    """A Markdown table of a schema's keys: name, default (or required), meaning."""
    rows = [f"| {first} | default | meaning |", "|---|---|---|"]
    required = schema.get("required", [])
    for name, rule in keys(schema):
        default = "required" if name in required else yaml_text(rule.get("default", ""))
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
    return f"`{yaml.safe_dump(value, default_flow_style=True).strip().removesuffix('...').strip()}`"


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
    """Markdown table of a model's settings: what each preset makes of them, and the meaning.

    Read from the source, so that the page can be written without torch.
    """
    tree = ast.parse((ROOT / "workflow/chromloom/models/hiclstm/module.py").read_text())
    assigned = [node for node in tree.body if isinstance(node, ast.AnnAssign)]
    presets = next(node for node in assigned if node.target.id == "PRESETS")
    presets = ast.literal_eval(presets.value)
    settings = next(
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "HiCLSTMSettings"
    )
    defaults = {
        node.target.id: ast.literal_eval(node.value)
        for node in settings.body
        if isinstance(node, ast.AnnAssign)
    }
    meanings = attributes(ast.get_docstring(settings))
    rows = [
        "| setting | " + " | ".join(presets) + " | meaning |",
        "|---" * (len(presets) + 2) + "|",
    ]
    for name in list(defaults)[1:]:
        values = [preset.get(name, defaults[name]) for preset in presets.values()]
        cells = " | ".join(f"`{value}`" for value in values)
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
