#!/usr/bin/env bash
# Builds a package of this commit into dist/:
#
#   packaging/build.sh deb    dist/redfleet_<version>-1_<arch>.deb
#   packaging/build.sh rpm    dist/redfleet-<version>-1.<arch>.rpm
#
# GOARCH says for which machines. The same commit gives the same bytes, wherever
# and whenever it is built: every date is the commit's (SOURCE_DATE_EPOCH), no path
# of this machine gets in, and Go's own build id depends on the content alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
umask 022

kind=${1:?usage: packaging/build.sh deb|rpm}
VERSION=$(packaging/version.sh)
ARCH=${GOARCH:-$(go env GOHOSTARCH)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
day=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%F)
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
export VERSION ARCH SOURCE_DATE_EPOCH STAGE
export LC_ALL=C.UTF-8 GOFLAGS=''

main() {
  build
  pages
  GOARCH='' go run ./packaging/conffiles "$STAGE/etc"
  changelogs
  copyright >"$STAGE/copyright"
  .ci/nfpm "$STAGE/nfpm"
  mkdir "$STAGE/out"
  "$STAGE/nfpm" package --config packaging/nfpm.yaml --packager "$kind" --target "$STAGE/out/" >"$STAGE/log" || {
    cat "$STAGE/log" >&2
    return 1
  }
  keep
}

# keep puts the package in the place of an older one for the same machines.
keep() {
  local name
  name=$(basename "$STAGE"/out/*)
  mkdir -p dist
  rm -f dist/redfleet[_-]*"${name##*-1}"
  mv "$STAGE/out/$name" dist/
  echo "dist/$name"
}

build() {
  local vcs=false
  if git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then vcs=true; fi
  CGO_ENABLED=0 GOOS=linux GOARCH=$ARCH \
    go build -trimpath -buildvcs="$vcs" -ldflags '-s -w' -o "$STAGE/redfleet" ./cmd/redfleet
}

# pages asks the commands themselves for their manual pages and completions.
pages() {
  local redfleet=$STAGE/redfleet shell
  if [[ $ARCH != "$(go env GOHOSTARCH)" ]]; then
    redfleet=$STAGE/redfleet-here
    GOARCH='' CGO_ENABLED=0 go build -trimpath -o "$redfleet" ./cmd/redfleet
  fi
  "$redfleet" man "$STAGE/man" --date "$day"
  gzip -9n "$STAGE"/man/*.1
  mkdir "$STAGE/completion"
  for shell in bash zsh fish; do
    "$redfleet" completion "$shell" >"$STAGE/completion/redfleet.$shell"
  done
}

changelogs() {
  gzip -9nc CHANGELOG.md >"$STAGE/changelog.gz"
  gzip -9nc >"$STAGE/changelog.Debian.gz" <<END
redfleet ($VERSION-1) unstable; urgency=medium

  * Built from the project's own tree; what changed for its users is in
    /usr/share/doc/redfleet/changelog.gz.

 -- The redfleet maintainers <redfleet@users.noreply.github.com>  $(date --utc --date="@$SOURCE_DATE_EPOCH" -R)
END
}

# copyright names everything that is linked into the binary, each with the notice
# that its licence wants to see beside it.
copyright() {
  echo "redfleet: https://github.com/redfleet/redfleet"
  echo
  if [[ -e LICENSE ]]; then
    cat LICENSE
  else
    echo "Copyright: the authors of redfleet. The project has not said yet under which licence it may be used."
  fi
  notice "Go's runtime and standard library" "$(go env GOROOT)"
  GOOS=linux GOARCH=$ARCH go list -deps -f \
    '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/redfleet |
    sort -u | while read -r path version dir; do
    notice "$path $version" "$dir"
  done
}

notice() { # notice WHAT DIR
  local file found=no
  printf '\n%s\n%s\n\n' "--------------------------------------------------------------------------------" "In the binary: $1"
  for file in "$2"/LICENSE* "$2"/LICENCE* "$2"/COPYING* "$2"/NOTICE*; do
    if [[ -f $file ]]; then
      found=yes
      text "$file"
    fi
  done
  [[ $found == yes ]] || {
    echo "$1 has no licence file in $2: say in packaging/build.sh where it is" >&2
    exit 1
  }
}

# text leaves out what every Debian has, as its policy (12.5) wants it.
text() {
  if grep -q 'TERMS AND CONDITIONS FOR USE, REPRODUCTION' "$1"; then
    echo "Apache License, Version 2.0: /usr/share/common-licenses/Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0"
  elif grep -qi 'Mozilla Public License, \?version 2.0' "$1" && grep -q '^1\. Definitions' "$1"; then
    grep -i '^copyright' "$1" || true
    echo "Mozilla Public License, version 2.0: /usr/share/common-licenses/MPL-2.0, https://www.mozilla.org/MPL/2.0/"
    echo "The source of this module is at the address that its name is, in the version that stands beside it."
  else
    cat "$1"
  fi
}

main
