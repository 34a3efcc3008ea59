"""`hailo-vision doctor`: finds what keeps this machine from answering, and says how to cure it."""

import argparse
import errno
import http.client
import json
import os
import re
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hailo_vision import config
from hailo_vision.cli import driver_checks, firewall, tools
from hailo_vision.cli.client import visible
from hailo_vision.cli.finding import Finding
from hailo_vision.npu import hef
from hailo_vision.npu.holders import holders_of
from hailo_vision.npu.model_file import ModelFile
from hailo_vision.npu.problems import ONE_VERSION, SAME_RELEASE, NpuError, node_problem
from hailo_vision.npu.worker.device import check_file, runtime_version

_ANSWER_SECONDS = 3
_MIN_FREE_MB = 400


def doctor(options: argparse.Namespace) -> int:
    """Print the findings; the exit status is 0 if nothing is wrong, else 1."""
    # HailoRT would leave its logs wherever somebody calls the doctor.
    os.environ["HAILORT_LOGGER_PATH"] = "NONE"
    findings = examine(options.config)
    entries = [{**msgspec.structs.asdict(finding), "ok": finding.ok} for finding in findings]
    print(json.dumps(entries) if options.json else report(findings))
    return 0 if all(finding.ok for finding in findings) else 1


def examine(path: Path | None) -> list[Finding]:
    """Run every check with the configuration at path (None: the default one, if there is one)."""
    try:
        settings = config.load_or_default(path)
    except config.ConfigError as error:
        return [Finding("configuration", str(error), "Correct the file; then check again.")]
    source = path or config.DEFAULT_PATH
    told = str(source) if os.path.exists(source) else f"all defaults; there is no {source}"
    version, runtime = _runtime()
    service = _running_service(settings.server)
    return [
        Finding("configuration", told),
        runtime,
        *driver_checks.check_driver(),
        _device(settings.npu),
        _versions(version, service),
        _model_file(settings.model, version),
        *_memory(loaded=service is not None and bool(service.get("model_loaded"))),
        _port(settings.server, service),
        *_firewall(settings.server),
    ]


