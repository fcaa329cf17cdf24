"""Fetching from a real server: resumed, retried, checked, unpacked; and what a person is told where it fails."""

import contextlib
import errno
import hashlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from repro.data import __main__ as data
from repro.data.fetch import download
from repro.data.fetch.archives import OFFICIAL, File, Official
from repro.data.sources import medmnist
from repro.data.sources.lesions import INDEX_MAP, METADATA, SPLIT_INFO
from repro.data.sources.medmnist import load
from repro.data.splits import shared_group
from repro.errors import InputError
from tests.conftest import ROOT
from tests.data.file_server import FileServer, noise, serving, tarred, zipped
from tests.data.test_medmnist import arrays, written
from tests.test_front_doors import at, refused

TABLE = b"image,label\na,1\nb,0\n"
IMAGES = {f"photos/{n}/{n}.jpg": noise(300_000, n) for n in range(8)}
ZIP = zipped({"photos/": b"", **IMAGES, "__MACOSX/photos/._0.jpg": b"junk"})


def of(*files: File, count: int = len(IMAGES)) -> Official:
    return Official(files, "photos", count, "CC0; cite nobody", "https://example.org/photos")


def a_file(name: str, known: str | None = None, size: int | None = None) -> File:
    unpack = name.endswith((".zip", ".tar.gz"))
    return File(name, f"https://example.org/{name}", size, known, unpack)


