# make run     see it work: samples in ./inbox, their text beside them, Ctrl-C to stop
# make test    everything that says whether it works; sets up what is missing
# make help    the rest

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

VENV ?= .venv
# The first python that is new enough; `make run PYTHON=/path/to/python3.12` for another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
# Most of its time a test waits, for a program to start or a file to settle: more of them at once than there are cores.
WORKERS ?= $(shell echo $$(( $$(nproc) + 2 )))
# Where python is told to keep no bytecode, each of the workers and of the programs they start would compile all of it anew.
PYTEST = PYTHONDONTWRITEBYTECODE= $(VENV)/bin/pytest
PIP = $(VENV)/bin/pip --disable-pip-version-check

# Where `make install` puts things. DESTDIR is put before each, for packagers (who also want prefix=/usr).
DESTDIR ?=
prefix ?= /usr/local
home ?= /opt/glimpsed
sysconfdir ?= /etc
lib = $(DESTDIR)$(prefix)/lib
units = $(lib)/systemd/system
dropins = $(DESTDIR)$(sysconfdir)/systemd/system/glimpsed.service.d
doc = $(DESTDIR)$(prefix)/share/doc/glimpsed
man1 = $(DESTDIR)$(prefix)/share/man/man1
bashcomp = $(DESTDIR)$(prefix)/share/bash-completion/completions
zshcomp = $(DESTDIR)$(prefix)/share/zsh/site-functions
fishcomp = $(DESTDIR)$(prefix)/share/fish/vendor_completions.d
# The service cannot look into anybody's home, so it does not get a python that lives there.
SYSTEM_PYTHON ?= $(shell for p in /usr/bin/python3 /usr/local/bin/python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo $(PYTHON))

# systemd-python comes as source: where it cannot be built, everything else works without.
installed = $(1) ".[ready]" && { $(1) ".[journald]" >/dev/null 2>&1 || \
	echo "Going on without systemd-python, which could not be built (gcc, pkg-config, libsystemd-dev, python3-dev): the log goes to stderr, not into the journal's fields." >&2; }

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: $(VENV)/.installed inbox/.filled  ## the daemon in the foreground, on ./inbox
	@echo "Watching ./inbox: copy an image into it. Ctrl-C stops."
	@$(VENV)/bin/glimpsed run --log console inbox || [ $$? = 130 ]  # 130: Ctrl-C before it was ready

.PHONY: test
test: $(VENV)/.tested check unchecked  ## checks and all tests but the slow ones

# In the order of the folders: files with few tests that take long (e2e) come first, so that no worker sits over one at the end.
.PHONY: unchecked
unchecked: $(VENV)/.tested  ## the same tests without the checks
	$(VENV)/bin/python -m compileall -q daemon
	$(PYTEST) -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow"

.PHONY: failed
failed: $(VENV)/.tested  ## the tests that failed last, one after the other
	$(PYTEST) -q --last-failed --last-failed-no-failures none

.PHONY: check
check: $(VENV)/.dev  ## ruff, mypy, import-linter
	$(VENV)/bin/ruff check --quiet
	$(VENV)/bin/ruff format --check --quiet
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: test-slow
test-slow: $(VENV)/.tested  ## the tests that take minutes
	$(PYTEST) -q -m slow

.PHONY: test-shares
test-shares: $(VENV)/.dev  ## kernel cifs and NFS with their real servers, in User Mode Linux
	PYTHON=$(VENV)/bin/python tests/shares/run

.PHONY: bench
bench: $(VENV)/.dev  ## everything measured beside its limit or its rival, in ten minutes; bench.json (ROWS="cpu start": only these)
	$(VENV)/bin/python tests/benchmarks $(if $(ROWS),--only $(ROWS))

.PHONY: bench-full
bench-full: $(VENV)/.dev  ## the same with 2,000 images, 1,000,000 files, 200 kills: half an hour
	$(VENV)/bin/python tests/benchmarks --full $(if $(ROWS),--only $(ROWS))

.PHONY: ocr-report
ocr-report: $(VENV)/.dev  ## how well the embedded OCR reads, beside tesseract and plain rapidocr (ONLY=glimpsed: that one anew)
	@PYTHON=$(VENV)/bin/python .ci/packages report
	$(VENV)/bin/python tests/benchmarks/ocr_report.py $(if $(ONLY),--only $(ONLY))

.PHONY: soak
soak: $(VENV)/.dev  ## files arriving at a faulty API for SECONDS (600): nothing lost or twice, memory flat
	$(VENV)/bin/python tests/benchmarks/soak.py $(or $(SECONDS),600)

