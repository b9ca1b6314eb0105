"""A comparison: variants run, measured, shown and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import typer

from fftool.cli import progress as bars
from fftool.cli import terminal
from fftool.cli.comparison_outputs import ComparisonOutputs
from fftool.cli.comparison_report import outcome_json, show_outcomes, write_csv
from fftool.cli.errors import hint, problem
from fftool.cli.output import Output
from fftool.cli.reports import note_flat
from fftool.cli.settings import TrainingOptions
from fftool.cli.training_run import format_status
from fftool.comparison.outcome import Measure, NetworkOutcome, Outcome, best
from fftool.comparison.runner import Results, Source, VariantCallback, VariantRunner
from fftool.config import Variant
from fftool.errors import FFToolError
from fftool.export.page import Model, write_page
from fftool.figures.curves import Curve, curves
from fftool.figures.page import Page
from fftool.figures.scale import explanation
from fftool.figures.sheet import Entry, sheet
from fftool.files import new_folder
from fftool.media.base import Medium
from fftool.scale.spectrum import radial_spectrum
from fftool.signal import Samples, Signal
from fftool.training.trainer import Progress


@dataclass(frozen=True)
class Comparison:
    """Variants to compare on one signal, and the files to write. `shape` is that of the renderings, if not its own."""

    file: Path
    signal: Signal
    medium: Medium
    variants: Sequence[Source]
    settings: TrainingOptions
    outputs: ComparisonOutputs
    shape: tuple[int, ...] | None
    show: bool

    def run(self, output: Output) -> None:
        """Run all variants and report them. Raises Exit if any failed, or it was interrupted."""
        folders = {path.parent for path in self.outputs.models.values()}
        with new_folder(folders.pop()) if folders else nullcontext():
            self._run(output)

    def _run(self, output: Output) -> None:
        results = self._run_variants()
        if results.interrupted and not (results.outcomes or results.failures):
            raise KeyboardInterrupt
        outcomes = results.outcomes
        if outcomes and self.outputs.csv:
            write_csv(self.outputs.csv, outcomes)
        written = self._draw(results) if outcomes else []
        if outcomes:  # once the files are there, as nothing may read the table
            show_outcomes(outcomes, output)
            for each in outcomes:
                if each.config:
                    note_flat(each.name, each.config, each.quality.psnr, self.signal)
        self._show_files(results, written, output)
        if results.interrupted:
            total, n_run = len(self.variants), results.n_run
            where = f"after {len(outcomes)} of {total} variants" if n_run < total else "before the figures"
            terminal.note(f"Stopped {where}.")
            raise typer.Exit(130)
        if results.failures:
            raise typer.Exit(1)

    def _run_variants(self) -> Results:
        runner = VariantRunner(self.signal, self.variants, self.settings.training, self.outputs.models)
        work = sum(map(runner.work, self.variants))
        with bars.progress_in_parts("all variants", work, self.medium.short_unit) as add_part:

            def track(name: str, work: int) -> VariantCallback:
                update = add_part(name, work)

                def trained(progress: Progress) -> None:
                    update(progress.done * work, partial(format_status, progress, self.medium))

                return VariantCallback(trained, update)

            return runner.run(track)

    def _draw(self, results: Results) -> list[Path]:
        """Write the figures; returns those that were written. A failure leaves the other results as they are."""
        outputs, written = self.outputs, list[Path]()
        try:
            if outputs.curves:
                lines = [Curve(each.name, each.quality, each.history, self._profile(each)) for each in results.outcomes]
                curves(lines, self._title(results), self.medium.profile_unit).save(outputs.curves)
                written.append(outputs.curves)
            searched = [each.config.encoding for each in results.outcomes if each.config and each.scale_search]
            if outputs.explanation and searched:
                title = f"{self.signal.source}: choice of σ"
                spectrum = radial_spectrum(self.signal.array)
                page = explanation(title, spectrum, searched, self.signal.shape, self.medium.noun, self.medium.unit)
                page.save(outputs.explanation)
                written.append(outputs.explanation)
            page = self._sheet(results)
            page.save(outputs.sheet)
            written.append(outputs.sheet)
            if outputs.page:
                self._write_page(outputs.page, results)
                written.append(outputs.page)
            if self.show:
                terminal.print_image(page.image())
        except FFToolError as error:
            results.failures["the figures"] = error
        except KeyboardInterrupt:
            results.interrupted = True
        return written

    def _sheet(self, results: Results) -> Page:
        outcomes, previews = results.outcomes, self.medium.previews
        any_held_out = any(each.quality.holdout_psnr is not None for each in outcomes)
        measure: Measure = "iou" if self.signal.test_points else "holdout_psnr" if any_held_out else "psnr"
        starred = best(outcomes, measure)
        entries = [
            Entry(each.name, each.quality, previews(each.samples), previews(rendered), each in starred)
            for each, rendered in zip(outcomes, self._renderings(outcomes), strict=True)
        ]
        title = self._title(results)
        if self.shape:
            title += f", rendered at {self.medium.format_size(self.shape)}"
        size = self.medium.describe_size(self.signal.shape)
        return sheet(previews(self.signal.array), self.signal.source, size, entries, title)

    def _write_page(self, path: Path, results: Results) -> None:
        """Write the page of all networks, without the baselines."""
        networks = [each for each in results.outcomes if isinstance(each, NetworkOutcome)]
        models = [Model(each.name, each.network.cpu(), each.quality) for each in networks]
        write_page(path, self.signal.source, models, self.signal)

    def _profile(self, outcome: Outcome) -> tuple[float, ...]:
        return self.medium.profile(self.signal.array, outcome.samples)

    def _title(self, results: Results) -> str:
        count = len(results.outcomes)
        title = f"{self.signal.source}: {count} variant{'s' if count > 1 else ''}"
        if not any(isinstance(variant, Variant) for variant in self.variants):
            return title
        training = self.settings.training
        return f"{title}, {f'{training.seconds:g} s each' if training.seconds else f'{training.epochs} epochs'}"

    def _renderings(self, outcomes: Sequence[Outcome]) -> list[Samples]:
        """Samples to show of each: rendered at the requested size, or at the signal's."""
        if self.shape is None:
            return [outcome.samples for outcome in outcomes]
        work, unit = prod(self.shape), self.medium.short_unit
        with bars.progress_in_parts("all renderings", len(outcomes) * work, unit) as add_part:
            return [each.render(self.shape, add_part(each.name, work)) for each in outcomes]

    def _show_files(self, results: Results, written: Sequence[Path], output: Output) -> None:
        for name, error in results.failures.items():
            terminal.print_error(f"{name}: {problem(error, Path(name))}", hint(error))
        output.document(
            {
                "image": str(self.file),
                "output": str(self.outputs.sheet) if self.outputs.sheet in written else None,
                "page": str(self.outputs.page) if self.outputs.page in written else None,
                "variants": [
                    outcome_json(each, self._profile(each), self.medium.profile_unit) for each in results.outcomes
                ],
                "failed": [{"name": name, "error": str(error)} for name, error in results.failures.items()],
            }
        )
        for path in self.outputs.reports:
            if path in written or (path == self.outputs.csv and results.outcomes):
                output.line(path)
