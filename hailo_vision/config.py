"""The configuration: the operator's YAML file, read once into frozen typed values.

Unknown keys and bad values are errors that name the file, the line, the key and what was expected.
"""

import difflib
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import yaml

from hailo_vision.allow_list import HOST_NAME, AllowList
from hailo_vision.durations import parse_keep_alive
from hailo_vision.files import require_regular
from hailo_vision.ranges import Seed, Temperature, TokenCount, TopK, TopP

DEFAULT_PATH = Path("/etc/hailo/hailo-vision.yaml")

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=365 * 86400)]
# No control characters: they fit no path, name or address.
_TEXT = r"\A[^\x00-\x1f\x7f]+\Z"
_BYTES = r"\A([1-9][0-9]*[KMGT]?|infinity)\Z"
_SHARE = r"\A([1-9][0-9]?|100)%\Z"
_IN_WORDS = {
    _TEXT: "a text that is not empty and has no control characters",
    _BYTES: "bytes with K, M, G or T, such as 3G, or infinity",
    _SHARE: "a share of the whole machine from 1% to 100%",
}
Text = Annotated[str, msgspec.Meta(pattern=_TEXT)]

_HOST_NAME = re.compile(r"\*|\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.IGNORECASE)
_SURPRISING = re.compile(r"[-+]?(0[0-7_]|[0-9_]+:)")  # numbers: 010 is 8 and 1:30 is 90 in YAML
_KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9_.-]*|\[[0-9a-f:.]+\])(:\d{1,5})?", re.ASCII)
_DEFAULT_PORTS = (("http", ":80"), ("https", ":443"))


class ConfigError(Exception):
    """The configuration can't be used; the text names file, line, key and what was expected."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the file whose keys are the attributes below."""


class ServerConfig(Section, frozen=True):
    """Where the service listens, and its limits.

    ollama_port is a second port, for tools that know Ollama on 11434 only; both serve the same.
    cors_origins are the web origins whose pages may use the API; "*" stands for all. allowed_hosts are the
    host names by which the service may be asked besides those that no public name server gives; ".a.example"
    is a.example and all below it, "*" any name.
    """

    host: Text = "0.0.0.0"
    port: Port = 11435
    ollama_port: Port | None = None
    max_body_bytes: Count = 32 * 1024 * 1024
    queue_size: Count = 16
    request_timeout: Seconds = 300.0
    shutdown_timeout: Seconds = 30.0
    heartbeat_interval: Seconds = 10.0
    cors_origins: tuple[Text, ...] = ()
    allowed_hosts: tuple[Text, ...] = ()
    tls_cert: Text | None = None
    tls_key: Text | None = None

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "tls_key" if self.tls_key is None else "tls_cert"
            raise ValueError(f"`{missing}`: tls_cert and tls_key are given together or not at all")
        if self.ollama_port == self.port:
            raise ValueError(
                "`ollama_port`: expected another port than server.port, which serves Ollama's API as well"
            )
        if not _can_be_bound(self.host):
            raise ValueError(f"`host`: expected an address or a host name, got {self.host[:80]!r}")
        for origin in self.cors_origins:
            _check_origin(origin)
        for name in self.allowed_hosts:
            if not _HOST_NAME.fullmatch(name):
                raise ValueError(
                    "`allowed_hosts`: expected host names in ASCII without port, such as pi.example.com, "
                    f".example.com or '*', got {name[:80]!r}"
                )


def _can_be_bound(host: str) -> bool:
    try:
        return bool(HOST_NAME.fullmatch(host.encode("idna").decode()) or ipaddress.ip_address(host))
    except ValueError:
        return False


def _check_origin(origin: str) -> None:
    """Refuse what no browser sends as a page's origin (RFC 6454, section 6.2)."""
    found = _ORIGIN.fullmatch(origin)
    scheme, host, port = found.groups() if found else ("", "", None)
    if origin not in ("*", "null") and (
        not found or (scheme, port) in _DEFAULT_PORTS or (scheme in ("http", "https") and not host)
    ):
        raise ValueError(
            "`cors_origins`: expected '*' or origins as browsers send them, such as https://chat.example or "
            "http://192.168.1.2:3000: in lower case and ASCII, with the port unless it is the scheme's own, "
            f"without a path; got {origin[:80]!r}"
        )


class AuthConfig(Section, frozen=True):
    """Who may use the API: the keys in a file, one a line; without a file, everybody who reaches it."""

    keys_file: Text | None = None


class ApiConfig(Section, frozen=True):
    """How the API treats what clients disagree on.

    json_mode: "best_effort" asks the model for JSON and checks the answer; "refuse" tells clients that the
    model has no JSON mode, so that they fall back to their own way.
    """

    model_required: bool = True
    json_mode: Literal["best_effort", "refuse"] = "best_effort"
    max_batch_images: Count = 32


