// Package packaging holds what the .deb and the .rpm are made of: nfpm.yaml lists
// it, build.sh makes it, scripts/ are dpkg's maintainer scripts. There is nothing
// to import; the tests hold the built package to what it promises.
package packaging
