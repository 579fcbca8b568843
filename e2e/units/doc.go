// Package units holds the end-to-end tests of redfleet's unit files and of its
// supervisor on D-Bus, on real machines with a real systemd as their first process.
package units
