"""Renew the rule graph in docs/architecture.md: `python docs/build_rulegraph.py`.

The graph is that of the demo, by `snakemake --rulegraph mermaid-js`, without its colours.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
HEADING = "## Rules\n"


def rule_graph() -> str:
    """Rules and their dependencies as mermaid text."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js",
            "--snakefile", ROOT / "Snakefile", "--directory", folder,
            "--configfile", ROOT / "config" / "demo" / "config.yaml",
        ]  # fmt: skip
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    names = dict(re.findall(r"id(\d+)\[(\w+)\]", run.stdout))
    edges = {(names[a], names[b]) for a, b in re.findall(r"id(\d+) --> id(\d+)", run.stdout)}
    lines = [f"    {a} --> {b}" for a, b in sorted(edges) if b != "all"]
    return "\n".join(["```mermaid", "flowchart TB", *lines, "```", ""])


if __name__ == "__main__":
    before, _, section = PAGE.read_text().partition(HEADING)
    text = re.sub(r"```mermaid\n.*?```\n", "", section, flags=re.DOTALL).rstrip("\n")
    PAGE.write_text(f"{before}{HEADING}{text}\n\n{rule_graph()}")
