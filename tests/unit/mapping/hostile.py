"""Expressions that mean harm, and the process in which they are tried one after the other.

``python -m tests.unit.mapping.hostile`` prints one JSON line for each: what came of it, the CPU seconds and
the peak of memory above what was in use before it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from syncline.mapping.expressions import ExpressionError, Expressions, MacroFile, View

_NEST = "{% set a = [1] %}" + "{% set a = [a,a,a,a,a,a] %}" * 14

#: By name: the expression. None of them may give a value.
REFUSED: dict[str, str] = {
    # time and size
    "a range that is endless": "{{ range(10**9) }}",
    "a text times a number": "{{ 'a' * 10**10 }}",
    "a number times a text": "{{ 10**10 * 'a' }}",
    "a list times a number": "{{ [1] * 10**9 }}",
    "filling in a text with a width": "{{ '%01000000000d' % 1 }}",
    "the format filter with a width": "{{ '%01000000000d'|format(1) }}",
    "the format method with a width": "{{ '{:1000000000}'.format(1) }}",
    "the format_map method": "{{ '{a:1000000000}'.format_map({'a': 1}) }}",
    "a formatted text tested for odd": "{{ '%0300000000d' is odd }}",
    "a formatted text tested for even": "{{ '%0300000000d' is even }}",
    "a formatted text tested for a divisor": "{{ '%0300000000d' is divisibleby(1) }}",
    "padding to the left": "{{ 'x'.ljust(10**9) }}",
    "padding to the right": "{{ 'x'.rjust(10**9) }}",
    "padding with zeros": "{{ 'x'.zfill(10**9) }}",
    "padding on both sides": "{{ 'x'.center(10**9) }}",
    "the center filter": "{{ 'x'|center(10**9) }}",
    "the indent filter": "{{ 'x\ny'|indent(10**9) }}",
    "tabs made wide": "{{ '\t'.expandtabs(10**9) }}",
    "a text of nonsense": "{{ lipsum(n=10**6) }}",
    "a list in slices": "{{ [1]|slice(10**8) }}",
    "a list in batches with filling": "{{ [1]|batch(10**9, 'x')|list }}",
    "a replacement that multiplies": "{{ ('a'|replace('a', 'a' ~ text))|replace('a', text) }}",
    "a join with a long separator": "{{ rows|map('name')|join(text) }}",
    "a join method": "{{ text.join(rows|map('name')) }}",
    "a translate method": "{{ 'a'.translate({97: text}) }}",
    "an encode method": "{{ text.encode('utf-32') }}",
    "a power of a power": "{{ ((99 ** 64) ** 64) ** 64 }}",
    "a power with a huge exponent": "{{ 2 ** 1000000000 }}",
    "a power with a fraction": "{{ 2 ** 0.5 }}",
    "a power of a tiny number": "{{ ((((0.1 ** 64) ** 64) ** 64) ** 60) ~ '' }}",
    "a product of long numbers": "{{ 9999999999999999999999999 * 9999999999999999999999999 }}",
    "a number of two thousand digits": "{{ " + "9" * 1_900 + " }}",
    "a decimal with a huge exponent": "{{ '1e999999999'|decimal }}",
    "a decimal with a tiny exponent": "{{ '1e-999999999'|decimal }}",
    "a whole number from a huge exponent": "{{ '1e99999'|int }}",
    "a sum that starts with a huge exponent": "{{ []|sum('x', '1e300000000')|string }}",
    "a rounding to many places": "{{ 1.5|round(10**9) }}",
    "a rounding in another manner": "{{ 1.5|round(2, 'banker') }}",
    "infinity": "{{ 'Infinity'|decimal }}",
    "a number that is none": "{{ 'nan'|decimal + 1 }}",
    "a literal beyond every number": "{{ 1e400 }}",
    "days beyond the calendar": "{{ '2024-01-01'|add_days(10**9) }}",
    "days just beyond the calendar": "{{ '9999-12-31'|add_days(1) }}",
    "loops in loops": "{% for a in rows %}{% for b in rows %}{% for c in rows %}"
    "{% if c == 1 %}x{% endif %}{% endfor %}{% endfor %}{% endfor %}",
    "a loop that repeats a long text": "{% for a in rows %}{% for b in rows %}"
    + "a" * 1_800
    + "{% endfor %}{% endfor %}",
    "a loop that repeats a value": "{% for a in rows %}{{ text }}{% endfor %}",
    "a loop over the characters of a long text": "{% for a in text %}{{ a }}{% endfor %}",
    "a recursive loop": "{% for a in rows recursive %}{{ loop(rows) }}{% endfor %}",
    "a loop called as a function": "{% for a in rows %}{{ loop(rows) }}{% endfor %}",
    "a text that doubles": "{% set a = text %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "a list that doubles": "{% set a = rows|list %}" + "{% set a = a + a %}" * 40 + "{{ a|length }}",
    "lists in lists that are compared": "{% set a = [1, 2] %}{% set b = [1, 2] %}"
    + "{% set a = [a,a,a,a,a,a] %}{% set b = [b,b,b,b,b,b] %}" * 14
    + "{{ a == b }}",
    "lists in lists that are sought": "{% set a = [1, 2] %}{% set b = [1, 2] %}"
    + "{% set a = [a,a,a,a,a,a] %}{% set b = [b,b,b,b,b,b] %}" * 14
    + "{{ a in [b] }}",
    "lists in lists written as text": _NEST + "{{ a|decimal }}",
    "lists in lists as a date": _NEST + "{{ a|day }}",
    "lists in lists as the name of a field": _NEST + "{{ record[a] }}",
    "tuples in tuples as a key": "{% set a = (1, 2) %}" + "{% set a = (a,a,a,a,a,a) %}" * 14 + "{{ {a: 1} }}",
    "groups in groups": "{% set a = {'a': 1} %}"
    + "{% set a = {'a': a, 'b': a, 'c': a, 'd': a} %}" * 14
    + "{{ a == a }}",
    "a list of one long text many times": "{{ [" + "text," * 300 + "] }}",
    "groups with a long text as key": "{{ [" + "{text: 1}," * 150 + "] }}",
    "stripping a text by itself": "{{ text.strip(text) }}",
    "counting a text in itself": "{{ text.count(text) }}",
    "splitting into too many parts": "{{ ('a ' ~ (text|replace('b', ' b'))).split() }}",
    "a macro that calls itself": "{% macro f(x) %}{{ f(x + 1) }}{% endmacro %}{{ f(1) }}",
    "macros that call each other": "{{ ping(1) }}",
    "a macro that doubles its calls": "{{ twice(60) }}",
    "a macro that repeats a constant": "{{ wall() }}",
    "a long expression": "{{ 1" + " + 1" * 1_000 + " }}",
    "a long sum within the limit of a source": "{{ 1" + "+1" * 950 + " }}",
    "brackets in brackets": "{{ " + "[" * 300 + "]" * 300 + " }}",
    "parentheses in parentheses": "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
    "many minus signs": "{{ " + "-" * 900 + "1 }}",
    "many denials": "{{ " + "not " * 450 + "1 }}",
    "many conditions in conditions": "{{ " + "1 if 1 else " * 150 + "1 }}",
    "many filters in a row": "{{ 'a'" + "|upper" * 300 + " }}",
    "many attributes in a row": "{{ record" + ".a" * 900 + " }}",
    "many comparisons of mixed kinds": "{{ 1 < 'a' < 2 }}",
    "a list less than a number": "{{ [1] < 1 }}",
    "a search in a number": "{{ 1 in 5 }}",
    "a search for a number in a text": "{{ 1 in text }}",
    "a slice of nothing": "{{ none[1:2] }}",
    "a slice with step zero": "{{ 'abc'[::0] }}",
    "a division by zero": "{{ 1 / 0 }}",
    "a division of decimals by zero": "{{ 1.5 // 0.0 }}",
    "a remainder of zero": "{{ 1 % 0 }}",
    "a division whose result is too long": "{{ ('1e39'|decimal) // ('1e-39'|decimal) }}",
    "half a character": "{{ '\\ud83d' }}",
    "half a character in a list": "{{ ['\\ud83d'] }}",
    # escapes
    "the class of a text": "{{ ''.__class__ }}",
    "the class by subscription": "{{ ''['__class__'] }}",
    "the class by a made-up name": "{{ ''['__cl' ~ 'ass__'] }}",
    "the subclasses of everything": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "the class of a number": "{{ (1).__class__ }}",
    "the methods of a number": "{{ (1).to_bytes(10**9, 'big') }}",
    "the methods of a decimal": "{{ 1.5.quantize(1) }}",
    "the class of a record": "{{ record['__class__'] }}",
    "the innards of a record": "{{ record.values_ }}",
    "the methods of a list": "{{ [].append(1) }}",
    "the globals of a macro": "{{ shout.__globals__ }}",
    "the function of a macro": "{{ shout._func }}",
    "the function of a method": "{{ ''.upper.__self__ }}",
    "a method as a value": "{{ ''.upper }}",
    "a macro as a value": "{{ shout }}",
    "the attr filter": "{{ ''|attr('__class__') }}",
    "the map filter with a filter": "{{ ['a']|map('upper', 'x')|list }}",
    "the select filter": "{{ [1]|select('odd')|list }}",
    "the sort filter": "{{ rows|sort(attribute='__class__') }}",
    "the groupby filter": "{{ rows|groupby('__class__') }}",
    "the xmlattr filter": "{{ {'a': 1}|xmlattr }}",
    "the tojson filter": "{{ record|tojson }}",
    "the safe filter": "{{ '<a>'|safe }}",
    "the pprint filter": "{{ record|pprint }}",
    "the random filter": "{{ rows|random }}",
    "a filter of the engine's own": "{{ rows|_walk|first }}".replace("_walk", "__walk"),
    "the namespace function": "{{ namespace(a=1) }}",
    "a namespace that is changed": "{% set record.a = 1 %}",
    "the joiner function": "{{ joiner() }}",
    "the cycler function": "{{ cycler(1, 2) }}",
    "the dict function": "{{ dict(a=1) }}",
    "the configuration": "{{ config }}",
    "the request": "{{ request.application.__globals__ }}",
    "the template itself": "{{ self }}",
    "the template's innards": "{{ self.__init__.__globals__ }}",
    "the parent's block": "{{ super() }}",
    "the context": "{{ caller() }}",
    "a loop's innards": "{% for a in rows %}{{ loop._iterable }}{% endfor %}",
    "a loop's length": "{% for a in rows %}{{ loop.length }}{% endfor %}",
    "an include": "{% include '/etc/passwd' %}",
    "an import": "{% import 'x' as y %}",
    "an extension": "{% extends 'x' %}",
    "a block": "{% block a %}{% endblock %}",
    "a filter block": "{% filter upper %}a{% endfilter %}",
    "a call block": "{% call shout('a') %}{% endcall %}",
    "a block of set": "{% set a %}{{ text }}{% endset %}{{ a }}",
    "a do statement": "{% do rows.append(1) %}",
    "a break": "{% for a in rows %}{% break %}{% endfor %}",
    "a raw statement of Python": "{% import os %}",
    "autoescape": "{% autoescape true %}a{% endautoescape %}",
    "a called number": "{{ 1() }}",
    "a called text": "{{ 'a'() }}",
    "a called record": "{{ record() }}",
    "a called filter": "{{ upper('a') }}",
    "arguments out of a text": "{{ shout(*text) }}",
    "arguments out of a record": "{{ shout(**record) }}",
    "a test for a callable": "{{ ''.upper is callable }}",
    "a test by a filter": "{{ 'x' is filter }}",
    "an unknown name": "{{ nobody }}",
    "an unknown name in a list": "{{ [nobody] }}",
    "an unknown name in a group": "{{ {'a': nobody} }}",
    "an unknown field": "{{ record.nobody }}",
}  # fmt: skip

#: By name: the expression, and the small value that it gives.
HARMLESS: dict[str, tuple[str, Any]] = {
    "joined texts": ("{{ 'a' ~ 'b' ~ 1 ~ none }}", "ab1"),
    "the map filter with attributes": ("{{ ['']|map(attribute='__class__')|list }}", [None]),
    "a slice far beyond the end": ("{{ 'abc'[:10**30] }}", "abc"),
    "text that looks like a number": ("{{ '1e5' }}", "1e5"),
    "text that looks like a list": ("{{ '[1,2]' }}", "[1,2]"),
    "digits beside digits": ("{{ 1 }}{{ 2 }}", "12"),
    "a decimal that is exact": ("{{ (0.1 + 0.2) ~ '' }}", "0.3"),
    "a field named like a method": ("{{ record.items }}", "mine"),
    "a field named like a count": ("{{ record.keys }}", None),
    "a condition without an else": ("{{ 1 if false }}", None),
    "a loop that counts": ("{% for a in [7, 8] %}{{ loop.index }}{{ a }}{% endfor %}", "1728"),
    "a text sought in itself": ("{{ text in text }}", True),
    "a macro": ("{{ shout('a') }}", "A!"),
}

_MACROS = """
{% macro shout(x) %}{{ x|upper }}!{% endmacro %}
{% macro ping(x) %}{{ pong(x + 1) }}{% endmacro %}
{% macro pong(x) %}{{ ping(x + 1) }}{% endmacro %}
{% macro twice(x) %}{% if x > 0 %}{{ twice(x - 1) }}{{ twice(x - 1) }}{% endif %}{% endmacro %}
{% macro wall() %}{% for a in text_rows() %}""" + "x" * 20_000 + """{% endfor %}{% endmacro %}
{% macro text_rows() %}""" + "y" * 5_000 + """{% endmacro %}
"""  # fmt: skip


def names() -> dict[str, Any]:
    """What an expression is given here: among it a long text of wide characters, and many rows."""
    text = "\U0001f600" * 20_000 + "b" * 70_000
    record = {"items": "mine", "keys": None, "a": {"a": {"a": None}}}
    return {
        "value": text,
        "record": View(record, frozenset(record)),
        "today": "2026-01-01",
        "text": text,
        "rows": [{"name": "n"} for _ in range(3_000)],
    }


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    expressions = Expressions(macros=[MacroFile("macros.j2", _MACROS)])
    given = names()
    sources = {**REFUSED, **{name: source for name, (source, _) in HARMLESS.items()}}
    for name, source in sources.items():
        before = _reset_peak()
        start = time.process_time()
        told: dict[str, Any] = {"name": name}
        try:
            told["value"] = expressions.compile(source)(given)
        except ExpressionError as error:
            told["refused"] = error.message
        except BaseException as error:
            told["escaped"] = repr(error)[:200]
        told["cpu_s"] = time.process_time() - start
        told["grown_kb"] = _peak_kb() - before
        if len(repr(told.get("value"))) > 1_000:
            told["value"] = "a long value"
        sys.stdout.write(json.dumps(told, default=str) + "\n")
        sys.stdout.flush()


def _reset_peak() -> int:
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return _peak_kb()


def _peak_kb() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if "VmHWM" in line).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
