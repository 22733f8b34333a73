"""`python -m labutils`: the same as the command `labutils`."""

from labutils.cli import main

main(prog_name="labutils")
