"""The program as an installed package: what its command, isp-tracker, runs."""
from __future__ import annotations

import sys
from pathlib import Path


def start() -> None:
    """Run the program and exit; its modules find one another in the package's folder as they do beside main.py."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import main
    from tracker import settings

    settings.installed = True
    main.start()
