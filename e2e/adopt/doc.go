// Package adopt tests, on machines, that a group which was built by hand with the
// distribution's packages is taken over as it runs.
package adopt
