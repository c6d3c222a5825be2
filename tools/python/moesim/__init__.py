"""moesim: what a Mixture-of-Experts model does on a cluster, driven by real routing.

    report = moesim.run("mixtral-8x7b-decode-h100", set={"network": "bound"})
    points = moesim.sweep("mixtral-8x7b-decode-h100", vary={"step.batch_per_rank": [8, 16, 32]})

A scenario, a study or a plan is what the program takes: a file, the name of one that ships, or the same as a
dict. A result is the JSON that the program prints with --format json, as a dict. Errors are moesim.Error.
"""
from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

from . import _core
from ._errors import ConfigError, Error, InfeasibleError, InputError, Problem
from ._traces import Trace, write_trace

__all__ = ["load", "run", "config", "capacity", "sweep", "plan", "compare", "Scenario", "Inputs", "Trace",
           "write_trace", "Error", "ConfigError", "InputError", "InfeasibleError", "Problem", "__version__"]
__version__: str = _core.version

# A file or a name, or what a file would say.
Source = Union[str, "os.PathLike[str]", Mapping[str, Any]]
Values = Union[str, Sequence[Any]]  # "1..256*2", or a list


def _plain(value: Any) -> Any:
    """What json does not know: scalars and arrays of NumPy, paths, mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for name in ("tolist", "item"):
        if hasattr(value, name):
            return getattr(value, name)()
    raise TypeError(f"moesim: a {type(value).__name__} is nothing that a scenario's file could say: {value!r}")


def _text(value: Any) -> str:
    """A value as YAML (JSON is). A text stays what it is: "64 GB/s", "[1, 2]"."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)


def _assignments(values: Mapping[str, Any] | None) -> list[str]:
    return [f"{key}={_text(value)}" for key, value in (values or {}).items()]


def _axis(key: str, values: Values) -> str:
    if isinstance(values, str):
        return f"{key}={values}"
    plain = values if isinstance(values, (list, tuple)) else _plain(values)
    return f"{key}=" + ",".join(_text(value) for value in plain)


def _source(source: Source, what: str) -> tuple[str, str]:
    """The text or the file, and what the text is called in errors (nothing: it is a file)."""
    if isinstance(source, Mapping):
        return json.dumps(source, ensure_ascii=False, allow_nan=False, default=_plain, indent=1), what
    return os.fspath(source), ""


# What several calls of run share, loaded once: clusters with their kernels, unpacked traces, hashes of files. A file
# that changes meanwhile is read anew; from any thread.
Inputs = _core.Inputs


# A scenario as load() read it.
Scenario = _core.Scenario


def load(scenario: Source, *, set: Mapping[str, Any] | None = None, inputs: Inputs | None = None) -> Scenario:
    """Reads a scenario and what it names, once: run, config and capacity take it as often as they are asked.

    set replaces values of it, by their dotted names. With inputs, an Inputs() that several calls are given, what they
    share is loaded once.
    """
    text, name = _source(scenario, "scenario")
    return _core.load(text, name, _assignments(set), inputs)


def _loaded(scenario: Source | Scenario, sets: Mapping[str, Any] | None, inputs: Inputs | None) -> Scenario:
    if not isinstance(scenario, Scenario):
        return load(scenario, set=sets, inputs=inputs)
    if sets or inputs:
        raise ConfigError("the scenario has been read: say set and inputs to load()", 2)
    return scenario


def run(scenario: Source | Scenario, *, set: Mapping[str, Any] | None = None, jobs: int = 1,
        inputs: Inputs | None = None) -> dict[str, Any]:
    """Simulates a scenario: the report of `moesim run --format json`.

    What does not fit is reported, too: memory.fits is false then. set and inputs are load()'s.
    """
    return json.loads(_core.run(_loaded(scenario, set, inputs), jobs))


