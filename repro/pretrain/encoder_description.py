"""What is recorded of an encoder: its size, what it computes for one image, and where its weights are from."""

import logging
from dataclasses import asdict
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from repro.configs import WITHOUT_PRETRAINING
from repro.pretrain.encoder import Encoder, encoder_of
from repro.pretrain.gradients.tiers import coverage
from repro.pretrain.weights import Source, started

log = logging.getLogger("repro.pretrain")


def described(config: dict[str, Any], command: str) -> dict[str, Any]:
    """Return what is recorded of the encoder that a run begins with, before anything else is.

    Raises:
        InputError: an unknown network, images that it cannot take, or weights that do not fit it.
    """
    stored = command == "evaluate" and config["evaluate"]["pretraining"] is not None
    encoder, source = (encoder_of(config), None) if stored else started(config)
    size = config["data"]["size"]
    if (stride := encoder.made_with.get("output_stride")) is not None:
        log.info(
            "%s is made for larger images: at %d px its last strides become dilations (timm's output_stride=%d)",
            encoder.arch, size, stride,
        )  # fmt: skip
    about = describe(encoder, size, source)
    if config["tracin"]["layers"] == "full" and config["method"]["objective"] not in WITHOUT_PRETRAINING:
        covered = coverage(encoder)
        log.info("tracin.layers=full: %s", covered)
        about["tracin"] = covered.facts()
    return about


def describe(encoder: Encoder, size: int, source: Source | None) -> dict[str, Any]:
    """Return facts of an encoder: its library, parameters, MACs, features, patch, and source of weights.

    Args:
        encoder: on the CPU.
        size: height and width of the images, in pixels.
        source: where its weights are from; None if they are random, or another run's.
    """
    return {
        "arch": encoder.arch,
        "library": encoder.library,
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "macs": macs(encoder, size),
        "features": encoder.features,
        "patch": encoder.patch,
        "made_with": encoder.made_with,
        "weights": None if source is None else asdict(source),
    }


@torch.no_grad()
def macs(encoder: Encoder, size: int) -> int:
    """Return the multiply-accumulate operations of one image: of convolutions, Linear layers and attention.

    Args:
        encoder: on the CPU.
        size: height and width of the image, in pixels.
    """
    # Attention by its definition: two matrix products, which the counter knows on every device.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        encoder.eval()(torch.zeros(1, 3, size, size))
    encoder.train()
    return int(counter.get_total_flops()) // 2
