"""The compose files, as both generations of Compose read them. No engine is needed."""

import itertools
import os
import re
import subprocess
import tomllib

import pytest
import yaml

from tests.conftest import ROOT
from tests.container.conftest import composes

MAIN = "docker-compose.yml"
OVERRIDES = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "docker").glob("compose.*.yml"))
COMBINATIONS = [[], *([override] for override in OVERRIDES), ["docker/compose.gpu.yml", "docker/compose.offline.yml"]]


def config(command: list[str], overrides: list[str], **environment: str) -> dict:
    """Return what a Compose makes of the files."""
    files = list(itertools.chain.from_iterable(("-f", file) for file in (MAIN, *overrides)))
    done = subprocess.run(
        [*command, *files, "--profile", "tools", "--profile", "dashboard", "config"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.fixture(params=composes() or [None], ids=lambda command: "-".join(command or ["none"]))
def command(request: pytest.FixtureRequest) -> list[str]:
    if request.param is None:
        pytest.skip("needs Compose: docker compose, or docker-compose 1.29")
    return request.param


@pytest.mark.parametrize("overrides", COMBINATIONS, ids=lambda names: "+".join(names) or "alone")
def test_every_combination_is_valid_without_a_warning(command: list[str], overrides: list[str]):
    services = config(command, overrides)["services"]
    assert {"reproduce", "figures", "mongo", "passwords", "omniboard", "backup", "restore"} <= set(services)


@pytest.mark.parametrize("overrides", COMBINATIONS, ids=lambda names: "+".join(names) or "alone")
def test_no_container_is_root_or_may_become_it_or_write_to_its_own_files(command: list[str], overrides: list[str]):
    services = config(command, overrides)["services"]
    services.pop("dev", None)  # whoever works on the kit writes to it
    for name, service in services.items():
        user = service.get("user", "")
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"{name}: user {user!r}"
        assert service.get("read_only") is True, name
        assert service.get("cap_drop") == ["ALL"], name
        assert service.get("security_opt") == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_the_database_is_on_an_internal_network_alone_and_only_the_dashboard_is_published(command: list[str]):
    found = config(command, [])
    assert found["networks"]["database"]["internal"] is True
    assert list(found["services"]["mongo"]["networks"]) == ["database"]
    published = {name: service["ports"] for name, service in found["services"].items() if service.get("ports")}
    assert list(published) == ["omniboard"]
    assert "127.0.0.1" in str(published["omniboard"])


def test_the_scale_is_medmnist_and_with_a_gpu_that_of_the_paper_unless_one_is_named(command: list[str]):
    gpu = ["docker/compose.gpu.yml"]

    def scale(overrides: list[str], **environment: str) -> str:
        return config(command, overrides, **environment)["services"]["reproduce"]["environment"]["SCALE"]

    assert (scale([]), scale(gpu), scale(gpu, SCALE="smoke")) == ("medmnist", "paper", "smoke")
    devices = config(command, gpu)["services"]["reproduce"]["deploy"]["resources"]["reservations"]["devices"]
    assert [(device["driver"], device["capabilities"]) for device in devices] == [("nvidia", ["gpu"])]


def test_offline_nothing_reaches_the_internet_and_the_images_are_only_read(command: list[str]):
    found = config(command, ["docker/compose.offline.yml"])
    reproduce = found["services"]["reproduce"]
    assert all(found["networks"][name].get("internal") for name in reproduce["networks"])
    (data,) = (volume for volume in reproduce["volumes"] if "/kit/data" in str(volume))
    assert ":ro" in str(data) or data["read_only"] is True
    assert "--no-fetch" in reproduce["command"]


def test_images_carry_the_version_of_the_kit_and_mongodb_its_major():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    texts = [(ROOT / name).read_text() for name in (MAIN, *OVERRIDES, "docker/dev.Dockerfile")]
    ours = re.findall(r"(?:image:|FROM) (additional-positive\S*?):(\S+)", "\n".join(texts))
    assert len(ours) >= 4
    assert {tag for _, tag in ours} == {version}
    assert re.search(r"image: mongo:\d+\.\d+\n", texts[0])


def test_the_example_of_settings_names_what_the_files_read():
    told = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / MAIN).read_text()))
    assert read - {"IDLE_SECONDS"} <= told