.PHONY: docs
docs: $(VENV)/.docs  ## the documentation as a site, in build/site; fails at a link that leads nowhere
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build -f packaging/mkdocs.yml

.PHONY: messages
messages: $(VENV)/.dev  ## the catalogs of messages in step with the program, for whoever translates them
	$(VENV)/bin/python .ci/messages.py

.PHONY: options
options: $(VENV)/.installed  ## config.example.yaml and docs' pages on options, commands, events and sidecars, from the program
	$(VENV)/bin/python .ci/options.py
	$(VENV)/bin/python .ci/reference.py

.PHONY: pictures
pictures: $(VENV)/.tested  ## pictures of the live page for the READMEs, from a ledger that is made up, by Chromium
	$(VENV)/bin/python tests/views.py

.PHONY: man
man: $(VENV)/.installed  ## the man page, build/glimpsed.1, from the commands' own help
	@mkdir -p build
	$(VENV)/bin/python -P -m glimpsed.cli.manual > build/glimpsed.1

.PHONY: chaos
chaos: $(VENV)/.tested  ## kill -9 the daemon 200 times (KILLS=n): nothing lost, nothing torn, nothing paid twice
	CHAOS_KILLS=$(or $(KILLS),200) $(PYTEST) -q --timeout 7200 tests/e2e/test_chaos.py tests/e2e/test_handover.py -k "kill"

.PHONY: install
install:  ## as a systemd service, as root: prefix, home, sysconfdir and DESTDIR are honoured
ifeq ($(DESTDIR),)
	@PYTHON="$(SYSTEM_PYTHON)" .ci/packages run
endif
	@"$(SYSTEM_PYTHON)" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(SYSTEM_PYTHON) will not do: Python 3.11 or newer, with python3-venv" >&2; exit 1; }
	[ -x "$(DESTDIR)$(home)/bin/python" ] || "$(SYSTEM_PYTHON)" -m venv "$(DESTDIR)$(home)"
	$(call installed,"$(DESTDIR)$(home)/bin/python" -m pip --disable-pip-version-check install -q --upgrade)
ifneq ($(DESTDIR),)
	grep -lIr -- "$(DESTDIR)" "$(DESTDIR)$(home)/bin" "$(DESTDIR)$(home)/pyvenv.cfg" | xargs -r sed -i "s|$(DESTDIR)||g"
endif
	install -d "$(DESTDIR)$(prefix)/bin" "$(doc)" "$(units)" "$(lib)/sysusers.d" "$(lib)/tmpfiles.d" \
		"$(lib)/systemd/catalog" "$(DESTDIR)$(sysconfdir)/glimpsed" "$(dropins)" "$(man1)" \
		"$(bashcomp)" "$(zshcomp)" "$(fishcomp)"
	ln -sfn "$(home)/bin/glimpsed" "$(DESTDIR)$(prefix)/bin/glimpsed"
	for unit in glimpsed.service glimpsed@.service glimpsed-web.socket; do \
		sed -e "s|/opt/glimpsed|$(home)|; s|/etc/glimpsed|$(sysconfdir)/glimpsed|; s|/usr/local|$(prefix)|" \
			"systemd/$$unit" > "$(units)/$$unit"; done
	install -m 644 systemd/sysusers.conf "$(lib)/sysusers.d/glimpsed.conf"
	install -m 644 systemd/tmpfiles.conf "$(lib)/tmpfiles.d/glimpsed.conf"
	install -m 644 systemd/glimpsed.catalog "$(lib)/systemd/catalog/glimpsed.catalog"
	install -m 644 README.md CHANGELOG.md LICENSE config.example.yaml systemd/glimpsed.service.d/folders.conf "$(doc)"
	"$(DESTDIR)$(home)/bin/python" -P -m glimpsed.cli.manual > "$(man1)/glimpsed.1"
	"$(DESTDIR)$(home)/bin/python" -P -m glimpsed completion bash > "$(bashcomp)/glimpsed"
	"$(DESTDIR)$(home)/bin/python" -P -m glimpsed completion zsh > "$(zshcomp)/_glimpsed"
	"$(DESTDIR)$(home)/bin/python" -P -m glimpsed completion fish > "$(fishcomp)/glimpsed.fish"
	[ -e "$(DESTDIR)$(sysconfdir)/glimpsed/config.yaml" ] || \
		install -m 644 systemd/config.yaml "$(DESTDIR)$(sysconfdir)/glimpsed/config.yaml"
	[ -e "$(dropins)/folders.conf" ] || install -m 644 systemd/glimpsed.service.d/folders.conf "$(dropins)/folders.conf"