class ModelConfig(Section, frozen=True):
    """Which model is served and for how long it stays on the NPU.

    client_keep_alive: a request's own keep_alive may only "lengthen" the time, as each load may cost
    contiguous memory that only a reboot gives back; or it may set "any" time.
    """

    name: Text = "qwen2-vl-2b-instruct"
    aliases: tuple[Text, ...] = ()
    hef_path: Text | None = None
    resources_dir: Text = "/var/lib/hailo-vision/resources"
    keep_alive: float | str = -1
    client_keep_alive: Literal["lengthen", "any"] = "lengthen"
    load_timeout: Seconds = 180.0
    context_reuse: bool = True

    def __post_init__(self) -> None:
        try:
            parse_keep_alive(self.keep_alive)
        except ValueError as error:
            raise ValueError(f"`keep_alive`: {error}") from error

    @property
    def keep_alive_seconds(self) -> float:
        """Idle seconds before the model is unloaded; math.inf for never."""
        return parse_keep_alive(self.keep_alive)


class GenerationConfig(Section, frozen=True):
    """Defaults for what a request leaves out."""

    temperature: Temperature = 0.7
    top_p: TopP = 0.8
    top_k: TopK = 20
    max_tokens: TokenCount = 200
    seed: Seed | None = None


class MediaConfig(Section, frozen=True):
    """How images are fetched and turned into frames.

    remote: which links are followed: to "public" addresses and allow_hosts, to "allowed" ones (only
    allow_hosts), or none ("off"). allow_hosts are host names, addresses, or networks such as
    192.168.1.0/24; a name is trusted to lead anywhere.
    overflow: more images than fit the context "refuse" the request, or are left out evenly ("sample"); the
    first and the last stay, and the response says how many were left out (x-images-left-out).
    """

    fit: Literal["letterbox", "crop", "stretch"] = "letterbox"
    max_image_bytes: Count = 10 * 1024 * 1024
    max_image_pixels: Count = 50_000_000
    remote: Literal["public", "allowed", "off"] = "public"
    allow_hosts: tuple[Text, ...] = ()
    overflow: Literal["refuse", "sample"] = "refuse"
    fetch_timeout: Seconds = 10.0

    def __post_init__(self) -> None:
        try:
            AllowList(self.allow_hosts)
        except ValueError as error:
            raise ValueError(f"`allow_hosts`: {error}") from error


class NpuConfig(Section, frozen=True):
    """How the NPU process reaches the chip.

    device_nodes only explain failures: HailoRT itself finds the device.
    """

    device_group: Text = "SHARED"
    device_nodes: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)] = ("/dev/hailo0", "/dev/h1x-0")
    stall_timeout: Seconds = 30.0


class ResourceLimits(Section, frozen=True):
    """Bounds that the deployment translates into a systemd slice; the service itself only checks them."""

    memory_max: Annotated[str, msgspec.Meta(pattern=_BYTES)] = "3G"
    cpu_quota: Annotated[str, msgspec.Meta(pattern=_SHARE)] = "80%"


class Config(Section, frozen=True):
    """The whole file."""

    server: ServerConfig = ServerConfig()
    model: ModelConfig = ModelConfig()
    generation: GenerationConfig = GenerationConfig()
    media: MediaConfig = MediaConfig()
    npu: NpuConfig = NpuConfig()
    auth: AuthConfig = AuthConfig()
    api: ApiConfig = ApiConfig()
    resource_limits: ResourceLimits = ResourceLimits()


_SECTIONS = Config.__struct_fields__


