"""Read a lab: its front matter, its predictions and its sections."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("docs/labs")
SECTIONS = ["Predict", "Run", "Observe", "Explain", "Now you", "Reset"]
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_DETAILS = re.compile(r"<details><summary>([ABC])[^<]*</summary>\n+(.*?)\n+</details>", re.DOTALL)


@dataclass(frozen=True)
class Lab:
    """One page of docs/labs/.

    front: the front matter: answer (A, B or C), minutes, budget (seconds of machine time) and needs. choices: the three
    predictions. misconceptions: what is behind each wrong one. sections: their text by heading.
    """

    path: Path
    title: str
    question: str
    front: dict[str, str]
    choices: dict[str, str]
    misconceptions: dict[str, str]
    sections: dict[str, str]

    @property
    def number(self) -> str:
        """Return the two digits with which the file's name begins."""
        return self.path.name[:2]


def labs(folder: Path = FOLDER) -> list[Lab]:
    """Return all labs, in their order."""
    return [read(path) for path in sorted(folder.glob("[0-9][0-9]-*.md"))]


def read(path: Path) -> Lab:
    """Return the lab in a file."""
    text = path.read_text()
    front = _FRONT.match(text)
    head, *parts = re.split(r"^## (.+)\n", text[front.end() if front else 0 :], flags=re.MULTILINE)
    sections = {heading: body.strip() for heading, body in zip(parts[::2], parts[1::2], strict=True)}
    title, _, question = head.strip().partition("\n")
    predict = sections.get("Predict", "")
    return Lab(
        path,
        title.removeprefix("# "),
        question.strip(),
        dict(re.findall(r"^(\w+): (.+)$", front[1] if front else "", re.MULTILINE)),
        {letter: " ".join(choice.split()) for letter, choice in _choices(predict)},
        {letter: " ".join(why.split()) for letter, why in _DETAILS.findall(predict)},
        sections,
    )


def _choices(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^- \*\*([ABC])\.\*\* (.+(?:\n  .+)*)", text, re.MULTILINE)