PHOTOS = of(a_file("table.csv"), a_file("photos.zip"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the data set `photos`, not there yet."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("REPRO_MIRROR", raising=False)
    monkeypatch.setitem(OFFICIAL, "photos", PHOTOS)
    monkeypatch.setattr(download, "PAUSE", 0.01)
    monkeypatch.setattr(os, "sync", lambda: None)  # seconds on a busy machine; no test cuts the power
    return tmp_path / "data" / "photos"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({"table.csv": TABLE, "photos.zip": ZIP}) as server:
        yield server


def fetched(server: FileServer, *options: str) -> int:
    return at(data.main, "fetch", "photos", "--mirror", server.url, *options)


def is_whole(home: Path, archives: tuple[str, ...] = ("photos.zip",)) -> bool:
    images = {str(p.relative_to(home)): p.read_bytes() for p in (home / "photos").rglob("*") if p.is_file()}
    names = {p.name for p in home.iterdir()}
    records = {"table.csv.sha256", "photos.zip.sha256"}
    return images == IMAGES and names == {"photos", "table.csv", *archives, *records}


def test_a_data_set_arrives_in_its_official_layout_with_its_hashes_beside_it(home: Path, server: FileServer):
    assert fetched(server) == 0
    assert is_whole(home)
    assert (home / "table.csv").read_bytes() == TABLE
    check = subprocess.run(["sha256sum", "-c", "table.csv.sha256", "photos.zip.sha256"], cwd=home, capture_output=True)
    assert check.returncode == 0, check.stderr


def test_a_second_call_asks_nothing_and_hashes_nothing(home: Path, server: FileServer, capsys, monkeypatch):
    fetched(server)
    before = len(server.requests)
    with monkeypatch.context() as patch:
        patch.setattr("repro.data.fetch.records.hash_of", lambda *_: pytest.fail("it hashed"))
        assert fetched(server) == 0
    assert "already" in capsys.readouterr().out
    assert len(server.requests) == before


def test_a_dropped_connection_is_continued_and_no_byte_is_sent_twice(home: Path, server: FileServer):
    server.drops = [len(TABLE), 500_000, 700_000, 1]
    assert fetched(server) == 0
    assert is_whole(home)
    asked = server.asked("photos.zip")
    assert [r.first for r in asked] == [0, 500_000, 1_200_000, 1_200_001]
    assert sum(r.sent for r in asked) == len(ZIP)


def test_a_server_that_ignores_ranges_is_downloaded_from_the_beginning_again(home: Path, server: FileServer):
    server.ranges = False
    server.drops = [len(TABLE), 500_000]
    assert fetched(server) == 0
    assert is_whole(home)
    assert [(r.first, r.sent) for r in server.asked("photos.zip")] == [(0, 500_000), (0, len(ZIP))]


@pytest.mark.parametrize(
    ("manners", "longer"),
    [
        ({}, {}),
        ({"if_range": False}, {}),
        ({"if_range": False}, {"photos/x.jpg": b"x"}),
        ({"tags": False}, {"x": b"x"}),
    ],
)
def test_a_file_that_changes_between_two_attempts_is_never_mixed(
    home: Path, server: FileServer, manners: dict, longer: dict
):
    for key, value in manners.items():
        setattr(server, key, value)
    other = {"photos/": b"", **IMAGES, "photos/0/0.jpg": noise(300_000, 99), "__MACOSX/photos/._0.jpg": b"junk"}
    server.files["photos.zip"] = zipped(other | longer)
    assert longer or len(server.files["photos.zip"]) == len(ZIP)
    server.drops = [len(TABLE), 500_000]
    server.statuses = [200, 200, 404]
    assert fetched(server) == 2
    assert (home / ".fetching" / "photos.zip.part").stat().st_size == 500_000
    assert not (home / "photos").exists()
    server.files["photos.zip"] = ZIP
    assert fetched(server) == 0
    assert is_whole(home)


def test_another_source_does_not_continue_what_the_first_began(home: Path, server: FileServer, tmp_path: Path):
    server.drops = [len(TABLE), 500_000]
    server.statuses = [200, 200, 404]
    assert fetched(server) == 2
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "photos.zip").write_bytes(ZIP)
    assert at(data.main, "fetch", "photos", "--mirror", str(copy)) == 0
    assert is_whole(home)


def test_503_is_tried_again(home: Path, server: FileServer):
    server.statuses = [503, 429, 200]
    assert fetched(server) == 0
    assert is_whole(home)


def test_a_server_that_keeps_failing_is_given_up_with_one_line(home: Path, server: FileServer, capsys):
    server.statuses = [500] * download.ATTEMPTS
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert "HTTP 500" in line
    assert "the same command continues" in line
    assert len(server.requests) == download.ATTEMPTS


def test_a_file_without_a_length_is_taken_whole(home: Path, server: FileServer):
    server.length = False
    assert fetched(server) == 0
    assert is_whole(home)


def test_a_missing_file_is_named_with_what_to_do(home: Path, server: FileServer, capsys):
    del server.files["photos.zip"]
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert f"{server.url}/photos.zip: the server answers HTTP 404" in line
    assert "Get photos.zip by hand (https://example.org/photos)" in line
    assert len(server.asked("photos.zip")) == 1


def test_a_licence_page_instead_of_the_file_is_not_kept_and_the_page_is_named(home: Path, server: FileServer, capsys):
    server.kind = "text/html; charset=utf-8"
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert "is a web page, not the file: download it in a browser" in line
    assert str(home) in line
    assert not (home / "table.csv").exists()


def test_a_file_put_there_by_hand_is_taken(home: Path, server: FileServer):
    home.mkdir(parents=True)
    (home / "photos.zip").write_bytes(ZIP)
    assert fetched(server) == 0
    assert is_whole(home)
    assert server.asked("photos.zip") == []


def test_no_network_is_one_line(home: Path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", f"http://127.0.0.1:{port}")
    assert "no connection (ConnectionError)" in line


def test_a_wrong_hash_names_both_and_deletes_the_file(home: Path, server: FileServer, capsys, monkeypatch):
    right = hashlib.md5(ZIP).hexdigest()
    monkeypatch.setitem(OFFICIAL, "photos", of(a_file("table.csv"), a_file("photos.zip", f"md5:{right}")))
    server.files["photos.zip"] = ZIP[:-1] + b"x"
    wrong = hashlib.md5(server.files["photos.zip"]).hexdigest()
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert f"MD5 {wrong}, not {right}" in line
    assert {p.name for p in (home / ".fetching").iterdir()} == {"lock"}
    server.files["photos.zip"] = ZIP
    assert fetched(server) == 0
    assert is_whole(home)


def test_a_file_fetched_again_must_have_the_hash_of_the_first_time(home: Path, server: FileServer, capsys):
    fetched(server)
    (home / "table.csv").unlink()
    server.files["table.csv"] = TABLE + b"c,1\n"
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert hashlib.sha256(TABLE).hexdigest() in line
    assert hashlib.sha256(TABLE + b"c,1\n").hexdigest() in line
    assert "as the first time" in line
    (home / "table.csv.sha256").unlink()
    assert fetched(server) == 0
    assert (home / "table.csv").read_bytes() == TABLE + b"c,1\n"


def test_a_file_put_there_by_hand_is_held_against_its_known_hash_and_not_deleted(
    home: Path, server: FileServer, capsys, monkeypatch
):
    monkeypatch.setitem(OFFICIAL, "photos", of(a_file("table.csv"), a_file("photos.zip", "md5:" + "0" * 32)))
    home.mkdir(parents=True)
    (home / "photos.zip").write_bytes(ZIP)
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert f"MD5 {hashlib.md5(ZIP).hexdigest()}, not {'0' * 32} as published" in line
    assert (home / "photos.zip").read_bytes() == ZIP


def test_verify_finds_a_flipped_bit_that_size_and_time_hide(home: Path, server: FileServer, capsys):
    fetched(server)
    assert fetched(server, "--verify") == 0
    file = home / "photos.zip"
    about, content = file.stat(), bytearray(ZIP)
    content[1000] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert fetched(server) == 0
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url, "--verify")
    assert hashlib.sha256(content).hexdigest() in line
    assert hashlib.sha256(ZIP).hexdigest() in line


def test_a_touched_file_is_hashed_and_a_changed_one_refused(home: Path, server: FileServer, capsys):
    fetched(server)
    os.utime(home / "table.csv")
    assert fetched(server) == 0
    (home / "table.csv").write_bytes(b"else")
    assert "not " + hashlib.sha256(TABLE).hexdigest() in refused(capsys, data.main, "fetch", "photos")


def test_images_deleted_later_are_missed_and_unpacked_again_without_a_download(home: Path, server: FileServer, capsys):
    fetched(server)
    (home / "photos" / "3" / "3.jpg").unlink()
    assert "holds 7 of the 8 files" in refused(capsys, data.main, "fetch", "photos")
    shutil.rmtree(home / "photos")
    before = len(server.requests)
    assert fetched(server) == 0
    assert is_whole(home)
    assert len(server.requests) == before


def test_a_folder_of_images_that_fetch_did_not_make_is_left_alone(home: Path, server: FileServer, capsys):
    for name, content in list(IMAGES.items())[:3]:
        (home / name).parent.mkdir(parents=True)
        (home / name).write_bytes(content)
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert "was not made by fetch and holds 3 of 8 images" in line
    assert server.requests == []
    for name, content in list(IMAGES.items())[3:]:
        (home / name).parent.mkdir(parents=True)
        (home / name).write_bytes(content)
    assert fetched(server) == 0
    assert server.asked("photos.zip") == []


def test_archives_are_removed_only_when_told(home: Path, server: FileServer):
    assert fetched(server) == 0
    assert (home / "photos.zip").exists()
    assert fetched(server, "--remove-archives") == 0
    assert is_whole(home, archives=())
    shutil.rmtree(home)
    assert fetched(server, "--remove-archives") == 0
    assert is_whole(home, archives=())
    assert fetched(server, "--verify") == 0
    assert len(server.asked("photos.zip")) == 2


def test_several_archives_fill_one_folder_and_appear_in_it_together(home: Path, server: FileServer, monkeypatch):
    monkeypatch.setitem(OFFICIAL, "photos", of(a_file("1.tar.gz"), a_file("2.tar.gz"), a_file("table.csv")))
    names = sorted(IMAGES)
    server.files = {
        "1.tar.gz": tarred({n: IMAGES[n] for n in names[:5]}),
        "2.tar.gz": tarred({n: IMAGES[n] for n in names[5:]}),
    }
    assert fetched(server) == 2
    assert not (home / "photos").exists()
    assert not list(home.glob("*.jpg"))
    server.files["table.csv"] = TABLE
    assert fetched(server) == 0
    assert {str(p.relative_to(home)) for p in (home / "photos").rglob("*.jpg")} == set(IMAGES)
    assert [r.name for r in server.requests] == ["1.tar.gz", "2.tar.gz", "table.csv", "table.csv"]


EVIL = {
    "photos.zip": [
        zipped({**IMAGES, "../evil": b"!"}),
        zipped({**IMAGES, "photos/../../evil": b"!"}),
        zipped({**IMAGES, "/tmp/evil": b"!"}),
        zipped({**IMAGES, "photos\\..\\evil": b"!"}),
    ],
    "photos.tar.gz": [
        tarred({**IMAGES, "../evil": b"!"}),
        tarred({**IMAGES, "/tmp/evil": b"!"}),
        tarred({**IMAGES, "photos/link": "/etc", "photos/link/evil": b"!"}),
    ],
}


@pytest.mark.parametrize(("name", "archive"), [(name, a) for name, archives in EVIL.items() for a in archives])
def test_an_archive_that_reaches_outside_its_folder_is_refused(
    home: Path, server: FileServer, capsys, monkeypatch, name: str, archive: bytes
):
    monkeypatch.setitem(OFFICIAL, "photos", of(a_file(name)))
    server.files[name] = archive
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert "it is not used. It was deleted" in line
    assert not list(home.parent.parent.rglob("*evil*"))
    assert not (home / "photos").exists()
    assert not (home / name).exists()


@pytest.mark.parametrize("keep", [0, 40, 0.5, 0.9999])
@pytest.mark.parametrize("name", ["photos.zip", "photos.tar.gz"])
def test_a_truncated_archive_is_deleted_and_its_hash_not_recorded(
    home: Path, server: FileServer, capsys, monkeypatch, name: str, keep: float
):
    monkeypatch.setitem(OFFICIAL, "photos", of(a_file(name)))
    whole = ZIP if name == "photos.zip" else tarred(IMAGES)
    server.files[name] = whole[: int(keep if keep > 1 else keep * len(whole))]
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert f"{name} is truncated or damaged" in line or f"{name} holds no folder" in line
    assert not (home / "photos").exists()
    assert not (home / f"{name}.sha256").exists()
    server.files[name] = whole
    assert fetched(server) == 0
    assert len(list((home / "photos").rglob("*.jpg"))) == len(IMAGES)


def test_a_flipped_bit_inside_a_tar_gz_is_found(home: Path, server: FileServer, capsys, monkeypatch):
    monkeypatch.setitem(OFFICIAL, "photos", of(a_file("photos.tar.gz")))
    content = bytearray(tarred(IMAGES))
    content[-6] ^= 1
    server.files["photos.tar.gz"] = bytes(content)
    assert "truncated or damaged" in refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)


