"""From a solver file to a training at its start, in the order and with the log lines of the original.

Caffe: Solver::Init, Solver::InitTrainNet, Solver::InitTestNets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from caffelungo.definition.definition import Definition
from caffelungo.definition.printer import print_lines
from caffelungo.errors import UserError
from caffelungo.net.graph import GraphNet
from caffelungo.net.store import Store
from caffelungo.report.glog import CaffeLog
from caffelungo.solve import cannot_learn, class_counts, nets, smaller_batches, snapshot, update_rules
from caffelungo.solve.average_loss import SmoothedLoss
from caffelungo.solve.engine import Engine
from caffelungo.solve.feed import Feed
from caffelungo.solve.learning_rate import Schedule
from caffelungo.solve.load_weights import Loaded
from caffelungo.solve.near_start import NearStart, watched
from caffelungo.solve.test_net import TestNet
from caffelungo.solve.training import Training
from caffelungo.solve.training_setup import Setup
from caffelungo.solve.validate import holds, solver_problems
from caffelungo.solve.watched_output import MEASURES, Watch, make_watch
from caffelungo.solve.weight_average import WeightAverage
from caffelungo.weights.match_layers import Remedy


def build_training(
    definition: Definition, engine: Engine | None = None, setup: Setup | None = None, log: CaffeLog | None = None
) -> Training:
    """The training that the solver ``definition`` describes; on the CPU without an ``engine``.

    UserError lists everything wrong with the solver and its nets.
    """
    param = definition.message
    engine, setup, log = engine or Engine(torch.device("cpu")), setup or Setup(), log or CaffeLog()
    if problems := solver_problems(param, definition.where):
        raise UserError(problems)
    text = "\n".join(print_lines(param))
    log.info("solver.cpp:45", "Initializing solver from parameters: ", below=f"{text}\n")
    seed = _seed(param, setup.seed)
    opened = _train_net(definition, engine, setup, seed, log)
    given = setup.given.store if setup.given else None
    store = given or Store(seed=seed, device=engine.device)
    loaded = Loaded(
        setup.weights, setup.reinit, opened.plan, opened.text.where,
        lambda path: log.info("solver.cpp:72", f"Finetuning from {path}"), definition.path, Remedy.REINIT,
    )  # fmt: skip
    store.adopt(opened.plan, skip_filling=loaded.whole_layers(opened.plan))
    net = GraphNet(opened.plan, store, watch=watched(param, opened.plan, definition.where))
    if problem := cannot_learn.loss_problem(opened.plan, opened.text.where):
        raise UserError(problem)
    feed = Feed(opened, engine, setup.workers)
    specs = nets.test_nets(definition, setup.variables)
    counts = class_counts.known(opened.plan)
    specs = [replace(spec, text=class_counts.filled(spec.text, counts)) for spec in specs] if counts else specs
    tests = [_test_net(number, spec, store, engine, setup, seed, log) for number, spec in enumerate(specs)]
    loaded.load(store, [(test.opened.plan, test.opened.text.where) for test in tests])
    engine.lay_out(store.tensors.values())
    if engine.compile:
        net.compile()
    params = [(store.tensors[key], use.lr_mult, use.decay_mult) for key, use in opened.plan.params.items()]
    update = update_rules.find(param.type)(param, params)
    near_start = NearStart(param, definition.where, opened, store, feed, update) if holds(param) else None
    if near_start:
        copied = setup.given.copied if setup.given else ()
        near_start.begin(loaded.table.arrays if loaded.table else copied)
    training = Training(
        definition, engine, log, seed, snapshot.prefix_of(param, definition.path), opened, store, loaded, net, feed,
        tests, update, near_start, _watch(param, tests), Schedule(param), SmoothedLoss(param.average_loss),
        WeightAverage(store, opened.plan, param.lungo.ema_decay) if param.lungo.ema_decay else None,
    )  # fmt: skip
    log.info("solver.cpp:57", "Solver scaffolding done.")
    return training


def _seed(param: Any, given: int | None) -> int:
    if given is not None:
        return given
    if param.random_seed >= 0:
        return int(param.random_seed)
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))


def _train_net(definition: Definition, engine: Engine, setup: Setup, seed: int, log: CaffeLog) -> nets.OpenedNet:
    net = setup.given.opened.text if setup.given else nets.train_net(definition, setup.variables)
    log.info("solver.cpp:102", f"Creating training net from {net.origin}")
    state = nets.train_state(net, definition.message, setup.level, setup.stages)
    net = smaller_batches.divided(net, state, setup.divided)
    opened = setup.given.opened if setup.given else nets.open_net_with_data(net, state, seed=seed, caffe=engine.caffe)
    if error := nets.input_without_data(net, opened.plan):
        raise error
    return class_counts.counted(opened)


def _test_net(
    number: int, spec: nets.TestSpec, store: Store, engine: Engine, setup: Setup, seed: int, log: CaffeLog
) -> TestNet:
    log.info("solver.cpp:190", f"Creating test net (#{number}) specified by {spec.text.origin}")
    whole = spec.iterations is None
    opened = nets.open_net_with_data(
        spec.text, spec.state, seed=seed, once=whole, caffe=engine.caffe, shuffle=False if whole else None
    )
    if error := nets.input_without_data(spec.text, opened.plan):
        raise error
    return TestNet(opened, store, engine, spec.iterations, setup.workers)


def _watch(param: Any, tests: list[TestNet]) -> Watch | None:
    run = next((test for test in tests if test.iterations != 0), None)
    names = [one.name for one in run.opened.text.message.lungo.number] if run else []
    watch = make_watch(run.opened.plan, param.lungo.watch, names) if run else None
    if run and watch and watch.name in MEASURES:
        run.measure()
    return watch
