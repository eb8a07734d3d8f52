"""The conformance kit: tests any connector against its own sandbox, promise by promise."""

from syncline.connect.conformance.promise import Level, Promise
from syncline.connect.conformance.run import Finding, Report, Verdict, run
from syncline.connect.conformance.table import PROMISES

__all__ = ["PROMISES", "Finding", "Level", "Promise", "Report", "Verdict", "run"]
