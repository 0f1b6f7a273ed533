"""Show how far the stack has started: one line per part."""

import shutil

from project.native.output import Output


class Progress:
    """The list of parts, each starting or ready.

    It is updated in place on a terminal that is high enough, else there is a line for each part that is ready.
    """

    def __init__(self, names: list[str], output: Output) -> None:
        self._states = dict.fromkeys(names, "starting")
        self._output = output
        # the cursor cannot go back to lines that have left the terminal
        self._in_place = output.is_terminal and len(names) < shutil.get_terminal_size().lines

    def begin(self) -> None:
        """Show the list; until the stack is up, lines of the parts go to the log file only."""
        self._output.quiet = True
        if self._in_place:
            self._show()

    def ready(self, name: str) -> None:
        """Show that a part is ready."""
        self._states[name] = "ready"
        if self._in_place:
            self._show()
        else:
            self._output.say(self._line(name))

    def _show(self) -> None:
        self._output.show([self._line(name) for name in self._states])

    def _line(self, name: str) -> str:
        return f"  {self._output.format.pad(name)}  {self._states[name]}"
