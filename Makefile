# SPDX-License-Identifier: GPL-2.0-or-later
# Every target sets up what it needs by itself on a fresh Debian 12 or 13: see setup/packages.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := build/run
# The crash directory that `make run` watches: make run CRASH=/srv/crash
CRASH ?= /var/crash
export CRASH
# Some containers keep Python from writing down what it has compiled; a run of the tests would compile all of them anew.
export PYTHONDONTWRITEBYTECODE :=
OLDEST_DBUS_FAST := 1.84.2
# Tests that use the D-Bus library in every way: names, calls, signals, descriptors, a bus that is lost.
OF_THE_BUS := tests/dbus/test_connection.py $(patsubst %,tests/daemon/test_%.py,authority descriptors service) tests/ctl/test_main.py \
	$(patsubst %,tests/daemon/test_captures.py::test_%,growing_capture_is_settling_and_then_one \
	stranger_raises_no_alarm_and_is_forgotten three_hundred_at_full_speed) \
	$(patsubst %,tests/daemon/test_lifecycle.py::test_%,second_daemon_leaves_the_first_alone \
	loss_of_the_bus_ends_it_with_an_error a_hundred_callers_at_once no_descriptor_is_kept \
	hangup_has_the_configuration_read_again)
# What depends on the release of Debian: libraries, buses, what setup/ installs.
ON_A_FRESH_DEBIAN := tests/dbus tests/fleet tests/inspect tests/daemon/test_service.py \
	tests/ctl/test_completion.py tests/support/test_busctl.py
DEBIAN ?= trixie
# How many tests run at once: on two processors three, as half of the time they wait.
AT_ONCE ?= 3
# How long each parser is fuzzed.
FUZZ_SECONDS ?= 10

.PHONY: help run deb test fuzz test-container test-fresh test-endurance test-security test-long test-mutations test-oldest test-vm test-panics bench picture manual lint clean

help:
	@echo 'make run          watch this machine (CRASH=/var/crash) with a bus of its own, until interrupted'
	@echo 'make deb          the Debian package, in build/deb'
	@echo 'make test         all tests that need no other machine'
	@echo 'make test-security  what strangers may do to a crash directory, at length'
	@echo 'make test-mutations  100,000 broken inputs through each parser'
	@echo 'make test-endurance  kills, power cuts, floods, an hour of comings and goings; two minutes of it: SHORT=1'
	@echo 'make fuzz         each parser for FUZZ_SECONDS (10), guided by what the inputs make it run'
	@echo 'make test-oldest  those of the bus with the oldest D-Bus library that must do, Debian 12'"'"'s'
	@echo 'make test-container  the Debian package, installed in a container that boots systemd; as root'
	@echo 'make test-fresh   setup and some tests on a fresh Debian 13, or DEBIAN=bookworm; as root'
	@echo 'make test-vm      real kernel panics in virtual machines; for all of it, as root'
	@echo 'make test-panics  the kernel dies in all forty ways that are known here'
	@echo 'make test-long    what takes too long for every change: before a release'
	@echo 'make bench        how fast and how small, by something bare; QUICK=1 in four minutes'
	@echo 'make picture      docs/pictures, of a notification on a real desktop and of a terminal'
	@echo 'make manual       docs/man/org.kdumpd1.5, from the interfaces in dbus/'
	@echo 'make lint         ruff and mypy'
	@echo 'make clean        remove what was built'

run: $(VENV)/run.stamp
	@BIN='$(BIN)' RUN='$(RUN)' exec setup/run

