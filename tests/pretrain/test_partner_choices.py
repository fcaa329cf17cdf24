"""Who was whose partner in a batch, against loops over its images."""

import pytest
import torch

from repro.pretrain.diagnostics import PartnerStatistics
from repro.pretrain.selectors import SELECTORS
from tests.pretrain.test_selectors import IN_BATCH, batch_of


def chosen_in(batches: list, used: str | None, measured: list[str], exclude_group: bool, k: int = 1) -> dict:
    statistics = PartnerStatistics(used, measured, 3, exclude_group, k)
    for step, batch in enumerate(batches):
        statistics.add(batch, step)
    return statistics.latest.read()


def moved(batch, by: int):
    """The same batch, of other images of the training split."""
    batch.members.position[:] += by
    return batch


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("exclude_group", [False, True])
def test_choices_are_the_best_of_the_latest_batch_by_a_slow_search(k: int, exclude_group: bool):
    last = moved(batch_of(24, seed=2), 50)
    sure = [name for name in IN_BATCH if name not in ("random", "oracle")]  # those would be drawn anew below
    found = chosen_in([batch_of(24, seed=1), last], "tracin_dot", [*sure, "queue"], exclude_group, k)
    assert found.keys() == {"batch", "random", *sure}
    assert found["batch"].tolist() == list(range(50, 74))
    for name in sure:
        scores = SELECTORS[name].scores(last)
        for i in range(24):
            others = [j for j in range(24) if j != i and not (exclude_group and j // 2 == i // 2)]
            best = max(others, key=lambda j: float(scores[i, j]))
            assert found[name][i] == 50 + best, name


def test_a_random_partner_is_drawn_where_none_was_measured_and_is_the_measured_one_where_it_was():
    drawn, again, other = (chosen_in([batch_of(24, seed)], None, ["cosine"], True)["random"] for seed in (1, 1, 2))
    assert torch.equal(drawn, again)
    assert torch.equal(drawn, other)  # it depends on nothing that the run draws
    assert all(int(j) // 2 != i // 2 for i, j in enumerate(drawn))
    assert len(set(drawn.tolist())) > 8
    measured = chosen_in([batch_of(24, 1)], None, ["random"], True)["random"]
    assert torch.equal(measured, PartnerStatistics("random", [], 3, True).add(batch_of(24, 1), 0).index[:, 0])
    assert not torch.equal(measured, drawn)


def test_images_that_may_have_no_partner_have_none_by_any_selector():
    batch = batch_of(6)
    batch.members.groups[:] = torch.tensor([0, 0, 0, 0, 0, 1])
    found = chosen_in([batch], "cosine", ["tracin_cosine", "random"], exclude_group=True)
    assert found["cosine"].tolist() == found["tracin_cosine"].tolist() == [5, 5, 5, 5, 5, found["cosine"][5]]
    assert found["cosine"][5] in range(5)
    alone = chosen_in([batch_of(2)], "cosine", ["tracin_cosine"], exclude_group=True)
    assert [alone[name].tolist() for name in ("cosine", "tracin_cosine", "random")] == [[-1, -1]] * 3


def test_reading_choices_draws_from_no_stream_of_the_run():
    batch = batch_of()
    statistics = PartnerStatistics("random", ["cosine"], 3, False)
    statistics.add(batch, 0)
    before = torch.get_rng_state(), batch.generator.get_state()
    statistics.latest.read()
    assert torch.equal(before[0], torch.get_rng_state())
    assert torch.equal(before[1], batch.generator.get_state())
