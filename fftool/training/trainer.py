"""The training loop: shuffle, batches, loss, step. It takes a `Signal` of any kind."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fftool import __version__, media
from fftool.backend.device import FiniteCheck, select_device, use_threads
from fftool.backend.isolation import isolated, isolated_steps
from fftool.backend.memory import enough_memory
from fftool.checks import require
from fftool.config import Config, EncodingConfig, NetworkConfig, TrainingConfig
from fftool.errors import DivergenceError, UnfinishedRunError
from fftool.holdout import split, training_size
from fftool.models.network import CoordinateMLP
from fftool.rng import generator
from fftool.signal import Signal, check_signal
from fftool.training.batches import shuffled_batches
from fftool.training.groups import group_size, make_groups
from fftool.training.history import Epoch, GroupEpoch, History, decibels
from fftool.training.resolving import check_same_signal, resolve
from fftool.training.schedules import learning_rate_factor
from fftool.training.state import Best, CompleteTiles, Position, Run, Snapshot

ROLLBACK_FACTOR = 0.1  # on the learning rate, after a loss that was not finite
NEAR_TARGET = 2.0  # dB below the target PSNR, from where on the network is measured after each epoch


@dataclass(frozen=True)
class Progress:
    """State of a training after a step. `network` changes with the next one."""

    network: CoordinateMLP
    done: float  # fraction of the training that is over; 1 once the network is complete
    epochs: int  # completed so far
    step: int  # steps so far
    n_samples: int  # visited so far, counted once for each visit
    seconds: float  # since training began
    rate: float  # samples visited per second, since it began or resumed
    scale_seconds: float  # of `seconds`, for choosing σ
    rollbacks: int  # with a smaller step, after a loss that was not finite
    rolled_back: bool  # in this step
    tiles: range | None  # numbers of those in training, where there are any
    best_epoch: int | None  # so far, of a single network whose best epoch is to be kept
    _run: Callable[[], Run]  # what it takes to resume from here, without copies
    _history: History
    _n_tiles: int  # that it is of
    _means: Tensor  # loss and squared error over this epoch so far; on the device, and fetched only when asked for

    @property
    def loss(self) -> float:
        """Mean loss over this epoch so far; of tiles whose training is complete, over their last epoch."""
        return self._means[0].item()

    @property
    def psnr(self) -> float:
        """PSNR in dB of the mean squared error over the same samples; it lags behind the network."""
        return decibels(self._means[1].item())

    def state(self) -> Run:
        """What it takes to resume from here, to be saved at once: its tensors change with the next step."""
        return self._run()

    @isolated()
    def snapshot(self) -> Run:
        """A copy of that state, if it is called before the next step."""
        run = self._run()
        return replace(run, network=copy.deepcopy(run.network), optimizer=_copies(run.optimizer))

    @property
    def history(self) -> tuple[Epoch, ...]:
        """Epochs that are complete for all tiles, since training began or resumed."""
        return self._history.epochs(self._n_tiles)


@dataclass(frozen=True, eq=False)
class TrainedGroup:
    """A group of tiles at the end of its training, by whatever process."""

    tiles: range
    position: Position
    parameters: dict[str, NDArray[np.float32]]
    history: tuple[GroupEpoch, ...]


# Trains groups of tiles, given by their ranges, and yields them in this order; None now and then while it waits.
GroupTrainer = Callable[[Config, Sequence[range]], Iterator[TrainedGroup | None]]


@isolated_steps
def fit(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
    elsewhere: GroupTrainer | None = None,
) -> Generator[Progress]:
    """Train a new network on a signal, yielding after every step; leave the loop to stop early.

    The same signal, settings and device give the same network, bit for bit, unless `training.seconds` lets the clock
    decide. On a CPU, its instruction set and the number of threads are a part of the device. `training.threads` holds
    for the whole process from then on, as torch has no other way.

    If the loss stops being finite, training rolls back to the start of the epoch, once, with a smaller step.

    Args:
        signal: the samples to fit.
        encoding, network, training: the settings. What they leave to choose is chosen by `fftool.scale` and
            `fftool.training.defaults`, and recorded in the config of the network.
        elsewhere: trains the groups of a tiled network in other processes.

    Yields:
        The state after each step; in the last one, the network is complete.

    Raises:
        DeviceError: if this machine has no such device.
        OutOfMemoryError: if it has not enough memory.
        DivergenceError: if the loss stops being finite again. The network stays as it was last yielded.
        HoldoutError: if the signal is too small to hold samples out.
        SettingError: if the settings do not fit each other or the signal.
        SignalError: for anything but a signal.

    """
    check_signal(signal)
    start = perf_counter()
    with enough_memory("training"):
        use_threads(training.threads or 0)
        held_out = split(signal.shape, training.holdout, training.seed)
        before = perf_counter()
        trained = media.trainable(signal, held_out)
        config = resolve(signal, encoding, network, training, trained)
        scale_seconds = perf_counter() - before
        device = config.training.device
        position = Position(seconds=perf_counter() - start, scale_seconds=scale_seconds)
        trainer = _Trainer(signal, trained, Run(CoordinateMLP(config).to(device), position))
        if elsewhere:
            trainer.check_shareable()
        yield from trainer.steps_elsewhere(elsewhere) if elsewhere else trainer.steps()


def train_groups(signal: Signal, config: Config, tiles: range) -> list[TrainedGroup]:
    """Groups of tiles of a new network, trained: all groups in a range of tiles, which begins with one.

    Each has the bytes that `fit` would have given it. Raises errors as `fit` does.
    """
    with isolated(), enough_memory("training"):
        use_threads(config.training.threads)
        held_out = split(signal.shape, config.training.holdout, config.training.seed)
        network = CoordinateMLP(config, part=tiles).to(select_device(config.training.device))
        run = Run(network, Position(complete=CompleteTiles(n_tiles=tiles.start)))
        trainer = _Trainer(signal, media.trainable(signal, held_out), run)
        trainer.trained_groups = groups = list[TrainedGroup]()
        for _ in trainer.steps():
            pass
        return groups


@isolated_steps
def resume(signal: Signal, run: Run, elsewhere: GroupTrainer | None = None) -> Generator[Progress]:
    """Continue a run as `fit` would have; the run itself stays as it is. Yields the state that it resumes from first.

    On a CPU, the network becomes the same as without the interruption, bit for bit. Raises errors as `fit` does,
    SignalMismatchError for another signal than the run began with, and UnfinishedRunError for an inconsistent run.
    """
    check_signal(signal)
    with enough_memory("training"):
        config = run.network.config
        check_same_signal(signal.config, config.signal)
        use_threads(config.training.threads)
        network = copy.deepcopy(run.network).to(select_device(config.training.device), torch.float32)
        network.config, network.result = replace(config, version=__version__), None
        held_out = split(signal.shape, config.training.holdout, config.training.seed)
        trainer = _Trainer(signal, media.trainable(signal, held_out), replace(run, network=network))
        if elsewhere:
            trainer.check_shareable()
        yield trainer.progress()
        yield from trainer.steps_elsewhere(elsewhere) if elsewhere else trainer.steps()


class _Trainer:
    """A training in progress: what it needs for each step, and its position.

    Tiles are trained in groups, one after the other, so that memory follows the group. A single network is one group.
    """

    position: Position
    sums: Tensor  # of the loss and the squared error over the epoch so far, kept on the device
    is_finite: FiniteCheck

    def __init__(self, signal: Signal, trained: Signal, run: Run) -> None:
        """Train on `trained`, which looks the same as the signal."""
        self.signal, self.network = signal, run.network
        self.training = training = self.network.config.training
        self.n_trained = training_size(signal.shape, training.holdout)
        self.groups = make_groups(self.network, signal, trained)
        self.steps_per_epoch = math.ceil(self.groups.n_positions / training.batch_size)
        self.history = History()
        self.group_history: list[GroupEpoch] = []
        self.trained_groups: list[TrainedGroup] | None = None  # kept where `train_groups` asks for them
        position = run.position
        self.groups.begin(position.complete.n_tiles, run.group_size)
        self._check(run)
        self.first_tile, self.group_start = position.complete.n_tiles, 0.0
        self.groups.step.restore(run.optimizer)
        self.start = perf_counter() - position.seconds
        self._set_position(position)
        left = training.seconds - position.scale_seconds  # shared out over the tiles
        self.share_begin, self.share = position.scale_seconds + left * self._fraction_before, left * self._fraction
        self.is_warm = False
        self.samples_before = self._n_samples
        self.seconds_before = position.seconds if self.samples_before else 0.0
        self.rollback = run.rollback or self._snapshot()
        self.best = run.best

    def steps(self) -> Iterator[Progress]:
        """Take all steps that are left, yielding after each one."""
        while not self.position.finished:
            if self.position.n_visited == self.groups.n_positions:
                self._set_position(
                    replace(self.position, epoch=self.position.epoch + 1, n_visited=0, loss=0.0, squared_error=0.0)
                )
            if self.position.n_visited == 0:
                self.rollback = self._snapshot()
            for index in self._batches():
                if not self._take_step(index):
                    yield from self._roll_back()
                    break
                is_over = self._finish_group()
                yield self.progress()
                if self.network.tiles:
                    self._leave_out(perf_counter() - self.start - self.position.seconds)  # such as for saving
                if is_over:
                    break

    def check_shareable(self) -> None:
        """Raise SettingError if several processes cannot share this training."""
        training = self.training
        require(self.network.tiles is not None, "tile", "none", "tiles, as several processes share the tiles")
        seconds, is_new = training.seconds, self.position.first_epoch == 0
        require(not training.is_timed, "training time", seconds, "epochs, as several processes share the tiles")
        require(is_new, "number of epochs", training.epochs, "those of a new network, to share its tiles")

    def steps_elsewhere(self, train: GroupTrainer) -> Iterator[Progress]:
        """Have all groups trained that are left, yielding after each one, and now and then."""
        if self.position.finished:
            return
        config = self.network.config
        size, current = group_size(config), self.groups.tiles
        starts = range(current.stop, self.groups.n_tiles, size)
        left = [current, *(range(start, min(start + size, self.groups.n_tiles)) for start in starts)]
        for group in train(config, left):
            if group is not None:
                self._adopt(group)
            yield self.progress()

    def _adopt(self, group: TrainedGroup) -> None:
        """Take the current group from another process, as if it had been trained here."""
        if group.tiles != self.groups.tiles:
            raise UnfinishedRunError("the unfinished run has groups of another size")
        at, end = self.position, group.position
        self.groups.step.restore({name: torch.from_numpy(array) for name, array in group.parameters.items()})
        for epoch in group.history:
            self.history.add(epoch)
        self._set_position(
            replace(
                at,
                step=at.first_step + end.step - end.first_step,
                epoch=end.epoch,
                n_visited=end.n_visited,
                loss=end.loss,
                squared_error=end.squared_error,
                rollbacks=end.rollbacks,
                seconds=perf_counter() - self.start,
            )
        )
        self._complete_group()

    def progress(self, rolled_back: bool = False) -> Progress:
        at, complete = self.position, self.position.complete
        n_values = complete.n_values + self._n_values
        return Progress(
            network=self.network,
            done=self._done,
            epochs=at.epoch + (at.n_visited == self.groups.n_positions),
            step=at.step,
            n_samples=self._n_samples,
            seconds=at.seconds,
            rate=max(self._n_samples - self.samples_before, 0) / max(at.seconds - self.seconds_before, 1e-9),
            scale_seconds=at.scale_seconds,
            rollbacks=complete.rollbacks + at.rollbacks,
            rolled_back=rolled_back,
            tiles=self.groups.tiles if self.network.tiles else None,
            best_epoch=self.best.epoch if self.best and not self.network.tiles else None,
            _run=self._run,
            _history=self.history,
            _n_tiles=self.groups.n_tiles - self.first_tile,
            _means=(self.sums + self.sums.new_tensor([complete.loss, complete.squared_error])) / max(n_values, 1),
        )

    @property
    def _done(self) -> float:
        """Fraction of the training that is over."""
        if self.position.finished:
            return 1.0
        return min(1.0, self._fraction_before + self._fraction * self._group_done)

    @property
    def _fraction_before(self) -> float:
        """Fraction of all tiles whose training is complete."""
        return self.groups.tiles.start / self.groups.n_tiles

    @property
    def _fraction(self) -> float:
        """Fraction of all tiles that are in training."""
        return len(self.groups.tiles) / self.groups.n_tiles

    @property
    def _group_done(self) -> float:
        """Fraction of the training of this group that is over, by the clock or by the place in the epochs."""
        at, training = self.position, self.training
        if at.finished:
            return 1.0
        if training.is_timed:
            return min(max((at.seconds - self.share_begin) / max(self.share, 1e-9), 0.0), 1.0)
        steps = at.epoch * self.steps_per_epoch + math.ceil(at.n_visited / training.batch_size)
        return min(1.0, steps / (training.epochs * self.steps_per_epoch))

    @property
    def _n_samples(self) -> int:
        """Samples visited so far; those of margins count once, for the tile that they are in."""
        at = self.position
        epochs = at.epoch - at.first_epoch + at.n_visited / self.groups.n_positions
        before = at.first_epoch * self.n_trained
        return before + at.complete.n_samples + round(epochs * self.n_trained * self._fraction)

    @property
    def _n_values(self) -> int:
        """Values of the samples visited in this epoch."""
        return round(self.position.n_visited * self.groups.step.samples_per_number) * self.signal.channels

    def _batches(self) -> Iterator[Tensor]:
        at, batch_size = self.position, self.training.batch_size
        order = generator(self.training.seed, "order", at.epoch)
        positions = self.groups.positions
        for index in shuffled_batches(self.groups.n_positions, batch_size, order, self.network.device, at.n_visited):
            yield index if positions is None else positions[index]

    def _take_step(self, index: Tensor) -> bool:
        """Train on some samples; whether all numbers have stayed finite."""
        at, training = self.position, self.training
        factor = learning_rate_factor(training.schedule, at.step - at.first_step, self._group_done)
        learning_rate = training.learning_rate * factor * ROLLBACK_FACTOR**at.rollbacks
        self.sums = self.sums + self.groups.step(index, learning_rate)
        self.position = replace(
            at, step=at.step + 1, n_visited=at.n_visited + len(index), seconds=perf_counter() - self.start
        )
        if self.network.tiles and not self.is_warm:
            self._leave_out(self.position.seconds - at.seconds)  # what a first step loads may take longer than a share
            self.is_warm = True
        if not self.is_finite(self.sums):
            return False
        is_sound = not (self._epoch_is_over or self._group_done == 1) or self._is_sound(index)
        if is_sound and self._epoch_is_over:
            self._record_epoch()
        return is_sound

    def _leave_out(self, seconds: float) -> None:
        """Count some time for none of the share of this group of tiles. The groups behind it make up for it."""
        self.share_begin += seconds

    @property
    def _epoch_is_over(self) -> bool:
        return self.position.n_visited == self.groups.n_positions

    def _finish_group(self) -> bool:
        """Turn to the next group, where the training of this one is over; whether it is."""
        if self._group_done < 1 and not (self._epoch_is_over and self._has_reached_target()):
            return False
        if self.best:
            self.groups.step.restore(self.best.tensors)
        self._complete_group()
        return True

    def _complete_group(self) -> None:
        """Turn to the next group, or to the end."""
        at = self.position
        loss, squared_error = self.sums.tolist()
        if self.trained_groups is not None:
            self.trained_groups.append(
                TrainedGroup(
                    self.groups.tiles,
                    replace(at, loss=loss, squared_error=squared_error),
                    {name: tensor.numpy(force=True).copy() for name, tensor in self.groups.step.parameters.items()},
                    tuple(self.group_history),
                )
            )
        self.group_history = []
        if self.groups.tiles.stop == self.groups.n_tiles:
            self.position = replace(at, finished=True)
            return
        complete = CompleteTiles(
            n_tiles=self.groups.tiles.stop,
            n_samples=self._n_samples - at.first_epoch * self.n_trained,
            n_values=at.complete.n_values + self._n_values,
            loss=at.complete.loss + loss,
            squared_error=at.complete.squared_error + squared_error,
            rollbacks=at.complete.rollbacks + at.rollbacks,
        )
        begin = Position(
            step=at.step,
            epoch=at.first_epoch,
            seconds=at.seconds,
            scale_seconds=at.scale_seconds,
            first_step=at.step,
            first_epoch=at.first_epoch,
            complete=complete,
        )
        self.groups.begin(complete.n_tiles)
        self.group_start, self.best = at.seconds, None
        self._set_position(begin)
        self.share_begin = at.seconds
        n_left = self.groups.n_tiles - self.groups.tiles.start
        self.share = (self.training.seconds - at.seconds) * len(self.groups.tiles) / n_left
        self.rollback = self._snapshot()

    def _record_epoch(self) -> None:
        loss, squared_error = self.sums.tolist()
        epoch, held_out = self.position.epoch + 1, self.groups.held_out_error()
        if self.training.stop_at_best and held_out and held_out.is_below(self.best.error if self.best else None):
            self.best = Best(epoch, held_out.mean, _copies(self.groups.step.parameters))
        record = GroupEpoch(
            epoch=epoch,
            n_tiles=len(self.groups.tiles),
            seconds=self.position.seconds - self.group_start,
            n_values=self._n_values,
            loss=loss,
            squared_error=squared_error,
            held_out=held_out,
        )
        self.history.add(record)
        self.group_history.append(record)

    def _is_sound(self, index: Tensor) -> bool:
        """Whether the network and its output are finite, after a step that no later loss will show."""
        parameters = self.groups.step.parameters.values()
        output = self.groups.step.output(index[:1])
        return all(bool(tensor.isfinite().all()) for tensor in (*parameters, output, self.sums))

    def _has_reached_target(self) -> bool:
        """Whether the signal, as it would be saved, has the target PSNR at the trained samples of this group.

        The mean over the epoch tells when to measure: it lags behind the network, and at a high learning rate may be
        ahead.
        """
        target, mean = self.training.target_psnr, self.sums[1].item() / max(self._n_values, 1)
        return decibels(mean) >= target - NEAR_TARGET and self.groups.psnr() >= target

    def _roll_back(self) -> Iterator[Progress]:
        """Return to the last good state and a smaller step; raises DivergenceError if that was done before."""
        epoch, again = self.position.epoch + 1, self.position.rollbacks > 0
        self.groups.step.restore(self.rollback.tensors)
        self._set_position(replace(self.rollback.position, seconds=perf_counter() - self.start, rollbacks=1))
        yield self.progress(rolled_back=not again)
        if again:
            raise DivergenceError(epoch, self.training.learning_rate)

    def _set_position(self, position: Position) -> None:
        self.position = position
        self.sums = torch.tensor(
            [position.loss, position.squared_error], dtype=torch.float32, device=self.network.device
        )
        self.is_finite = FiniteCheck(late=self.network.device.type == "cuda")

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.position, _copies(self.groups.step.state))

    def _run(self) -> Run:
        """The network, and what it takes to resume."""
        loss, squared_error = self.sums.tolist()
        position = replace(self.position, loss=loss, squared_error=squared_error)
        return Run(self.network, position, self.groups.step.optimizer_state, self.rollback, self.best)

    def _check(self, run: Run) -> None:
        """Raise UnfinishedRunError for tensors of other names, shapes or kinds, and for more samples than there are."""
        states = [self.groups.step.parameters | run.optimizer] if run.optimizer else []
        positions = [run.position]
        if run.rollback:
            states.append(run.rollback.tensors)
            positions.append(run.rollback.position)
        if run.best:
            states.append(run.best.tensors | self.groups.step.optimizer_state)
        most = self.groups.n_positions
        if not all(map(self.groups.step.accepts, states)) or max(at.n_visited for at in positions) > most:
            raise UnfinishedRunError("the state of the unfinished run is inconsistent")


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}
