// Package preflight holds the end-to-end tests of `redfleet preflight`, and of the
// agent's own, on machines.
package preflight