deb:
	setup/packages deb
	rm -rf build/deb
	packaging/build build/deb
	lintian --fail-on=error,warning build/deb/*.changes

# Many tests start a program of ours: compiled as when it is installed, it starts twice as fast.
test: $(VENV)/test.stamp
	$(BIN)/python -m compileall -q kdumpd
	PYTHONHASHSEED=0 $(BIN)/pytest -n $(AT_ONCE) --dist worksteal -m 'not vm and not container and not endurance and not long' $(PYTEST)

test-container: $(VENV)/container.stamp
	$(BIN)/pytest -m 'container and not long' $(PYTEST)

# All tests there: PYTEST=
test-fresh: PYTEST := $(ON_A_FRESH_DEBIAN)
test-fresh: $(VENV)/container.stamp
	$(BIN)/python -m tests.container.fresh_debian $(DEBIAN) make test AT_ONCE=$(AT_ONCE) PYTEST='$(PYTEST)'

test-security: $(VENV)/test.stamp
	$(BIN)/pytest tests/security -m long $(PYTEST)

# Each says the seed by which it can be had again: ENDURANCE_SEED=NUMBER.
test-endurance: $(VENV)/test.stamp
	setup/packages endurance $(if $(SHORT),,deb vm)
	$(BIN)/pytest -m 'endurance $(if $(SHORT),and not long)' tests/endurance $(PYTEST)

test-mutations: $(VENV)/test.stamp
	$(BIN)/python -m tests.security.mutation --count 100000 $(MUTATIONS)

fuzz: $(VENV)/fuzz.stamp
	$(BIN)/python -m tests.security.fuzz --seconds $(FUZZ_SECONDS)

# Before a release, and when what it tests was changed: some hours.
test-long: $(VENV)/container.stamp test-security test-mutations test-endurance test-panics
	$(BIN)/pytest -n $(AT_ONCE) --dist worksteal -m 'long and not vm and not container and not endurance' \
		--ignore tests/security $(PYTEST)
	$(BIN)/pytest -m 'container and long' tests/container $(PYTEST)
	$(BIN)/pytest -m 'vm and long' tests/vm/test_crash_test.py $(PYTEST)

test-oldest: build/oldest/test.stamp
	PYTHONHASHSEED=0 build/oldest/bin/pytest -n $(AT_ONCE) --dist worksteal $(OF_THE_BUS) $(PYTEST)

test-vm: $(VENV)/vm.stamp
	PYTHONHASHSEED=0 $(BIN)/pytest -n $(AT_ONCE) --dist worksteal -m 'vm and not long' tests/vm $(PYTEST)

test-panics: $(VENV)/vm.stamp
	PYTHONHASHSEED=0 $(BIN)/pytest -n $(AT_ONCE) --dist worksteal -m vm tests/vm/test_panics.py tests/vm/test_real_crashes.py $(PYTEST)

bench: $(VENV)/test.stamp
	setup/packages bench
	$(BIN)/python -m compileall -q bench kdumpd
	$(BIN)/python -m bench --write $(if $(QUICK),--quick) $(BENCH)

picture: $(VENV)/test.stamp
	setup/packages picture
	$(BIN)/python -m tests.docs.notification_picture docs/pictures/notification.png
	$(BIN)/python -m tests.docs.picture docs/pictures

manual: $(VENV)/test.stamp
	mkdir -p build
	$(BIN)/python -m tests.docs.interface_manual >build/org.kdumpd1.5
	mv build/org.kdumpd1.5 docs/man/org.kdumpd1.5

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/run.stamp: pyproject.toml setup/packages Makefile
	setup/packages run
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 --editable .
	touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp setup/prometheus
	setup/packages test
	setup/prometheus build/prometheus
	$(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[test]'
	touch $@

# There is no atheris for every Python; without it inputs are mutated blindly.
$(VENV)/fuzz.stamp: $(VENV)/test.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: 'atheris>=2.3' || true
	touch $@

build/oldest/test.stamp: $(VENV)/test.stamp
	$(PYTHON) -m venv build/oldest
	build/oldest/bin/pip install --quiet --disable-pip-version-check --use-pep517 \
		--editable '.[test]' 'dbus-fast==$(OLDEST_DBUS_FAST)'
	touch $@

$(VENV)/container.stamp: $(VENV)/test.stamp
	setup/packages deb container
	touch $@

$(VENV)/vm.stamp: $(VENV)/test.stamp
	setup/packages vm
	touch $@
