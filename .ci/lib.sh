# What the sections share; each begins by sourcing it, and is in the repository's root then.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Tests that would be skipped for want of something fail here.
export CI=1
export CARGO_INCREMENTAL=0
# Backtraces and line numbers stay; the rest of the debug information is most of the time that linking takes.
export CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-line-tables-only}"
unset CARGO_TARGET_DIR
root="$PWD"
tools="$root/target/ci-tools"
export PATH="$tools/bin:$PATH"

as_root() {
    if [[ "$(id -u)" == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Installs Debian's packages. None of their services is started.
debian() {
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@"
}

has() {
    command -v "$1" > /dev/null
}

# need COMMAND PACKAGE... [-- COMMAND PACKAGE...]: installs the packages of those commands that are not there.
need() {
    local -a packages=()
    while [[ $# -gt 0 ]]; do
        local command="$1"
        local -a its=()
        shift
        while [[ $# -gt 0 && "$1" != -- ]]; do
            its+=("$1")
            shift
        done
        [[ $# -gt 0 ]] && shift
        has "$command" || packages+=("${its[@]}")
    done
    if [[ ${#packages[@]} -gt 0 ]]; then debian "${packages[@]}"; fi
}

# rust_tool COMMAND CRATE: a tool from crates.io, if the machine has none.
rust_tool() {
    has "$1" || cargo install "$2" --locked --quiet --root "$tools"
}

# python_tools NAME REQUIREMENT...: a virtual environment of that name with these packages; sets $venv.
python_tools() {
    venv="$root/target/ci-python/$1"
    shift
    python3 -c "import ensurepip" 2> /dev/null || debian python3 python3-venv
    local wanted="$*"
    if [[ "$(cat "$venv/wanted" 2> /dev/null)" != "$wanted" ]]; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
        echo "$wanted" > "$venv/wanted"
    fi
}

# toolchain NAME: whether there is such a toolchain, and with CI_REQUIRE_TOOLCHAINS it is fetched, and has to be.
toolchain() {
    if cargo "+$1" --version > /dev/null 2>&1; then return 0; fi
    if [[ -n "${CI_REQUIRE_TOOLCHAINS:-}" ]]; then
        rustup toolchain install --profile minimal "$1"
        return
    fi
    echo "not checked: Rust $1 is not on this machine (CI_REQUIRE_TOOLCHAINS=1 fetches it, and fails without)"
    return 1
}

# A port of this machine that nothing listens on.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

answers() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

await() {
    for _ in {1..120}; do
        if answers "$1"; then return; fi
        sleep 0.5
    done
    echo "nothing answers on port $1" >&2
    return 1
}

# The servers of the stores that need one, CI_STORES (all of them, by default): those that answer on this machine, else
# Debian's. No test of theirs is skipped then.
start_stores() {
    REQUIRE_STORES="${CI_STORES-postgres,mysql,redis}"
    echo "stores: memory, SQLite${REQUIRE_STORES:+, $REQUIRE_STORES}"
    if [[ -z "$REQUIRE_STORES" ]]; then
        unset REQUIRE_STORES
        return
    fi
    export REQUIRE_STORES

    # `at 5432 postgres TEST_POSTGRES_URL`: whether it is asked for, and is to be started here.
    missing() { [[ ",$REQUIRE_STORES," == *",$2,"* && -z "${!3:-}" ]] && ! answers "$1"; }
    local -a packages=()
    if [[ ",$REQUIRE_STORES," == *,postgres,* ]]; then
        { answers 5432 && ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; } || packages+=(postgresql)
        has pgbouncer || packages+=(pgbouncer)
    fi
    if [[ ",$REQUIRE_STORES," == *,mysql,* ]]; then
        { answers 3306 && [[ -x /usr/sbin/mariadbd ]]; } || packages+=(mariadb-server)
    fi
    if [[ ",$REQUIRE_STORES," == *,redis,* ]]; then
        has redis-server || packages+=(redis-server)
    fi
    if [[ ${#packages[@]} -gt 0 ]]; then debian "${packages[@]}"; fi

    if missing 5432 postgres TEST_POSTGRES_URL; then
        local version cluster
        read -r version cluster _ < <(pg_lsclusters -h)
        echo "host all all 127.0.0.1/32 trust" | as_root tee "/etc/postgresql/$version/$cluster/pg_hba.conf" > /dev/null
        as_root pg_ctlcluster --skip-systemctl-redirect "$version" "$cluster" start
        await 5432
        psql -h 127.0.0.1 -U postgres -c "CREATE DATABASE test"
    fi
    if missing 3306 mysql TEST_MYSQL_URL; then
        as_root mkdir -p /run/mysqld
        as_root chown mysql: /run/mysqld
        as_root start-stop-daemon --start --oknodo --background --exec /usr/sbin/mariadbd -- --user=mysql
        await 3306
        as_root mariadb -e "ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('')"
        mariadb -u root -e "CREATE DATABASE IF NOT EXISTS test"
    fi
    if missing 6379 redis TEST_REDIS_URL; then
        redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save "" --appendonly no
        await 6379
    fi
}

# What the page is tested in, unless CI_BROWSER is empty: Debian's browser, and axe-core.
start_browser() {
    if [[ -z "${CI_BROWSER-1}" ]]; then return; fi
    need chromium chromium -- npm npm
    if [[ ! -f target/axe/package/axe.min.js ]]; then
        mkdir -p target/axe
        (cd target/axe && npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz)
    fi
    export REQUIRE_BROWSER=1
}
