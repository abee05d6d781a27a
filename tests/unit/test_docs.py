"""The documentation says what the code says."""

import subprocess
import sys


def test_the_configuration_page_is_the_schemas(repo_root):
    page = repo_root / "docs" / "configuration.md"
    before = page.read_text()
    try:
        subprocess.run([sys.executable, "docs/build_configuration.py"], cwd=repo_root, check=True)
        assert page.read_text() == before, "run python docs/build_configuration.py"
    finally:
        page.write_text(before)
