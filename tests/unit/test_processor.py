"""What is known of the processor without LLVM."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wasmine import Engine
from wasmine.vm import processor

IDENTITIES = {
    # The beginning of what two of them answer: vendor, then family, features of leaf 1, XCR0.
    "x86_64 756e6547.6c65746e.49656e69.6f0.e3bd.bfebfbff.-": False,  # without SSE4.1
    "x86_64 756e6547.6c65746e.49656e69.206a0.1fbae3ff.bfebfbff.7": True,
    "x86_64 unknown": False,
    "aarch64 processor: 0": False,
}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    processor.runs_baseline_code.cache_clear()
    yield
    processor.runs_baseline_code.cache_clear()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="asks an x86-64 processor")
def test_it_says_what_the_system_says() -> None:
    flags = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    assert processor.runs_baseline_code() is ("sse4_1" in flags)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_other_processors_get_optimised_code(
    identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "identity", lambda: identity)
    assert processor.runs_baseline_code() is IDENTITIES[identity]
    assert Engine(tier="baseline").is_lazy is IDENTITIES[identity]
