"""Whether a certificate and a private key are a pair that a server can use."""

import re
import ssl
import tempfile
from pathlib import Path


def fault(certificate: str, key: str) -> str:
    """What keeps a server from using the pair, as a part of a sentence without the texts; empty if it can.

    Args:
        certificate: in PEM, with the chain behind it.
        key: in PEM, unencrypted.
    """
    if re.search("^(-----BEGIN |Proc-Type:).*ENCRYPTED", key, re.MULTILINE):
        return "the key is encrypted, and the service starts without anybody to ask for the passphrase"
    with tempfile.TemporaryDirectory() as folder:
        chain, private = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_text(certificate)
        private.write_text(key)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, private, password="")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                return "the key is another certificate's"
            return f"OpenSSL can't read them ({error.reason})"
    return ""
