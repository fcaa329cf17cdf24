"""Data sets: which images, at which size, split how."""

from repro.configs.setting import Named

DATASETS = {
    "isic2019": Named(
        "ISIC 2019, training set: 25,331 dermatoscopic images, 8 classes (CC BY-NC 4.0), read from its tables and JPEG "
        "files. data.split=lesion, the only one, divides it 70/10/20 by lesion; the 2,084 images whose lesion is not "
        "known count as lesions of their own, so a lesion among them can still be in two splits. About 9 GB to "
        "download, 1.2 GB prepared at 128 px. [us]",
        {"data": {"name": "isic2019", "size": 128, "split": "lesion"}},
    ),
    "chestxray14": Named(
        "NIH ChestX-ray14: 112,120 chest X-rays of 30,805 patients with 14 labels, several at once (free to use, naming "
        "the NIH as the source). data.split=official keeps the published test list, which shares no patient with the "
        "rest, and validates on a tenth of the other patients. Its labels were read from reports by a program and are "
        "partly wrong. About 42 GB to download, 1.8 GB prepared at 128 px. [us]",
        {"data": {"name": "chestxray14", "size": 128, "split": "official"}},
    ),
    "kermany": Named(
        "Kermany's chest X-rays: 5,856 of children, pneumonia or normal (CC BY 4.0). data.split=patient keeps the "
        "official test split and validates on a tenth of the other patients, as far as file names tell patients; "
        "data.split=official has only 16 images for validation. About 1.2 GB to download, 0.1 GB prepared at 128 px. [us]",
        {"data": {"name": "kermany", "size": 128, "split": "patient"}},
    ),
    "dermamnist": Named(
        "DermaMNIST: 10,015 dermatoscopic images, 7 classes (HAM10000; CC BY-NC 4.0), 28 px (64, 128, 224 too). "
        "data.split=official is comparable with the literature but 641 of its 1,868 test lesions are also in train; "
        "data.split=lesion keeps every lesion in one split, by public tables that `fetch` gets. Small crops, as in BYOL: "
        "on validation images it learned more with them, unlike on X-rays [us].",
        {"data": {"name": "dermamnist", "size": 28, "split": "official"}, "augment": {"crop": [0.08, 1.0]}},
    ),
    "pneumoniamnist": Named(
        "PneumoniaMNIST: 5,856 paediatric chest X-rays, pneumonia or normal (CC BY 4.0), 28 px.",
        {"data": {"name": "pneumoniamnist", "size": 28, "split": "official"}},
    ),
    "breastmnist": Named(
        "BreastMNIST: 780 breast ultrasound images, malignant or not (CC BY 4.0), 28 px. Small: 546 training images.",
        {"data": {"name": "breastmnist", "size": 28, "split": "official"}},
    ),
    "chestmnist": Named(
        "ChestMNIST: 112,120 chest X-rays with 14 labels, several at once (CC0), 28 px.",
        {"data": {"name": "chestmnist", "size": 28, "split": "official"}},
    ),
    "folder": Named(
        "Images of your own, named in the CSV table $REPRO_DATA/folder/labels.csv: columns path and label (several as "
        "a|b) or 0/1 columns, and if known group (or patient_id, lesion_id, ...) and split. data.split=seeded divides "
        "them 70/10/20 by group, which without such a column is the patient that every path names (patient01/x.png), or "
        "each image alone, so that images of one patient can be in two splits; "
        "data.split=official takes the column split. The licence is your own. 49 kB per image prepared at 128 px. [us]",
        {"data": {"name": "folder", "size": 128, "split": "seeded"}},
    ),
    "phantom": Named(
        "Procedural dermoscopy-like images, 4 classes that differ in structure only. For tests and for trying the "
        "kit without a download; no medical claim follows from it. [us]",
        {"data": {"name": "phantom", "size": 28, "split": "official"}},
    ),
    "phantom_xray": Named(
        "Procedural X-ray-like images, 4 classes that differ in structure only; grey. [us]",
        {"data": {"name": "phantom_xray", "size": 28, "split": "official"}},
    ),
}
