"""One iteration: its sub-batches forward and backward, a look at the numbers, one update of the weights.

Caffe: Solver::Step, SGDSolver::ApplyUpdate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from caffelungo.solve import debug_info, gradients
from caffelungo.solve.display import Display
from caffelungo.solve.loss_reader import LossReader
from caffelungo.solve.rollback import Rollback
from caffelungo.solve.torch_seeds import seed_iteration
from caffelungo.solve.training import Training


class Iteration:
    """The iterations of ``training``, one by one.

    ``stopped`` is asked between sub-batches whether the run is to end. Once a loss or gradient was not finite, a flag
    on the device freezes every later update (Caffe goes on with NaN).
    """

    def __init__(self, training: Training, losses: LossReader, display: Display, stopped: Callable[[], bool]) -> None:
        self.training, self.losses, self.display, self.stopped = training, losses, display, stopped
        self.sentinels = gradients.sentinels(training.plan, training.store)
        self.learned = training.learned
        self.frozen = torch.zeros((), device=training.engine.device)

    def run(self, feed: Iterator[list[Tensor]]) -> bool:
        """One iteration on the next batches of ``feed``; False when it was stopped inside, and taken back."""
        training, param = self.training, self.training.param
        displayed = self.display.due
        debugged = displayed and param.debug_info
        made = self._forward_backward(feed, debugged)
        if made is None:
            return False
        loss, outputs = made
        norm = self._gradient_norm()
        self.losses.add(loss, self._health(loss, norm), norm)
        if displayed:
            values = dict(zip(outputs, self.losses.look(list(outputs.values())), strict=True))
            self.display.outputs(values)
        elif self.losses.full:
            self.losses.look()
        rate = self._rate()
        if displayed:
            self.display.rate(rate, values)
        self.losses.log_clips()
        scale: float | Tensor = 1 / param.iter_size
        if norm is not None:
            scale = gradients.clip_scale(norm, param.clip_gradients, param.iter_size)
        before = {k: v.detach().clone() for k, v in training.store.tensors.items()} if debugged else {}
        training.update.apply(rate, training.iteration, scale, self.frozen)
        if training.average is not None:
            training.average.update(self.frozen)
        if debugged:
            debug_info.log_update(training.log, training.plan, training.store, before)
        for one in self.learned:
            one.grad = None
        training.iteration += 1
        return True

    def _forward_backward(
        self, feed: Iterator[list[Tensor]], debugged: bool
    ) -> tuple[Tensor, dict[str, Tensor]] | None:
        """The mean loss and the outputs of the last sub-batch; gradients are summed. None when it was stopped."""
        training, count = self.training, int(self.training.param.iter_size)
        rollback = Rollback(training) if count > 1 and not training.engine.caffe else None
        total: Tensor | None = None
        for sub_batch in range(count):
            if rollback and sub_batch and self.stopped():
                rollback.restore()
                return None
            tensors = next(feed)
            training.batches += 1
            seed_iteration(training.engine.device, training.seed, training.iteration, sub_batch)
            loss, outputs = self._one_batch(tensors, debugged)
            total = loss if total is None else total + loss
        assert total is not None
        return (total if count == 1 else total / count), outputs

    def _one_batch(self, tensors: list[Tensor], debugged: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """The detached loss and the outputs of one batch, with DELTA's penalty as one of them."""
        training = self.training
        maps: list[Tensor] = []
        with training.engine.arithmetic():
            if debugged:
                loss, outputs = debug_info.forward_backward(training.log, training.plan, training.store, tensors)
            else:
                maybe, outputs, maps = training.net.look(*tensors)
                assert maybe is not None
                loss = maybe
        near_start = training.near_start
        penalty = near_start.penalty(tensors, maps) if near_start and maps else None
        aim = loss if penalty is None else loss + penalty
        if aim.requires_grad:
            aim.backward()
        if near_start and penalty is not None:
            outputs = {**outputs, near_start.output: penalty.detach()}
        return loss.detach(), outputs

    def _gradient_norm(self) -> Tensor | None:
        if self.training.param.clip_gradients < 0:
            return None
        found = [param.grad for param in self.learned if param.grad is not None]
        return gradients.total(found) if found else None

    def _health(self, loss: Tensor, norm: Tensor | None) -> Tensor:
        """1 once a loss or gradient was not finite."""
        if not self.training.engine.caffe:
            if norm is None:
                watched = [param.grad for param in self.sentinels if param.grad is not None]
                norm = gradients.largest(watched) if watched else loss
            self.frozen = torch.maximum(self.frozen, gradients.not_finite(loss, norm))
        return self.frozen

    def _rate(self) -> float:
        schedule, iteration = self.training.schedule, self.training.iteration
        rate = schedule.rate(iteration)
        if schedule.stepped:
            self.losses.settle()
            what = f"MultiStep Status: Iteration {iteration}, step = {schedule.current_step}"
            self.training.log.info("sgd_solver.cpp:50", what)
        return rate
