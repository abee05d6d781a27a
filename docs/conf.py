"""The documentation as a site: `make docs`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import lightning  # noqa: E402, F401  # asks torch for triton, which autodoc stands in for below

import chromloom  # noqa: E402

project = "chromloom"
author = "The chromloom developers"
version = release = chromloom.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
html_theme = "furo"
html_title = "chromloom"
html_static_path: list[str] = []

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "off"  # a test executes them; the site shows what they gave

# One page for every room of the library, with all of its modules.
apidoc_modules = [
    {
        "path": str(ROOT / "workflow" / "chromloom"),
        "destination": "api",
        "automodule_options": {"members"},
        "implicit_namespaces": False,
    }
]
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give types, shapes and units
autodoc_mock_imports = ["triton"]
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_inherit_docstrings = False
# Docstrings are written to be read in the terminal; a broken link is an error all the same.
suppress_warnings = ["docutils", "ref.python", "autodoc.mocked_object", "misc.highlighting_failure"]
exclude_patterns = ["_build"]
