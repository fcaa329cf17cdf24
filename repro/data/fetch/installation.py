"""States of a data set's folder during a download.

All work is done in the folder `.fetching` beside the final files, and what is finished is renamed into place: a kill
at any moment leaves what the same command continues with, and nothing that looks finished and is not.
"""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from repro.data.fetch.archives import OFFICIAL, File, Official
from repro.data.fetch.download import ATTEMPTS, Resuming, Source
from repro.data.fetch.records import Record, hash_of, measured, recorded
from repro.data.fetch.unpack import ArchiveError, unpack
from repro.data.folder import data_folder
from repro.errors import InputError
from repro.locks import lock

log = logging.getLogger("repro.data")


class Installation:
    """A data set's folder, from empty to whole.

    Args:
        name: the data set.
        official: its files, if it is none of `OFFICIAL`.
        folder: where they go; default `$REPRO_DATA/NAME`. Other data sets may be there too.
        attempts: failures in a row after which a download is given up.
    """

    def __init__(
        self, name: str, official: Official | None = None, folder: Path | None = None, attempts: int = ATTEMPTS
    ) -> None:
        self.name = name
        self._attempts = attempts
        self.official = OFFICIAL[name] if official is None else official
        self.folder = data_folder() / name if folder is None else folder
        self.work = self.folder / (".fetching" if folder is None else f".fetching-{name}")
        self.images = self.folder / self.official.images
        self._staged = self.work / self.official.images

    def missing(self, verify: bool = False) -> list[File]:
        """Return the files still to be got or unpacked, after a check of those that are there."""
        whole = self._images_are_whole()
        missing = []
        for file in self.official.files:
            there = (self.folder / file.name).exists()
            if there and not (file.unpack and not whole):
                self._checked(file, verify)
            if not (whole if file.unpack else there):
                missing.append(file)
            elif file.unpack and not there and verify:
                log.warning("%s is not kept, so that only the number of its images was checked", file.name)
        return missing

    def needs(self) -> tuple[int, list[int]]:
        """Return the bytes still to download, and the sizes of the archives still to unpack."""
        waiting = [file for file in self.missing() if not self._marker(file).exists()]
        load = sum(max((file.bytes or 0) - self._arrived(file), 0) for file in waiting)
        return load, [file.bytes or 0 for file in waiting if file.unpack]

    @contextlib.contextmanager
    def alone(self, wait: bool = False) -> Iterator[None]:
        """Keep other processes from working here, or wait for them; sweep away what killed ones left."""
        self.work.mkdir(parents=True, exist_ok=True)
        path = self.work / "lock"
        with path.open("w") as file:
            try:
                lock(file, path, wait=False)
            except BlockingIOError:
                if not wait:
                    raise InputError(f"another fetch is at work in {self.folder}; wait for it, or stop it") from None
                log.info("another process fetches %s; waiting for it", self.name)
                lock(file, path)
                self.work.mkdir(exist_ok=True)  # the other one takes it away when it is done
            for left in self.work.glob("tmp*"):
                left.unlink()
            yield

    def get(self, file: File, mirror: str | None) -> None:
        """Get one file, and put it, or for an archive what is in it, where it belongs."""
        final, arrived = self.folder / file.name, self.work / file.name
        if not self._marker(file).exists():
            if final.exists():
                record = self._checked(file)
            else:
                self._download(file, mirror)
                record = measured(arrived)
            if file.unpack:
                record = self._unpacked(record, final if final.exists() else arrived)
            record.write(final)
            if file.unpack:
                self._marker(file).touch()
        if arrived.exists():
            arrived.replace(final)

    def remove_archives(self) -> None:
        """Delete the archives that have been unpacked."""
        for file in self.official.files:
            if file.unpack and (self._marker(file).exists() or self.images.exists()):
                (self.folder / file.name).unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the images in place, all at once."""
        os.sync()  # a power cut must not leave empty files under final names
        if self.official.images:
            if not self.images.exists():
                self._staged.rename(self.images)
            found = _count(self.images, images_only=True)
            if found != self.official.count:
                log.warning("%s holds %d images; the official set has %d", self.images, found, self.official.count)
        shutil.rmtree(self.work)

    def tidy(self) -> None:
        """Clear away what a process left that was killed when all was in place."""
        if self.work.exists():
            with contextlib.suppress(InputError), self.alone():
                shutil.rmtree(self.work)

    def _marker(self, file: File) -> Path:
        return self.work / (file.name + ".unpacked")

    def _arrived(self, file: File) -> int:
        """Return the bytes of a file that need not be downloaded."""
        names = (self.folder / file.name, self.work / file.name, self.work / (file.name + ".part"))
        return next((path.stat().st_size for path in names if path.exists()), 0)

    def _images_are_whole(self) -> bool:
        if not self.official.images:
            return True
        if not self.images.exists():
            return False
        records = [recorded(self.folder / file.name) for file in self.official.files if file.unpack]
        unpacked = [record.unpacked if record else 0 for record in records]
        if all(unpacked):
            found = _count(self.images)
            if found < sum(unpacked):
                raise InputError(
                    f"{self.images} holds {found} of the {sum(unpacked)} files that were unpacked to it. Delete it and "
                    "run the same command again: it unpacks, and downloads only archives that were not kept"
                )
        else:
            found = _count(self.images, images_only=True)
            if found != self.official.count:
                raise InputError(
                    f"{self.images} was not made by fetch and holds {found} of {self.official.count} images. "
                    "Use it as it is, or move it away and run the same command again"
                )
        return True

    def _checked(self, file: File, verify: bool = False) -> Record:
        """Return the record of a file that lies there; it is hashed where size or time have changed, or on demand."""
        path = self.folder / file.name
        old = recorded(path)
        if old and old.fits(path) and not verify:
            return old
        new = measured(path)
        if old is None:
            self._hold_against(file, path, "Put the right one there, or move it away and run the same command again")
            log.info("%s was there already; its hash is now recorded", path)
            new.write(path)
            return new
        if new.sha256 != old.sha256:
            raise InputError(
                f"{path} has SHA-256 {new.sha256}, not {old.sha256} as when it was fetched. Delete it and run the "
                f"same command again; if the new one is meant, delete {path.name}.sha256 as well"
            )
        log.info("%s is unchanged: SHA-256 %s", path, new.sha256)
        new = Record(new.sha256, new.bytes, new.mtime_ns, old.unpacked)
        if new != old:
            new.write(path)
        return new

    def _hold_against(self, file: File, path: Path, advice: str) -> None:
        """Raise if a file does not have its official hash."""
        if file.hash:
            algorithm, official = file.hash.split(":")
            found = hash_of(path, algorithm)
            if found != official and file.strict:
                raise InputError(f"{path} has {algorithm.upper()} {found}, not {official} as published. {advice}")

    def _download(self, file: File, mirror: str | None) -> None:
        """Put a file with the right hash into the work folder."""
        import pooch

        pooch.get_logger().setLevel("WARNING")
        old = recorded(self.folder / file.name)
        known = f"sha256:{old.sha256}" if old else file.hash if file.strict or not mirror else None
        source = _source(file, mirror)
        by_hand = (
            f"Get {file.name} by hand ({file.page or self.official.page}), put it into {self.folder} and run this again"
        )
        download = Resuming(source, part := self.work / (file.name + ".part"), by_hand, self._attempts)
        log.info("%s from %s", file.name, source.shown)
        cache = pooch.create(self.work, "", registry={file.name: known}, urls={file.name: source.shown})
        try:
            cache.fetch(file.name, downloader=download)
        except ValueError:  # pooch's word for a wrong hash
            algorithm, _, wanted = str(known).partition(":")
            found = hash_of(part, algorithm) if part.exists() else "another"
            download.forget()
            why = f"; if it was changed there, delete {file.name}.sha256" if old else ""
            raise InputError(
                f"{source.shown} has {algorithm.upper()} {found}, not {wanted}{' as the first time' if old else ''}. "
                f"It was deleted; run the same command again, or name another copy with --mirror{why}"
            ) from None
        download.forget()

    def _unpacked(self, record: Record, archive: Path) -> Record:
        """Unpack an archive among the others that wait for the last one."""
        fresh = self.work / "unpacking"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            files = unpack(archive, self.official.images, fresh)
        except ArchiveError as error:
            if archive.parent == self.work:
                archive.unlink()
                raise InputError(
                    f"{error}. It was deleted; run the same command again, or name another copy with --mirror"
                ) from None
            raise
        for folder, _, names in os.walk(fresh):
            target = self._staged / Path(folder).relative_to(fresh)
            target.mkdir(parents=True, exist_ok=True)
            for name in names:
                Path(folder, name).replace(target / name)
        shutil.rmtree(fresh)
        os.sync()
        return Record(record.sha256, record.bytes, record.mtime_ns, files)


def _source(file: File, mirror: str | None) -> Source:
    if not mirror:
        return Source.of(file.url)
    return Source.of(mirror if "://" in mirror else Path(mirror).resolve().as_uri(), file.name)


def _count(folder: Path, images_only: bool = False) -> int:
    suffixes = (".jpg", ".jpeg", ".png") if images_only else ("",)
    return sum(name.lower().endswith(suffixes) for _, _, names in os.walk(folder) for name in names)
