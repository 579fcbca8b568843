// Package boot has the tests in which machines of a group are rebooted or lose
// their power: one, two or all of them, with Consul and the agents there or not.
package boot
