"""Break it: what can be broken on purpose, to watch the stack recover."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from project.api.deps import require_json
from project.api.parameters import BODY_LIMIT
from project.api.paths import API
from project.api.problems import problem_responses
from project.jobs.chaos import DISABLED, EXPECT, Chaos, Done
from project.task_options.body_limits import Limited

router = APIRouter(prefix=f"{API}/chaos", tags=["chaos"])

Action = Literal["kill-consumer", "freeze-redis", "poison-job", "slow-consumer", "flood"]
PROBLEMS = problem_responses(400, 403, 409, 413, 415, 422, 429, 503)


class ActionOut(BaseModel):
    """Something that can be broken."""

    action: Action
    possible: bool
    reason: str | None = Field(description="Why it is not possible")
    expect: str = Field(description="What should happen")
    submit: str = Field(description="Where to POST", examples=[f"{API}/chaos/flood"])


class ChaosOut(BaseModel):
    """What can be broken here."""

    enabled: bool
    reason: str | None = Field(description="Why it is not enabled, and how to enable it")
    actions: list[ActionOut]


class Broken(BaseModel):
    """What was done."""

    action: Action
    target: str | None = Field(description="The consumer, or redis")
    job_ids: list[str] = Field(description="The first ten jobs that were submitted")
    until: datetime | None
    expect: str = Field(description="What should happen now")


class Nothing(Limited):
    """No options."""

    model_config = ConfigDict(extra="forbid")


class WhichConsumer(Nothing):
    """The consumer to kill."""

    consumer: str | None = Field(default=None, max_length=300, description="Its name; by default the busiest one")


class HowSlow(WhichConsumer):
    """The consumer to slow down."""

    seconds: float = Field(default=30, gt=0, le=60, description="For how long")
    delay: float = Field(default=1, gt=0, le=10, description="How long each job waits before it begins, in seconds")


class HowMany(Nothing):
    """How many jobs to submit."""

    count: int = Field(default=500, ge=1, le=2000)


async def _chaos(request: Request) -> Chaos:
    return request.app.state.chaos


ChaosDep = Annotated[Chaos, Depends(_chaos)]


@router.get("", summary="Show what can be broken here", operation_id="get_chaos", responses=problem_responses(429, 503))
def show(chaos: ChaosDep) -> ChaosOut:
    reasons = {action: chaos.obstacle(action) for action in EXPECT}
    enabled = DISABLED not in reasons.values()
    actions = [
        ActionOut.model_validate(
            {"action": action, "possible": not reason, "reason": reason, "expect": chaos.expect(action)}
            | {"submit": f"{API}/chaos/{action}"}
        )
        for action, reason in reasons.items()
    ]
    return ChaosOut(enabled=enabled, reason=None if enabled else DISABLED, actions=actions)


def _add(action: str, summary: str, model: Any, run: Callable[[Chaos, Any], Done]) -> None:
    async def allowed(chaos: ChaosDep) -> None:
        """Without CHAOS=1, refuse the request before its body is read."""
        chaos.require_enabled()

    @router.post(
        f"/{action}",
        status_code=202,
        summary=summary,
        description=EXPECT[action],
        operation_id=action.replace("-", "_"),
        max_body_size=BODY_LIMIT,
        dependencies=[Depends(allowed), Depends(require_json)],
        responses=PROBLEMS,
    )
    def break_it(chaos: ChaosDep, options: model | None = None) -> Broken:
        chaos.require(action)
        done = run(chaos, options or model())
        until = datetime.fromtimestamp(done.until, UTC) if done.until else None
        known = {"action": action, "target": done.target, "job_ids": done.job_ids, "until": until}
        return Broken.model_validate(known | {"expect": chaos.expect(action)})


_add("kill-consumer", "Kill a consumer", WhichConsumer, lambda chaos, how: chaos.kill_consumer(how.consumer))
_add("freeze-redis", "Freeze Redis for five seconds", Nothing, lambda chaos, _: chaos.freeze_redis())
_add("poison-job", "Submit a job that kills its process", Nothing, lambda chaos, _: chaos.poison_job())
_add(
    "slow-consumer",
    "Slow a consumer down",
    HowSlow,
    lambda chaos, how: chaos.slow_consumer(how.consumer, how.seconds, how.delay),
)
_add("flood", "Submit many jobs", HowMany, lambda chaos, how: chaos.flood(how.count))
