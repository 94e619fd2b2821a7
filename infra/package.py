"""Packages the app for deployment: what git tracks, less .funcignore, with the host.json of the Durable provider.

    python infra/package.py [--provider azureStorage|durableTaskScheduler] [--output FOLDER] [--zip FILE]

The provider is that of the environment variable DURABLE_PROVIDER where none is given: azd sets it for its hooks. It
must be in the packaged file, because the scale controller of Flex Consumption reads the file, not the app settings
that override it. requirements.txt is infra/requirements.lock, so that two builds of one package install the same.
Nothing that git does not track is deployed, nor what looks like a secret. Only the standard library and git are used,
and nothing outside of the output is written.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = Path(".local") / "package"
HOST_FILES = {"azureStorage": Path("host.json"), "durableTaskScheduler": Path("infra") / "host.durable-task.json"}
LOCK = Path("infra") / "requirements.lock"

SECRET_NAMES = (
    "*.pem", "*.key", "*.pfx", "*.p12", "*.jks", "*.keystore", "*.kdbx", "*.publishsettings", "id_rsa*", "id_ed25519*",
    ".env", "*.env", ".env.*", ".netrc", ".pypirc", ".npmrc", "secret*", "*credentials*", "local.settings.json",
)  # fmt: skip
"""Names that keys, certificates and local settings go by."""

SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}"
    r"|\bsig=[A-Za-z0-9%+/]{40,}"
    r"|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}"
)
"""A private key, the key of a storage account or of Service Bus, a shared access signature, a token."""


class NotPackagedError(Exception):
    """Something keeps the app from being packaged; the message names it."""


def main(arguments: list[str] | None = None) -> int:
    """Fill the output folder, and the zip file if one is asked for."""
    parser = argparse.ArgumentParser(description="Package the app for deployment.")
    parser.add_argument("--provider", choices=HOST_FILES, default=os.environ.get("DURABLE_PROVIDER") or "azureStorage")
    parser.add_argument("--output", type=Path, default=ROOT / OUTPUT, help="folder to fill; replaced if it exists")
    parser.add_argument("--zip", type=Path, help="zip file to write besides, for az functionapp deployment")
    options = parser.parse_args(arguments)
    if options.provider not in HOST_FILES:
        parser.error(f"DURABLE_PROVIDER is {options.provider!r}, not one of {', '.join(HOST_FILES)}")
    try:
        files = stage(ROOT, options.output, options.provider)
    except NotPackagedError as error:
        sys.exit(str(error))
    if options.zip:
        pack(options.output, options.zip)
    print(f"{len(files)} files for {options.provider} in {options.output}")  # noqa: T201 - a command-line program
    return 0


def stage(root: Path, output: Path, provider: str) -> list[Path]:
    """Copy what is deployed into an empty folder; return the paths of the files, relative to it.

    Raises `NotPackagedError` before anything is written.
    """
    sources = {file: root / source_of(file, provider) for file in deployed(root)}
    refuse_secrets(sources)
    if output.exists():
        if any(output.iterdir()) and not (output / "host.json").is_file():
            raise NotPackagedError(f"{output} is not a package: not replaced")
        shutil.rmtree(output)
    for file, source in sources.items():
        (output / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, output / file)
    return list(sources)


def deployed(root: Path) -> list[Path]:
    """Return what git tracks, less .funcignore, whose patterns are git's."""
    tracked = git_files(root)
    ignored = git_files(root, "--ignored", "--exclude-from=.funcignore")
    return sorted(tracked - ignored)


def git_files(root: Path, *options: str) -> set[Path]:
    """Return the tracked files that the options choose, as `git ls-files` does."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "-z", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own arguments
    except FileNotFoundError:
        raise NotPackagedError("git is not installed: only what git tracks is packaged") from None
    except subprocess.CalledProcessError as error:
        raise NotPackagedError(f"git cannot list {root}, and only what it tracks is packaged: {error.stderr}") from None
    return {Path(name) for name in done.stdout.split("\0") if name}


def source_of(file: Path, provider: str) -> Path:
    """Return the file that is deployed under a name."""
    return {Path("host.json"): HOST_FILES[provider], Path("requirements.txt"): LOCK}.get(file, file)


def refuse_secrets(sources: dict[Path, Path]) -> None:
    """Raise `NotPackagedError` naming every file that is gone, or looks like a secret."""
    gone = [str(file) for file, source in sources.items() if not source.is_file()]
    if gone:
        raise NotPackagedError(f"git tracks what is not there: {', '.join(gone)}")
    secret = [str(file) for file, source in sources.items() if looks_secret(file.name, source.read_bytes())]
    if secret:
        raise NotPackagedError(f"looks like a secret, so nothing is packaged: {', '.join(secret)}")


def looks_secret(name: str, content: bytes) -> bool:
    """Say whether a file goes by the name of a secret, or holds one."""
    named = any(fnmatch.fnmatch(name.lower(), pattern) for pattern in SECRET_NAMES)
    return named or SECRET_TEXT.search(content.decode("utf-8", errors="replace")) is not None


def pack(folder: Path, target: Path) -> None:
    """Write the folder as a zip file whose root is the app."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())


if __name__ == "__main__":
    sys.exit(main())
