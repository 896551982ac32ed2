"""Prints the OpenAPI document, from which the page's types are made: python -m web.openapi."""
from __future__ import annotations

import json

from web.app import make_app
from web.sessions import Sessions

if __name__ == "__main__":
    print(json.dumps(make_app(Sessions(), "any").openapi(), indent=1, sort_keys=True))
