"""Data sets: which images, at which size, split how."""

from repro.configs.setting import Named

DATASETS = {
    "dermamnist": Named(
        "DermaMNIST: 10,015 dermatoscopic images, 7 classes (HAM10000; CC BY-NC 4.0), 28 px (64, 128, 224 too). "
        "data.split=official is comparable with the literature but 641 of its 1,868 test lesions are also in train; "
        "data.split=lesion keeps every lesion in one split and needs dermamnist_index_map.csv.",
        {"data": {"name": "dermamnist", "size": 28, "split": "official"}},
    ),
    "pneumoniamnist": Named(
        "PneumoniaMNIST: 5,856 paediatric chest X-rays, pneumonia or normal (CC BY 4.0), 28 px.",
        {"data": {"name": "pneumoniamnist", "size": 28, "split": "official"}},
    ),
    "breastmnist": Named(
        "BreastMNIST: 780 breast ultrasound images, malignant or not (CC BY 4.0), 28 px. "
        "Small: pretrain.batch_size must stay under 546.",
        {"data": {"name": "breastmnist", "size": 28, "split": "official"}},
    ),
    "chestmnist": Named(
        "ChestMNIST: 112,120 chest X-rays with 14 labels, several at once (CC0), 28 px.",
        {"data": {"name": "chestmnist", "size": 28, "split": "official"}},
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
