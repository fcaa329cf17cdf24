"""Test metrics: which one tables show, which one claims are judged by as well, and their names."""

from figures.evidence.study import Study

METRICS = {
    "balanced_accuracy": "Balanced accuracy",
    "mean_auc": "Mean AUC",
    "macro_auc": "Macro AUC",
}


def main_metric(study: Study) -> str:
    """Return the metric that tables show: balanced accuracy, or for several labels at once the mean AUC."""
    return "mean_auc" if study.data["task"] == "multi-label" else "balanced_accuracy"


def second_metric(study: Study) -> str | None:
    """Return the metric that claims are judged by as well: macro AUC; None where the main one is an AUC already."""
    return None if study.data["task"] == "multi-label" else "macro_auc"


def in_sentence(metric: str) -> str:
    """Return what a metric is called in the middle of a sentence."""
    name = METRICS[metric]
    return f"{name[0].lower()}{name[1:]}"