@pytest.mark.parametrize("path", [False, True])
def test_an_offline_folder_serves_as_a_mirror(home: Path, server: FileServer, tmp_path: Path, monkeypatch, path: bool):
    copy = tmp_path / "a copy"
    copy.mkdir()
    for name, content in server.files.items():
        (copy / name).write_bytes(content)
    monkeypatch.setenv("REPRO_MIRROR", str(copy) if path else copy.as_uri())
    assert at(data.main, "fetch", "photos") == 0
    assert is_whole(home)
    assert (copy / "photos.zip").read_bytes() == ZIP


def test_a_file_that_an_offline_folder_lacks_is_named(home: Path, tmp_path: Path, capsys):
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", tmp_path.as_uri())
    assert f"{tmp_path.as_uri()}/table.csv: no such file" in line


@pytest.mark.parametrize("trouble", ["", "404", "500", "hash", "kind"])
def test_a_password_in_the_mirror_is_used_and_never_printed(
    home: Path, server: FileServer, capsys, caplog, monkeypatch, trouble: str
):
    if trouble == "404":
        server.files.clear()
    if trouble == "500":
        server.statuses = [500] * download.ATTEMPTS
    if trouble == "hash":
        monkeypatch.setitem(OFFICIAL, "photos", of(a_file("table.csv", "md5:" + "0" * 32)))
    if trouble == "kind":
        server.kind = "text/html"
    caplog.set_level("DEBUG", "repro")
    secret = f"http://me:hunter%232@127.0.0.1:{server.port}/x?token=swordfish"
    assert at(data.main, "fetch", "photos", "--mirror", secret) == (2 if trouble else 0)
    printed = capsys.readouterr()
    everything = printed.out + printed.err + caplog.text + "".join(p.read_text() for p in home.rglob("*.json"))
    assert "/x/table.csv" in everything
    for word in ("hunter", "swordfish", "me:"):
        assert word not in everything
    assert server.requests[0].login == "Basic bWU6aHVudGVyIzI="


