"""Routing traces as arrays of NumPy."""
from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    import numpy


class Trace:
    """A routing trace, read a range of tokens (of a trace of counts: of steps) at a time.

        trace = moesim.Trace("mixtral-like")
        trace.info["tokens"], trace.ids(0, 1024).shape

    info says what the file says of itself: model, tokens, layers, experts, top_k, domains and so on.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self._trace = _core.Trace(_core.find_trace(os.fspath(source)))
        self.info: dict[str, Any] = json.loads(self._trace.info())

    def __len__(self) -> int:
        return self.info["tokens"] if self.info["per_token"] else self.info["steps"]

    def _range(self, first: int, count: int | None) -> tuple[int, int]:
        return first, max(0, len(self) - first) if count is None else count

    def ids(self, first: int = 0, count: int | None = None) -> numpy.ndarray:
        """Experts that each token chose: int32 [tokens, mixture layers, top_k], -1 where nobody was recorded."""
        return self._trace.ids(*self._range(first, count))

    def weights(self, first: int = 0, count: int | None = None) -> numpy.ndarray | None:
        """Their weights, float32 of the same shape (16 bits in files of write_trace); None where the file has none."""
        return self._trace.weights(*self._range(first, count))

    def column(self, name: str, first: int = 0, count: int | None = None) -> numpy.ndarray | None:
        """"requests", "positions", "phases" (0 prefill, 1 decode, 2 mixed) or "domains" of each token; None where
        the file has none."""
        return self._trace.column(name, *self._range(first, count))

    def step_offsets(self) -> numpy.ndarray | None:
        """Where each step (forward pass) begins, and the number of tokens; None where the file does not say."""
        return self._trace.step_offsets()

    def counts(self, first: int = 0, count: int | None = None) -> numpy.ndarray:
        """Of a trace of counts: selections of each expert, uint32 [steps, mixture layers, experts]."""
        return self._trace.counts(*self._range(first, count))


def write_trace(path: str | os.PathLike[str], ids: Any, *, experts: int, model: str = "", source: str = "",
                weights: Any = None, requests: Any = None, positions: Any = None, phases: Any = None,
                domains: Any = None, domain_names: Sequence[str] = (), layer_ids: Sequence[int] = (),
                step_offsets: Sequence[int] | None = None) -> None:
    """Writes a routing trace, which scenarios take as routing.trace.

    ids: whole numbers [tokens, mixture layers, top_k], -1 where nobody was recorded; weights of the same shape;
    requests, positions, phases, domains a number for each token. step_offsets is where each step begins, and the
    number of tokens. The file appears whole.
    """
    columns = {"weights": weights, "requests": requests, "positions": positions, "phases": phases, "domains": domains}
    _core.write_trace(os.fspath(path), ids, experts, {key: value for key, value in columns.items() if value is not None},
                      model, source, [int(layer) for layer in layer_ids], list(domain_names),
                      [] if step_offsets is None else [int(offset) for offset in step_offsets])
