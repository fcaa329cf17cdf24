"""Tiny tables laid out as the data sets' own, as a mapping from path below $REPRO_DATA to text."""

from collections.abc import Mapping
from pathlib import Path

from repro.data.sources import chestxray14, isic2019, kermany


def written(root: Path, files: Mapping[str, str | bytes | None]) -> None:
    """Write files below `root`; None makes a folder."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            file.mkdir()
        else:
            file.write_bytes(content.encode() if isinstance(content, str) else content)


def isic(n: int) -> dict[str, str]:
    """Classes in turn, three images per lesion, no lesion known for the first nine; every odd image downsampled."""
    names = [f"ISIC_{i:07d}{'_downsampled' * (i % 2)}" for i in range(n)]
    truth = [",".join(["image", *isic2019.CLASSES, "UNK"])]
    truth += [",".join([name, *("1.0" if c == i % 8 else "0.0" for c in range(9))]) for i, name in enumerate(names)]
    metadata = ["image,age_approx,anatom_site_general,lesion_id,sex"]
    metadata += [f"{name},55,torso,{f'HAM_{i // 3}' if i > 8 else ''},male" for i, name in enumerate(names)]
    return {
        f"isic2019/{isic2019.TRUTH}": "\n".join(truth) + "\n",
        f"isic2019/{isic2019.METADATA}": "\n".join(metadata) + "\n",
    }


def chest(patients: int) -> dict[str, str]:
    """Two X-rays per patient, the second without findings; every fourth patient is tested."""
    labels = chestxray14.LABELS
    rows = ["Image Index,Finding Labels,Follow-up #,Patient ID,OriginalImage[Width,Height]"]
    lists: dict[str, list[str]] = {chestxray14.TRAIN_VAL: [], chestxray14.TEST: []}
    for p in range(patients):
        rows.append(f"{p:08d}_000.png,{labels[p % 14]}|{labels[(p + 1) % 14]},0,{p},2500,2048")
        rows.append(f"{p:08d}_001.png,No Finding,1,{p},2500,2048")
        lists[chestxray14.TRAIN_VAL if p % 4 else chestxray14.TEST] += [f"{p:08d}_000.png", f"{p:08d}_001.png"]
    return {
        f"chestxray14/{chestxray14.TABLE}": "\n".join(rows) + "\n",
        **{f"chestxray14/{name}": "\n".join(names) for name, names in lists.items()},
    }


def xrays(patients: int) -> dict[str, bytes]:
    """Two images per patient and class in train, one in test (other patients), one in val."""
    names: list[str] = []
    for p in range(patients):
        names += [f"train/NORMAL/IM-{p:04d}-0001.jpeg", f"train/NORMAL/IM-{p:04d}-0001-0002.jpeg"]
        names += [f"train/PNEUMONIA/person{p}_virus_{2 * p}.jpeg", f"train/PNEUMONIA/person{p}_virus_{2 * p + 1}.jpeg"]
        names += [f"test/NORMAL/NORMAL2-IM-{p:04d}-0001.jpeg", f"test/PNEUMONIA/person{p}_bacteria_{p}.jpeg"]
    names += ["val/NORMAL/IM-9000-0001.jpeg", "val/PNEUMONIA/person9000_virus_9000.jpeg"]
    return {f"kermany/{kermany.FOLDER}/{name}": b"" for name in names}


def own(n: int, columns: str = "path,label,group") -> dict[str, str]:
    """Two classes in turn, two images per group."""
    cells = {"path": "img/{i}.png", "label": "{c}", "group": "p{g}", "split": "{s}"}
    rows = [
        ",".join(cells[name] for name in columns.split(",")).format(
            i=i, c=("benign", "malignant")[i % 2], g=i // 2, s=("train", "train", "val", "test")[i // 2 % 4]
        )
        for i in range(n)
    ]
    return {"folder/labels.csv": "\n".join([columns, *rows]) + "\n"}
