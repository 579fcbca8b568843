// Package group holds the end-to-end tests of a group's life on machines: from
// `dpkg -i` to verified, failover, rejoin.
package group
