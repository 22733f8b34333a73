"""Coursework: labs that an instructor releases, collects, grades and reports.

A lab is a master notebook with a plain Python file of hidden checks beside it. Students' code runs in a
sandbox that holds inputs only; what it answers comes out as JSON and is compared outside. Where to look:

- in a student's notebook: `student` (check, exercise), `draws` (personal);
- a lab: `lab` (its format), `cases` (what hidden checks are written with), `code` and `notebook` (read both);
- release: `release` (the transform and its proof), `selfcheck` (before a student hands in);
- what runs in the sandbox: `runner`, `zygote` (the same, modules loaded beforehand), `wire` (values as JSON);
- around it: `sandbox` (how it is closed), `probing` (which works), `process` (one job), `preload` (many);
- grades: `intake` (folders, zips, repositories), `find` (the answers), `grading` (one submission), `judge`
  (one answer), `batch` (all, resumed), `report` and `pages` (tables, feedback), `export` (other graders);
- `commands`: `labutils coursework` on the command line.
"""

from labutils.coursework.draws import personal
from labutils.coursework.student import check, exercise

__all__ = ["check", "exercise", "personal"]
