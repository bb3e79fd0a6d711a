"""The command line: parse, call, print.

Exit codes: 0 done, 1 failed, 2 wrong input, 130 and 143 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from selector.errors import InputError, Interrupted, SelectorError, StorageError
from selector.track.store import DISK, refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        from selector.cli.parser import parse  # takes long enough to be interrupted in

        asked = parse(list(sys.argv[1:] if arguments is None else arguments))
        return int(asked.command(asked))
    except Interrupted as error:
        _say(f"\n{error}")
        return error.exit_code
    except InputError as error:
        _say("\n".join(f"selector: {line}" for line in error.mistakes))
        return error.exit_code
    except SelectorError as error:
        _say(f"selector: {error}")
        return error.exit_code
    except BrokenPipeError:  # `selector list | head`
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in DISK:
            raise
        print(f"selector: {refused(Path(error.filename or '.'), error)}", file=sys.stderr)
        return StorageError.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted; everything finished is stored", file=sys.stderr)
        return 130


def _say(text: str) -> None:
    from selector.config.secrets import redacted

    print(redacted(text), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
