# The commands of Glassqueue; `make` lists them.
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/native ## start the stack without Docker; CONSUMERS=3 starts three consumers
	@python -m project.native

dev: .venv/native ## start the stack as `make up` does, and restart its processes when their code changes
	@RELOAD=1 python -m project.native

down: .venv/native ## stop the stack, from another terminal
	@python -m project.native down

consumer: .venv/native ## start one more consumer beside the stack, such as one with TASK_MODULES, TASK_PATH and CONSUMER_QUEUES
	@python -m project.misspelt
	@REMAP_SIGTERM=SIGQUIT exec python -m celery --app project.consumer worker --hostname extra.$$$$@%h

logs: .venv/native ## print the log of the stack; JOB=id prints all lines about a job, PART=consumer those of some parts
	@python -m project.native.logs

reset: .venv/native ## delete all jobs, results and schedules of a stopped stack; keep the database, mail and backups
	@python -m project.native reset

lab: .venv/native ## list the labs of docs/labs/; N=04 does one with you
	@python -m docs.tools.labs $(N)

labs: .venv/native ## do all labs in random order, without questions (10 minutes)
	@python -m docs.tools.labs --all $(if $(SEED),--seed $(SEED))

test: lint test-light ## lint, and run the tests that need no Docker (5 minutes)

test-light: .venv/dev
	pytest tests --ignore=tests/docker --ignore=tests/rabbitmq -m "not heavy" --numprocesses=4 --dist=loadfile

test-heavy: .venv/dev ## run the slow tests one at a time: storms, floods, outages
	pytest tests --ignore=tests/docker --ignore=tests/rabbitmq -m heavy

RABBITMQ_TOO := $(addprefix tests/e2e/test_,jobs.py ids.py waiting.py cancelling.py overview.py consumers.py)
test-rabbitmq: .venv/dev ## run the tests of the RabbitMQ broker, and a storm
	pytest tests/rabbitmq tests/chaos/test_storm.py $(RABBITMQ_TOO) --broker rabbitmq --storm-jobs 800 \
	  --numprocesses=2 --dist=loadfile

test-celery: .venv/dev ## run Celery's integration suite on the leased transport and on Celery's own (over an hour)
	python -m tests.celery_suite $(TESTS)

chaos: .venv/dev ## kill every process under 100,000 jobs, once per appendfsync mode; STORM_SEED=7 is another storm
	pytest tests/chaos/test_storm.py -s --storm-jobs 100000 --storm-seed $(or $(STORM_SEED),3)

test-docker: .venv/dev ## test the stack in containers (needs Docker with Compose v2)
	pytest tests/docker

bench: .venv/dev ## benchmark against stock Celery and others, and update docs/explanation/performance.md (10 minutes); QUICK=1: 2 minutes
	python -m benchmarks $(if $(QUICK),--quick)

doctor: .venv/native ## check the running stack and suggest a fix for each fault
	@python -m project.health.doctor

debug: .venv/native ## run the jobs of QUEUE one by one in this terminal, where breakpoint() works
	@python -m project.debug $(QUEUE)

redis-cli: .venv/native ## open a shell on the stack's Redis; ARGS='LLEN default' runs one command
	@python -m project.native.redis_cli $(ARGS)

new: .venv/dev ## make a service of your own: DIR=../myservice NAME=myservice WITHOUT=mail,backups,records,reminders
	@python -m docs.tools.new "$$DIR" "$$NAME" "$$WITHOUT"

lint: .venv/dev ## check style, types and Dockerfiles
	ruff check
	ruff format --check
	mypy
	hadolint $$(git ls-files '*Dockerfile')

format: .venv/dev ## format the code
	ruff check --fix
	ruff format

reference: .venv/dev ## generate docs/reference/ from the code, and render the labs for the page
	python -m docs.tools.reference
	python -m docs.tools.labs.pages

lock: .venv/dev ## lock the dependencies: requirements*.in to requirements*.lock, with hashes
	for name in requirements requirements-locust requirements-native requirements-dev; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --constraint requirements-dev.lock $(UPGRADE) $$name.in --output-file $$name.lock; done

clean: ## stop the stack and delete its state (backups too) and the caches; keep the venv
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@if [ -e .venv/native ]; then python -m project.native clean; \
	  elif [ -e .run ]; then echo "glassqueue: .run is kept, as .venv is missing: delete it yourself"; fi

# Wheels only: compiling would take minutes without any output. pyftpdlib is pure Python and has no wheels
WHEELS := --only-binary :all: --no-binary pyftpdlib
.venv/native: requirements-native.lock
.venv/dev: requirements-dev.lock
.venv/native .venv/dev:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Glassqueue needs Python 3.11 or newer: python3 is " + sys.version)'
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || python3 -m venv .venv  # also completes an interrupted one
	@echo "installing $< into .venv, which takes about a minute"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes $(WHEELS) --requirement $< || { \
	  echo "glassqueue: pip could not install $<; README.md names the Pythons and platforms that have all wheels"; exit 1; }
	@touch $@ && if [ $@ = .venv/dev ]; then touch .venv/native; fi

.PHONY: help consumer lab labs up down reset debug redis-cli test test-light test-heavy test-rabbitmq chaos test-docker test-celery bench doctor lint format reference lock clean logs dev new
