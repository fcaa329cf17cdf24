"""Weights for an encoder from outside: a library's own, or a file. Tensors only; anything else in a file is refused."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from repro.errors import InputError
from repro.pretrain import backbones
from repro.pretrain.backbones.cache import in_cache, sha256
from repro.pretrain.encoder import Encoder, encoder_of

IMAGENET = "imagenet"

INSIDE = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Keys under which training programs put the weights into a file, the one to take first."""

SHOWN = 3
"""Keys that a message names."""


@dataclass(frozen=True)
class Source:
    """A file that weights are from.

    Args:
        file: its name.
        sha256: of its content, in hex.
    """

    file: str
    sha256: str


def started(config: dict[str, Any]) -> tuple[Encoder, Source | None]:
    """Return the encoder that a run begins with, and where its weights are from: None if they are random.

    Raises:
        InputError: an unknown network, images that it cannot take, or weights that do not fit it.
    """
    settings, objective = config["encoder"], config["method"]["objective"]
    if objective == "imagenet" and settings["weights"] is None:
        settings = {**settings, "weights": IMAGENET}
    if objective == "none" and settings["weights"] is not None:
        raise InputError(
            f"encoder.weights={settings['weights']}: {config['method']['name']} is the row of random weights; for "
            "weights from elsewhere write `with imagenet`, which takes files too"
        )
    encoder = encoder_of(config)
    return encoder, load_into(encoder, settings)


def load_into(encoder: Encoder, settings: dict[str, Any]) -> Source | None:
    """Give an encoder the weights that `encoder.weights` names; return where they are from, None if it names none.

    Args:
        encoder: made by the same settings.
        settings: the `encoder` settings.

    Raises:
        InputError: there are no such weights, they are not tensors alone, or they do not fit the encoder.
    """
    named = settings["weights"]
    if named is None:
        return None
    if named == IMAGENET:
        if settings["arch"] in backbones.OURS and (settings["width"], settings["stem"]) != (64, "imagenet"):
            raise InputError(
                f"imagenet has weights for encoder.width=64 encoder.stem=imagenet, not for width {settings['width']} "
                f"with the {settings['stem']} stem"
            )
        file = in_cache(backbones.imagenet(settings["arch"]))
    else:
        file = Path(named).expanduser()
        if not file.is_file():
            raise InputError(f"encoder.weights={named}: there is no such file; it takes None, imagenet, or a file")
    _fill(encoder, read(file), file)
    return Source(file.name, sha256(file))


def read(file: Path) -> dict[str, torch.Tensor]:
    """Return the tensors in a file of weights, .safetensors or written by torch.save.

    Raises:
        InputError: it is damaged, or holds more than tensors, such as code.
    """
    if file.suffix == ".safetensors":
        try:
            return load_file(file)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{file} is no whole safetensors file ({error}); get it again") from None
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise InputError(
            f"{file} holds more than tensors, or is no file of weights ({_first_sentence(error)}); it is not opened: "
            "ask its author to save the state_dict as safetensors"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, AttributeError, TypeError) as error:
        raise InputError(f"{file} cannot be read as weights ({_first_sentence(error)}); get it again") from None
    while isinstance(found, dict) and (inside := next((key for key in INSIDE if key in found), None)):
        found = found[inside]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()) or not found:
        raise InputError(f"{file} holds no state_dict: it must map names to tensors")
    return {str(key).removeprefix("module."): value for key, value in found.items()}


def _fill(encoder: Encoder, state: dict[str, torch.Tensor], file: Path) -> None:
    """Load a state into the encoder; every weight of the encoder must be there, and no other but the classifier's."""
    own = encoder.state_dict()
    fitted = _without_classifier(encoder, state)
    if encoder.library == "timm" and _misfits(own, fitted):
        from repro.pretrain.backbones.from_timm import converted

        # Weights of another network; what does not fit is told below.
        with contextlib.suppress(AttributeError, KeyError, RuntimeError, ValueError, AssertionError, TypeError):
            fitted = _without_classifier(encoder, converted(dict(state), encoder.network))
    if misfits := _misfits(own, fitted):
        raise InputError(f"{file} does not fit encoder.arch={encoder.arch}: {'; '.join(misfits)}")
    encoder.load_state_dict({**own, **fitted})


def _without_classifier(encoder: Encoder, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    removed = tuple(f"{name}." for name in encoder.classifier)
    return {key: value for key, value in state.items() if not key.startswith(removed)} if removed else dict(state)


def _misfits(own: dict[str, torch.Tensor], given: dict[str, torch.Tensor]) -> list[str]:
    """Return what is wrong with weights, one phrase each; counts of batches, which old files lack, are not missed."""
    needed = {key for key in own if not key.endswith("num_batches_tracked")}
    shapes = [
        f"{key} is {_size(given[key])} in the file and {_size(own[key])} in the encoder"
        for key in own
        if key in given and given[key].shape != own[key].shape
    ]
    missing = [key for key in own if key in needed - given.keys()]
    unknown = [key for key in given if key not in own]
    return [
        f"{what} {', '.join(keys[:SHOWN])}" + (f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")
        for what, keys in (("missing", missing), ("unknown", unknown), ("of another shape:", shapes))
        if keys
    ]


def _size(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def _first_sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "Unsupported" in line or "GLOBAL" in line), lines[0] if lines else "")
    return told.partition(". ")[0] or type(error).__name__
