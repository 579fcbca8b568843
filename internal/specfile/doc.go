// Package specfile reads the three TOML files of redfleet: an operator's spec,
// an agent's agent.toml and a coordinator's coordinator.toml.
//
// It is strict: a key that redfleet does not know is an error, never ignored,
// because a mistyped setting that silently counts for nothing is found out in
// the night of the failover. All that is wrong with a file is reported at once,
// each problem with its line, its path and, where one is near, the name that
// was probably meant.
package specfile
