"""What a data set holds, and whether its splits leak: images of one patient, or one picture, in two of them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from repro.data.check.duplicates import CORRELATION, DISTANCE, fingerprints, near_duplicates
from repro.data.imageset import SPLITS, UNLABELLED, ImageSet

EXAMPLES = 4
"""Pairs of images shown for every pair of splits, and names of altered files. [us]"""

INSTEAD = {("dermamnist", "official"): "lesion"}
"""Published splits that are known to leak, and the split of the same images that does not."""

KNOWN = {("dermamnist", "official"): "641 of the 1,868 lesions of test are also in train"}
"""What is known of them, for copies that do not tell groups."""


@dataclass(frozen=True)
class Overlap:
    """What two splits have in common.

    Args:
        splits: their names, train before val before test.
        shared: number of groups, of pictures, or of pairs of alike images in both.
        images: images concerned in each.
        share: those of the second split as a share of all its images.
        examples: indices of image pairs, one of each split.
    """

    splits: tuple[str, str]
    shared: int
    images: tuple[int, int]
    share: float
    examples: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Report:
    """What is known of a data set and its division into splits.

    Args:
        name, division: of the data set and of the split that was checked.
        record: `ImageSet.describe()`.
        gaps: `ImageSet.gaps()`.
        groups: number of groups (patients, lesions) per split; None where unknown.
        shared_groups: per pair of splits; empty where groups are unknown.
        repeated: images beyond the first with the same pixels, per split.
        conflicting: pictures whose copies have different labels.
        shared_pictures: exact duplicates, per pair of splits.
        distance: bits in which hashes of near duplicates may differ.
        near_within: pairs of near duplicates inside each split.
        shared_views: near duplicates that are not exact, per pair of splits. Of copies of one picture in one
            split only the first is compared.
        featureless: images too flat to be compared but for identity.
        missing: (class name, split) of every class that a split lacks.
        altered: names of files that are not as they were when they were decoded, and of the array of images if it is
            not; None where there is nothing to compare with.
        files: the file of each image among the examples, by its index; empty where images are no files.
    """

    name: str
    division: str
    record: dict[str, Any]
    gaps: list[str]
    groups: dict[str, int] | None
    shared_groups: tuple[Overlap, ...]
    repeated: dict[str, int]
    conflicting: int
    shared_pictures: tuple[Overlap, ...]
    distance: int
    near_within: dict[str, int]
    shared_views: tuple[Overlap, ...]
    featureless: int
    missing: tuple[tuple[str, str], ...]
    altered: tuple[str, ...] | None = None
    files: dict[int, str] = field(default_factory=dict)

    def leaks(self, strict: bool = False) -> list[str]:
        """Return what makes the splits leak, a phrase for each kind.

        Args:
            strict: whether near duplicates count; they are suspects, since nobody has looked at them.
        """
        leaks = _named("shared groups", self.shared_groups) + _named("exact duplicates", self.shared_pictures)
        if self.groups is None and (self.name, self.division) in KNOWN:
            leaks.insert(0, KNOWN[self.name, self.division])
        return leaks + (self.suspects() if strict else [])

    def suspects(self) -> list[str]:
        """Return what may be a leak, a phrase for each kind."""
        return _named("near duplicates", self.shared_views)

    def fails(self, strict: bool = False) -> bool:
        """Whether something is wrong: the splits leak, or the images are not what they were."""
        return bool(self.leaks(strict) or self.altered)

    def verdict(self, strict: bool = False) -> str:
        """Return one line that says whether the splits leak, whether something is altered, and what to do."""
        where, leaks = f"{self.name}, split {self.division}", self.leaks(strict)
        said = [f"LEAK in {where}: {'; '.join(leaks)}" if leaks else f"No leak found in {where}"]
        if self.groups is None and not leaks:
            said = [f"UNKNOWN whether {where} leaks: its patients are not known. No image is in two splits"]
        if self.suspects() and not strict:
            said.append(f"Suspected {self.suspects()[0]}")
        said += self.gaps
        if self.record.get("official") is False:
            said.append("This is not the official file")
        if self.groups is None and leaks:
            said.append("Its patients or lesions are not known, so more may be shared")
        if leaks and (self.name, self.division) in INSTEAD:
            said.append(f"This is known: data.split={INSTEAD[self.name, self.division]} keeps every group in one split")
        if self.altered:
            said.append(
                f"ALTERED since they were decoded: {some(self.altered)}. Get such files again; an array of images is "
                "decoded again when its folder is deleted"
            )
        return ". ".join(said)

    def plain(self) -> dict[str, Any]:
        """Return all of it as a JSON document."""
        found = {key: value for key, value in asdict(self).items() if key != "record"}
        found |= {"correlation": CORRELATION, "leaks": self.leaks(), "suspects": self.suspects()}
        return {**self.record, "check": found}


def some(names: Sequence[str]) -> str:
    """Return the first few of many names, in words."""
    more = f" and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else ""
    return ", ".join(names[:EXAMPLES]) + more


def inspect(
    images: ImageSet, division: str, distance: int = DISTANCE, altered: tuple[str, ...] | None = None
) -> Report:
    """Look through a data set, reading its images in order.

    Args:
        images: the data set.
        division: name of its split, e.g. "official".
        distance: bits in which hashes of near duplicates may differ.
        altered: as `repro.data.altered` returns it.
    """
    prints = fingerprints(images.images)
    record = images.describe()
    seen = np.where(images.split == UNLABELLED, "train", images.split)  # pretraining sees both
    parts = {split: np.flatnonzero(seen == split) for split in SPLITS}
    # A picture that is in one split many times would be near another picture as many times over.
    once = [part[np.unique(prints.content[part], return_index=True)[1]] for part in parts.values()]
    within, between = _near(near_duplicates(prints, np.sort(np.concatenate(once)), distance), seen)
    labelled = images.labels.reshape(len(images.labels), -1).min(axis=1) >= 0
    described = np.unique(np.column_stack([prints.content, images.labels])[labelled], axis=0)
    groups = () if images.groups is None else _shared(images.groups, seen)
    pictures = _shared(prints.content, seen)
    examples = {index for overlap in (*groups, *pictures, *between) for pair in overlap.examples for index in pair}
    return Report(
        name=images.name,
        division=division,
        record=record,
        gaps=images.gaps(),
        groups=None if images.groups is None else {s: len(np.unique(images.groups[p])) for s, p in parts.items()},
        shared_groups=groups,
        repeated={split: len(part) - len(np.unique(prints.content[part])) for split, part in parts.items()},
        conflicting=int((np.unique(described[:, 0], return_counts=True)[1] > 1).sum()),
        shared_pictures=pictures,
        distance=distance,
        near_within=within,
        shared_views=between,
        featureless=int(prints.featureless.sum()),
        missing=tuple(
            (name, split)
            for split, part in parts.items()
            for name, count in zip(images.class_names, record["per_class"][split], strict=True)
            if len(part) and not count
        ),
        altered=altered,
        files={} if images.names is None else {index: images.names[index] for index in sorted(examples)},
    )


def _shared(keys: np.ndarray, split: np.ndarray) -> tuple[Overlap, ...]:
    """Return the overlap of every two splits in keys (a patient, a picture), int64 `[N]`."""
    found = []
    for pair in combinations(SPLITS, 2):
        common = np.intersect1d(*(keys[split == name] for name in pair))
        first, second = (np.flatnonzero((split == name) & np.isin(keys, common)) for name in pair)
        examples = [(_first(first, keys, key), _first(second, keys, key)) for key in common[:EXAMPLES]]
        found.append(_overlap(pair, len(common), len(first), len(second), split, examples))
    return tuple(found)


def _near(blocks: Iterable[np.ndarray], split: np.ndarray) -> tuple[dict[str, int], tuple[Overlap, ...]]:
    """Return the number of pairs inside each split, and the overlap of every two splits.

    Pairs are counted as they come: a film's frames may be nearly all alike, and their pairs are many.
    """
    within = dict.fromkeys(SPLITS, 0)
    pairs = dict.fromkeys(combinations(SPLITS, 2), 0)
    concerned = {pair: np.zeros(len(split), bool) for pair in pairs}
    examples: dict[tuple[str, str], list[tuple[int, int]]] = {pair: [] for pair in pairs}
    for block in blocks:
        names = split[block]
        for name in SPLITS:
            within[name] += int((names == name).all(axis=1).sum())
        for pair in pairs:
            ordered = np.concatenate(
                [block[(names == pair).all(axis=1)], block[(names == pair[::-1]).all(axis=1), ::-1]]
            )
            pairs[pair] += len(ordered)
            concerned[pair][ordered] = True
            room = EXAMPLES - len(examples[pair])
            examples[pair] += [(int(i), int(j)) for i, j in ordered[:room]]
    overlaps = []
    for pair in pairs:
        first, second = (int((concerned[pair] & (split == name)).sum()) for name in pair)
        overlaps.append(_overlap(pair, pairs[pair], first, second, split, examples[pair]))
    return within, tuple(overlaps)


def _overlap(
    pair: tuple[str, str], shared: int, first: int, second: int, split: np.ndarray, examples: list[tuple[int, int]]
) -> Overlap:
    return Overlap(pair, shared, (first, second), second / max(1, int((split == pair[1]).sum())), tuple(examples))


def _first(indices: np.ndarray, keys: np.ndarray, key: int) -> int:
    return int(indices[keys[indices] == key][0])


def _named(what: str, overlaps: tuple[Overlap, ...]) -> list[str]:
    """Return a list of one phrase, or of none if there is nothing to name."""
    found = [f"{o.shared:,} in both {' and '.join(o.splits)}" for o in overlaps if o.shared]
    return [f"{what}: {', '.join(found)}"] if found else []
