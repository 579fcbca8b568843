// Package replace takes a machine that is dead for good out of a fleet and puts another
// in its place, under another name and under the same one. Its tests need real
// machines: build tag e2e.
package replace
