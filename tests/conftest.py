"""What all tests share: a terminal of one width, a Ctrl-C that is heard, folders of their own, no hurry."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from stream.configuration.keys import DEVELOPMENT, private_pem
from tests.builders import PRIVATE

os.environ["COLUMNS"] = "200"  # whatever the terminal is like, and whether there is one
for name in [name for name in os.environ if name.startswith("CHAINBRAKE_")]:
    del os.environ[name]  # settings of whoever runs the tests: theirs are `TEST_…`, which no program reads
# The machine is shared: that an example takes long says nothing.
settings.register_profile("chainbrake", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chainbrake")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background so; what we start would not hear Ctrl-C either, and hang.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a command keeps below the user's folders is the run's own: keys, and copies of baselines."""
    folder = tmp_path_factory.mktemp("home")
    key = folder / "chainbrake" / "keys" / DEVELOPMENT
    key.parent.mkdir(parents=True)
    key.write_bytes(private_pem(PRIVATE))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CONFIG_HOME", str(folder))
        patched.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield
