"""The collector of the heap."""

from __future__ import annotations

COLLECTOR = r"""
define internal void @collect(ptr %store, i64 %locked) {
  ret void
}
define void @wasmine_heap_collect(ptr %store) {
  ret void
}
"""
