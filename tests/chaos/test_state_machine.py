"""A random walk through all steps of the protocol with a real Redis: no job is lost, and none has two owners."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis

from project.leased_transport import control, records
from tests.chaos import protocol
from tests.chaos.protocol import Fetched
from tests.support.processes import RedisServer

FINAL = {"SUCCESS", "FAILURE", "REVOKED"}
IDS = st.sampled_from(["a", "b", "c", "d"])
pick = st.randoms(use_true_random=False)


class Protocol(RuleBasedStateMachine):
    """A model of the protocol: what each step must do."""

    client: Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.nonces: dict[str, str] = {}
        self.owner: dict[str, Fetched] = {}  # job -> the attempt that may end it
        self.stale: list[Fetched] = []  # attempts that lost their job
        self.ended: dict[str, str] = {}
        self.deaths: dict[str, int] = {}
        self.unsure: set[str] = set()  # the lease has expired, but is not reaped yet

    @rule(job_id=IDS, step=st.sampled_from([0, 5, 9]), delayed=st.booleans(), nonce=st.sampled_from(["n1", "n2"]))
    def submit(self, job_id: str, step: int, delayed: bool, nonce: str) -> None:
        """A new id and a retry of the same call are accepted; another job with that id is refused."""
        answer = protocol.admit(self.client, job_id, nonce, due=2e10 if delayed else "", step=step)
        expected = self.nonces.setdefault(job_id, nonce)
        assert answer == ("OK" if nonce == expected else "EXISTS")

    @rule(n=st.integers(1, 3))
    def fetch(self, n: int) -> None:
        """A fetched job had no owner, and its token is higher than all earlier ones."""
        for job in protocol.fetch(self.client, n):
            assert job.id not in self.owner and job.id not in self.ended
            assert all(old.token < job.token for old in self.stale if old.id == job.id)
            self.owner[job.id] = job

    @precondition(lambda self: self.owner)
    @rule(random=pick, action=st.sampled_from(["renew", "return", "death"]))
    def renew_or_hand_back(self, random, action: str) -> None:
        """A renewed job keeps its owner, a returned job waits, and a third failed attempt ends the job."""
        job = random.choice(list(self.owner.values()))
        assert protocol.renew_and_reap(self.client, action, job, collect=False) == []
        self.unsure.discard(job.id)
        if action != "renew":
            self._loses(job.id, counted=action == "death")

    @precondition(lambda self: self.owner)
    @rule(random=pick, collect=st.booleans())
    def expire(self, random, collect: bool) -> None:
        """A job whose lease has expired is free once the lease is reaped."""
        job_id = random.choice(list(self.owner))
        protocol.expire(self.client, job_id)
        self.unsure.add(job_id)
        if collect:
            protocol.renew_and_reap(self.client)
            for each in list(self.unsure):
                self._loses(each, counted=True)
            self.unsure.clear()

    def _loses(self, job_id: str, counted: bool) -> None:
        self.stale.append(self.owner.pop(job_id))
        self.deaths[job_id] = self.deaths.get(job_id, 0) + counted
        if counted and self.deaths[job_id] >= protocol.MAX_ATTEMPTS:
            self.ended[job_id] = "FAILURE"

    @precondition(lambda self: self.owner)
    @rule(random=pick, status=st.sampled_from(["SUCCESS", "FAILURE", "REVOKED"]))
    def finish(self, random, status: str) -> None:
        """The owner ends its job."""
        job = random.choice(list(self.owner.values()))
        assert protocol.finish(self.client, job, status)
        self.stale.append(self.owner.pop(job.id))
        self.unsure.discard(job.id)
        self.ended[job.id] = status

    @precondition(lambda self: self.owner or self.stale)
    @rule(random=pick, delayed=st.booleans())
    def retry(self, random, delayed: bool) -> None:
        """The owner retries its job; the retry of an attempt that has lost its job changes nothing."""
        job = random.choice([*self.owner.values(), *self.stale])
        owns, before = self.owner.get(job.id) == job, protocol.places(self.client, job.id)
        nonce = f"retry {job.id} {job.token}"
        if job.id not in self.nonces:
            return  # collected: a retry would submit a new job
        assert protocol.admit(self.client, job.id, nonce, due=2e10 if delayed else "", token=job.token) == "OK"
        if owns:
            self.nonces[job.id] = nonce
            self.unsure.discard(job.id)
            self._loses(job.id, counted=False)
        else:
            assert protocol.places(self.client, job.id) == before

    @precondition(lambda self: self.stale)
    @rule(random=pick)
    def finish_late(self, random) -> None:
        """An attempt that has lost its job can end it only until the job is fetched again."""
        job = random.choice(self.stale)
        before = records.read(self.client, job.id)
        protocol.finish(self.client, job)
        newest = max([old.token for old in self.stale if old.id == job.id] + [self.owner.get(job.id, job).token])
        after = records.read(self.client, job.id)
        if job.id in self.ended or job.token != newest:
            assert before == after
        elif after is not None and after["status"] == "SUCCESS":
            self.ended[job.id] = "SUCCESS"

    @precondition(lambda self: self.stale)
    @rule(random=pick, action=st.sampled_from(["renew", "return", "death"]))
    def renew_or_hand_back_late(self, random, action: str) -> None:
        """An attempt that has lost its job can neither renew nor return it."""
        job = random.choice(self.stale)
        before = protocol.places(self.client, job.id)
        assert protocol.renew_and_reap(self.client, action, job, collect=False) in ([], [job.id])
        assert protocol.places(self.client, job.id) == before

    @rule(job_id=IDS)
    def cancel_or_collect(self, job_id: str) -> None:
        """A waiting or running job is revoked; a job that has ended is collected once, and its id is free again."""
        outcome = control.cancel_or_collect(self.client, job_id)
        action = outcome and outcome.action
        if job_id not in self.nonces or self.ended.get(job_id) == "REVOKED":
            assert action is None
        elif job_id in self.ended:
            assert action == "collected"
            del self.ended[job_id], self.nonces[job_id]
            self.deaths.pop(job_id, None)
        else:
            assert action == ("stopped" if job_id in self.owner else "cancelled")
            self.stale += [self.owner.pop(job_id)] if job_id in self.owner else []
            self.unsure.discard(job_id)
            self.ended[job_id] = "REVOKED"

    @rule(job_id=IDS)
    def requeue(self, job_id: str) -> None:
        """Only a failed or revoked job is queued again, without its failed attempts."""
        done = control.requeue(self.client, [job_id]) == [job_id]
        assert done == (self.ended.get(job_id) in ("FAILURE", "REVOKED"))
        if done:
            del self.ended[job_id]
            self.deaths.pop(job_id, None)

    @invariant()
    def every_job_is_in_exactly_one_place(self) -> None:
        """A known job has ended, is leased to its owner, or waits in one place."""
        for job_id in self.nonces:
            record = records.read(self.client, job_id)
            assert record is not None
            places = protocol.places(self.client, job_id)
            if job_id in self.ended:
                assert (record["status"], places) == (self.ended[job_id], [])
                assert self.client.ttl(f"job:{job_id}") > 0
            elif job_id in self.owner:
                assert (record["status"], places) == ("STARTED", ["leased"])
            else:
                assert record["status"] in ("PENDING", "RETRY") and places in (["waiting"], ["delayed"])
                assert self.client.ttl(f"job:{job_id}") == -1


@pytest.mark.parametrize("examples", [30])
def test_a_random_walk_finds_no_lost_and_no_doubly_owned_job(server: RedisServer, examples: int) -> None:
    """Submit, fetch, renew, expire, end, return, cancel, collect and requeue in any order keep the protocol's promises."""
    Protocol.client = server.client
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=checks,
        database=None,
    )
    run_state_machine_as_test(Protocol, settings=chosen)
