"""The tests; what several folders of them share is in `harness`.

What is run by itself, such as `python -m tests.fuzz`, has a cache of its own too (see `conftest`), which
is kept: the next run needs not make the native runtime again.
"""

import os
import tempfile

if "WASMINE_CACHE_DIR" not in os.environ:
    os.environ["WASMINE_CACHE_DIR"] = f"{tempfile.gettempdir()}/wasmine-tests-{os.getuid()}"
    os.environ.setdefault("WASMINE_CACHE_SIZE", "256M")
