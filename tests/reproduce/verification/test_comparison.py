"""Two records number by number, held to slow loops; what of the surroundings explains a difference."""

import io
import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from repro.reproduce.verification.comparison import (
    compare_array,
    compare_artifact,
    compare_fact,
    compare_series,
)
from repro.reproduce.verification.environment import changes, recorded_once
from repro.reproduce.verification.tolerances import TOLERANCES, tolerance_of
from repro.reproduce.verification.verify import DIFFERENT, IDENTICAL, WITHIN, judge

# Few steps and values, so that series often share some.
VALUES = st.sampled_from([0.0, -0.0, 0.5, 0.5 + 1e-9, 2.0, -3.0, math.nan, math.inf, -math.inf])
SERIES = st.lists(st.tuples(st.sampled_from([1, 2, 3.5, 10]), VALUES), max_size=6)


def bits(value: float) -> str:
    """Whatever tells one float from another; all NaN are one."""
    return "nan" if math.isnan(value) else float(value).hex()


def unequal_points(then: list, now: list) -> int:
    """Count, by taking points away one by one, the places where two series differ."""
    count = 0
    for step in {step for step, _ in [*then, *now]}:
        a, b = ([bits(value) for s, value in series if s == step] for series in (then, now))
        count += sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
    return count


@given(SERIES, SERIES)
def test_series_differ_where_a_slow_loop_says_so_and_either_way_round(then: list, now: list):
    there, back = compare_series("pretrain/loss", then, now), compare_series("pretrain/loss", now, then)
    expected = unequal_points(then, now)
    assert (there is None) == (back is None) == (expected == 0)
    if there is not None and back is not None:
        assert there.count == back.count == expected
        assert (there.of, there.near) == (back.of, back.near)
        for a, b in ((there.first, back.first), (there.largest, back.largest)):
            assert (a.place, a.then, a.now, a.gap) == (b.place, b.now, b.then, b.gap)
        json.dumps(asdict(there), allow_nan=False)


@given(SERIES)
def test_a_series_is_the_same_as_itself_whatever_it_holds(series: list):
    assert compare_series("test/knn/accuracy", series, list(series)) is None


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8), st.sampled_from([np.float32, np.float64]))
def test_arrays_differ_where_a_slow_loop_says_so(pairs: list, dtype: type):
    then, now = (np.array([[pair[k]] for pair in pairs], dtype) for k in (0, 1))
    expected = [i for i in range(len(pairs)) if bits(then[i, 0]) != bits(now[i, 0])]
    found = compare_array("x", then, now)
    assert (found is None) == (not expected)
    if found is not None:
        assert (found.count, found.of, found.first.place) == (len(expected), len(pairs), f"[{expected[0]}, 0]")
        gaps = [abs(float(then[i, 0]) - float(now[i, 0])) for i in expected]
        farthest = math.inf if any(map(math.isnan, gaps)) else max(gaps)
        assert found.largest.gap == (farthest if math.isfinite(farthest) else None)


def test_missing_points_and_series_are_named():
    one = [(1, 0.25), (2, 0.5), (3, 0.75)]
    found = compare_series("test/knn/accuracy", one, one[:2])
    assert str(found) == "metric test/knn/accuracy: 1 of 3 values, first step 3: 0.75 then, missing now"
    extra = compare_series("test/knn/accuracy", [], one)
    assert extra is not None
    assert extra.near is False
    assert str(extra).startswith("metric test/knn/accuracy: 3 of 3 values, first step 1: missing then, 0.25 now")


def test_the_largest_difference_is_named_beside_the_first():
    found = compare_series("pretrain/loss", [(1, 1.0), (2, 1.0), (3, 1.0)], [(1, 1.001), (2, 1.0), (3, 1.25)])
    assert str(found) == (
        "metric pretrain/loss: 2 of 3 values, first step 1: 1.0 then, 1.001 now (0.001 apart); "
        "largest step 3: 1.0 then, 1.25 now (0.25 apart)"
    )


