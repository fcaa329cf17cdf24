"""Configs: data only, checked, and the same whether we or Sacred resolve them."""

import pytest
from pymongo.database import Database

from repro.configs import METHODS, NAMED
from repro.configs.identity import VOLATILE, digest, identity, overridden
from repro.configs.plans import PLANS
from repro.configs.resolve import defaults, flat, plain, put, resolve, settings
from repro.configs.setting import SOURCES
from repro.configs.show import lines, sources
from repro.errors import InputError
from repro.execution.experiment import build


@pytest.mark.parametrize(
    ("named", "updates"),
    [
        (["byol_tracin", "dermamnist", "smoke"], {"seed": 3, "pretrain.lr": 0.3}),
        (["smoke", "supervised"], {"evaluate.fractions": [0.1]}),
        (["smoke", "byol", "phantom"], {"encoder.width": 8}),
        ([], {}),
    ],
)
def test_sacred_resolves_to_the_same_config(named: list[str], updates: dict, database: Database):
    nested: dict = {}
    for key, value in updates.items():
        put(nested, key, value)
    theirs = build(database, {})._create_run("train", nested, named).config
    assert plain(theirs) == resolve(named, updates)


def test_updates_win_over_named_configs():
    assert resolve(["smoke"])["encoder"]["width"] == 16
    assert resolve(["smoke"], {"encoder.width": 32})["encoder"]["width"] == 32


def test_selectors_that_were_not_tuned_have_the_recipe_of_tracin_and_so_differ_in_their_partners_alone():
    own = ("method.", "selector.name")
    tracin, *others = (
        {key: value for key, value in flat(resolve([method, "medmnist"])) if not key.startswith(own)}
        for method in ("byol_tracin", "byol_random", "byol_cosine", "byol_queue", "byol_oracle")
    )
    assert tracin["selector.weight"] == 0.5
    assert all(other == tracin for other in others)


def test_settings_are_overridden_where_the_named_configs_and_their_recipe_give_something_else():
    named = ["byol_tracin", "dermamnist", "medmnist"]
    assert (
        overridden(
            resolve(named, {"seed": 3, "data.split": "lesion", "pretrain.keep_every": 7, "selector.measure_every": 2})
        )
        == []
    )
    assert overridden(resolve(named, {"selector.weight": 0.5})) == []  # as the recipe has it
    changed = {"selector.weight": 1.0, "selector.warmup_epochs": 0, "pretrain.lr": 1}
    assert sorted(overridden(resolve(named, changed))) == sorted(changed)
    assert overridden(resolve(["phantom"], {"scale": "of my own", "pretrain.lr": 1.5})) == ["pretrain.lr"]


@pytest.mark.parametrize("names", [["byol", "byol_tracin"], ["dermamnist", "smoke", "phantom"]])
def test_two_methods_or_data_sets_exclude_each_other(names: list[str]):
    with pytest.raises(InputError, match="exclude each other"):
        resolve(names)


@pytest.mark.parametrize("name", NAMED)
def test_every_named_config_resolves_and_says_what_it_is(name: str):
    assert resolve([name]) != {}
    assert len(NAMED[name].doc) > 40


def test_every_setting_has_a_source_and_a_help_text_and_a_default_that_is_allowed():
    for key, setting in settings():
        assert setting.source in SOURCES, key
        assert len(setting.help) > 10, key
    resolve(updates=dict(flat(defaults())))


def test_sources_are_marked_as_the_printed_config_marks_them_and_nested_as_the_config_is():
    config = resolve(["byol_tracin", "smoke"], {"pretrain.momentum": 0.5, "evaluate.linear.c": [0.01, 0.1, 1.0]})
    marks = sources(config)
    assert marks["pretrain"]["epochs"] == marks["pretrain"]["momentum"] == "[set]"
    assert (marks["heads"]["predictor"], marks["evaluate"]["knn"]["k"]) == ("[BYOL]", "[us]")
    assert marks["evaluate"]["linear"]["c"] == "[us]"  # set, but to the default
    printed = {line[2:].split(" = ")[0]: line for line in lines(config)}
    flat_marks = dict(flat(marks))
    assert flat_marks.keys() == printed.keys() == dict(flat(config)).keys()
    for key, mark in flat_marks.items():
        assert f"  {mark} " in printed[key], key
        assert printed[key].startswith("*") == (mark == "[set]"), key


