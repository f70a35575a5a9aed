"""The version of the package, which is also part of the key of compiled code."""

from typing import Final

__version__: Final = "0.1.0"