def test_stored_files_are_compared_array_by_array():
    def npz(**arrays: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    scores, weights, labels = np.eye(3, dtype=np.float32), np.arange(4, dtype=np.float32), np.arange(3)
    other = scores.copy()
    other[1, 2] = 0.5
    (found,) = compare_artifact(
        "test_scores.npz", npz(knn=scores, labels=np.arange(3)), npz(knn=other, labels=np.arange(3))
    )
    assert str(found) == "test_scores.npz: knn: 1 of 9 values, first [1, 2]: 0.0 then, 0.5 now (0.5 apart)"
    assert found.near is None
    (found,) = compare_artifact("test_scores.npz", npz(labels=labels), npz(labels=labels + 1))
    assert found.near is False
    (found,) = compare_artifact("test_scores.npz", npz(knn=scores), npz(knn=scores[:2]))
    assert str(found) == "test_scores.npz: knn: float32 [3, 3] then, float32 [2, 3] now"
    assert compare_artifact("encoder.safetensors", save({"w": weights}), save({"w": weights})) == []
    found, gone = compare_artifact("encoder.safetensors", save({"v": weights, "w": weights}), save({"v": weights * 2}))
    assert found.largest.gap == 3.0
    assert "w: float32 [4] then, missing now" in str(gone)
    (found,) = compare_artifact("selection.npz", None, npz(chance=scores))
    assert "missing then" in str(found)


@pytest.mark.parametrize(
    ("name", "taken_from_the_data"),
    [
        ("views.pictures.npz: original", True),
        ("views.pictures.npz: labels", True),
        ("views.pictures.npz: first", False),
        ("views.pictures.npz: second", False),
        ("partners.pictures.npz: queries", True),
        ("partners.pictures.npz: labels", True),
        ("partners.pictures.npz: tracin_cosine/images", False),
        ("partners.pictures.npz: random/labels", False),
        ("features.npz: indices", True),
        ("features.npz: labels", True),
    ],
)
def test_another_machine_may_choose_other_partners_but_not_show_other_images(name: str, taken_from_the_data: bool):
    pictures = np.full((2, 4, 4, 3), 250, np.uint8)
    other = pictures.copy()
    other[1, 2, 3, 0] = 3
    assert compare_array(name, pictures, pictures.copy()) is None
    found = compare_array(name, pictures, other)
    assert found is not None
    assert str(found) == f"{name}: 1 of 96 values, first [1, 2, 3, 0]: 250 then, 3 now (247 apart)"
    assert judge([found], excused=False) == DIFFERENT
    assert judge([found], excused=True) == (DIFFERENT if taken_from_the_data else WITHIN)
    fewer = compare_array(name, pictures, pictures[:1])
    assert fewer is not None
    assert judge([fewer], excused=True) == DIFFERENT


def test_features_in_half_precision_are_compared_bit_by_bit_and_judged_by_metrics():
    then = np.array([[1.0, 2.0], [0.0, np.nan]], np.float16)
    now = np.array([[1.0, np.nextafter(np.float16(2), np.float16(3))], [-0.0, np.nan]], np.float16)
    found = compare_array("features.npz: features", then, now)
    assert found is not None
    assert (found.count, found.first.place, found.largest.gap) == (2, "[0, 1]", 2**-9)
    assert judge([found], excused=True) == WITHIN
    assert judge([found], excused=False) == DIFFERENT


@pytest.mark.parametrize(
    ("metric", "then", "now", "near"),
    [
        ("test/knn/balanced_accuracy", 0.30, 0.38, True),
        ("test/knn/balanced_accuracy", 0.30, 0.42, False),
        ("test/finetune/accuracy", 0.30, 0.60, True),
        ("pretrain/lr", 0.1, 0.1001, False),
        ("pretrain/lr", 0.1, 0.1 + 1e-9, True),
        ("pretrain/loss", 4.0, 4.1, True),
        ("pretrain/loss", 4.0, 4.3, False),
        ("pretrain/collapsed", 0.0, 1.0, False),
        ("partners/cosine/hub_max", 10.0, 12.0, True),
        ("partners/cosine/same_label", 0.5, 0.6, False),
        ("partners/chance", 0.5, 0.501, False),
        ("finetune/1/train_loss", 1.0, 1.2, True),
    ],
)
def test_every_kind_of_metric_has_its_tolerance(metric: str, then: float, now: float, near: bool):
    found = compare_series(metric, [(1, then)], [(1, now)])
    assert found is not None
    assert found.near is near
    assert judge([found], excused=False) == DIFFERENT
    assert judge([found], excused=True) == (WITHIN if near else DIFFERENT)


def test_no_tolerance_allows_a_number_to_become_nan_or_infinite():
    for pattern in TOLERANCES:
        metric = pattern.replace("*", "x")
        assert not tolerance_of(metric).allows(0.5, math.nan)
        assert not tolerance_of(metric).allows(1.0, math.inf)
        assert not tolerance_of(metric).allows(-math.inf, math.inf)
        assert tolerance_of(metric).allows(math.nan, math.nan)
        assert tolerance_of(metric).allows(math.inf, math.inf)


def test_hashes_are_equal_or_not_and_nothing_excuses_another_one():
    assert compare_fact("split train", "ab", "ab") is None
    found = compare_fact("split train", "ab", "cd")
    assert found is not None
    assert str(found) == "split train: ab then, cd now"
    assert judge([found], excused=True) == DIFFERENT
    assert judge([], excused=False) == judge([], excused=True) == IDENTICAL


THEN = {
    "commit": "a" * 40,
    "lock_sha256": "1" * 64,
    "python": "3.11.7",
    "platform": "Linux-6.1",
    "device": "A processor",
    "device_type": "cpu",
    "processor": "A processor family 6 model 1",
    "threads": 1,
    "thread_settings": {"OMP_NUM_THREADS": None},
    "cores": 2,
    "versions": {"torch": "2.14.0", "numpy": "2.4.6", "pymongo": "4.20.0"},
}


def changed(**other: object) -> tuple[list[str], bool]:
    found = changes(THEN, {**THEN, **other})
    return [str(change) for change in found], any(change.computes for change in found)


def test_what_changed_around_a_run_is_said_in_words():
    assert changed() == ([], False)
    assert changed(versions={**THEN["versions"], "torch": "2.15.0"}) == (["torch 2.14.0 then, 2.15.0 now"], True)
    assert changed(threads=2) == (["threads of torch 1 then, 2 now"], True)
    assert changed(device="B", processor="B family 6 model 2") == (
        ["processor A processor family 6 model 1 then, B family 6 model 2 now"],
        True,
    )
    assert changed(lock_sha256="2" * 64) == (["uv.lock 111111111111 then, 222222222222 now"], False)
    assert changed(versions={**THEN["versions"], "pymongo": "5.0"}) == (["pymongo 4.20.0 then, 5.0 now"], False)
    lines, computes = changed(platform="Linux-7", python="3.12.0")
    assert (lines[0], len(lines), computes) == ("Python 3.11.7 then, 3.12.0 now", 2, True)


def test_the_number_of_cores_counts_only_where_libraries_go_by_it():
    assert changed(cores=4)[1]
    told = {"thread_settings": {"OMP_NUM_THREADS": "1"}}
    (change,) = changes({**THEN, **told}, {**THEN, **told, "cores": 4})
    assert not change.computes
    (change,) = changes(THEN, {**THEN, "cores": 4}, fixed=True)
    assert not change.computes


def test_what_was_not_recorded_then_excuses_nothing():
    old = {key: value for key, value in THEN.items() if key not in ("processor", "thread_settings")}
    assert changes(old, THEN) == []
    assert recorded_once(old, THEN) == recorded_once(THEN, old) == ["processor", "OMP_NUM_THREADS"]
