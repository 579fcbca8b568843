// Package chaos breaks a fleet on machines, one fault after the other, while clients
// write and read all the time, and judges what they saw (package history).
//
// Three machines run Consul, redfleet and three groups side by side, one for each
// durability. `make chaos` runs a schedule that comes from a seed:
//
//	SEED=7 FAULTS=60 make chaos
//
// and leaves the table, the history as JSON and a timeline as SVG in dist/.
package chaos
