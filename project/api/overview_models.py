"""The models of the overview; times are unix seconds, durations seconds, rates per second."""

from pydantic import BaseModel, Field


class Rates(BaseModel):
    """Events per second, on average over two seconds; null before there are two samples."""

    accepted: float | None
    started: float | None
    succeeded: float | None
    failed: float | None
    retried: float | None
    returned: float | None = Field(description="Jobs put back in their queue: lost leases and stopping consumers")
    revoked: float | None


class AllRates(Rates):
    """The rates of all queues together."""

    requests: float = Field(description="HTTP requests that the producers answer")


class QueueNow(BaseModel):
    """A queue."""

    queue: str
    waiting: int
    delayed: int
    running: int
    oldest_age: float | None = Field(description="Seconds since the submission of the job that waits longest")
    damaged: list[str] = Field(
        default=[],
        exclude_if=lambda damaged: not damaged,
        description="Keys of this queue that another program has overwritten: what was in them is not counted. "
        "Absent if there are none",
    )
    limit: int | None = Field(description="QUEUE_LIMIT; null without a limit")
    rates: Rates


class Slot(BaseModel):
    """A slot that runs a job."""

    job_id: str
    task: str
    queue: str
    since: float


class ConsumerNow(BaseModel):
    """A consumer and its busy slots."""

    name: str
    pool: str
    slots: int
    queues: list[str]
    up_since: float | None
    done: int | None = Field(description="Jobs that it has run since `up_since`")
    busy: list[Slot]
    busy_total: int


class ProducerNow(BaseModel):
    """A producer."""

    name: str
    up_since: float
    requests: float = Field(description="HTTP requests per second")
    pages: int = Field(description="Clients that follow its overview")


class ChangeNow(BaseModel):
    """A change of a job's status."""

    job_id: str
    task: str | None
    queue: str | None
    status: str | None
    at: float | None
    consumer: str | None


class ChangesNow(BaseModel):
    """The changes since the last frame; a sample of them if there were many."""

    total: int
    shown: int
    jobs: list[ChangeNow]


class Point(BaseModel):
    """A point of the charts: one second."""

    at: int
    arrivals: float
    completions: float
    failures: float
    wait_p50: float | None
    wait_p95: float | None
    run_p50: float | None
    run_p95: float | None
    depth: int = Field(description="Jobs that wait or are delayed")
    rho: float | None = Field(description="Utilisation of all slots, over ten seconds")
    l: float = Field(description="Jobs that wait or run, on average over ten seconds")  # noqa: E741
    w: float | None = Field(description="Mean time from submission to end, over ten seconds")


class TheoryNow(BaseModel):
    """Queueing theory beside the measurement, for queues that the same consumers serve; over a minute."""

    queues: list[str]
    slots: int
    arrival_rate: float
    mean_run: float | None
    mean_wait: float | None
    capacity: float | None = Field(description="Jobs per second that the slots can run")
    utilisation: float | None = Field(description="arrival_rate * mean_run / slots")
    l: float = Field(description="Measured: jobs that wait or run, on average")  # noqa: E741
    lambda_w: float | None = Field(description="Little's law: arrival_rate * (mean_wait + mean_run)")
    sentence: str = Field(description="What this means")


class History(BaseModel):
    """The points of the last five minutes in columns; seconds without a listener are missing."""

    at: list[int]
    arrivals: list[float]
    completions: list[float]
    failures: list[float]
    wait_p50: list[float | None]
    wait_p95: list[float | None]
    run_p50: list[float | None]
    run_p95: list[float | None]
    depth: list[int]
    rho: list[float | None]
    l: list[float]  # noqa: E741
    w: list[float | None]


class Snapshot(BaseModel):
    """Everything that the installation does, at a moment."""

    at: float
    producer: str = Field(description="The producer that has taken the sample")
    broker: str = Field(examples=["leased"])
    stale_since: float | None = Field(description="Since when Redis or the broker has not answered; else null")
    unknown: list[str] = Field(description="Fields that this kind of broker cannot know; they are null")
    pages: int = Field(description="Clients that follow this producer's overview")
    queues: list[QueueNow]
    queues_total: int = Field(description="How many queues there are; a frame may have no room for all of them")
    consumers: list[ConsumerNow]
    consumers_total: int
    producers: list[ProducerNow]
    producers_total: int
    rates: AllRates
    changes: ChangesNow
    point: Point | None = Field(description="The last second; in one frame per second, null in the others")
    theory: list[TheoryNow]
    history: History
