"""Packages the app for deployment: what .funcignore leaves over, with the host.json of the Durable provider.

    python infra/package.py [--provider azureStorage|durableTaskScheduler] [--output FOLDER] [--zip FILE]

The provider is that of the environment variable DURABLE_PROVIDER where none is given: azd sets it for its hooks. It
must be in the packaged file, because the scale controller of Flex Consumption reads the file, not the app settings
that override it. Only the standard library is used, and nothing outside of the output is written.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shutil
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = Path(".local") / "package"
HOST_FILES = {"azureStorage": Path("host.json"), "durableTaskScheduler": Path("infra") / "host.durable-task.json"}


def main(arguments: list[str] | None = None) -> int:
    """Fill the output folder, and the zip file if one is asked for."""
    parser = argparse.ArgumentParser(description="Package the app for deployment.")
    parser.add_argument("--provider", choices=HOST_FILES, default=os.environ.get("DURABLE_PROVIDER") or "azureStorage")
    parser.add_argument("--output", type=Path, default=ROOT / OUTPUT, help="folder to fill; replaced if it exists")
    parser.add_argument("--zip", type=Path, help="zip file to write besides, for az functionapp deployment")
    options = parser.parse_args(arguments)
    if options.provider not in HOST_FILES:
        parser.error(f"DURABLE_PROVIDER is {options.provider!r}, not one of {', '.join(HOST_FILES)}")
    files = stage(ROOT, options.output, options.provider)
    if options.zip:
        pack(options.output, options.zip)
    print(f"{len(files)} files for {options.provider} in {options.output}")  # noqa: T201 - a command-line program
    return 0


def stage(root: Path, output: Path, provider: str) -> list[Path]:
    """Copy what is deployed into an empty folder; return the paths of the files, relative to it."""
    ignored = patterns(root)
    if output.exists():
        if any(output.iterdir()) and not (output / "host.json").is_file():
            sys.exit(f"{output} is not a package: not replaced")
        shutil.rmtree(output)
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    deployed = [f for f in files if not is_ignored(f, ignored)]
    for file in deployed:
        (output / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / (HOST_FILES[provider] if file == Path("host.json") else file), output / file)
    return deployed


def pack(folder: Path, target: Path) -> None:
    """Write the folder as a zip file whose root is the app."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())


def patterns(root: Path) -> list[str]:
    """Return the patterns of .funcignore."""
    lines = (root / ".funcignore").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def is_ignored(file: Path, ignored: list[str]) -> bool:
    """Say whether a pattern matches the file or a folder above it. `name/` is a folder anywhere, `name` either."""
    folders = file.parts[:-1]
    for pattern in ignored:
        name = pattern.rstrip("/")
        parts = folders if pattern.endswith("/") else file.parts
        if any(fnmatch.fnmatch(part, name) for part in parts) or fnmatch.fnmatch(file.as_posix(), name):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
