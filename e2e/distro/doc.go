// Package distro has the tests in which redfleet meets the distribution's own
// Redis and Valkey on real machines (hazard E2).
package distro
