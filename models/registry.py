"""placeholder until the branch lands."""

from msgspec import Struct

from models.event import Operation


class Registry(Struct, frozen=True):
    """Interim."""

    issuers: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    def issuer_known(self, issuer: str) -> bool:
        return issuer in self.issuers

    def account_known(self, account: str) -> bool:
        return account in self.accounts

    def responds(self, event: Operation) -> bool:
        return False


NOTHING_REGISTERED = Registry()
