"""A data set's report as aligned plain text."""

from collections.abc import Iterator, Mapping, Sequence

from repro.data.check.duplicates import CORRELATION
from repro.data.check.report import Overlap, Report, some
from repro.data.imageset import SPLITS, UNLABELLED


def text_of(report: Report) -> str:
    """Return a report for a person to read, without its verdict."""
    return "\n".join(line.rstrip() for part in (_head, _classes, _groups, _exact, _near) for line in part(report))


def _head(report: Report) -> Iterator[str]:
    record = report.record
    total = sum(record["images"].values()) + record["without_split"] + record.get(UNLABELLED, 0)
    height, width, channels = record["shape"]
    kind = f"{height} x {width} px, {'grey' if channels == 1 else 'colour'}, {record['task']}"
    yield f"{report.name}, split {report.division}: {total:,} images, {kind}"
    yield from (f"  {gap}" for gap in report.gaps)
    yield from ("", "SHA-256")
    hashes = {"images and labels": record["sha256"]}
    hashes |= {f"indices of {split}": sha for split, sha in record["splits_sha256"].items()}
    hashes |= {"file": record["file_sha256"]} if "file_sha256" in record else {}
    yield from _table(list(hashes.items()))
    if report.altered is not None:
        state = f"ALTERED: {some(report.altered)}" if report.altered else "unchanged since they were decoded"
        yield f"  files and decoded images, hashed again: {state}"


def _classes(report: Report) -> Iterator[str]:
    record = report.record
    sizes = record["images"]
    rows: list[Sequence[str]] = [("", *(cell for split in SPLITS for cell in (split, "")))]
    for name, *counts in zip(record["class_names"], *record["per_class"].values(), strict=True):
        shares = zip(counts, sizes.values(), strict=True)
        rows.append((name, *(cell for n, of in shares for cell in (f"{n:,}", f"{100 * n / max(1, of):.1f} %"))))
    rows.append(("images", *(cell for split in SPLITS for cell in (f"{sizes[split]:,}", ""))))
    yield from ("", "Labels (an image has any number)" if record["task"] == "multi-label" else "Classes")
    yield from _table(rows)
    if UNLABELLED in record:
        yield f"  without a label, for pretraining alone: {record[UNLABELLED]:,}"
    yield f"  in no split: {record['without_split']:,}"
    yield from (f"  note: {split} has no images" for split in SPLITS if not sizes[split])
    for name, split in report.missing:
        lost = "learnt" if split == "train" else "scored there"
        yield f"  note: {split} has no image of '{name}': it cannot be {lost}"


def _groups(report: Report) -> Iterator[str]:
    yield from ("", "Groups (patients or lesions)")
    if report.groups is None:
        yield "  unknown, so it cannot be told whether splits share patients or lesions"
        return
    yield "  " + ", ".join(f"{count:,} in {split}" for split, count in report.groups.items())
    yield from _overlaps(report.shared_groups, "groups", report.files, report.groups)


def _exact(report: Report) -> Iterator[str]:
    yield from ("", "Exact duplicates (the same pixels)")
    yield "  copies inside a split: " + ", ".join(f"{n:,} in {split}" for split, n in report.repeated.items())
    yield f"  with different labels: {report.conflicting:,}"
    yield from _overlaps(report.shared_pictures, "pictures", report.files)


def _near(report: Report) -> Iterator[str]:
    limits = f"hashes at most {report.distance} of 64 bits apart, correlation at least {CORRELATION}"
    yield from ("", f"Near duplicates ({limits}): suspects to look at")
    yield "  pairs inside a split: " + ", ".join(f"{n:,} in {split}" for split, n in report.near_within.items())
    yield f"  too flat to compare: {report.featureless:,} images"
    yield from _overlaps(report.shared_views, "pairs", report.files)


def _overlaps(
    overlaps: Sequence[Overlap], unit: str, files: Mapping[int, str], totals: dict[str, int] | None = None
) -> Iterator[str]:
    rows: list[Sequence[str]] = [("in both", unit, "images", "", "")]
    for overlap in overlaps:
        first, second = overlap.splits
        of = f" of {totals[second]:,}" if totals else ""
        images = (f"{overlap.images[0]:,} in {first}", f"{overlap.images[1]:,} in {second}")
        share = f"{100 * overlap.share:.1f} % of {second}"
        rows.append((f"{first} and {second}", f"{overlap.shared:,}{of}", *images, share))
    header, *lines = _table(rows)
    yield header
    for line, overlap in zip(lines, overlaps, strict=True):
        yield line
        if overlap.examples:
            yield "    such as images " + ", ".join(
                f"{files.get(i, i)} and {files.get(j, j)}" for i, j in overlap.examples
            )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a line per row: the first column flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  " + "  ".join([row[0].ljust(widths[0]), *cells])
