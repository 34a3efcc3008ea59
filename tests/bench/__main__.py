"""`python -m tests.bench [--quick] [--no-fleet] [--only WORD] [--out FOLDER]`"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import (
    fleet_rows,
    front_rows,
    gateway_rows,
    latency_rows,
    machine,
    media_rows,
    plots,
    profile_rows,
    results,
)
from tests.bench.results import Row
from tests.bench.stage import Stage

_MEASUREMENTS: tuple[Callable[[Stage], list[Row]], ...] = (
    latency_rows.one_photo,
    latency_rows.busy_share,
    front_rows.cpu_per_token,
    front_rows.text_request,
    media_rows.to_frame,
    media_rows.health,
    latency_rows.six_turns,
    front_rows.start,
    front_rows.memory,
)
_PAGE = machine.ROOT / "docs/performance.md"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; the exit status is 0 also where a figure is missed."""
    options = _parser().parse_args(arguments)
    described = machine.describe()
    rows: list[Row] = []
    curves: dict[str, Any] = {}
    with Stage(options.quick) as stage:
        for measurement in _MEASUREMENTS:
            if options.only in measurement.__name__:
                rows += measurement(stage)
        if not options.only:
            curves["load"] = latency_rows.load_curve(stage)
            curves["profile"] = profile_rows.text_request(stage)
            # Written before the fleet is booted, which takes longest and can fail for reasons of its own.
            _write(options.out, rows, described, curves)
        if options.fleet and options.only in "site_again":
            further, curves["hosts"] = fleet_rows.site_again(stage)
            rows += further
        if options.fleet and options.only in "gateway":
            rows += gateway_rows.gateway(stage)
        if options.fleet and not options.only:
            _write(options.out, rows, described, curves)
    print(results.text(rows))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that it works; figures mean nothing")
    parser.add_argument("--no-fleet", dest="fleet", action="store_false", help="without emulated Pis")
    parser.add_argument("--only", default="", help="measurements whose name has this; writes nothing")
    parser.add_argument("--out", type=Path, help="write everything here, not to .build/ and docs/")
    return parser


def _write(folder: Path | None, rows: list[Row], described: dict[str, Any], curves: dict[str, Any]) -> None:
    """JSON, table and plots; a run without the fleet leaves the picture of one with it alone."""
    page, data = _PAGE, machine.ROOT / ".build/bench.json"
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        page, data = Path(shutil.copy(_PAGE, folder)), folder / "bench.json"
    results.write_json(data, rows, described, curves)
    results.rewrite(page, "bench", results.markdown(rows, described))
    results.rewrite(page, "profile", profile_rows.markdown(curves["profile"]))
    plots.load(curves["load"], page.parent / "performance-load.svg")
    if "hosts" in curves:
        plots.hosts(curves["hosts"], page.parent / "performance-hosts.svg")


if __name__ == "__main__":
    sys.exit(main())
