#!/bin/sh
# Get from Debian's packages what is not there.
#   setup-test.sh python [INTERPRETER]   a Python that can make virtual environments
#   setup-test.sh books                  the libraries that WeasyPrint loads, which `make book-bench` compares with
#   setup-test.sh tools                  what the tests drive: Chromium, Java, Node, PostgreSQL, nginx, Caddy, poppler
# As root the packages are installed, otherwise they are named.
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Install the named packages, or say how. The same words are safe when nothing is missing.
get() {
    [ $# -gt 0 ] || return 0
    has apt-get || fail "please install these yourself (Debian's names): $*"
    [ "$(id -u)" -eq 0 ] || fail "packages are missing. Run this as root, then start again:
    apt-get install --no-install-recommends $*"
    echo "setup: installing $*" >&2
    export DEBIAN_FRONTEND=noninteractive
    # No server starts only because tests need its program.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq || echo "setup: apt-get update failed; trying with the lists that are there" >&2
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

python() {
    if ! has "$1"; then
        [ "$1" = python3 ] || fail "there is no $1"
        get python3 python3-venv
    fi
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$1" --version) is too old: Python 3.11 or newer is needed. Name another: make PYTHON=python3.12 test"
    # Debian ships venv without ensurepip, which the package python3-venv brings.
    "$1" -c 'import ensurepip, venv' 2>/dev/null || get python3-venv
    "$1" -c 'import ensurepip, venv' 2>/dev/null || fail "$1 cannot make virtual environments"
}

# Debian keeps the server's programs off the PATH.
has_postgres() {
    has initdb && return 0
    for program in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$program" ] && return 0
    done
    return 1
}

tools() {
    missing=""
    if [ -n "${CHROMIUM:-}" ]; then
        has "$CHROMIUM" || fail "CHROMIUM names $CHROMIUM, which is not there"
    else
        # A page without any font has no width to test.
        has chromium || has chromium-browser || has google-chrome || missing="$missing chromium fonts-dejavu-core"
    fi
    has java || missing="$missing default-jre-headless"
    has strace || missing="$missing strace"
    has node || missing="$missing nodejs"
    has npm || missing="$missing npm"
    has_postgres || missing="$missing postgresql"
    has nginx || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
    has caddy || missing="$missing caddy"
    has openssl || missing="$missing openssl"
    # Books are read back by a PDF reader.
    has pdftotext || missing="$missing poppler-utils"
    # systemd's checks of a unit run without systemd.
    has systemd-analyze || missing="$missing systemd"
    # shellcheck disable=SC2086
    get $missing
    for tool in java node npm; do
        has "$tool" || fail "$tool is still missing"
    done
    has_postgres || fail "PostgreSQL's initdb is still missing"
    node -e 'process.exit(+(process.versions.node.split(".")[0] < 18))' || fail "Node $(node --version) is too old: 18 or newer"
}

books() {
    missing=""
    for library in pango-1.0 pangoft2-1.0 harfbuzz-subset; do
        PATH="$PATH:/sbin" ldconfig -p | grep -q "lib$library\.so\.0" || missing="$missing lib$(echo "$library" | sed 's/1\.0$/1.0-0/; s/subset$/subset0/')"
    done
    # shellcheck disable=SC2086
    get $missing
}

case "${1:-}" in
python) python "${2:-python3}" ;;
books) books ;;
tools) tools ;;
*) fail "what? python, books or tools" ;;
esac
