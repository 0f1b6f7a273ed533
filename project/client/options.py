"""The options of the command line."""

import argparse
import json
import math
import os
import sys
from typing import Any, NoReturn, get_args

from project.client.api import URL
from project.client.show import print_error
from project.job_models import Status
from project.settings import get_settings


def seconds(text: str) -> float:
    """Return a number of seconds, which may be infinite; argparse names this function in its error."""
    if math.isnan(value := float(text)):
        raise ValueError(text)
    return value


HELP = f"""arguments of a task are given as NAME=VALUE. VALUE is parsed as JSON if it is valid JSON, else it is text:
  number=10  message=hello  numbers=[1,2]  'message="10"'

exit codes:
  0    success; after waiting for a job: its status is SUCCESS
  1    the job failed or was revoked
  2    wrong usage, an invalid setting, or the service rejected the request (4xx)
  3    the service is unavailable, full or broken (no response, 5xx, 429); submit and --wait
       have retried for --retry-for seconds where that may help
  4    the job has not ended after --wait=SECONDS
  130  Ctrl-C
  141  the reader of the output has closed it

The URL of NGINX is --url, else GLASSQUEUE_URL in the environment, else the one at which `make up`
starts it with the settings in .env and the environment, by default {URL}
"""
OPTIONS: dict[str, dict[str, Any]] = {
    "job_id": {"metavar": "JOB_ID", "help": "the id that submit printed"},
    "task": {"metavar": "TASK", "help": "its name; `tasks` lists them"},
    "arguments": {"metavar": "NAME=VALUE", "nargs": "*", "help": "its arguments"},
    "--before": {"type": float, "metavar": "NEXT", "help": "the `next` of the previous page, as --json prints it"},
    "--countdown": {"type": float, "metavar": "SECONDS", "help": "delay before the job runs, in seconds"},
    "--failed": {"action": "store_true", "help": "all failed jobs among the recent ones"},
    "--idempotency-key": {"metavar": "KEY", "help": "a second submit with the same key returns the first job"},
    "--job-id": {
        "dest": "chosen_id",
        "metavar": "ID",
        "help": "an id of your choice; rejected if it is taken",
    },
    "--json": {"action": "store_true", "help": "print one line of JSON; watch: one line per event"},
    "--limit": {"type": int, "default": 20, "metavar": "N", "help": "number of jobs: 20 by default, at most 200"},
    "--priority": {
        "type": int,
        "metavar": "0-9",
        "help": "0 is the most urgent, 9 the least; without it a job counts as 5",
    },
    "--retry-for": {"type": seconds, "default": 30, "metavar": "SECONDS", "help": "how long submit and --wait retry"},
    "--status": {"choices": get_args(Status), "help": "only jobs with this status"},
    "--task": {"help": "only jobs of this task"},
    "--url": {"default": os.environ.get("GLASSQUEUE_URL"), "help": "URL of NGINX"},
    # --wait alone is --wait=inf, see parse
    "--wait": {
        "type": seconds,
        "default": 0,
        "metavar": "SECONDS",
        "help": "wait for its end; --wait=9: for 9 s at most",
    },
}
SUBMIT_OPTIONS = "--job-id --idempotency-key --countdown --priority"
COMMANDS = {
    "submit": ("submit a job; print its id, or with --wait its result", "task arguments --wait " + SUBMIT_OPTIONS),
    "get": ("print a job", "job_id --wait"),
    "list": ("list recent jobs, newest first", "--task --status --limit --before"),
    "watch": ("watch all jobs until Ctrl-C, or one until it has ended", "[job_id]"),
    "cancel": ("cancel a job that waits or runs", "job_id"),
    "requeue": ("requeue a failed or revoked job, or all failed ones", "[job_id] --failed --task"),
    "tasks": ("list the tasks and their arguments", ""),
    "queues": ("list the queues and their numbers of jobs", ""),
    "consumers": ("list the consumers and their busy slots", ""),
}


class Parser(argparse.ArgumentParser):
    """A parser that prints errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        print_error(f"{message} (--help says more)")
        sys.exit(2)


def parse(words: list[str]) -> argparse.Namespace:
    """Parse the command line; exit with a message if it is wrong."""
    parser = _parser()
    # argparse would use the next word as the value of --wait; only --wait=SECONDS has a value
    options, rest = parser.parse_known_args([f"--wait={math.inf}" if word == "--wait" else word for word in words])
    options.url = options.url or _url_of_settings()  # read only if needed: .env may be invalid
    if options.command == "submit":
        # argparse does not accept positional arguments on both sides of an option
        late, rest = [w for w in rest if not w.startswith("-")], [w for w in rest if w.startswith("-")]
        options.arguments = _arguments(parser, options.arguments + late)
    if rest:
        parser.error(f"{options.command} does not accept {rest[0]}")
    if options.command == "requeue" and bool(options.job_id) == options.failed:
        parser.error("requeue needs either a job id or --failed")
    return options


def _url_of_settings() -> str:
    """Return the URL of the stack; with invalid settings exit with 2, because 1 says that a job has failed."""
    try:
        return get_settings().url
    except SystemExit as error:
        print(error, file=sys.stderr)
        sys.exit(2)


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
        json.dumps(value, allow_nan=False)  # Python parses NaN and 1e999, which are not valid JSON
    except (ValueError, RecursionError):
        return text
    return value
