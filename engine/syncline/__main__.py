"""`python -m syncline`: the command line."""

from syncline.cli.main import main

main()
