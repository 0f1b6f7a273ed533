# The commands of Glassqueue; `make` lists them.
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/native ## start the stack without Docker; CONSUMERS=3 starts three consumers
	@python -m project.native

down: .venv/native ## stop the stack, from another terminal
	@python -m project.native down

reset: .venv/native ## forget all jobs, results and schedules of a stack that is stopped; keep rows, mail and backups
	@python -m project.native reset

test: lint test-light ## check, and run the tests that need no Docker (5 minutes)

test-light: .venv/dev
	pytest tests --ignore=tests/docker --ignore=tests/rabbitmq -m "not heavy" --numprocesses=3 --dist=loadfile

test-heavy: .venv/dev ## the other tests that need no Docker, one at a time: storms, floods, outages, what takes long
	pytest tests --ignore=tests/docker --ignore=tests/rabbitmq -m heavy

RABBITMQ_TOO := $(addprefix tests/e2e/test_,jobs.py ids.py waiting.py taking_back.py overview.py consumers.py)
test-rabbitmq: .venv/dev ## test what differs with RabbitMQ, and again what must not; a storm too
	pytest tests/rabbitmq tests/chaos/test_storm.py $(RABBITMQ_TOO) --broker rabbitmq --storm-jobs 800 \
	  --numprocesses=2 --dist=loadfile

test-celery: .venv/dev ## run Celery's own integration suite on the leased transport and on Celery's (over an hour)
	python -m tests.celery_suite $(TESTS)

chaos: .venv/dev ## 100,000 jobs per way to write to disk while everything is killed; STORM_SEED=7 is another storm
	pytest tests/chaos/test_storm.py -s --storm-jobs 100000 --storm-seed $(or $(STORM_SEED),3)

test-docker: .venv/dev ## test the stack in containers; needs Docker with Compose v2
	pytest tests/docker

bench-broker: .venv/dev ## measure the leased transport against Celery's own (some 10 minutes)
	python -m benchmarks.broker

doctor: .venv/native ## say what of the running stack is reachable, what is missing, and how to mend it
	@python -m project.health.doctor

debug: .venv/native ## run the jobs of QUEUE one by one in this terminal, where breakpoint() works
	@python -m project.debug $(QUEUE)

redis-cli: .venv/native ## ask the stack's Redis; ARGS='LLEN default' runs one command
	@python -m project.native.redis_cli $(ARGS)

lint: .venv/dev ## style, types, NGINX and Dockerfiles
	ruff check
	ruff format --check
	mypy
	hadolint $$(git ls-files '*Dockerfile')

format: .venv/dev ## put the code into the house style
	ruff check --fix
	ruff format

reference: .venv/dev ## write docs/reference/ anew from the code
	python -m docs.tools.reference

lock: .venv/dev ## resolve requirements*.in into the hash-locked requirements*.lock
	for name in requirements requirements-locust requirements-native requirements-dev; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --constraint requirements-dev.lock $(UPGRADE) $$name.in --output-file $$name.lock; done

clean: ## stop the stack, then remove all that it has kept (backups too) and the caches; keep the venv
	@if [ -x .venv/bin/python ]; then python -m project.native down; fi
	rm -rf .run .mypy_cache .pytest_cache .ruff_cache .hypothesis

# pip never compiles, which would take minutes in silence; of pyftpdlib, which is pure Python, there are no wheels
WHEELS := --only-binary :all: --no-binary pyftpdlib
.venv/native: requirements-native.lock
.venv/dev: requirements-dev.lock
.venv/native .venv/dev:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Glassqueue needs Python 3.11 or newer: python3 is " + sys.version)'
	@test -x .venv/bin/python || python3 -m venv .venv
	@echo "installing $< into .venv, which takes about a minute"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes $(WHEELS) --requirement $< || { \
	  echo "glassqueue: pip could not install $<; README.md names the Pythons and platforms that have all wheels"; exit 1; }
	@touch $@ && if [ $@ = .venv/dev ]; then touch .venv/native; fi

.PHONY: help up down reset debug redis-cli test test-light test-heavy test-rabbitmq chaos test-docker test-celery bench-broker doctor lint format reference lock clean
