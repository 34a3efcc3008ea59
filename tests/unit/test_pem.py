"""Pairs of certificate and private key, right and wrong ones."""

import subprocess
from pathlib import Path

import pytest
from support.modules import load

pem = load("plugins/plugin_utils/pem.py", "hailo_pem_filter")
NEW = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "30", "-subj", "/CN=pi01"]


def pair(folder: Path, *options: str) -> tuple[str, str]:
    """A new certificate and its key."""
    files = [folder / "crt", folder / "key"]
    command = ["openssl", "req", "-x509", *NEW, *options, "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(command, check=True, capture_output=True)
    return files[0].read_text(), files[1].read_text()


def test_a_pair_is_what_a_server_can_use(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    certificate, key = pair(tmp_path, "-nodes")
    other, _ = pair(tmp_path, "-nodes")
    locked, locked_key = pair(tmp_path, "-passout", "pass:secret")
    assert pem.fault(certificate, f"{key}\n") == pem.fault(certificate + key, certificate + key) == ""
    assert pem.fault(other, key) == "the key is another certificate's"
    lock = ["openssl", "ec", "-aes256", "-passout", "pass:secret"]
    former = subprocess.run(lock, input=key, check=True, capture_output=True, text=True).stdout
    assert "Proc-Type" in former
    for one, its_key in ((locked, locked_key), (certificate, former), (certificate, certificate + former)):
        assert pem.fault(one, its_key).startswith("the key is encrypted")
    assert pem.fault(certificate, certificate).startswith("OpenSSL can't read them (")
    assert pem.fault(key, key).startswith("OpenSSL can't read them (")
    assert pem.fault(certificate.replace("M", "!"), key).startswith("OpenSSL can't read them (")
    assert capfd.readouterr() == ("", "")