def config(scenario: Source | Scenario, *, set: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The scenario as it will be used, every default written out."""
    return json.loads(_core.config(_loaded(scenario, set, None)))


def capacity(scenario: Source | Scenario, *, set: Mapping[str, Any] | None = None,
             inputs: Inputs | None = None) -> dict[str, Any]:
    """The highest rate that a service carries within its targets: what `moesim capacity --format json` prints.

    But for availability, which the program adds: what is carried when GPUs are lost.
    """
    return json.loads(_core.capacity(_loaded(scenario, set, inputs)))


def sweep(study: Source, *, vary: Mapping[str, Values] | None = None,
          zip: Sequence[Mapping[str, Values]] = (), derive: Mapping[str, str] | None = None,
          where: Sequence[str] = (), measure: Sequence[str] = (), set: Mapping[str, Any] | None = None, jobs: int = 1,
          store: str | os.PathLike[str] | None = None, resume: bool = False, reports: bool = False,
          progress: Callable[[int, int], None] | None = None) -> list[dict[str, Any]]:
    """Runs a study, or a scenario at the points that the arguments say: a dict for each, one a row.

    ord, id, status, reason, then a column for each axis and measure (None where a point has none), and with reports
    "report", the whole one. store keeps them in a file of `moesim sweep`, which resume goes on with. progress is
    called with how many points are done of how many.
    """
    with tempfile.TemporaryDirectory(prefix="moesim-") as folder:
        if isinstance(study, Mapping):
            study = _study_file(dict(study), folder)
        options = _core.StudyOptions(
            [_axis(key, values) for key, values in (vary or {}).items()],
            [",".join(_axis(key, values) for key, values in group.items()) for group in zip],
            [f"{key}={expression}" for key, expression in (derive or {}).items()],
            list(where), list(measure), _assignments(set))
        file = os.path.join(folder, "sweep.db") if store is None else os.fspath(store)
        table = json.loads(_core.sweep(os.fspath(study), options, file, resume, reports, jobs, progress))
    points = table["points"]
    columns = list(dict.fromkeys(key for point in points for key in [*point["params"], *point["metrics"]]))
    rows = []
    for point in points:
        row = {key: point.get(key) for key in ("ord", "id", "status", "reason")}
        row.update({key: {**point["params"], **point["metrics"]}.get(key) for key in columns})
        if reports:
            row["report"] = point.get("report")
        rows.append(row)
    return rows


def _study_file(study: dict[str, Any], folder: str) -> str:
    """A study, or a scenario, that is a dict: as a file, since every point reads it anew."""
    if "base" in study:
        if isinstance(study["base"], Mapping):
            study["base"] = _study_file(dict(study["base"]), folder)
        elif os.path.exists(study["base"]):
            study["base"] = os.path.abspath(study["base"])
        if isinstance(study.get("vary"), Mapping):
            study["vary"] = {key: [_text(value) for value in values] if isinstance(values, (list, tuple)) else values
                             for key, values in study["vary"].items()}
    file = os.path.join(folder, "study.yaml" if "base" in study else "scenario.yaml")
    with open(file, "w", encoding="utf-8") as out:
        out.write(_source(study, "")[0])
    return file


def plan(question: Source, *, set: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fewest or cheapest GPUs that carry a load: what `moesim plan --format json` prints.

    Where nothing meets the targets, that says what comes nearest.
    """
    text, name = _source(question, "plan")
    return json.loads(_core.plan(text, name, _assignments(set)))


def compare(a: Source, b: Source, *, set: Mapping[str, Any] | None = None, why: bool = False) -> dict[str, Any]:
    """Where the difference of two runs lies, and with why which change made it.

    Each is a scenario, which is run, or a report: a dict that run() gave, or its .json file. set changes b.
    """
    sides = []
    for name, source, sets in (("a", a, None), ("b", b, set)):
        if isinstance(source, Mapping):
            is_report = "schema_version" in source
            text = _source(source, name)[0]
        else:
            text = os.fspath(source)
            name = text
            is_report = text.endswith(".json") and os.path.basename(text) != "config.json"
            if is_report:
                with open(text, encoding="utf-8") as file:
                    text = file.read()
        if is_report and sets:
            raise ConfigError(f"set: changes scenarios, and {name} is a report", 2)
        called = "" if not isinstance(source, Mapping) or is_report else name
        sides.append(_core.Side(name, text, called, _assignments(sets), is_report))
    return json.loads(_core.compare(*sides, why))
