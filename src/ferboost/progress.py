"""How long work tells what it is doing, whoever listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Monitor", "Tell", "part_of"]

#: Called with how much of how much is done, 0 where that is not known, and a few words on it.
Tell = Callable[[int, int, str], None]


class Monitor:
    """Listens to nothing. The command line has one that draws progress bars."""

    def log(self, message: str) -> None:
        """Take note of a decision or a result, one line."""

    @contextmanager
    def stage(self, description: str) -> Iterator[Tell]:
        """Begin a piece of work; the block tells its progress to what this yields.

        Parameters
        ----------
        description : str
            A few words that say what is done.
        """
        del description
        yield _tell_nobody


def part_of(tell: Tell, index: int, count: int, detail: str) -> Tell:
    """Return what part `index` of `count` equal ones tells its progress to."""

    def tell_part(done: int, total: int, _detail: str = "") -> None:
        tell(index * total + done, count * total, detail)

    return tell_part


def _tell_nobody(_done: int, _total: int, _detail: str = "") -> None:
    """Take no notice."""
