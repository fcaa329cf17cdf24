"""What a person is told of a config before it runs."""

from repro.configs.resolve import flat, resolve
from repro.configs.show import in_short, markdown


def test_the_first_line_says_what_nobody_chose():
    said = in_short(resolve(["byol_tracin", "dermamnist"]), ["byol_tracin", "dermamnist"])
    assert said == (
        "byol_tracin on dermamnist (28 px, official split), seed 0: 200 epochs of pretraining; "
        "not named, so the default: scale custom"
    )
    said = in_short(resolve(["smoke"]), ["smoke"])
    assert said.endswith("3 epochs of pretraining; not named, so the default: method byol, data set dermamnist")


def test_what_was_chosen_by_a_setting_or_a_name_is_no_default():
    named = ["random_init", "smoke"]
    said = in_short(resolve(named, {"data.name": "phantom"}), named)
    assert said == "random_init on phantom (28 px, official split), seed 0: no pretraining"


def test_the_table_of_settings_has_every_setting():
    rows = markdown().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(dict(flat(resolve())))
