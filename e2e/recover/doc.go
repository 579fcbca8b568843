// Package recover has the tests in which a fleet on real machines loses its Consul for
// good, or has it put back to an old snapshot, while Redis runs and clients write.
package recover
