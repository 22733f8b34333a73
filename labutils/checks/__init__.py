"""Checks of the reader's own answers to exercises, with messages that teach.

`core` runs a check, `answers` has what checks are written with, and the checks of a chapter are in the
module of its name, in the folder of its part: asking for one loads no other chapter.
"""

from labutils.checks.core import Result, check, evaluate, exercise, names

__all__ = ["Result", "check", "evaluate", "exercise", "names"]
