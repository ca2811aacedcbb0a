"""Older name of ``augmentation``, under which packages may register theirs."""

from __future__ import annotations

from caffelungo.data.augmentation import Pixels as Pixels
from caffelungo.data.augmentation import register as register
