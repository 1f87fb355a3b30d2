# tell_the_story FOLDER: runs the first command of the README in FOLDER, and the transcript against what that starts.
# shellcheck shell=bash
tell_the_story() (
    cd "$1"
    story="$root/target/ci-story"
    rm -rf "$story"
    mkdir -p "$story"
    address="127.0.0.1:$((20000 + RANDOM % 12000))"
    first=$(awk '/^```sh$/ { block = 1; next } block { print; exit }' README.md)
    awk '/^```console$/ { block = 1; next } /^```$/ { block = 0 } block' README.md |
        sed -n 's/^\$ //p' | sed "s/127\.0\.0\.1:3000/$address/g" > "$story/transcript.sh"
    echo "$first"
    # shellcheck disable=SC2086 # words of a command
    cargo build ${first#cargo run }
    ADDR="$address" DATABASE_URL="sqlite://$story/my_devices.db" $first 2> "$story/server.log" &
    server=$!
    trap 'kill "$server" 2> /dev/null || true' EXIT
    curl --silent --fail --show-error --output /dev/null --retry 60 --retry-delay 1 --retry-connrefused \
        "http://$address/health"
    sh -eu "$story/transcript.sh" | tee "$story/answers.txt"
    echo
    grep -q '"reason":"revoked_by_user"' "$story/answers.txt"
    grep -q 'HTTP/1.1 401 Unauthorized' "$story/answers.txt"
    kill -TERM "$server"
    wait "$server"
    trap - EXIT
    tail -n 1 "$story/server.log"
)
