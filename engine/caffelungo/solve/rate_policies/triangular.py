"""The rate rises and falls along a line, again and again (Smith 2017: Cyclical Learning Rates, triangular policy)."""

from __future__ import annotations

from typing import Any

from caffelungo.solve.rate_policy import FALLS, HAS_STEPS, RateState, f32, register


@register("triangular", needs=(FALLS, HAS_STEPS))
def triangular(state: RateState, solver: Any, iteration: int) -> Any:
    """From ``gamma * base_lr`` to ``base_lr`` in ``stepsize`` iterations, and back in as many."""
    from_the_top = abs(iteration % (2 * solver.stepsize) / solver.stepsize - 1)
    return f32(solver.base_lr) * f32(1 - (1 - solver.gamma) * from_the_top)
