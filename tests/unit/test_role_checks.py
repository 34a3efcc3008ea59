"""What the roles refuse before they change anything."""

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from support.modules import TOP, load

action_of_settings = load("plugins/action/hailo_settings.py", "hailo_settings_checks")


def variables(role: str, **settings: object) -> dict[str, Any]:
    """The role's defaults and own variables, with some settings."""
    found: dict[str, Any] = {"inventory_hostname": "pi01", "groups": {}, "hostvars": {}}
    found["ansible_facts"] = {"hailo": {"runtime": "5.1.1", "users": {}, "cores": 4}}
    for folder in ("defaults", "vars"):
        path = str(TOP / "roles" / role / folder / "main.yml")
        found |= DataLoader().load_from_file(path, trusted_as_template=True)
    return found | settings


def refused(role: str, part: str, **settings: object) -> bool:
    """Whether the check fails whose sentence has these words."""
    known = variables(role, **settings)
    (check,) = (check for check in known[f"__{role}_checks"] if part in check["problem"])
    return not Templar(DataLoader(), known).template(check["passed"])


KEYS = {"hailo_vision": "hailo_vision_api_keys", "hailo_gateway": "hailo_gateway_api_keys"}


@pytest.mark.parametrize(("role", "name"), KEYS.items())
def test_a_key_is_one_that_a_header_can_carry(role: str, name: str) -> None:
    for key in ("12345678", "sk-!~_/+=\"'", "k" * 200):
        assert not refused(role, "An API key", **{name: [key]}), key
    # The second has a line break of its vault, and the third is a comment in the service's file.
    for key in ("1234567", "12345678\n", "#12345678", "1234 5678", "schlüssel", "12345678\t"):
        assert refused(role, "An API key", **{name: ["12345678", key]}), key


def test_each_of_the_gateways_ports_is_another() -> None:
    def wrong(port: object, ollama: object = None, statistics: object = 8404) -> bool:
        settings = {"hailo_gateway_port": port, "hailo_gateway_statistics_port": statistics}
        settings |= {} if ollama is None else {"hailo_gateway_ollama_port": ollama}
        return refused("hailo_gateway", "no two of them the same", **settings)

    assert [wrong(80), wrong("80", 11434), wrong(65535, "1")] == [False] * 3
    assert [wrong(80, "80"), wrong(80, 8404), wrong(80, 65536), wrong(80, 0), wrong(8404)] == [True] * 5


def test_a_persons_account_is_not_taken_for_the_services() -> None:
    for users, foreign in (({}, False), ({"hailo-vision": 990}, False), ({"hailo-vision": 1000}, True)):
        host = {"users": users}
        assert refused("hailo_vision", "is a person's", __hailo_vision_host=host) is foreign


def test_the_service_listens_on_an_address() -> None:
    right = ("0.0.0.0", "::", "192.0.2.7", "::ffff:192.0.2.7")
    wrong = (None, 7, "localhost", "pi.local", "[::]", "0.0.0.0 ", "::1\n", "192.0.2.0/24")
    for host in (*right, *wrong):
        settings = {"hailo_vision_config": {"server": {"host": host}}}
        assert refused("hailo_vision", "an address in", **settings) is (host in wrong), host


