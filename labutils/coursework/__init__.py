"""Coursework: labs that an instructor releases, collects, grades and reports.

A lab is a master notebook with a plain Python file of hidden checks beside it. Students' code runs in a
sandbox that holds inputs only; what it answers comes out as JSON and is compared outside. The command line is
`labutils coursework`.
"""

from labutils.coursework.draws import personal
from labutils.coursework.student import check, exercise

__all__ = ["check", "exercise", "personal"]
