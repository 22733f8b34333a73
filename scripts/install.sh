#!/bin/sh
# Makes the virtual environment $1 and installs the book's pins into it. `make` calls this when it has to.
# PYTHON names the interpreter to use; otherwise the first that will do is taken.
set -eu
venv=$1
root=$(cd "$(dirname "$0")/.." && pwd)

is_version() { # is_version PYTHON LOWEST BELOW: runs, and its version is in the range
	"$1" -c "import sys; sys.exit(not $2 <= sys.version_info < $3)" >/dev/null 2>&1
}

find_python() {
	for range in "(3,11) (3,14)" "(3,14) (4,)"; do # first the versions that are tested, then newer ones
		for name in python3 python3.13 python3.12 python3.11 python; do
			# shellcheck disable=SC2086
			if is_version "$name" $range; then echo "$name"; return; fi
		done
	done
}

if [ -x "$venv/bin/python" ] && is_version "$venv/bin/python" "(3,11)" "(4,)"; then
	echo "Using the environment $venv ($("$venv/bin/python" --version))."
else
	python=${PYTHON:-$(find_python)}
	if [ -z "$python" ] || ! is_version "$python" "(3,11)" "(4,)"; then
		found=$("${python:-python3}" --version 2>&1 || true)
		echo "The book needs Python 3.11, 3.12 or 3.13; found: ${found:-none}." >&2
		echo "Install one of them, or name one: make book PYTHON=/path/to/python3.12" >&2
		exit 1
	fi
	if ! "$python" -c "import ensurepip, venv" >/dev/null 2>&1; then
		echo "$python cannot make virtual environments: its modules venv and ensurepip are missing." >&2
		echo "On Debian and Ubuntu: sudo apt install python3-venv. Then run the same command again." >&2
		exit 1
	fi
	if is_version "$python" "(3,14)" "(4,)"; then
		echo "Note: the book is tested with Python 3.11 to 3.13; this is $("$python" --version)."
	fi
	echo "Making the environment $venv with $("$python" --version)."
	"$python" -m venv --clear "$venv"
fi

echo "Installing requirements.txt: about 0.6 GB to download and 2.4 GB on disk with PyTorch's build for processors;"
echo "a build for GPUs, which pip takes on most Linux machines, is several GB more (see requirements.txt)."
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
log=$venv/install.log
total=$(grep -c == "$root/requirements.txt")
# pip's own report is hundreds of lines: kept in the log, and counted here so that one sees it move.
{
	pip install --requirement "$root/requirements.txt" 2>&1 &&
		pip install --no-deps --no-build-isolation --editable "$root" 2>&1 && echo "installed all of it"
} | tee "$log" | awk -v total="$total" '
	/^(Collecting|Processing) / { if (++n % 20 == 0) { print "  " n " of about " total " packages"; fflush() } }
	/^Installing collected packages/ && n { print "  unpacking them: a minute or two"; fflush(); n = 0 }'
if ! grep -q "^installed all of it" "$log"; then
	tail -n 15 "$log" >&2
	echo "The installation stopped: see the lines above (no network, no space?), or $log for all of them." >&2
	echo "Run the same command again when that is mended; nothing has to be undone." >&2
	exit 1
fi
rm "$log"