def load(path: Path) -> Config:
    """Read and validate a configuration file.

    Raises:
        ConfigError: the file can't be read, is no YAML mapping, or holds an unknown key or a bad value.
    """
    try:
        require_regular(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    return parse(text, str(path))


def load_or_default(path: Path | None) -> Config:
    """The file at path; without one, the default file if it exists, else all defaults.

    Raises:
        ConfigError: as for load().
    """
    try:
        return load(path or DEFAULT_PATH)
    except ConfigError as error:
        if path is None and isinstance(error.__cause__, FileNotFoundError):
            return Config()
        raise


def parse(text: str, source: str) -> Config:
    """Validate the text of a configuration file; source is its name in messages.

    Raises:
        ConfigError: as for load().
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return Config()
        _check_keys(root, source)
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{source}:{line}: not valid YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{source}:{line}: not valid YAML: character U+{error.character:04X}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}:1: not valid YAML: it is nested too deeply") from error
    if isinstance(data, dict):  # a section whose keys are all commented out is null in YAML: its defaults
        data = {key: value for key, value in data.items() if value is not None or key not in _SECTIONS}
    try:
        return msgspec.convert({} if data is None else data, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), root, source)) from error


class _Loader(yaml.SafeLoader):
    """Tells of every value that can't be read, with its line, and of numbers that YAML reads otherwise."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind = node.tag.rpartition(":")[2]
        problem = f"{str(node.value)[:80]!r} can't be read as {kind}"
        if kind in ("int", "float") and _SURPRISING.match(str(node.value)):
            problem = f"{node.value[:80]!r} would be read in base 8 or 60: expected decimals, or quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()  # YAML's escapes can make half of a surrogate pair, which is no character
            return value
        except (ValueError, LookupError, AttributeError) as error:  # which PyYAML leaves as they are
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _check_keys(root: yaml.Node, source: str) -> None:
    """Refuse keys that are no text, and those that come twice; what `<<` merges may be given again."""
    sections = [value for _, value in root.value] if isinstance(root, yaml.MappingNode) else []
    for node in [root, *sections]:
        if not isinstance(node, yaml.MappingNode):
            continue
        seen: set[str] = set()
        for key, _ in node.value:
            name = _shown(key.value) if isinstance(key.value, str) else "(a key)"
            at = f"{source}:{key.start_mark.line + 1}: {name}"
            if key.tag not in _KEY_TAGS:
                raise ConfigError(f"{at}: expected a key that is a text, got {key.tag.rpartition(':')[2]}")
            if key.value in seen:
                raise ConfigError(f"{at}: the key is given twice")
            seen.add(key.value)


def _shown(key: str) -> str:
    """A key as a message names it: on one line, and nothing that a terminal obeys."""
    return (key if key.isprintable() else repr(key))[:80]


def _explain(error: str, root: yaml.Node, source: str) -> str:
    """Turn "Expected `int`, got `str` - at `$.server.port`" into "FILE:LINE: server.port: expected ..."."""
    message, _, path = error.partition(" - at `$")
    names = re.findall(r"\.(\w+)", path)
    unknown = re.search(r"unknown field `(.*)`", message, re.DOTALL)
    own_check = re.match(r"`(\w+)`: (.*)", message)
    if own_check:
        names.append(own_check[1])
        message = own_check[2]
    elif unknown:
        names.append(unknown[1])
        message = "unknown key" + _nearest(".".join(names))
    elif choices := _choices(names):
        quotes = " in quotes: without them YAML reads false" if message.endswith("`bool`") else ""
        message = f"expected one of {', '.join(choices)}{quotes}"
    else:
        words = [words for pattern, words in _IN_WORDS.items() if message.endswith(f"regex {pattern!r}")]
        message = f"expected {words[0]}" if words else message[:1].lower() + message[1:]
    key = ".".join(map(_shown, names)) or "(the whole file)"
    return f"{source}:{_line_of(root, names)}: {key}: {message}"


def _choices(names: list[str]) -> tuple[str, ...]:
    """The words that a key may be, if it has a fixed number of them."""
    kind: Any = Config
    for name in names:
        fields = msgspec.structs.fields(kind) if isinstance(kind, type) else ()
        kind = next((field.type for field in fields if field.name == name), None)
    return get_args(kind) if get_origin(kind) is Literal else ()


def _line_of(node: yaml.Node, names: list[str]) -> int:
    line = node.start_mark.line
    for name in names:
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value if isinstance(node, yaml.MappingNode) else []
        for key, value in pairs:
            if key.value == name:
                line, node = key.start_mark.line, value
                break
    return line + 1


def known_keys() -> list[str]:
    """Every key of the file in dotted form."""
    keys = []
    for section in msgspec.structs.fields(Config):
        keys.append(section.name)
        keys += [f"{section.name}.{field.encode_name}" for field in msgspec.structs.fields(section.type)]
    return keys


def _nearest(key: str) -> str:
    if key in ("model.url", "model.sha256", "model.fetched_dir"):
        return "; it is not needed any more, as the unit hailo-model.service fetches a missing model file"
    if key == "server.keep_alive_comment_interval":
        return "; it is called server.heartbeat_interval now"
    known = known_keys()
    same_name = [other for other in known if other.rpartition(".")[2] == key.rpartition(".")[2]]
    close = same_name or difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if not close:
        tails = {other.rpartition(".")[2]: other for other in known}
        tail = difflib.get_close_matches(key.rpartition(".")[2], tails, n=1, cutoff=0.6)
        close = [tails[name] for name in tail]
    if close:
        return f"; the nearest known key is {close[0]}"
    return "; known keys at the top are " + ", ".join(_SECTIONS)
