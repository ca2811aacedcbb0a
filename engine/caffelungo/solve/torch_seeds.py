"""Seeds for torch's generators, as a pure function of the run's seed and a position."""

from __future__ import annotations

import torch

MASK = 2**64 - 1


def mix(*numbers: int) -> int:
    """A 63-bit number that depends on every one of ``numbers`` (splitmix64, Steele et al. 2014)."""
    state = 0
    for number in numbers:
        state = (state + (number & MASK) + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state >> 1


def seed_iteration(device: torch.device, seed: int, iteration: int, sub_batch: int) -> None:
    """Seed the generator that random layers of this sub-batch draw from."""
    value = mix(seed, iteration, sub_batch)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(value)
    torch.default_generator.manual_seed(value)
