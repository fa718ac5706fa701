"""For whom a certificate is asked: the names and groups in a signing request (PKCS #10, RFC 2986)."""

from base64 import b64decode
from typing import Any, NamedTuple
from warnings import catch_warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for requests that are none, or of kinds that it does not know."""
REQUEST_MAX = 65_536
"""Characters of a request that are read."""


class Asked(NamedTuple):
    """Whom a certificate would speak for."""

    names: tuple[str, ...] = ()
    """Common name first, then the alternative names."""
    groups: tuple[str, ...] = ()
    """Organisations: what Kubernetes takes for groups."""


def asked_for(request: Any) -> Asked | None:
    """Names and groups of a PEM signing request, itself in base64 or not. None for what is none."""
    if not isinstance(request, str) or not request or len(request) > REQUEST_MAX:
        return None
    try:
        pem = request.encode() if request.startswith("-----") else b64decode(request, validate=True)
        with catch_warnings(action="ignore"):  # of names that are longer or shorter than they should be
            return _asked(x509.load_pem_x509_csr(pem))
    except UNREADABLE:
        return None


def _asked(signing: x509.CertificateSigningRequest) -> Asked:
    names = (*_of(signing.subject, NameOID.COMMON_NAME), *_alternatives(signing))
    return Asked(names, _of(signing.subject, NameOID.ORGANIZATION_NAME))


def _of(subject: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(one.value) for one in subject.get_attributes_for_oid(oid))


def _alternatives(signing: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        names = signing.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(one.value) for one in names if isinstance(one, x509.DNSName | x509.IPAddress | URI))


URI = x509.UniformResourceIdentifier
