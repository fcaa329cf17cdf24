"""Make the passwords of the run database, each once, where only those who need it look.

Everyone gets a folder, which is a volume: `admin` (the server's own), `kit` (may read and write the runs), `viewer`
(may read them). A password that is there stays.
"""

import os
import secrets
from pathlib import Path

FOLDER = Path("/run/passwords")
SERVER = "mongo:27017"
DATABASE = "repro"


def keep(file: Path, content: str, mode: int) -> None:
    """Write a file whole, unless it is there."""
    if file.exists():
        return
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(content)
    partial.chmod(mode)
    with partial.open() as written:
        os.fsync(written.fileno())
    partial.rename(file)


if __name__ == "__main__":
    keep(FOLDER / "admin" / "password", secrets.token_hex(24), 0o400)
    for user in ("kit", "viewer"):
        # Readable to whatever user the container runs as that has this volume, and to no other container.
        keep(FOLDER / user / "uri", f"mongodb://{user}:{secrets.token_hex(24)}@{SERVER}/{DATABASE}", 0o444)
