from __future__ import annotations

import re
from pathlib import Path

from monitor.web.api import access, audit, incidents, machines, models, oversight, references

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text()
ROUTERS = (incidents.router, models.router, references.router, oversight.router, access.router, audit.router, machines.router)
RAW = {("POST", "/v1/events"), ("POST", "/v1/truth")}


def test_the_page_has_every_route_of_the_api_and_no_other() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    there = {
        (method, re.sub(r"\{(\w+?)_?(:path)?\}", r"{\1}", route.path))  # type: ignore[attr-defined]
        for route in routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }
    told = set(re.findall(r"^\| (GET|POST|PUT|DELETE) \| `([^`]+)` \|", PAGE, re.MULTILINE))
    assert told == there | RAW
