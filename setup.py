"""What pyproject.toml cannot say: one library is compiled, where a C++ compiler is at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

CPU = Path(__file__).parent / "server" / "models" / "musicgen" / "cpu"


def building() -> ModuleType:
    """`server.models.musicgen.cpu.building`, without the packages around it."""
    spec = importlib.util.spec_from_file_location("building", CPU / "building.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildLibrary(build_ext):
    """Compiles a library that ctypes loads; it is no extension module of any Python version."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split("."))) + ".so"

    def build_extension(self, ext: Extension) -> None:
        module = building()
        try:
            module.build(Path(self.get_ext_fullpath(ext.name)))
        except module.CannotBuild as error:
            raise CompileError(f"the C++ decode step is left out: {error}") from error


setup(
    # `optional`: where it cannot be compiled, the rest is installed without it.
    ext_modules=[Extension("server.models.musicgen.cpu.decode_step", [], optional=True)],
    cmdclass={"build_ext": BuildLibrary},
)