@pytest.mark.parametrize("mirror", ["ftp://host/x", "http:///x", "http://[::1/x", "http://host:port/x"])
def test_a_mirror_that_is_no_url_is_refused(home: Path, capsys, mirror: str):
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", mirror)
    assert "http://host/folder" in line


def big(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setitem(OFFICIAL, "photos", of(a_file("table.csv"), a_file("photos.zip", size=size)))


def test_more_than_a_gigabyte_needs_yes_where_nobody_can_be_asked(home: Path, server: FileServer, capsys, monkeypatch):
    big(monkeypatch, 2_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**13, 0, 10**13))
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert "2.0 GB to download; 4.1 GB of disk needed" in line
    assert "CC0; cite nobody" in line
    assert "--yes" in line
    assert server.requests == []
    assert not home.exists()
    assert fetched(server, "--yes") == 0
    assert is_whole(home)


@pytest.mark.parametrize(("answer", "is_there"), [("y", True), ("", False), ("no", False)])
def test_a_terminal_is_asked(home: Path, server: FileServer, monkeypatch, answer: str, is_there: bool):
    big(monkeypatch, 2_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**13, 0, 10**13))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert fetched(server) == 0
    assert home.exists() == is_there


def test_too_little_disk_is_said_before_anything_starts(home: Path, server: FileServer, capsys, monkeypatch):
    big(monkeypatch, 10**15)
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url, "--yes")
    assert "not enough free disk. photos: 1000000.0 GB to download" in line
    assert server.requests == []
    assert not home.exists()


