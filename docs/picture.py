"""Makes chat.svg, the picture in the README: a real chat with the bundled model, as a terminal shows it.

    python docs/picture.py --seed 5

Needs tmux, which types the lines and reads the screen.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
SESSION = "her-picture"
COLUMNS, ROWS = 92, 60
LINES = (
    "/view director",
    "*bows* Shall we talk, then, Miss Bennet? I am told that it is done. [She is laughing at me.]",
)


def tmux(*words: str) -> str:
    """What tmux prints."""
    return subprocess.run(["tmux", *words], check=True, capture_output=True, encoding="utf-8").stdout


def settled(seconds: float) -> str:
    """The screen with its colours, once nothing has moved on it for so long."""
    last, since = "", time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.5)
        screen = tmux("capture-pane", "-p", "-e", "-t", SESSION)
        if screen != last:
            last, since = screen, time.monotonic()
    return last


def main() -> None:
    """Plays the chat and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    her = f"{sys.executable} -m her --seed {options.seed}"
    tmux("new-session", "-d", "-s", SESSION, "-x", str(COLUMNS), "-y", str(ROWS), her)
    try:
        settled(6)
        for line in LINES:
            tmux("send-keys", "-t", SESSION, "-l", line)
            tmux("send-keys", "-t", SESSION, "Enter")
            screen = settled(8)
    finally:
        tmux("kill-session", "-t", SESSION)
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.rstrip()))
    svg = console.export_svg(title="her")
    # Fonts of the reader's own: the picture loads nothing from anywhere.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    (HERE / "chat.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    main()
