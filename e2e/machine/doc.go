// Package machine makes real machines on one host for tests: systemd-nspawn
// nodes, each a Debian with its own systemd, D-Bus, journal, address and package
// database, on a bridge inside a network namespace of the lab's own. No packet
// can leave it: that namespace has no other link.
//
// Nodes share one base image, which debootstrap makes once from the mirror that
// this machine's apt names and which is kept in the user's cache folder; each
// node writes to an overlay of its own. They share the host's kernel: what
// cannot be had on a shared kernel is listed in README.md.
//
// A command runs in a node only through the node's own systemd (Node.Run). A
// bare nsenter would keep the host's capabilities and could set the host's
// clock.
//
// Everything a lab makes can be found again by its id, in the kernel and in its
// folder, so Close removes it whatever happened before, and New removes what a
// lab left whose owner was killed.
//
// Root is needed, and what `.ci/install machines` installs.
package machine
