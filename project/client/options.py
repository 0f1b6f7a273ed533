"""What can be said on the command line."""

import argparse
import json
import math
import os
import sys
from typing import Any, NoReturn, get_args

from project.client.api import URL
from project.client.show import complain
from project.job_models import Status
from project.settings import get_settings

HELP = f"""arguments of a task are given as NAME=VALUE. VALUE is taken as JSON if it is JSON, else as text:
  number=10  message=hello  numbers=[1,2]  'message="10"'

exit codes:
  0    done; where a job was waited for: its status is SUCCESS
  1    the job failed or was revoked
  2    wrong usage, or the service refused it (4xx)
  3    the service is away, full or broken (no answer, 5xx, 429); where it may help, submit and --wait
       have tried again before, for as long as --retry-for says
  4    the job has not ended after --wait=SECONDS
  130  Ctrl-C
  141  who reads the output has closed it

GLASSQUEUE_URL in the environment is where NGINX is, unless --url says so; without both it is
where .env and the environment let `make up` start it, by default {URL}
"""
OPTIONS: dict[str, dict[str, Any]] = {
    "job_id": {"metavar": "JOB_ID", "help": "as submit has printed it"},
    "task": {"metavar": "TASK", "help": "its name, as tasks prints it"},
    "arguments": {"metavar": "NAME=VALUE", "nargs": "*", "help": "its arguments"},
    "--before": {"type": float, "metavar": "NEXT", "help": "the `next` of the page before, as --json prints it"},
    "--countdown": {"type": float, "metavar": "SECONDS", "help": "run it in so many seconds"},
    "--failed": {"action": "store_true", "help": "all failed jobs among the recent ones"},
    "--idempotency-key": {"metavar": "KEY", "help": "the same key a second time is the same job"},
    "--job-id": {"dest": "chosen_id", "metavar": "ID", "help": "an id of your choice; refused if a job has it"},
    "--json": {"action": "store_true", "help": "print one line of JSON; watch: one for each event"},
    "--limit": {"type": int, "default": 20, "metavar": "N", "help": "20, at most 200"},
    "--priority": {
        "type": int,
        "metavar": "0-9",
        "help": "0 is the most urgent, 9 the least; without it a job counts as 5",
    },
    "--retry-for": {"type": float, "default": 30, "metavar": "SECONDS", "help": "how long submit and --wait try again"},
    "--status": {"choices": get_args(Status), "help": "only jobs with this status"},
    "--task": {"help": "only jobs of this task"},
    "--url": {"default": os.environ.get("GLASSQUEUE_URL"), "help": "where NGINX is"},
    # --wait alone is --wait=inf, see parse
    "--wait": {"type": float, "default": 0, "metavar": "SECONDS", "help": "wait for its end; --wait=9: not longer"},
}
WISHES = "--job-id --idempotency-key --countdown --priority"
COMMANDS = {
    "submit": ("submit a job; print its id, or with --wait its result", "task arguments --wait " + WISHES),
    "get": ("print a job", "job_id --wait"),
    "list": ("list recent jobs, newest first", "--task --status --limit --before"),
    "watch": ("watch all jobs until Ctrl-C, or one until it has ended", "[job_id]"),
    "cancel": ("revoke a job that waits or runs", "job_id"),
    "requeue": ("let a failed or revoked job wait again, or all failed ones", "[job_id] --failed --task"),
    "tasks": ("list the tasks and their arguments", ""),
    "queues": ("list the queues and how deep they are", ""),
    "consumers": ("list the consumers and how busy they are", ""),
}


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Stop with the message."""
        complain(f"{message} (--help says more)")
        sys.exit(2)


def parse(words: list[str]) -> argparse.Namespace:
    """Return what the command line says; stop if it makes no sense."""
    parser = _parser()
    # argparse would take what stands after --wait for its value; only --wait=SECONDS has one
    options, rest = parser.parse_known_args([f"--wait={math.inf}" if word == "--wait" else word for word in words])
    options.url = options.url or get_settings().url  # read only if it is needed: .env may be wrong
    if options.command == "submit":
        # nor does argparse take positional arguments on both sides of an option
        late, rest = [w for w in rest if not w.startswith("-")], [w for w in rest if w.startswith("-")]
        options.arguments = _arguments(parser, options.arguments + late)
    if rest:
        parser.error(f"{options.command} does not take {rest[0]}")
    if options.command == "requeue" and bool(options.job_id) == options.failed:
        parser.error("requeue takes a job's id or --failed")
    return options


def _parser() -> Parser:
    form = argparse.RawDescriptionHelpFormatter
    parser = Parser("python -m project.client", epilog=HELP, formatter_class=form, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, takes) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        for option in [*takes.split(), "--url", "--json", "--retry-for"]:
            settings = OPTIONS[option.strip("[]")] | ({"nargs": "?"} if option.startswith("[") else {})
            command.add_argument(option.strip("[]"), **settings)
    return parser


def _arguments(parser: Parser, words: list[str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals or name in arguments:
            parser.error(f"an argument is NAME=VALUE, once for each name, not {word!r}")
        arguments[name] = _value(value)
    return arguments


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # Python reads NaN and 1e999, which JSON cannot say
    except (ValueError, RecursionError):
        return text
    return value
