"""Where each data set comes from: its official files, as data.

Sizes and hashes are those that its publisher gives, or that independent copies agree on. None: not known, so the
hash of the first download is written down and every later one is held against it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file to download.

    Args:
        name: what it is called in the data set's folder, and on a mirror.
        url: where its publisher offers it.
        bytes: its size, or None.
        hash: "md5:..." or "sha256:...", or None.
        unpack: it is an archive whose top folder is the data set's folder of images.
        strict: another hash than this one is refused; else, on a mirror or put there by hand, it is told.
        page: where a person gets it by hand, if not on the data set's page.
    """

    name: str
    url: str
    bytes: int | None
    hash: str | None
    unpack: bool = False
    strict: bool = True
    page: str = ""


@dataclass(frozen=True)
class Official:
    """A data set as published.

    Args:
        files: tables first: small, so whatever is wrong shows early.
        images: the folder that the archives unpack to; empty where there are none.
        count: number of images in it.
        licence: one sentence.
        page: where a person reads about it, and gets by hand what cannot be downloaded.
    """

    files: tuple[File, ...]
    images: str
    count: int
    licence: str
    page: str


_ISIC = ISIC_2019 = "https://isic-challenge-data.s3.amazonaws.com/2019/"
_BOX = "https://nihcc.box.com/shared/static/"
_BOX_TABLE = "https://nihcc.app.box.com/index.php?rm=box_download_shared_file&vanity_name=ChestXray-NIHCC&file_id=f_"
_MENDELEY = "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"

OFFICIAL: dict[str, Official] = {
    "isic2019": Official(
        files=(
            File("ISIC_2019_Training_GroundTruth.csv", _ISIC + "ISIC_2019_Training_GroundTruth.csv", 1_291_479, None),
            File("ISIC_2019_Training_Metadata.csv", _ISIC + "ISIC_2019_Training_Metadata.csv", 1_214_351, None),
            File("ISIC_2019_Training_Input.zip", _ISIC + "ISIC_2019_Training_Input.zip", 9_771_618_190, None, True),
        ),
        images="ISIC_2019_Training_Input",
        count=25_331,
        licence="CC BY-NC 4.0: not for commercial use; cite HAM10000, BCN_20000 and ISIC 2019",
        page="https://challenge.isic-archive.com/data/",
    ),
    # The MD5 sums are question 7 of the publisher's FAQ_CHESTXRAY.pdf; the links are those of batch_download_zips.py.
    "chestxray14": Official(
        files=(
            File(
                "Data_Entry_2017_v2020.csv",
                _BOX_TABLE + "219760887468",
                9_003_496,
                "sha256:c69a6daca3549af707ca9cacbdf9f9a7b6a9188e8c61157df653520bb72d8eb1",
            ),
            File(
                "train_val_list.txt",
                _BOX_TABLE + "256056636701",
                1_470_907,
                "sha256:61fbe896321c1c1c8b75f3e4f3a08e4fef6486d95ef8a667c31d4d60dca6cb81",
            ),
            File(
                "test_list.txt",
                _BOX_TABLE + "256055473534",
                435_131,
                "sha256:38ca5ef7f756092946f57c1a59faca882ed589a1ab1f72590b45dc06c6d5e1cc",
            ),
            *(
                File(f"images_{number:03}.tar.gz", f"{_BOX}{link}.gz", size, f"md5:{md5}", True)
                for number, link, size, md5 in (
                    (1, "vfk49d74nhbxq3nqjg0900w5nvkorp5c", 2_008_470_987, "fe8ed0a6961412fddcbb3603c11b3698"),
                    (2, "i28rlmbvmfjbl8p2n3ril0pptcmcu9d1", 3_952_623_504, "ab07a2d7cbe6f65ddd97b4ed7bde10bf"),
                    (3, "f1t00wrtdk94satdfb9olcolqx20z2jp", 3_929_234_850, "2301d03bde4c246388bad3876965d574"),
                    (4, "0aowwzs5lhjrceb3qp67ahp0rd1l1etg", 3_838_903_983, "9f1b7f5aae01b13f4bc8e2c44a4b8ef6"),
                    (5, "v5e3goj22zr6h8tzualxfsqlqaygfbsn", 3_935_496_531, "1861f3cd0ef7734df8104f2b0309023b"),
                    (6, "asi7ikud9jwnkrnkj99jnpfkjdes7l6l", 3_986_301_172, "456b53a8b351afd92a35bc41444c58c8"),
                    (7, "jn1b4mw4n6lnh74ovmcjb8y48h8xj07n", 4_016_328_426, "1075121ea20a137b87f290d6a4a5965e"),
                    (8, "tvpxmn7qyrgl0w8wfh9kqfjskv6nmm1j", 4_018_347_353, "b61f34cec3aa69f295fbb593cbd9d443"),
                    (9, "upyy3ml7qdumlgk2rfcvlb9k6gvqq2pj", 4_111_327_929, "442a3caa61ae9b64e61c561294d1e183"),
                    (10, "l6nilvfa9cg3s28tqv1qc1olm3gnz54p", 4_181_556_296, "09ec81c4c31e32858ad8cf965c494b74"),
                    (11, "hhq8fkdgvcari67vfhs7ppg2w6ni4jze", 4_187_084_020, "499aefc67207a5a97692424cf5dbeed5"),
                    (12, "ioqwiy20ihqwyr8pf4c24eazhh281pbu", 2_914_187_733, "dc9fda1757c2de0032b63347a7d2895c"),
                )
            ),
        ),
        images="images",
        count=112_120,
        licence="use is unrestricted; link to the page, name the NIH Clinical Center and cite Wang et al., CVPR 2017",
        page="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    ),
    # Version 2, the one with the chest X-rays apart; the same images as Kaggle's chest-xray-pneumonia.
    "kermany": Official(
        files=(
            File(
                "ChestXRay2017.zip",
                _MENDELEY + "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
                1_235_512_464,
                "sha256:13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36",
                True,
            ),
        ),
        images="chest_xray",
        count=5_856,
        licence="CC BY 4.0; cite Kermany et al., Cell 2018",
        page="https://data.mendeley.com/datasets/rscbjbr9sj/2",
    ),
}
