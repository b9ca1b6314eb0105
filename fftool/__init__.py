"""fftool: coordinate networks with Fourier features, fitted to images and rendered at any size.

    import fftool

    photo = fftool.read_image("photo.jpg")
    for progress in fftool.fit(photo, fftool.EncodingConfig(scale="auto")):
        pass  # progress.epochs, progress.loss, progress.psnr
    fftool.evaluate(progress, photo)
    fftool.save(progress.network, "model.st")

    network = fftool.load("model.st")
    fftool.write_image("large.png", fftool.render(network, (2000, 3000)))

Names are loaded when first used, so that `import fftool` stays light. `__init__.pyi` lists them.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
