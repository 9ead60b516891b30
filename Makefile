# The whole kit's commands. Each builds the environment first where it is missing or older than requirements.lock.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.PHONY: help lab chat run test notebooks env lock clean

# The environment is .venv, or the conda environment of environment.yml where that one is active.
VENV := $(if $(filter internvl-course,$(CONDA_DEFAULT_ENV)),$(CONDA_PREFIX),.venv)
IN_VENV := $(VENV)/bin/python
STAMP := $(VENV)/.internvl-course
# The Python to build .venv with: the first of these that is a 3.11.
PYTHON ?= python3.11 python3 python
# Tests and notebooks share the processor between this many workers.
WORKERS ?= 2

# Jupyter looks here before it looks among the user's own kernels.
export JUPYTER_PREFER_ENV_PATH := 1
unexport JUPYTER_PATH PYTHONPATH PYTHONHOME

# uv trusts whom this machine trusts, as pip does (a company's proxy, say), where the machine has a list of its own.
ifneq ($(wildcard /etc/ssl/certs/* /etc/pki/tls/certs/*),)
export UV_SYSTEM_CERTS ?= 1
endif

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

lab: $(STAMP)  ## open JupyterLab on notebooks/ (prints the address; opens a browser where there is a screen)
	@flags=(--ServerApp.ip=127.0.0.1 --ServerApp.root_dir=notebooks)
	# A picture that is given to a widget is one message; Jupyter drops the connection at messages over 10 MiB.
	flags+=('--ServerApp.tornado_settings={"websocket_max_message_size": 104857600}')
	if [ -n "$${CI:-}" ] || { [ "$$(uname -s)" = Linux ] && [ -z "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; }; then
	    flags+=(--no-browser)
	fi
	if [ "$$(id -u)" = 0 ]; then flags+=(--allow-root); fi
	exec $(IN_VENV) -m jupyterlab "$${flags[@]}"

chat: $(STAMP)  ## open a web page to talk to the model, and to the tuned ones that notebook 05 has left
	@flags=()
	if [ -z "$${CI:-}" ] && { [ "$$(uname -s)" != Linux ] || [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ]; }; then
	    flags+=(--open)
	fi
	exec $(IN_VENV) -m course_lib webui "$${flags[@]}"

run: $(STAMP)  ## execute every notebook in order: executed copies and report.html under build/
	@$(IN_VENV) -m course_lib.course_run

notebooks: $(STAMP)  ## execute every notebook in place, as they are kept in the repository
	@$(IN_VENV) -m course_lib.course_run --in-place

# The outputs kept in the notebooks are the small model's, so the notebooks are compared with that one.
test: $(STAMP)  ## pytest, every cell of the notebooks compared with the output kept in it, and all in a real browser
	@unset COURSE_MODEL COURSE_DATA
	export OMP_NUM_THREADS=$$(( $$(nproc) > $(WORKERS) ? $$(nproc) / $(WORKERS) : 1 ))
	$(IN_VENV) -m pytest --nbval --nbval-current-env --nbval-kernel-startup-timeout=300 notebooks/[0-9]*.ipynb tests \
	    --ignore tests/browser -n $(WORKERS) --dist loadscope --no-loadscope-reorder
	# Afterwards, as notebooks 05 to 07 then find the runs that were trained above.
	$(IN_VENV) -m pytest tests/browser -n $(WORKERS) --dist loadgroup

env:  ## build the environment, or mend it
$(STAMP) env: requirements.lock pyproject.toml
	@is_311() {
	    command -v "$$1" >/dev/null && "$$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
	}
	if ! is_311 $(IN_VENV); then
	    if [ $(VENV) != .venv ]; then
	        echo "The conda environment has no Python 3.11: conda env update -f environment.yml" >&2
	        exit 1
	    fi
	    for python in $(PYTHON) none; do if is_311 "$$python"; then break; fi; done
	    if [ "$$python" = none ]; then
	        echo "The course needs Python 3.11, and none of these is one: $(PYTHON)"
	        echo "Install it (Debian, Ubuntu: apt-get install python3.11-venv), or name it: make env PYTHON=/its/path"
	        exit 1
	    fi >&2
	    echo "Building .venv with $$("$$python" --version), $$(command -v "$$python")"
	    "$$python" -m venv --clear .venv || { rm -rf .venv; exit 1; }
	fi
	# pip, which every Python brings, installs uv as the lock pins it; uv installs the rest in a tenth of pip's time.
	$(IN_VENV) -m pip --version >/dev/null 2>&1 || $(IN_VENV) -m ensurepip --default-pip >/dev/null
	awk '/^uv==/ {inside = 1} inside {print} inside && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.lock
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.lock
	# uv does not read pip's settings: hand on the one that says where packages come from.
	index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(IN_VENV) -m pip config get global.index-url 2>/dev/null || true)}}
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX=$$index; fi
	$(IN_VENV) -m uv pip sync --require-hashes --python $(IN_VENV) requirements.lock
	# Notebooks in any folder import course_lib, and their kernel "python3" is this environment's Python.
	$(IN_VENV) -c 'import pathlib, sysconfig; \
	    pathlib.Path(sysconfig.get_path("purelib"), "internvl_course.pth").write_text("$(CURDIR)\n", encoding="utf-8")'
	$(IN_VENV) -m ipykernel install --sys-prefix --name python3 --display-name "Python 3 (ipykernel)" >/dev/null
	touch $(STAMP)

# UPGRADE=1 moves every package to the newest version that works with the others.
lock: $(STAMP)  ## resolve pyproject.toml into requirements.lock again
	@$(IN_VENV) -m uv pip compile pyproject.toml --output-file requirements.lock --quiet $(if $(UPGRADE),--upgrade) \
	    --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --python-platform x86_64-manylinux_2_28

clean:  ## delete what the commands left under build/ and runs/
	@rm -rf build runs