def report(findings: list[Finding]) -> str:
    """The findings as lines for people."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.message}")
        if finding.cure:
            lines.append(f"      cure: {finding.cure}")
    return visible("\n".join(lines))


def _runtime() -> tuple[str | None, Finding]:
    try:
        version, emulated = runtime_version()
    except NpuError as error:
        return None, Finding("runtime", error.problem.message, error.problem.cure)
    return version, Finding("runtime", f"HailoRT {version}{' (emulated)' if emulated else ''}")


def _device(npu: config.NpuConfig) -> Finding:
    problem = node_problem(npu.device_nodes)
    if problem:
        return Finding("device", problem.message, problem.cure)
    node = next(node for node in npu.device_nodes if os.path.exists(node))
    holders = holders_of(npu.device_nodes)
    used = f"; in use by {', '.join(holders)}" if holders else ""
    return Finding("device", f"{node} can be opened{used}")


def _versions(runtime: str | None, service: dict[str, object] | None) -> Finding:
    """Library, driver and firmware must have the same version. A chip in use is not asked for its firmware,
    as hailortcli can disturb it."""
    found = {
        "library": runtime,
        "hailortcli": _tool("--version"),
        "driver": tools.read(tools.MODULE_VERSION),
    }
    if service is None:
        found["firmware"] = _tool("fw-control", "identify")
    known = {name: version for name, version in found.items() if version}
    told = ", ".join(f"{name} {version}" for name, version in known.items()) or "no version could be read"
    if len(set(known.values())) == 1:
        return Finding("versions", told)
    # The driver never replaces firmware that runs.
    firmware = known.pop("firmware", None)
    if firmware and len(set(known.values())) == 1 and tools.kernel_lines("hailo.*firmware.*already loaded"):
        told += "; the chip kept its firmware over the reboot"
        return Finding("versions", told, "Shut the Pi down and take its power away for ten seconds.")
    return Finding("versions", told, ONE_VERSION)


def _tool(*arguments: str) -> str | None:
    """The version that hailortcli prints."""
    found = re.search(
        r"(?:CLI|Firmware) [Vv]ersion:? (\d+\.\d+\.\d+)", tools.run("hailortcli", *arguments).stdout
    )
    return found[1] if found else None


def _model_file(model: config.ModelConfig, runtime: str | None) -> Finding:
    file = ModelFile(model)
    path = file.path
    try:
        if file.is_fetched():
            problem = file.problem()
            told = problem.message if problem else f"it is being fetched: {file.progress or 'just begun'}"
            cure = problem.cure if problem else "Wait, or look on: journalctl -fu hailo-model"
            return Finding("model file", told, cure)
        check_file(path, runtime or "5.1.1")
        size = path.stat().st_size
        hef.read_head(path, 1)
    except NpuError as error:
        return Finding("model file", error.problem.message, error.problem.cure)
    except OSError as error:
        return Finding("model file", f"{path}: {error.strerror}", "Check the file and its permissions.")
    compiled_for = hef.sdk_version(path)
    if compiled_for and runtime and hef.is_newer(compiled_for, runtime):
        said = f"{path} was compiled for HailoRT {compiled_for}; {runtime} is installed"
        return Finding("model file", said, SAME_RELEASE)
    return Finding("model file", f"{path}, {size / 1e6:.0f} MB, for HailoRT {compiled_for or 'unknown'}")


def _memory(loaded: bool) -> Iterator[Finding]:
    amounts = tools.meminfo()
    free = amounts.get("MemAvailable", 0)
    cure = "" if free >= _MIN_FREE_MB else "Stop other services, or use a Pi with more memory."
    yield Finding("memory", f"{free} MB available", cure)
    if amounts.get("CmaTotal") and not loaded:
        free = amounts.get("CmaFree", 0)
        low = "Reboot; if it stays low, set dtoverlay=cma,cma-512 in config.txt."
        cure = "" if free >= tools.MIN_CMA_MB else low
        yield Finding("contiguous memory", f"{free} MB of CMA free", cure)


def ask_own_service(server: config.ServerConfig, path: str, key: str = "") -> str:
    """What the service on the configured port of this machine answers.

    Raises:
        OSError: it does not, or refuses.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)
    host = f"[{host}]" if ":" in host else host
    # The certificate names the machine, not this address; and a proxy is for other machines.
    trust = ssl._create_unverified_context()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    url = f"{'https' if server.tls_cert else 'http'}://{host}:{server.port}{path}"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=_ANSWER_SECONDS) as response:
            return str(response.read().decode(errors="replace"))
    except http.client.HTTPException as error:
        raise OSError(f"{url} does not answer in HTTP") from error


def _running_service(server: config.ServerConfig) -> dict[str, object] | None:
    """What the service on the configured port reports at /health; None if there is no service."""
    try:
        said = json.loads(ask_own_service(server, "/health"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and "state" in said else None


def _port(server: config.ServerConfig, service: dict[str, object] | None) -> Finding:
    if service:
        problem = service.get("problem")
        if isinstance(problem, dict):
            return Finding("service", str(problem.get("message")), str(problem.get("cure")))
        warnings = service.get("warnings")
        if isinstance(warnings, list) and warnings:
            return Finding("service", " ".join(warnings), "Mend the file; it is read anew by itself.")
        return Finding("service", f"answers on port {server.port}, state {service['state']}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("" if ":" in server.host else server.host, server.port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            return Finding(
                "service",
                f"port {server.port} can't be used: {error.strerror}",
                "Stop what listens there, or set another server.port." if taken else "Check server.host.",
            )
    return Finding("service", f"not running; port {server.port} is free")


def _firewall(server: config.ServerConfig) -> Iterator[Finding]:
    """No finding where the rules can't be read: only root may list them."""
    try:
        ruleset = json.loads(tools.run("nft", "--json", "list", "ruleset").stdout)
    except ValueError:
        return
    if server.host in ("127.0.0.1", "::1", "localhost") or not firewall.is_closed(ruleset, server.port):
        yield Finding("firewall", f"no rule closes port {server.port} to other machines")
    else:
        yield Finding(
            "firewall",
            f"it refuses connections from other machines to port {server.port}",
            f"Open the port, for example: ufw allow {server.port}/tcp",
        )