@pytest.mark.parametrize(
    ("name", "part", "right", "wrong"),
    [
        ("hailo_model_resources_dir", "a whole path", ["/srv/my models"], ["m", "/a/../home", "/", "/m\n"]),
        ("hailo_model_file", "without its folder", ["m.hef", "Qwen2.5"], ["a/m.hef", "../m", ".m", "m\n"]),
        ("hailo_model_limit_rate", "bytes a second", ["2M", "300k", "9"], ["fast", "0", "2 M", "2MB"]),
        (
            "hailo_model_proxy",
            "no address of a proxy",
            ["http://p.example:3128", "socks5h://me:secret@[2001:db8::1]:1080/"],
            ["nonsense", "proxy:3128", "ftp://proxy", "http://proxy:port", "http://a b", "http://p/x"],
        ),
        ("hailo_model_retries", "0 or more", [0, "3"], [-1, "-1"]),
        ("hailo_model_timeout", "0 or more", [1, "3"], [0, "-1"]),
        ("hailo_vision_hef_path", "a whole path", ["/srv/m.hef"], ["m.hef", "/srv/../root/m.hef"]),
        ("hailo_vision_ready_timeout", "1 second or more", [1, "300"], [0, "-1"]),
        ("hailo_vision_wheel", "is no wheel", [], ["/nowhere/hailo_vision-1-py3-none-any.whl", __file__]),
        ("hailo_driver_group", "other than root's", ["hailo", "plugdev"], ["root", "a b", "7", "Hailo\n"]),
        ("hailo_driver_reboot_timeout", "0 or more", [1, "600"], [0]),
        ("hailo_driver_version", "a release such as", ["5.1.1"], ["5.1.1\n", "newest"]),
        ("hailo_apps_version", "a commit of", ["80f0b60"], ["80f0b60\n", "main"]),
        (
            "hailo_apps_archive",
            "a whole path",
            ["/a b.tar", "https://a.example/b"],
            ["b.tar", "~/b.tar", "ftp://a"],
        ),
        (
            "hailo_model_url",
            "no http or https",
            ["https://a.example/b?token=c"],
            ["https://a.example/b\n", "/b"],
        ),
        ("hailo_model_sha256", "64 hexadecimal", ["aA" * 32], ["aA" * 32 + "\n", "aA"]),
        ("hailo_vision_journal_max", "hailo_vision_journal_max is", ["200M", "9"], ["200M\n", "1T"]),
        ("hailo_vision_keep_alive", "must be seconds", [-1, "5m", 2.5], ["5m\n", "soon"]),
        (
            "hailo_vision_memory_max",
            "The limit memory_max is",
            ["3G", "infinity"],
            ["3G\n", "infinity\n", "3"],
        ),
        ("hailo_vision_cpu_quota", "The limit cpu_quota is", ["80%"], ["80%\n", "80"]),
    ],
)
def test_a_setting_that_would_fail_later_is_refused_at_once(
    name: str, part: str, right: list[object], wrong: list[object]
) -> None:
    role = "_".join(name.split("_")[:2])
    assert [setting for setting in right if refused(role, part, **{name: setting})] == []
    assert [setting for setting in wrong if not refused(role, part, **{name: setting})] == []


WRONG = [None, "", 0, True, "word", [], ["word"], {}, {"key": "value"}]


@pytest.mark.parametrize("section", ["server", "model", "generation", "auth", "resource_limits", "media"])
def test_no_value_in_the_services_file_keeps_the_checks_from_telling(section: str) -> None:
    """Each is told in a sentence, by these checks or by the service's own later."""
    keys = {"server": "host", "model": "hef_path", "auth": "keys_file", "resource_limits": "memory_max"}
    for value in WRONG:
        said = problems("hailo_vision", hailo_vision_config={section: value})
        assert any("must be of sections" in one for one in said) is not isinstance(value, dict), value
        problems("hailo_vision", hailo_vision_config={section: {keys.get(section, "key"): value}})


def problems(role: str, **settings: object) -> list[str]:
    """What all checks of a role say, as its first task works them out."""
    # What filters and lookups find, which are not loaded here.
    found = {"__hailo_vision_networks": {"wrong": []}, "__hailo_vision_tls_fault": ""}
    known = variables(role, **settings) | found | {"__hailo_vision_placed": "/srv/m.hef"}
    action = object.__new__(action_of_settings.ActionModule)
    action._templar = Templar(DataLoader(), known)
    return list(action._check(known[f"__{role}_checks"]))


def test_the_unit_that_fetches_the_model_may_write_to_its_folder_whatever_that_is_called() -> None:
    known = variables("hailo_model", hailo_model_resources_dir='/srv/my "ü" 100%')
    text = (TOP / "templates/hailo-model.service.j2").read_text("utf-8")
    unit = Templar(DataLoader(), known).template(trust_as_template(text))
    assert 'ReadWritePaths="/srv/my \\"ü\\" 100%%"\n' in unit
    assert 'ConditionPathExists=|!/srv/my "ü" 100%%/Qwen2-VL-2B-Instruct.hef\n' in unit


def test_a_file_of_keys_without_a_key_to_ask_with_is_refused() -> None:
    def wrong(auth: object, keys: list[str]) -> bool:
        settings = {"hailo_vision_config": {"auth": auth}, "hailo_vision_api_keys": keys}
        return refused("hailo_vision", "has auth.keys_file", **settings)

    mine = {"keys_file": "/etc/mine"}
    assert wrong(mine, [])
    assert [wrong(mine, ["12345678"]), wrong({}, []), wrong({"keys_file": None}, [])] == [False] * 3