ifeq ($(DESTDIR),)
	systemd-sysusers "$(lib)/sysusers.d/glimpsed.conf"
	systemd-tmpfiles --create "$(lib)/tmpfiles.d/glimpsed.conf"
	journalctl --update-catalog
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
	@echo "Installed. Next: the folders, in $(sysconfdir)/glimpsed/config.yaml and $(dropins)/folders.conf,"
	@echo "each there and open to the daemon's group: install -d -m 2775 -g glimpsed /srv/scans"
	@echo "then: systemctl daemon-reload && glimpsed check --as-service && systemctl enable --now glimpsed"
	@echo "A folder, a group or a key that comes later: systemctl restart glimpsed. The log: journalctl -fu glimpsed"
	@echo "After an upgrade: systemctl restart glimpsed"
endif

.PHONY: uninstall
uninstall:  ## the service goes; config, ledger and the user stay
ifeq ($(DESTDIR),)
	[ ! -d /run/systemd/system ] || systemctl stop glimpsed-web.socket glimpsed.service "glimpsed@*.service" || true
	[ ! -d /run/systemd/system ] || systemctl disable glimpsed-web.socket glimpsed.service glimpsed@.service || true
endif
	rm -rf "$(DESTDIR)$(home)" "$(doc)" "$(DESTDIR)/var/cache/glimpsed"
	rm -f "$(DESTDIR)$(prefix)/bin/glimpsed" "$(units)/glimpsed.service" "$(units)/glimpsed@.service" "$(units)/glimpsed-web.socket" \
		"$(lib)/sysusers.d/glimpsed.conf" "$(lib)/tmpfiles.d/glimpsed.conf" "$(lib)/systemd/catalog/glimpsed.catalog" \
		"$(man1)/glimpsed.1" "$(bashcomp)/glimpsed" "$(zshcomp)/_glimpsed" "$(fishcomp)/glimpsed.fish"
ifeq ($(DESTDIR),)
	journalctl --update-catalog
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
	@echo "Kept: $(sysconfdir)/glimpsed, $(dropins), /var/lib/glimpsed and the user glimpsed."
endif

.PHONY: deb
deb:  ## dist/glimpsed_*.deb for this machine's Debian; SUITE=trixie: for another, in a fresh root, as root
	packaging/deb $(SUITE)

.PHONY: test-deb
test-deb: $(VENV)/.dev  ## the package on a fresh Debian with systemd: install, upgrade, remove, purge; SUITE=trixie, DEB=FILE
	@.ci/packages deb
	$(PYTEST) -q -n 0 tests/e2e/test_debian.py

.PHONY: release
release:  ## dist/: wheel, sdist, Debian package, SBOM and SHA256SUMS, each built twice and compared; DEB=no: without that
	PYTHON="$(PYTHON)" packaging/release

.PHONY: image
image:  ## the container image localhost/glimpsed, with buildah or podman; BASE=IMAGE: on another Debian
	packaging/image $(BASE)

.PHONY: test-image
test-image: $(VENV)/.dev  ## the image, built and run
	@.ci/packages image
	$(PYTEST) -q -n 0 tests/e2e/test_container.py

.PHONY: clean
clean:  ## everything that can be made again; ./inbox and the ledger stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find daemon tests samples -name __pycache__ -prune -exec rm -rf {} +

# -- the virtual environment ---------------------------------------------------------------------------

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "glimpsed needs Python 3.11 or newer; this machine's is $$(python3 --version 2>&1). make run PYTHON=/path/to/it" >&2; exit 1; }
	@PYTHON="$(PYTHON)" .ci/packages run
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

# pip 25.1 is the first to know --group.
$(VENV)/.pip: | $(VENV)/bin/python
	@$(PIP) install -q --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.pip
	@echo "Installing glimpsed and the OCR model into $(VENV): a few minutes the first time"
	@$(call installed,$(PIP) install -q -e)
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.installed
	@$(PIP) install -q --group dev
	@touch $@

$(VENV)/.docs: pyproject.toml | $(VENV)/.installed
	@$(PIP) install -q --group docs
	@touch $@

# The programs that tests use. Those that are not there and may not be installed: their tests are skipped.
$(VENV)/.tested: .ci/packages | $(VENV)/.dev
	@PYTHON=$(VENV)/bin/python .ci/packages test
	@touch $@

.PHONY: inbox/.filled
inbox/.filled:
	@mkdir -p inbox
	@[ -n "$$(ls inbox)" ] || cp samples/*.png samples/*.jpg samples/*.tif inbox/
