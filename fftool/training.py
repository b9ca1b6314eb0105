"""The training loop: shuffle, mini-batches, loss, step. It knows nothing of pictures: any `Signal` will do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import Tensor

from fftool import __version__
from fftool.batches import shuffled
from fftool.config import Config, EncodingConfig, NetworkConfig, SignalConfig, TrainingConfig, TrainingResult
from fftool.device import Watch, enough_memory, use_threads
from fftool.errors import FFToolError
from fftool.grid import cell_centres
from fftool.holdout import split, trained_cells
from fftool.learner import Learner
from fftool.metrics import Quality, finite, measure, psnr
from fftool.network import CoordinateMLP, generator
from fftool.optimizer import learning_rate_factor
from fftool.recipe import completed
from fftool.rendering import Report, ignore, render
from fftool.scale import choose_scale
from fftool.signal import Samples, Signal
from fftool.state import Position, Run, State

REDUCTION = 0.1  # of the learning rate, where the loss was not finite
NEAR = 2.0  # dB below the target, from where on the network is measured after each epoch
MEMORY_HINT = "use a smaller --batch-size, fewer units, or fewer frequencies"


@dataclass(frozen=True)
class Progress:
    """Where training stands after a step. `network` goes on learning for as long as the loop is not left."""

    network: CoordinateMLP
    done: float  # the share of the training that is over; 1 once the network is complete
    epochs: int  # finished so far
    step: int  # steps so far
    cells: int  # samples visited so far, counted once for each visit
    seconds: float  # since training began
    rate: float  # samples visited in a second, since it began or went on
    scale_seconds: float  # of these, for choosing σ
    retreats: int  # to the start of an epoch, with a smaller step, from a loss that was not finite
    retreated: bool  # just now
    run: Callable[[], Run]  # gives what it takes to go on from here, if it is called before the next step
    _means: Tensor  # loss and squared error over this epoch so far; on the device, and fetched only when asked for

    @property
    def loss(self) -> float:
        """The mean loss over this epoch so far."""
        return self._means[0].item()

    @property
    def psnr(self) -> float:
        """The mean squared error over this epoch so far, in dB. It lags behind the network; `evaluate` is exact."""
        return -10 * math.log10(max(self._means[1].item(), 1e-12))


def fit(
    signal: Signal,
    encoding: EncodingConfig = EncodingConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
) -> Iterator[Progress]:
    """Train a new network on a signal, yielding after every step; leave the loop to stop early.

    The same signal, settings and device give the same network, bit for bit, unless `training.seconds` has the clock
    decide. On a CPU, `training.precision` and the number of threads are a part of the device. `training.threads` holds
    for the whole process from then on: torch knows no other way.

    Where the loss stops being a finite number, training goes back to the start of the epoch, once, with a smaller step.

    Args:
        signal: what to learn.
        encoding, network, training: the settings. What they leave open is chosen by `fftool.scale` and `fftool.recipe`,
            and recorded in the config of the network.

    Yields:
        The state after each step; in the last one, the network is complete.

    Raises:
        FFToolError: if this machine has no such device or not enough memory, the loss stops being a finite number
            again, or the signal is too small to hold cells out of it. The network stays as it was last yielded.

    """
    start = perf_counter()
    with enough_memory(MEMORY_HINT):
        use_threads(training.threads)
        cells, held = trained_cells(signal.shape, training.holdout), split(signal.shape, training)
        before = perf_counter()
        encoding = choose_scale(signal, encoding, network, training, held)
        scale_seconds = perf_counter() - before
        training = completed(training, cells)
        config = Config(
            signal=signal.config, encoding=encoding, network=network, training=training, version=__version__
        )
        position = Position(seconds=perf_counter() - start, scale_seconds=scale_seconds)
        yield from _Course(signal, Run(CoordinateMLP(config).to(training.device), position)).steps()


def resume(signal: Signal, run: Run) -> Iterator[Progress]:
    """Go on from where a run stands, as `fit` would have. First it yields the state that it goes on from.

    On a CPU, the network becomes the same as without the interruption, bit for bit. Raises FFToolError as `fit`, and
    where the signal is not the one that the run began with, or the run contradicts itself.
    """
    with enough_memory(MEMORY_HINT):
        config = run.network.config
        _check_signal(signal.config, config.signal)
        use_threads(config.training.threads)
        training = completed(config.training, trained_cells(signal.shape, config.training.holdout))
        run.network.config = replace(config, training=training, version=__version__)
        run.network.to(training.device)
        course = _Course(signal, run)
        yield course.progress()
        yield from course.steps()


def _check_signal(seen: SignalConfig, learnt: SignalConfig) -> None:
    if (seen.axes, seen.shape, seen.channels, seen.bits) != (learnt.axes, learnt.shape, learnt.channels, learnt.bits):
        problem = "its size, channels or bits are others"
    elif learnt.sha256 and seen.sha256 != learnt.sha256:
        problem = "its pixels are others"
    else:
        return
    raise FFToolError(f"{seen.source} is not the picture that was learnt: {problem}", "name that one, or train anew")


class _Course:
    """Training under way: what it needs for each step, and where it stands."""

    position: Position
    sums: Tensor  # of the loss and the squared error of what the epoch has visited so far, kept on the device
    watch: Watch

    def __init__(self, signal: Signal, run: Run) -> None:
        self.signal, self.network = signal, run.network
        self.training = training = self.network.config.training
        assert training.batch_size and training.learning_rate and training.schedule
        self.batch_size, self.learning_rate, self.schedule = (
            training.batch_size,
            training.learning_rate,
            training.schedule,
        )
        self.held = split(signal.shape, training)
        self.trained = None if self.held is None else self.held.train.to(self.network.device)
        self.cells = trained_cells(signal.shape, training.holdout)
        self.learner = Learner(self.network, signal)
        self._check(run)
        self.learner.restore(run.optimizer)
        self.cells_before = run.position.epoch * self.cells + run.position.cells
        self.seconds_before = run.position.seconds if self.cells_before else 0.0
        self.start = perf_counter() - run.position.seconds
        self._stand_at(run.position)
        self.good = run.good or self._state()

    def steps(self) -> Iterator[Progress]:
        """Take all that are left, and tell after each one."""
        while not self.position.over:
            if self.position.cells == self.cells:
                self._stand_at(
                    replace(self.position, epoch=self.position.epoch + 1, cells=0, loss=0.0, squared_error=0.0)
                )
            if self.position.cells == 0:
                self.good = self._state()
            for index in self._batches():
                if not self._step(index):
                    yield from self._retreat()
                    break
                yield self.progress()
                if self.position.over:
                    break

    def progress(self, retreated: bool = False) -> Progress:
        at = self.position
        cells = at.epoch * self.cells + at.cells
        return Progress(
            network=self.network,
            done=self._done,
            epochs=at.epoch + (at.cells == self.cells),
            step=at.step,
            cells=cells,
            seconds=at.seconds,
            rate=max(cells - self.cells_before, 0) / max(at.seconds - self.seconds_before, 1e-9),
            scale_seconds=at.scale_seconds,
            retreats=at.retreats,
            retreated=retreated,
            run=self._run,
            _means=self.sums / max(at.cells * self.signal.channels, 1),
        )

    @property
    def _done(self) -> float:
        at, training = self.position, self.training
        if at.over:
            return 1.0
        steps = training.epochs * math.ceil(self.cells / self.batch_size)
        return min(1.0, at.step / steps if training.seconds is None else at.seconds / training.seconds)

    def _batches(self) -> Iterator[Tensor]:
        order = generator(self.training.seed, "order", self.position.epoch)
        for index in shuffled(self.cells, self.batch_size, order, self.network.device, self.position.cells):
            yield index if self.trained is None else self.trained[index]

    def _step(self, index: Tensor) -> bool:
        """Learn from some cells; whether all numbers have stayed finite."""
        at = self.position
        factor = learning_rate_factor(self.schedule, at.step, self._done) * REDUCTION**at.retreats
        self.sums = self.sums + self.learner.step(index, self.learning_rate * factor)
        seconds = perf_counter() - self.start
        self.position = at = replace(at, step=at.step + 1, cells=at.cells + len(index), seconds=seconds)
        if not self.watch(self.sums):
            return False
        complete, epoch_over = self._done == 1, at.cells == self.cells
        if (complete or epoch_over) and not self._is_sound(index):
            return False
        self.position = replace(at, over=complete or (epoch_over and self._has_reached_target()))
        return True

    def _is_sound(self, index: Tensor) -> bool:
        """Whether the network, and what it draws, is finite: after the last step, whose loss nobody has seen."""
        with torch.no_grad():
            drawn = self.network(cell_centres(index[:1], self.signal.shape))
        return self.network.is_finite and bool(drawn.isfinite().all() and self.sums.isfinite().all())

    def _has_reached_target(self) -> bool:
        """Whether the picture as it would be saved has the PSNR that is asked for, at the trained cells.

        The mean over the epoch tells when to look: it lags behind the network, and at a high learning rate may be
        ahead.
        """
        target = self.training.target_psnr
        if target is None or self.progress().psnr < target - NEAR:
            return False
        samples = render(self.network, self.signal.shape, bits=self.signal.bits)
        return psnr(self.signal.samples, samples, None if self.held is None else self.held.train) >= target

    def _retreat(self) -> Iterator[Progress]:
        """Go back to the last good state, to go on from there with a smaller step; or raise FFToolError, if again."""
        epoch, again = self.position.epoch + 1, self.position.retreats > 0
        self.learner.restore(self.good.tensors)
        self._stand_at(replace(self.good.position, seconds=perf_counter() - self.start, retreats=1))
        yield self.progress(retreated=not again)
        if again:
            raise FFToolError(
                f"the loss is no longer a finite number in epoch {epoch}, not even with a tenth of the learning rate",
                f"use a --learning-rate far below {self.learning_rate:g}",
            )

    def _stand_at(self, position: Position) -> None:
        self.position = position
        self.sums = torch.tensor([position.loss, position.squared_error], device=self.network.device)
        self.watch = Watch(self.network.device)

    def _state(self) -> State:
        return State(self.position, {name: tensor.clone() for name, tensor in self.learner.state.items()})

    def _run(self) -> Run:
        loss, squared_error = self.sums.tolist()
        position = replace(self.position, loss=loss, squared_error=squared_error)
        return Run(self.network, position, self.learner.remembered, self.good)

    def _check(self, run: Run) -> None:
        states = [self.learner.weights | run.optimizer] if run.optimizer else []
        positions = [run.position]
        if run.good:
            states.append(run.good.tensors)
            positions.append(run.good.position)
        if not all(map(self.learner.takes, states)) or max(position.cells for position in positions) > self.cells:
            raise FFToolError("training cannot go on: what is stored to that end contradicts itself", "train anew")


def evaluate(progress: Progress, signal: Signal, report: Report = ignore) -> TrainingResult:
    """Compare the trained picture, drawn at the trained size and rounded to the source's bit depth, with its source.

    The result is also recorded in the network's config, and so in a checkpoint saved after this. `report` is called as
    by `render`.
    """
    return record(progress, assess(progress.network, signal, report)[1])


def record(progress: Progress, quality: Quality) -> TrainingResult:
    """Put what came of training so far into the network's config."""
    network = progress.network
    result = TrainingResult(
        epochs=progress.epochs,
        steps=progress.step,
        loss=progress.loss,
        retreats=progress.retreats,
        psnr=finite(quality.psnr),
        ssim=quality.ssim,
        holdout_psnr=finite(quality.holdout_psnr),
    )
    config = network.config
    network.config = replace(config, training=replace(config.training, result=result))
    return result


def assess(network: CoordinateMLP, signal: Signal, report: Report = ignore) -> tuple[Samples, Quality]:
    """Draw a network as the signal is, and compare the two.

    Cells that were held out when the network was trained are kept apart, if it was trained on a grid of this shape.
    """
    samples = render(network, signal.shape, bits=signal.bits, report=report)
    config = network.config
    held = split(signal.shape, config.training) if config.signal.shape == signal.shape else None
    return samples, measure(signal.samples, samples, held)
