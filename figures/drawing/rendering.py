"""A figure as bytes: PDF and PNG for papers, SVG for the page, light or dark. The same figure gives the same bytes."""

import contextlib
import io
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

import joblib
import matplotlib
from matplotlib.figure import Figure

from figures import style
from figures.drawing import fonts

# Dates and version numbers would differ between two draws of the same thing.
_NAMELESS: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


@dataclass(frozen=True)
class Rendered:
    """One figure at one width, in inches, as bytes."""

    width: float
    pdf: bytes
    png: bytes
    svg: str


def render(draw: Callable[[float], Figure], width: float) -> Rendered:
    """Draw a figure and return it in every format."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's own settings are
        matplotlib.rcParams.update(style.RC)
        figure = draw(width)
        fonts.use(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # the layout is found, and the same for every format
        svg = _saved(figure, "svg").decode()
        return Rendered(width, _saved(figure, "pdf"), _saved(figure, "png"), _also_dark(svg))


@contextlib.contextmanager
def renderers(*preloaded: str) -> Iterator[Executor]:
    """Yield processes to render in, one per core: most of the time that figures take is taken there.

    Args:
        preloaded: names of modules that each process has from its beginning.
    """
    with ProcessPoolExecutor(joblib.cpu_count(), mp_context=_context(preloaded), initializer=_spared) as pool:
        yield pool


def _spared() -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the one that began this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _context(preloaded: Sequence[str]) -> BaseContext:
    """Return how processes are begun: not forked from this one, which has threads of the database driver."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *preloaded])
    try:
        forkserver.ensure_running()  # it takes seconds to be ready; meanwhile the runs are read
    except OSError:
        # It listens on a socket in TMPDIR, whose path is too long (76 characters or more), or whose storage has none.
        return multiprocessing.get_context("spawn")
    return context


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=_NAMELESS[kind], transparent=kind == "svg")
    return buffer.getvalue()


def _also_dark(svg: str) -> str:
    """Return the image with a rule for dark screens: each of our colours becomes its dark counterpart."""
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark} !important}}'
        for light, dark in style.DARK.items()
        for what in ("fill", "stroke")
        if f"{what}: {light}" in svg
    )
    return svg.replace("</style>", f"@media screen and (prefers-color-scheme: dark){{{rules}}}</style>", 1)
