// Package evidence has the test in which the master's process is killed under systemd,
// again and again: the agent beside it asks a sentinel for a failover, the old master is
// started again at moments around the request, or the claim cannot be had. What
// clients saw of it is recorded and judged (package history).
package evidence
