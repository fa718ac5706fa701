"""All declared rules that a judge is given: the chains that come with the program, and the users' files."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from detectors.chains.compiling import compiled
from detectors.chains.declaration import Declaration
from detectors.chains.hosted import Declared, Hosted
from detectors.policy import CHAINS_MAX, Policy
from models.errors import RuleError
from stream.configuration.chain_files import (
    builtin_declarations,
    builtin_names,
    checked,
    declarations,
    obeying,
    remarked,
)

SUFFIXES = (".yaml", ".yml")


def load_declared(policy: Policy, chains: str = "", sigma: str = "") -> Declared:
    """Everything that the policy names, and what options name beside. Raises `RuleError`."""
    taken = set(builtin_names())
    digest = sha256()
    own: list[Declaration] = []
    noted: list[str] = []
    for path, content in _read((*policy.chain_files, *filter(None, (chains,)))):
        digest.update(content)
        for chain, document in declarations(path, content):
            own.append(checked(chain, document, policy, taken))
            taken.add(chain.name)
            noted += remarked(chain, document)
    every = obeying((*builtin_declarations(), *own), policy)
    hosted: list[Hosted] = [compiled(chain, policy.approvals) for chain in every]
    paths = (*policy.sigma_files, *filter(None, (sigma,)))
    if paths:
        from stream.sigma.loading import load_sigma  # noqa: PLC0415 - half a second to import, and few need it

        found = list(_read(paths))
        for _, content in found:
            digest.update(content)
        hosted += load_sigma(found, policy, taken, noted)
    _know(policy, taken)
    if len(hosted) > CHAINS_MAX:
        raise RuleError(f"{len(hosted)} chains and rules; valid are up to {CHAINS_MAX}")
    builtin = builtin_names()
    names = tuple(dict.fromkeys(each.name for each in hosted if each.name not in builtin))
    version = digest.hexdigest()[:12] if own or paths else ""
    return Declared(tuple(hosted), version, tuple(noted), names)


def _know(policy: Policy, taken: set[str]) -> None:
    unknown = sorted(set(policy.chains) - taken)
    if unknown:
        valid = ", ".join(sorted(taken)) or "none"
        raise RuleError(f"policy {policy.name}: chains: {unknown[0]!r} is not loaded; valid are {valid}")


def _read(paths: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Files, and those in folders, in the order of their names."""
    for given in paths:
        try:
            path = Path(given)
            found = (
                sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES)
                if path.is_dir()
                else [path]
            )
            if not found:
                raise RuleError(f"{path}: no file in it ends in {' or '.join(SUFFIXES)}")
            for each in found:
                yield str(each), each.read_bytes()
        except OSError as error:
            raise RuleError(f"{given}: {error.strerror}") from error
