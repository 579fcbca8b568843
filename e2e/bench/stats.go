package main

import (
	"slices"
	"time"
)

// median of an even number of values is the mean of the two in the middle; of
// none it is 0.
func median(values []time.Duration) time.Duration {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	half := len(s) / 2
	if len(s)%2 == 1 {
		return s[half]
	}
	return (s[half-1] + s[half]) / 2
}

// mb are megabytes of a million bytes.
func mb(bytes int64) float64 { return float64(bytes) / 1e6 }
