"""`python -m wasmine`."""

from wasmine.cli import run

run()
