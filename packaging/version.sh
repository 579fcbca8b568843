#!/usr/bin/env bash
# Prints the package's version, without the packaging's revision.
#
#   v1.2.3 is the commit's tag:  1.2.3
#   some commits after it:       1.2.3+git<commit's date>.<count>.<hash>
#   no tag yet:                  0.1~git<commit's date>.<count>.<hash>
#
# dpkg sorts them in the order of the commits: the date counts to the second, and
# the number of commits decides between those of one rebase. Uncommitted changes
# add ".modified".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -n ${VERSION:-} ]]; then
  echo "$VERSION"
  exit
fi
if ! git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
  echo "This is no git checkout: say the version with VERSION=… and the day with SOURCE_DATE_EPOCH=…" >&2
  exit 1
fi
tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)
modified=
[[ -z $(git status --porcelain) ]] || modified=.modified
if [[ -n $tag && -z $modified && $(git rev-parse "$tag^{commit}") == "$(git rev-parse HEAD)" ]]; then
  echo "${tag#v}"
  exit
fi
date=$(TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y%m%d%H%M%S)
base=0.1~
[[ -z $tag ]] || base=${tag#v}+
echo "${base}git$date.$(git rev-list --count HEAD).$(git rev-parse --short=12 HEAD)$modified"
