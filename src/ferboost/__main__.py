"""``python -m ferboost``: the command line, where the script is not on the path."""

from ferboost.cli import main

main()
