"""The most that tensors take at a time."""

import torch

from repro.bench.memory import peak_megabytes

CPU, MB = torch.device("cpu"), 250_000
"""A million bytes are so many numbers in float32."""


def test_only_what_lives_at_the_same_time_adds_up():
    def work() -> None:
        first = torch.zeros(3 * MB)
        del first
        second, third = torch.zeros(2 * MB), torch.zeros(2 * MB)
        second += third

    assert peak_megabytes(work, CPU) == 4.0


def test_views_and_what_was_there_before_do_not_count():
    before = torch.zeros(8 * MB)

    def work() -> None:
        view = before.view(2, -1)[0]
        view.add_(1)
        made = torch.ones(MB)
        assert len([made[:10], made.view(10, -1), before + 0]) == 3

    assert peak_megabytes(work, CPU) == 9.0


def test_what_a_backward_pass_needs_counts():
    x = torch.zeros(MB, requires_grad=True)
    assert peak_megabytes(lambda: x.exp().sin().sum().backward(), CPU) >= 3.0
