"""Which grey values of files with more than 8 bits become black and white: the same for all files of a data set.

A detector of 12 bits writes 0..4095 into files of 16 bits. As in a radiology viewer, the bits in use are the range.
"""

from collections.abc import Mapping

import numpy as np

from repro.errors import InputError

FEWEST = 1 / 8
"""Share of the range that a typical file must span: 32 of the 256 grey values it is stored with. [us]"""

FULL = (0.0, 65535.0)
"""Black and white of files that use all of 16 bits."""


def grey_range(name: str, deep: Mapping[int, tuple[float, float]], asked: tuple[float | None, float | None]) -> dict:
    """Return black and white, and what they rest on, to be stored with the data.

    Args:
        name: of the data set, for messages.
        deep: the lowest and the highest grey value of each file of more than 8 bits; at least one.
        asked: what the user says about black and white; None where nothing.

    Returns:
        black, white: grey values. files: how many files. lowest, highest: what is in use.

    Raises:
        InputError: the files use so little of the range that it cannot be told, and the user has not said.
    """
    values = np.array([*deep.values()], dtype=float)
    lowest, highest = float(values[:, 0].min()), float(values[:, 1].max())
    black = 0.0 if asked[0] is None else asked[0]
    white = float(2 ** max(8, int(highest).bit_length()) - 1) if asked[1] is None else asked[1]
    low, high = (int(value) for value in np.median(values, axis=0))
    if asked[1] is None and high - low < FEWEST * (white - black):
        raise InputError(
            f"{name}: its {len(values):,} files of more than 8 bits use grey values {lowest:.0f} to {highest:.0f}, but "
            f"a typical one only {low} to {high}, so it would be nearly one grey. Say which values become black and "
            f"white, such as data.black={low} data.white={high}"
        )
    return {"black": black, "white": white, "files": len(values), "lowest": lowest, "highest": highest}