@pytest.mark.parametrize(
    ("updates", "complaint"),
    [
        ({"pretrain.learning_rate": 1}, "no setting 'pretrain.learning_rate'"),
        ({"sed": 1}, "Did you mean 'seed'?"),
        ({"pretrain": 3}, "It is a group: set pretrain.epochs"),
        ({"seed.x": 3}, "'seed' is a single value"),
        ({"data": {"name": "phantom"}}, "'data.size' is missing"),
        ({"pretrain.epochs": 1.5}, "pretrain.epochs=1.5 must be a whole number"),
        ({"pretrain.epochs": True}, "must be a whole number"),
        ({"pretrain.lr": "fast"}, "pretrain.lr='fast' must be a number"),
        ({"pretrain.lr": float("nan")}, "must be at least 0"),
        ({"pretrain.epochs": 0}, "pretrain.epochs=0 must be at least 1"),
        ({"augment.jitter": [0.2, 0.2]}, "must have 4 elements"),
        ({"evaluate.protocols": "[knn]"}, "the shell took the quotes"),
        ({"pretrain.compile": 1}, "must be True or False"),
        ({"tracin.layers": "head"}, "Did you mean 'heads'?"),
        ({"evaluate.fractions": [0.1, 0]}, "evaluate.fractions=0 must be above 0 and at most 1"),
        ({"evaluate.fractions": [2]}, "evaluate.fractions=2 must be above 0 and at most 1"),
        ({"evaluate.fractions": 0.1}, "must be a list"),
        ({"evaluate.fractions": []}, "a list of one or more"),
        ({"seed": None}, "must be a whole number"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_that_helps(updates: dict, complaint: str):
    with pytest.raises(InputError) as error:
        resolve(updates=updates)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_named_config_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'byol_tracin'"):
        resolve(["byol_tracing"])


def test_the_hash_ignores_what_does_not_change_the_result_and_nothing_else():
    base = resolve(["byol_tracin", "smoke"])
    same = resolve(["byol_tracin", "smoke"], {"pretrain.checkpoint_every": 3, "device": "cpu", "scale": "x"})
    assert digest(base) == digest(same)
    for key, setting in settings():
        if setting.choices and isinstance(setting.value, int):
            (other,) = set(setting.choices) - {setting.value}
            assert digest(resolve(["byol_tracin", "smoke"], {key: other})) != digest(base), key
        elif type(setting.value) is int and key not in VOLATILE:
            assert digest(resolve(["byol_tracin", "smoke"], {key: setting.value + 1})) != digest(base), key
        elif type(setting.value) is float:
            assert digest(resolve(["byol_tracin", "smoke"], {key: setting.value * 0.9 + 0.04})) != digest(base), key


def test_a_whole_number_given_for_a_number_is_the_same_config():
    assert digest(resolve(updates={"pretrain.lr": 1})) == digest(resolve(updates={"pretrain.lr": 1.0}))


def test_methods_and_seeds_of_a_plan_share_a_study_and_data_sets_do_not():
    plan = PLANS["smoke"]
    studies = {
        identity(resolve([method, "dermamnist", "smoke"], {"seed": seed}), "train")["study"]
        for method in plan.methods
        for seed in plan.seeds
    }
    assert len(studies) == 1
    assert identity(resolve(["byol", "phantom", "smoke"]), "train")["study"] not in studies


def test_settings_of_a_protocol_that_is_not_run_do_not_change_what_a_run_is():
    def of(**updates: object) -> dict[str, str]:
        return identity(resolve(["byol", "phantom", "smoke"], updates), "train")

    linear = {"evaluate.protocols": ["linear"]}
    assert of(**linear) == of(**linear, **{"evaluate.knn.k": 7}) | {"study": of(**linear)["study"]}
    for changed in ({"evaluate.linear.c": [0.5]}, {"pretrain.lr": 0.25}, {"evaluate.fractions": [1.0]}):
        assert of(**linear, **changed)["cell"] != of(**linear)["cell"]
        assert of(**linear, **changed)["series"] != of(**linear)["series"]
    assert of(**{"evaluate.knn.k": 7})["cell"] != of()["cell"]
    assert of(**linear, **{"evaluate.finetune.steps": 7})["study"] != of(**linear)["study"]


def test_semixup_shares_the_study_of_the_other_methods_whatever_its_weights():
    semixup = resolve(["semixup", "dermamnist", "smoke"], {"semixup.alpha": 0.3, "semixup.in_manifold": 1.0})
    byol = resolve(["byol", "dermamnist", "smoke"])
    assert identity(semixup, "train")["study"] == identity(byol, "train")["study"]
    assert identity(semixup, "train")["series"] != identity(byol, "train")["series"]


def test_two_named_configs_of_one_name_and_a_method_stored_under_another_name_are_refused(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(METHODS, "phantom", METHODS["byol"])
    with pytest.raises(InputError, match=r"two named configs are called 'phantom'; rename one"):
        resolve(["phantom"])
    monkeypatch.setitem(METHODS, "mine", METHODS["byol"])
    with pytest.raises(InputError, match=r"the config 'mine' has method\.name=byol; set it to 'mine'"):
        resolve(["mine", "smoke"])
