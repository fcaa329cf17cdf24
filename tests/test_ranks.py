"""What a cluster leaves in the environment: understood, or told in one line that names the variable."""

import pytest

from repro.errors import InputError
from repro.ranks import VARIABLES, Place, place

WHOLE = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "29555"}


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def said(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Place:
    for name, word in variables.items():
        monkeypatch.setenv(name, word)
    return place()


def test_a_process_of_several_knows_its_place(monkeypatch):
    assert said(monkeypatch, **WHOLE) == Place(1, 2, "10.0.0.7:29555")


@pytest.mark.parametrize(
    "variables",
    [{}, {"WORLD_SIZE": "1"}, {"WORLD_SIZE": ""}, {"RANK": "0"}, {"LOCAL_RANK": "3"}, {"WORLD_SIZE": "1", "RANK": "0"}],
)
def test_a_process_that_is_alone_takes_no_harm_from_what_is_left_over(monkeypatch, variables):
    assert said(monkeypatch, **variables) == Place(0, 1)


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2, but RANK and MASTER_ADDR and MASTER_PORT not set"),
        ({**WHOLE, "MASTER_PORT": ""}, "WORLD_SIZE=2, but MASTER_PORT not set"),
        ({"RANK": "3"}, "RANK=3, but WORLD_SIZE is not set"),
        ({**WHOLE, "RANK": "2"}, "RANK=2, but WORLD_SIZE=2: ranks are below WORLD_SIZE"),
        ({**WHOLE, "WORLD_SIZE": "two"}, "WORLD_SIZE=two is no whole number"),
        ({**WHOLE, "WORLD_SIZE": "0"}, "WORLD_SIZE=0 is no whole number from 1 on"),
        ({**WHOLE, "RANK": "-1"}, "RANK=-1 is no whole number"),
        ({**WHOLE, "MASTER_PORT": "99999"}, "MASTER_PORT=99999 is no whole number"),
    ],
)
def test_half_of_it_is_refused_with_the_variable_and_the_cure(monkeypatch, variables, complaint):
    with pytest.raises(InputError) as error:
        said(monkeypatch, **variables)
    assert complaint in str(error.value)
    assert "`unset WORLD_SIZE RANK`" in str(error.value)
