//go:build e2e

package fleettest

// ackRounds is how many masters TestAcknowledgedWritesSurvive kills.
const ackRounds = 20
