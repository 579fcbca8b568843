// Package drill rehearses an isolation on machines: the cut, and that it ends with
// nobody's help. Its tests need real machines: build tag e2e.
package drill
