// Package matrix takes each engine, on each Debian that has it, through a group's
// life: bring-up, failover, rejoin. `make e2e-matrix` runs it; it takes too long
// for each change.
package matrix
