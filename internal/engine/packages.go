package engine

// Package is the name of an engine's package in Debian and Ubuntu.
func Package(name string) string { return name + "-server" }

// DistributionUnits are the units by which Debian's packages of an engine start
// servers of their own, as soon as they are installed and at each boot (hazard E2).
func DistributionUnits(name string) []string {
	return []string{name + "-server.service", name + "-sentinel.service"}
}
