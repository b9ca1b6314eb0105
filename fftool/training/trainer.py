"""The training loop: shuffle, batches, loss, step. It takes a `Signal` of any kind."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from fftool import __version__, media
from fftool.backend.device import FiniteCheck, select_device, select_precision, use_threads
from fftool.backend.isolation import isolated, isolated_steps
from fftool.backend.memory import enough_memory
from fftool.config import Config, EncodingConfig, NetworkConfig, SignalConfig, TrainingConfig
from fftool.errors import DivergenceError, SignalMismatchError, UnfinishedRunError, shorten
from fftool.grid import sample_coordinates
from fftool.holdout import split, training_size
from fftool.metrics import psnr
from fftool.models.network import CoordinateMLP
from fftool.rendering import render
from fftool.rng import generator
from fftool.scale.search import resolve_scale
from fftool.signal import Signal, check_signal
from fftool.training.batches import shuffled_batches
from fftool.training.defaults import resolve_defaults
from fftool.training.schedules import learning_rate_factor
from fftool.training.state import Position, Run, Snapshot
from fftool.training.step import TrainingStep

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
    snapshot: Callable[[], Run]  # copies what it takes to resume from here, if it is called before the next step
    _means: Tensor  # loss and squared error over this epoch so far; on the device, and fetched only when asked for

    @property
    def loss(self) -> float:
        """Mean loss over this epoch so far."""
        return self._means[0].item()

    @property
    def psnr(self) -> float:
        """PSNR in dB of the mean squared error over this epoch so far; it lags behind the network."""
        return -10 * math.log10(max(self._means[1].item(), 1e-12))


@isolated_steps
def fit(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
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
        resolved = resolve_scale(trained, encoding, network, training, held_out)
        scale_seconds = perf_counter() - before
        device = select_device(training.device)
        precision = select_precision(training.precision, device)
        n_trained = training_size(signal.shape, training.holdout)
        config = Config(
            signal=signal.config,
            encoding=resolved,
            network=network,
            training=resolve_defaults(training, n_trained, device, precision, network.layers),
            version=__version__,
        )
        position = Position(seconds=perf_counter() - start, scale_seconds=scale_seconds)
        yield from _Trainer(signal, trained, Run(CoordinateMLP(config).to(device), position)).steps()


@isolated_steps
def resume(signal: Signal, run: Run) -> Generator[Progress]:
    """Continue a run as `fit` would have; the run itself stays as it is. Yields the state that it resumes from first.

    On a CPU, the network becomes the same as without the interruption, bit for bit. Raises errors as `fit` does,
    SignalMismatchError for another signal than the run began with, and UnfinishedRunError for an inconsistent run.
    """
    check_signal(signal)
    with enough_memory("training"):
        config = run.network.config
        _check_signal(signal.config, config.signal)
        use_threads(config.training.threads)
        network = copy.deepcopy(run.network).to(select_device(config.training.device), torch.float32)
        network.config, network.result = replace(config, version=__version__), None
        held_out = split(signal.shape, config.training.holdout, config.training.seed)
        trainer = _Trainer(signal, media.trainable(signal, held_out), replace(run, network=network))
        yield trainer.progress()
        yield from trainer.steps()


def _check_signal(seen: SignalConfig, trained: SignalConfig) -> None:
    for name in ("axes", "shape", "channels", "bits", "values", "spacing"):
        value, expected = getattr(seen, name), getattr(trained, name)
        if value != expected:
            raise SignalMismatchError(seen.source, f"{name} {value}, expected {shorten(expected)}")
    if trained.sha256 and seen.sha256 != trained.sha256:
        raise SignalMismatchError(seen.source, "its samples differ")


class _Trainer:
    """A training in progress: what it needs for each step, and its position."""

    position: Position
    sums: Tensor  # of the loss and the squared error over the epoch so far, kept on the device
    is_finite: FiniteCheck

    def __init__(self, signal: Signal, trained: Signal, run: Run) -> None:
        """Train on `trained`, which looks the same as the signal."""
        self.signal, self.network = signal, run.network
        self.training = training = self.network.config.training
        self.n_trained = training_size(signal.shape, training.holdout)
        self.steps_per_epoch = math.ceil(self.n_trained / training.batch_size)
        self.held_out = split(signal.shape, training.holdout, training.seed)
        self.trained = None if self.held_out is None else self.held_out.train.to(self.network.device)
        self.step = TrainingStep(self.network, trained)
        self._check(run)
        self.step.restore(run.optimizer)
        position = run.position
        self.samples_before = position.epoch * self.n_trained + position.n_visited
        self.seconds_before = position.seconds if self.samples_before else 0.0
        self.start = perf_counter() - position.seconds
        self._set_position(position)
        self.rollback = run.rollback or self._snapshot()

    def steps(self) -> Iterator[Progress]:
        """Take all steps that are left, yielding after each one."""
        while not self.position.finished:
            if self.position.n_visited == self.n_trained:
                self._set_position(
                    replace(self.position, epoch=self.position.epoch + 1, n_visited=0, loss=0.0, squared_error=0.0)
                )
            if self.position.n_visited == 0:
                self.rollback = self._snapshot()
            for index in self._batches():
                if not self._take_step(index):
                    yield from self._roll_back()
                    break
                yield self.progress()
                if self.position.finished:
                    break

    def progress(self, rolled_back: bool = False) -> Progress:
        at = self.position
        n_samples = at.epoch * self.n_trained + at.n_visited
        return Progress(
            network=self.network,
            done=self._done,
            epochs=at.epoch + (at.n_visited == self.n_trained),
            step=at.step,
            n_samples=n_samples,
            seconds=at.seconds,
            rate=max(n_samples - self.samples_before, 0) / max(at.seconds - self.seconds_before, 1e-9),
            scale_seconds=at.scale_seconds,
            rollbacks=at.rollbacks,
            rolled_back=rolled_back,
            snapshot=self._run,
            _means=self.sums / max(at.n_visited * self.signal.channels, 1),
        )

    @property
    def _done(self) -> float:
        """Fraction of the training that is over, by the clock or by the place in the epochs."""
        at, training = self.position, self.training
        if at.finished:
            return 1.0
        if training.is_timed:
            return min(1.0, at.seconds / training.seconds)
        steps = at.epoch * self.steps_per_epoch + math.ceil(at.n_visited / training.batch_size)
        return min(1.0, steps / (training.epochs * self.steps_per_epoch))

    def _batches(self) -> Iterator[Tensor]:
        at, batch_size = self.position, self.training.batch_size
        order = generator(self.training.seed, "order", at.epoch)
        for index in shuffled_batches(self.n_trained, batch_size, order, self.network.device, at.n_visited):
            yield index if self.trained is None else self.trained[index]

    def _take_step(self, index: Tensor) -> bool:
        """Train on some samples; whether all numbers have stayed finite."""
        at, training = self.position, self.training
        factor = learning_rate_factor(training.schedule, at.step - at.first_step, self._done)
        learning_rate = training.learning_rate * factor * ROLLBACK_FACTOR**at.rollbacks
        self.sums = self.sums + self.step(index, learning_rate)
        self.position = at = replace(
            at, step=at.step + 1, n_visited=at.n_visited + len(index), seconds=perf_counter() - self.start
        )
        if not self.is_finite(self.sums):
            return False
        complete, epoch_over = self._done == 1, at.n_visited == self.n_trained
        if (complete or epoch_over) and not self._is_sound(index):
            return False
        self.position = replace(at, finished=complete or (epoch_over and self._has_reached_target()))
        return True

    def _is_sound(self, index: Tensor) -> bool:
        """Whether the network and its output are finite, after a step that no later loss will show."""
        output = self.network(sample_coordinates(index[:1], self.signal.shape))
        return self.network.is_finite and bool(output.isfinite().all() and self.sums.isfinite().all())

    def _has_reached_target(self) -> bool:
        """Whether the signal, as it would be saved, has the target PSNR at the trained samples.

        The mean over the epoch tells when to measure: it lags behind the network, and at a high learning rate may be
        ahead.
        """
        target = self.training.target_psnr
        if self.progress().psnr < target - NEAR_TARGET:
            return False
        samples = render(self.network, self.signal.shape, bits=self.signal.bits)
        visible = media.get(self.signal.medium).visible
        trained = self.held_out.train if self.held_out else None
        return psnr(visible(self.signal.samples), visible(samples), trained) >= target

    def _roll_back(self) -> Iterator[Progress]:
        """Return to the last good state and a smaller step; raises DivergenceError if that was done before."""
        epoch, again = self.position.epoch + 1, self.position.rollbacks > 0
        self.step.restore(self.rollback.tensors)
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
        return Snapshot(self.position, _copies(self.step.state))

    @isolated()
    def _run(self) -> Run:
        """Copy of the network and of what it takes to resume."""
        loss, squared_error = self.sums.tolist()
        position = replace(self.position, loss=loss, squared_error=squared_error)
        return Run(copy.deepcopy(self.network), position, _copies(self.step.optimizer_state), self.rollback)

    def _check(self, run: Run) -> None:
        """Raise UnfinishedRunError for tensors of other names, shapes or kinds, and for more samples than there are."""
        states = [self.step.parameters | run.optimizer] if run.optimizer else []
        positions = [run.position]
        if run.rollback:
            states.append(run.rollback.tensors)
            positions.append(run.rollback.position)
        if not all(map(self.step.accepts, states)) or max(at.n_visited for at in positions) > self.n_trained:
            raise UnfinishedRunError("the state of the unfinished run is inconsistent")


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}
