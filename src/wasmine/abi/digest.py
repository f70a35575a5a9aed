"""The digest by which code and what it was made from are known."""

from __future__ import annotations

try:  # hashlib would load OpenSSL, which takes 4 ms
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

__all__ = ["blake2b"]
