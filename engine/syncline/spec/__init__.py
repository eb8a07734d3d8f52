"""The spec: YAML in, checked and typed values out."""

from syncline.spec.addresses import check_base_url
from syncline.spec.layers import Bases
from syncline.spec.load import Loaded, has_errors, load_spec, sort_problems
from syncline.spec.problems import Place, Problem, Severity, SpecError

__all__ = [
    "Bases",
    "Loaded",
    "Place",
    "Problem",
    "Severity",
    "SpecError",
    "check_base_url",
    "has_errors",
    "load_spec",
    "sort_problems",
]
