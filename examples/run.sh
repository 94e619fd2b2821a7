#!/usr/bin/env bash
# Runs an agent with curl and prints its status document: run.sh AGENT "MESSAGE"
#
# AGENT_RUNS_URL and AGENT_RUNS_KEY name the app. The key reaches curl over a pipe, so no list of processes shows it.
# Exit codes: 0 Success, 1 Failed, 2 refused, 3 Cancelled, 4 waits for an answer, 5 not reached, 6 still running.
set -euo pipefail

agent=${1:?an agent\'s id or name} message=${2:?a message}
url=${AGENT_RUNS_URL:-http://localhost:7071}
hold=${HOLD_SECONDS:-100} # less where a gateway drops requests earlier
ends_at=$((SECONDS + ${TIMEOUT_SECONDS:-3600}))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints the status code, and when to ask again; the body is in $work/body. Repeats what failed for the moment. Needs curl
# 7.83; headers are not dumped into a file, since curl 7.88 crashes where it repeats a call then.
call() {
    curl --silent --show-error --output "$work/body" --write-out '%{http_code} %header{retry-after}' \
        --connect-timeout 10 --max-time 150 --retry 8 --retry-connrefused --retry-all-errors --retry-max-time 300 \
        --config <(printf 'header = "x-functions-key: %s"\n' "${AGENT_RUNS_KEY:-}") "$@"
}

# The message is the whole body, so nothing needs to be quoted. The key makes a repeated start the same run.
answered=$(printf %s "$message" | call "$url/api/agents/$agent/runs" -H 'Content-Type: text/plain; charset=utf-8' \
    -H "Idempotency-Key: curl-$(date +%s)-$$-$RANDOM$RANDOM" --data-binary @-) || exit 5
case ${answered% *} in
    202) ;;
    401 | 403 | 5??) cat "$work/body" >&2; exit 5 ;;
    *) cat "$work/body" >&2; exit 2 ;;
esac
id=$(grep -o '"id": *"[^"]*"' "$work/body" | head -1 | cut -d'"' -f4)
echo "started $id" >&2

# The app holds each look for up to $hold seconds, and answers as soon as the run has ended or asks something.
while answered=$(call "$url/api/runs/$id" -H "Prefer: wait=$hold") || exit 5; [[ ${answered% *} == 202 ]]; do
    if grep -q '"required_action": *{' "$work/body"; then
        cat "$work/body"
        exit 4
    fi
    ((SECONDS < ends_at)) || exit 6
    pause=${answered#* }
    sleep "${pause:-2}"
done
cat "$work/body"
case ${answered% *}-$(grep -o '"status": *"[A-Za-z]*"' "$work/body" | tail -1 | cut -d'"' -f4) in
    200-Success) exit 0 ;;
    200-Cancelled) exit 3 ;;
    200-*) exit 1 ;;
    *) exit 5 ;;
esac
