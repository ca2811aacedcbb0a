"""Pictures to test on that training has seen: copies across the lists of the two phases of a net or a solver."""

from __future__ import annotations

from collections.abc import Sequence

from caffelungo.data import picture_copies
from caffelungo.data.parallel import Progress
from caffelungo.data.source import DataSource
from caffelungo.data.sources.images import ImageSource


def notices(trained: Sequence[DataSource], tested: Sequence[DataSource], progress: Progress | None) -> list[str]:
    """A notice that names the copies, where there are any; none of a list that both phases read.

    Decodes each picture that is not in the cache of hashes, where `lungo finetune` leaves those of its projects.
    """
    learned, held = ([one for one in sources if isinstance(one, ImageSource)] for sources in (trained, tested))
    ours = [path for source in learned for path in _paths(source)]
    known = {source.pictures.file.resolve() for source in learned}
    theirs = [path for source in held if source.pictures.file.resolve() not in known for path in _paths(source)]
    found = picture_copies.across_files(list(dict.fromkeys(ours)), list(dict.fromkeys(theirs)), progress)
    return found.notice("test", "the training list", "remove them from one of the two lists")


def _paths(source: ImageSource) -> list[str]:
    return [source.pictures.path(index) for index in range(len(source.pictures))]
