#!/usr/bin/env bash
# Waits until the group is whole again, after a node was started.
#
#   wait.sh DIR [SECONDS]
set -euo pipefail
DIR=$(realpath "${1:?which folder?}")
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
wait_whole "${2:-90}"
