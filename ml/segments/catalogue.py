"""All segments of `config/segments`, resolved and in the order in which they can be built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

from ml.config import did_you_mean
from ml.errors import ConfigError
from ml.segments import resolve
from ml.segments.language import Segment, read_segment
from ml.segments.reading import Place, at
from ml.segments.rules import Rule
from ml.segments.vocabulary import Vocabulary, load_vocabulary
from ml.settings import settings


@dataclass(frozen=True)
class Catalogue:
    """The segments that can be built, in dependency order, and what is wrong with the other files."""

    rules: Mapping[str, Rule]
    problems: Mapping[str, str]

    @cached_property
    def segments(self) -> Mapping[str, Segment]:
        """The segments by name, each after those it names."""
        return {name: rule.segment for name, rule in self.rules.items()}

    def __getitem__(self, name: str) -> Segment:
        """Return one segment. Raises `ConfigError` with what is wrong with its file, or the nearest names."""
        if name in self.problems:
            raise ConfigError(self.problems[name])
        if name not in self.segments:
            raise ConfigError(f"There is no segment {name!r}{did_you_mean(name, self.segments)}")
        return self.segments[name]

    def needed(self, name: str) -> list[Rule]:
        """Return a segment's rule, last, after those of every segment it names, however far away."""
        wanted = {self[name].name}
        for other, rule in reversed([*self.rules.items()]):
            wanted |= set(rule.references) if other in wanted else set()
        return [rule for other, rule in self.rules.items() if other in wanted]


@dataclass(frozen=True)
class _Read:
    path: Path
    rule: Rule
    lines: dict[Place, int]


def load_catalogue(folder: Path | None = None, known: Vocabulary | None = None) -> Catalogue:
    """Read and resolve every file; one that is wrong is kept among `problems` and stops no other.

    Raises `ConfigError` when there is no file at all or when none of them can be used.
    """
    where = folder or settings().config_dir / "segments"
    read, wrong = _read_all(where)
    wrong |= _unresolved(read, known or load_vocabulary())
    wrong |= _in_cycles({name: one.rule.references for name, one in read.items()}, read)
    wrong |= _blocked(read, wrong)
    good = {name: one.rule for name, one in read.items() if name not in wrong}
    if not good:
        raise ConfigError("\n".join(wrong.values()) or f"{where}: there is no segment; add a YAML file")
    order = TopologicalSorter({name: one.references for name, one in good.items()}).static_order()
    return Catalogue({name: good[name] for name in order}, wrong)


@lru_cache(maxsize=4)
def cached_catalogue(folder: Path) -> Catalogue:
    """Return the catalogue of a folder, read once a process."""
    return load_catalogue(folder)


def _read_all(folder: Path) -> tuple[dict[str, _Read], dict[str, str]]:
    read, wrong = dict[str, _Read](), dict[str, str]()
    for path in sorted(folder.glob("*.y*ml")):
        try:
            segment, lines = read_segment(path)
            read[path.stem] = _Read(path, Rule(segment), lines)
        except ConfigError as error:
            wrong[path.stem] = str(error)
    return read, wrong


def _unresolved(read: Mapping[str, _Read], known: Vocabulary) -> dict[str, str]:
    wrong = dict[str, str]()
    for name, one in read.items():
        # A segment whose own file is wrong is reported there, and below as blocked; it does exist.
        files = [path.stem for path in one.path.parent.glob("*.y*ml")]
        found = resolve.problems(one.rule.segment, known, files)
        if found:
            wrong[name] = "\n".join(f"{at(one.path, one.lines, place)}: {message}" for place, message in found)
    return wrong


def _in_cycles(references: Mapping[str, tuple[str, ...]], read: Mapping[str, _Read]) -> dict[str, str]:
    return {
        name: f"{read[name].path}: segments refer to each other in a circle: {' -> '.join(cycle)}; drop one reference"
        for cycle in resolve.cycles(references)
        for name in cycle
    }


def _blocked(read: Mapping[str, _Read], wrong: Mapping[str, str]) -> dict[str, str]:
    """Return the segments that name one that cannot be built, however far away."""
    blocked = dict[str, str]()
    while True:
        more = {
            name: f"{one.path}: it refers to {reference}, which cannot be built: mend that first"
            for name, one in read.items()
            for reference in one.rule.references
            if reference in {**wrong, **blocked} and name not in {**wrong, **blocked}
        }
        if not more:
            return blocked
        blocked |= more
