"""All segments of `config/segments`, resolved and in the order in which they can be built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

from ml.config import did_you_mean
from ml.errors import ConfigError
from ml.segments import resolve
from ml.segments.house import FILE
from ml.segments.language import Segment, read_segment
from ml.segments.meanings import Meanings
from ml.segments.reading import Lines, Place, at
from ml.segments.rules import Rule, segments_in
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

    def needed(self, *names: str) -> list[Rule]:
        """Return the rules of segments and of every segment they name, however far away, each after those it names."""
        wanted = _reached((self[name].name for name in names), {n: rule.references for n, rule in self.rules.items()})
        return [rule for name, rule in self.rules.items() if name in wanted]


@dataclass(frozen=True)
class _Read:
    path: Path
    rule: Rule
    lines: Lines


def load_catalogue(folder: Path | None = None, known: Vocabulary | None = None) -> Catalogue:
    """Read and resolve every file; one that is wrong is kept among `problems` and stops no other.

    Raises `ConfigError` when there is no file at all or when none of them can be used, and when what holds for all of
    them (`config/segmentation.yaml`) is wrong.
    """
    where, known = folder or settings().config_dir / "segments", known or load_vocabulary()
    read, wrong = _read_all(where)
    _check_house(known, [*read, *wrong])
    wrong |= _unresolved(read, known) | _doubled(read)
    read = _in_context(read, known)
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
    for path in sorted(path for path in folder.glob("*.y*ml") if path.is_file()):
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


def _check_house(known: Vocabulary, names: list[str]) -> None:
    found = resolve.conditions_problems(known.house.exclude, ("exclude",), known, names)
    if found:
        path = settings().config_dir / FILE
        raise ConfigError("\n".join(f"{at(path, known.house_lines, place)}: {message}" for place, message in found))


def _doubled(read: Mapping[str, _Read]) -> dict[str, str]:
    """Return the segments of an exclusive group that claim the place of another."""
    places: dict[tuple[str | None, int | None], list[str]] = {}
    for name, one in read.items():
        places.setdefault((one.rule.segment.exclusive_group, one.rule.segment.priority), []).append(name)
    return {
        name: f"{at(read[name].path, read[name].lines, ('priority',))}: {group} has priority {priority} twice, in "
        f"{' and '.join(names)}; give each its own"
        for (group, priority), names in places.items()
        if group is not None and len(names) > 1
        for name in names
    }


def _in_context(read: Mapping[str, _Read], known: Vocabulary) -> dict[str, _Read]:
    """Return each rule with the exclusions that hold everywhere and the segments that come before it in its group."""
    barring = _reached(segments_in(known.house.exclude), {name: one.rule.references for name, one in read.items()})
    segments, meanings = [one.rule.segment for one in read.values()], Meanings(known.lifecycle, known.clusterings)
    rules = {
        one.name: Rule(one, () if one.name in barring else known.house.exclude, _rivals(one, segments))
        for one in segments
    }
    settled = {name: replace(rule, meanings=meanings.of([rule.condition])) for name, rule in rules.items()}
    return {name: replace(one, rule=settled[name]) for name, one in read.items()}


def _rivals(segment: Segment, others: Iterable[Segment]) -> tuple[str, ...]:
    if segment.exclusive_group is None or segment.priority is None:
        return ()
    group = [one for one in others if one.exclusive_group == segment.exclusive_group]
    first = [one for one in group if one.priority is not None and one.priority < segment.priority]
    return tuple(one.name for one in sorted(first, key=lambda one: one.priority or 0))


def _reached(names: Iterable[str], references: Mapping[str, Iterable[str]]) -> set[str]:
    """Return names and whatever they refer to, however far away."""
    reached, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += references.get(name, ())
    return reached


def _in_cycles(references: Mapping[str, tuple[str, ...]], read: Mapping[str, _Read]) -> dict[str, str]:
    return {
        name: f"{_named_at(read[name], other)}: segments refer to each other in a circle: {' -> '.join(cycle)}; "
        "drop one reference"
        for cycle in resolve.cycles(references)
        for name, other in pairwise(cycle)
    }


def _named_at(one: _Read, other: str) -> str:
    """Return where a segment's file names another; its group where that brings it in, the house's file otherwise."""
    group: Place = ("exclusive_group",) if other in one.rule.rivals else ()
    place = resolve.mentions(one.rule.segment).get(other, group)
    return at(one.path, one.lines, place) if place else f"{one.path}: exclude of config/{FILE}"


def _blocked(read: Mapping[str, _Read], wrong: Mapping[str, str]) -> dict[str, str]:
    """Return the segments that name one that cannot be built, however far away."""
    blocked = dict[str, str]()
    while True:
        more = {
            name: f"{_named_at(one, reference)}: it refers to {reference}, which cannot be built: mend that first"
            for name, one in read.items()
            for reference in one.rule.references
            if reference in {**wrong, **blocked} and name not in {**wrong, **blocked}
        }
        if not more:
            return blocked
        blocked |= more
