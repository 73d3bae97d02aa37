"""``python -m glimpsed``."""

from glimpsed.cli import main

main()