def test_a_file_larger_than_the_free_disk_is_not_begun(home: Path, server: FileServer, capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 0, 10**6))
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert "photos.zip is 0.0 GB" in line
    assert (home / ".fetching" / "photos.zip.part").exists() is False


def test_a_disk_that_fills_up_is_one_line_and_what_arrived_is_kept(home: Path, server: FileServer, capsys):
    """A limit on file size stands for the disk: the kernel refuses the write in the middle."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "What has arrived is kept" in line
    arrived = (home / ".fetching" / "photos.zip.part").stat().st_size
    assert 900_000 < arrived <= 1_000_000
    assert fetched(server) == 0
    assert is_whole(home)
    assert server.asked("photos.zip")[1].first == arrived


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_the_disk_refuses_is_said_in_words(home: Path, server: FileServer, capsys, monkeypatch, number: int):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(home))

    monkeypatch.setattr(Path, "mkdir", refuse)
    line = refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)
    assert ("is full" if number == errno.ENOSPC else "may not be written") in line
    assert str(home) in line


def test_a_folder_that_cannot_be_made_is_one_line(home: Path, server: FileServer, capsys, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", "/proc/data")
    assert "/proc/data" in refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)


def test_an_unknown_name_is_answered_with_the_nearest(home: Path, capsys):
    assert "Did you mean 'isic2019'?" in refused(capsys, data.main, "fetch", "isic2018")
    assert "Known: isic2019, chestxray14, kermany" in refused(capsys, data.main, "fetch", "x")


def lesion_tables(images: int = 12) -> dict[str, bytes]:
    """The public tables for a file of so many images in each split; two images of each lesion, in train and test."""
    places = [(split, index) for split in ("train", "val", "test") for index in range(images)]
    info = "".join(f"{split},{index},ISIC_{split}{index}\n" for split, index in places)
    lesions = "".join(f"ISIC_{split}{index},{'V' * (split == 'val')}{index}\n" for split, index in places)
    return {SPLIT_INFO: f"split,index,image_id\n{info}".encode(), METADATA: f"image,lesion_id\n{lesions}".encode()}


def test_a_mirror_gives_a_medmnist_file_and_the_tables_of_lesions(folder: Path, tmp_path: Path, capsys, caplog):
    images = written(tmp_path / "there", arrays()).read_bytes()
    with serving({"dermamnist.npz": images, **lesion_tables()}) as server:
        assert at(data.main, "fetch", "dermamnist", "--mirror", server.url) == 0
        assert "dermamnist is there: 36 images" in capsys.readouterr().out
        assert "not the official file" in caplog.text  # a mirror may hold a copy that was packed again
        asked = len(server.requests)
        assert asked == 3
        assert at(data.main, "fetch", "dermamnist", "--mirror", server.url) == 0
        assert len(server.requests) == asked
    names = {file.name for file in folder.iterdir()}
    assert names == {name + end for name in ("dermamnist.npz", SPLIT_INFO, METADATA) for end in ("", ".sha256")}
    assert len(np.unique(load("dermamnist", 28, "official").groups)) == 24


def test_a_run_that_wants_lesions_gets_their_tables_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch):
    written(folder, arrays(60))
    with serving(lesion_tables(60)) as server:
        monkeypatch.setenv("REPRO_MIRROR", server.url)
        images = load("dermamnist", 28, "official")
        assert images.groups is None
        assert not server.requests  # nothing that is not needed
        images = load("dermamnist", 28, "lesion")
    assert images.split.tolist().count("") == sum(index < 60 for index in (521, 542, 87))
    assert shared_group(images.groups, images.split) is None


def test_what_could_not_be_downloaded_is_not_asked_for_again_by_the_next_cell(folder: Path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.01)
    with serving({}) as server:
        monkeypatch.setenv("REPRO_MIRROR", server.url)
        server.statuses = [503] * 4
        for _ in range(2):
            with pytest.raises(InputError, match="2 times in a row"):
                load("dermamnist", 28, "official")
            assert len(server.requests) == 2
        monkeypatch.setattr(medmnist, "RETRY_AFTER", 0.0)  # a minute later
        with pytest.raises(InputError, match="2 times in a row"):
            load("dermamnist", 28, "official")
        assert len(server.requests) == 4


def test_a_table_that_a_mirror_lacks_is_named_with_where_it_is(folder: Path, capsys):
    written(folder, arrays())
    with serving({}) as server:
        line = refused(capsys, data.main, "fetch", "dermamnist", "--mirror", server.url)
    assert "HTTP 404" in line
    assert f"Get {SPLIT_INFO} by hand (https://github.com/kakumarabhishek/Corrected-Skin-Image-Datasets" in line


def test_an_index_map_of_ones_own_needs_no_public_table(folder: Path, capsys):
    written(folder, arrays())
    rows = [f"{split},{index},L{index},0\n" for split in ("train", "val", "test") for index in range(12)]
    (folder / INDEX_MAP).write_text("split,index,lesion_id,ambiguous\n" + "".join(rows))
    with serving({}) as server:
        assert at(data.main, "fetch", "dermamnist", "--mirror", server.url) == 0
        assert not server.requests


def test_a_phantom_needs_no_fetch(capsys):
    assert at(data.main, "fetch", "phantom") == 0
    assert "nothing to fetch" in capsys.readouterr().out


def test_two_fetches_do_not_work_in_one_folder(home: Path, server: FileServer, capsys):
    from repro.data.fetch.installation import Installation

    with Installation("photos").alone():
        assert "another fetch is at work" in refused(capsys, data.main, "fetch", "photos", "--mirror", server.url)


def test_a_file_that_is_no_record_is_not_taken_for_one(home: Path, server: FileServer, capsys):
    fetched(server)
    (home / "table.csv.sha256").write_text("what I wrote myself\n")
    assert "table.csv.sha256 is not a record" in refused(capsys, data.main, "fetch", "photos")


def command(server: FileServer) -> list[str]:
    """The command line in a process of its own, with the small data set in the table of data sets."""
    code = (
        "from repro.data.fetch.archives import OFFICIAL, File, Official; import sys, runpy;"
        f"OFFICIAL['photos'] = {PHOTOS!r};"
        f"sys.argv = ['repro.data', 'fetch', 'photos', '--mirror', {server.url!r}];"
        "runpy.run_module('repro.data', run_name='__main__')"
    )
    return [sys.executable, "-W", "ignore", "-c", code]


def arrived_after(home: Path, size: int, alive: Callable[[], bool]) -> int:
    """Wait until `size` bytes of the archive have arrived; return how many have."""
    part = home / ".fetching" / "photos.zip.part"
    while not (part.exists() and part.stat().st_size >= size):
        assert alive()
        time.sleep(0.005)
    return part.stat().st_size


def test_the_same_command_after_kill_9_continues_and_gives_identical_files(home: Path, server: FileServer):
    server.pause = 0.05
    with subprocess.Popen(command(server), cwd=ROOT) as process:
        arrived_after(home, 1_000_000, lambda: process.poll() is None)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert not (home / "photos").exists()
    arrived = (home / ".fetching" / "photos.zip.part").stat().st_size
    assert 1_000_000 <= arrived < len(ZIP)
    server.pause = 0
    result = subprocess.run(command(server), cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert is_whole(home)
    assert [r.first for r in server.asked("photos.zip")] == [0, arrived]
    assert server.asked("photos.zip")[1].sent == len(ZIP) - arrived
    assert len(server.asked("table.csv")) == 1


def test_ctrl_c_keeps_what_arrived_and_says_that_the_same_command_continues(
    home: Path, server: FileServer, capsys, caplog
):
    server.pause = 0.05
    over = threading.Event()

    def press() -> None:
        arrived_after(home, 1_000_000, lambda: not over.is_set())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    finger = threading.Thread(target=press)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    finger.start()
    try:
        assert fetched(server) == 130
    finally:
        over.set()
        finger.join()
        signal.signal(signal.SIGINT, before)
    assert "the same command continues" in caplog.text
    assert capsys.readouterr().err.splitlines()[-1] == "stopped"
    server.pause = 0
    assert fetched(server) == 0
    assert is_whole(home)
    assert server.asked("photos.zip")[1].first >= 1_000_000


STEPS = {
    Path: ["replace", "rename", "unlink", "touch", "write_text", "hardlink_to", "mkdir"],
    shutil: ["rmtree", "move"],
}


def test_a_death_before_any_step_leaves_nothing_that_looks_finished(home: Path, server: FileServer, monkeypatch):
    """Die before the first change of the folder, start again; then before the second, and so on to the end."""

    class Death(BaseException):
        pass

    def mortal(real, left):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Death
            return real(*arguments, **options)

        return call

    for step in range(200):
        shutil.rmtree(home, ignore_errors=True)
        left = [step]
        with monkeypatch.context() as patch, contextlib.suppress(Death):
            for owner, names in STEPS.items():
                for name in names:
                    patch.setattr(owner, name, mortal(getattr(owner, name), left))
            fetched(server)
        images = home / "photos"
        assert not images.exists() or len(list(images.rglob("*.jpg"))) == len(IMAGES)
        for name, content in server.files.items():
            assert not (home / name).exists() or (home / name).read_bytes() == content
        assert fetched(server) == 0
        assert is_whole(home), f"after a death at step {step}"
        if left[0] >= 0:
            break
    assert 20 < step < 199


def test_the_table_of_data_sets_is_sound():
    for name, official in OFFICIAL.items():
        names = [file.name for file in official.files]
        assert len(set(names)) == len(names), name
        assert len({file.url for file in official.files}) == len(names), name
        for file in official.files:
            assert file.url.startswith("https://")
            assert file.unpack == file.name.endswith((".zip", ".tar.gz"))
            if file.hash:
                kind, value = file.hash.split(":")
                assert len(value) == {"md5": 32, "sha256": 64}[kind]
                assert set(value) <= set("0123456789abcdef")
    sizes = {name: sum(file.bytes or 0 for file in official.files) for name, official in OFFICIAL.items()}
    assert {name: round(size / 1e9, 1) for name, size in sizes.items()} == {
        "isic2019": 9.8,
        "chestxray14": 45.1,
        "kermany": 1.2,
    }


def test_the_lists_of_chestxray14_that_lie_here_have_the_hashes_of_the_table(real_data: Path):
    for file in OFFICIAL["chestxray14"].files:
        if file.name.endswith("_list.txt"):
            content = (real_data / "chestxray14" / file.name).read_bytes()
            assert file.hash == "sha256:" + hashlib.sha256(content).hexdigest()
            assert file.bytes == len(content)
