"""The curves as pictures."""

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
from matplotlib.figure import Figure


def _figure(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Any]:
    # Without these two the same figures would give another file each time.
    matplotlib.rcParams["svg.hashsalt"] = "hailo-vision"
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, axes: Any, path: Path) -> None:
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path, format="svg", metadata={"Date": None})


def load(curve: dict[str, Any], path: Path) -> None:
    """Latency against clients, beside what the chip alone would take for one after the other."""
    figure, axes = _figure(
        "One photo question each, all at once (emulated NPU, scale 1)",
        "clients",
        "seconds, median of clients",
    )
    points = curve["points"]
    clients = [point["clients"] for point in points]
    axes.plot(clients, [median(point["complete_s"]) for point in points], "o-", label="whole answer")
    axes.plot(clients, [median(point["first_token_s"]) for point in points], "s-", label="first token")
    # The median client waits for half of the others.
    alone = [curve["bare_complete_s"] * (count + 1) / 2 for count in clients]
    axes.plot(clients, alone, "k:", label="whole answer, hailo_platform one after the other")
    _save(figure, axes, path)


def hosts(curve: dict[str, Any], path: Path) -> None:
    """Time of a second run of site.yml against hosts."""
    figure, axes = _figure("site.yml again on hosts where nothing changes", "hosts", "seconds")
    points = curve["points"]
    counts = [point["hosts"] for point in points]
    axes.plot(counts, [point["site_s"] for point in points], "o-", label="site.yml")
    axes.plot(counts, [point["mitogen_s"] for point in points], "^-", label="site.yml with Mitogen")
    axes.plot(counts, [12 * point["ping_s"] for point in points], "k:", label="12 x ansible -m ping")
    axes.plot(counts, [point["ping_s"] for point in points], "s-", label="ansible -m ping")
    _save(figure, axes, path)
