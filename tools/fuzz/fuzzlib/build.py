"""Builds a target: the package's own modules with coverage and a sanitizer, linked with libFuzzer by hand.

The flags are here and not in Package.swift, whose executables have a main of their own."""

import pathlib
import subprocess
import sys

from fuzzlib.targets import Target

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent

ENTRY = """@testable import {module}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {{
    do {{
        try {function}(Array(UnsafeBufferPointer(start: start, count: count)))
    }} catch {{
        fatalError("\\(error)")
    }}
    return 0
}}
"""


class Build:
    def __init__(self, sanitizer: str) -> None:
        self.sanitizer = sanitizer
        name = ".build-fuzz" if sanitizer == "address" else f".build-fuzz-{sanitizer}"
        self.folder = ROOT / name
        self._built: set[str] = set()

    def binary(self, target: Target) -> pathlib.Path:
        """The path of the target's executable, built anew where anything has changed."""
        self._build(target.module)
        bin_folder = (self.folder / "release").resolve()
        function = target.function
        if self.sanitizer == "thread" and target.threaded:
            function = target.threaded
        entry = self.folder / "entries" / f"{target.name}.swift"
        entry.parent.mkdir(exist_ok=True)
        entry.write_text(ENTRY.format(module=target.module, function=function))
        binary = self.folder / "entries" / target.name
        self._run(
            # fmt: off
            "swiftc", f"-sanitize=fuzzer,{self.sanitizer}", "-parse-as-library", "-use-ld=lld",
            "-I", str(bin_folder / "Modules"), *self._c_modules(bin_folder), "-module-name", "Entry", str(entry),
            self._response(f"{target.module}.tests", self._tests(bin_folder, target.module)),
            str(self._archive(bin_folder, target.module)), "-o", str(binary),
            # fmt: on
        )
        return binary

    def _build(self, module: str) -> None:
        if module in self._built:
            return
        self._built.add(module)
        print(f"building {module} in {self.folder.name} ...", file=sys.stderr, flush=True)
        # The tests reach what is internal, in optimised code too.
        flags = ["-Xswiftc", "-sanitize=fuzzer", "-Xswiftc", "-enable-testing"]
        if self.sanitizer == "thread":
            # What ThreadSanitizer needs to see our locks.
            flags += ["-Xswiftc", "-DTSAN"]
        self._run(
            # fmt: off
            "swift", "build", "-c", "release", "--scratch-path", str(self.folder), "--target", module,
            "--sanitize", self.sanitizer, *flags,
            # fmt: on
        )

    def _c_modules(self, folder: pathlib.Path) -> list[str]:
        """Where the C modules are that the tests' own imports lead to."""
        maps = [*folder.glob("*.build/module.modulemap")]
        flags = [f"-I{path.parent}" for path in sorted((ROOT / "Sources").glob("*/module.modulemap"))]
        for include in sorted((self.folder / "checkouts").glob("*/Sources/*/include")):
            flags += ["-Xcc", f"-I{include}"]
            maps += include.glob("module.modulemap")
        for path in maps:
            flags += ["-Xcc", f"-fmodule-map-file={path}"]
        return flags

    def _archive(self, folder: pathlib.Path, module: str) -> pathlib.Path:
        """All that is built but tests and what runs while it is built: the linker takes out what the tests need."""
        objects = [
            path
            for part in sorted(folder.glob("*.build"))
            if not part.stem.endswith(("Tests", "-tool"))
            for path in sorted(part.rglob("*.o"))
        ]
        archive = self.folder / "entries" / f"{module}.a"
        archive.unlink(missing_ok=True)
        self._run("llvm-ar", "crs", str(archive), self._response(module, objects))
        return archive

    def _tests(self, folder: pathlib.Path, module: str) -> list[pathlib.Path]:
        return sorted((folder / f"{module}.build").rglob("*.o"))

    def _response(self, name: str, paths: list[pathlib.Path]) -> str:
        """Hundreds of paths, some with spaces, as an argument."""
        file = self.folder / "entries" / f"{name}.objects"
        file.write_text("\n".join(f'"{path}"' for path in paths))
        return f"@{file}"

    def _run(self, *command: str) -> None:
        result = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command[:4])} … failed:\n{result.stdout[-8_000:]}")
