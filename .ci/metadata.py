"""What the wheel requires: the packages of requirements.txt that run the program and serve its page."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Requirements(MetadataHookInterface):
    """Reads them when the wheel is built, so that they are written once."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Raise ValueError where requirements.txt no longer says what is for the tests alone."""
        program, _ = (Path(self.root) / "requirements.txt").read_text(encoding="utf-8").split("\n# To test it\n")
        metadata["dependencies"] = [line for line in program.splitlines() if line and not line.startswith("#")]
