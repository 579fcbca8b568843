// Package debian holds the tests of the .deb: what is in it, that the same commit
// gives the same bytes, and on machines with real dpkg and systemd that each way
// in which a package comes, changes and goes ends in a state that its message
// explains, with no data gone and no Redis restarted (hazards M1, M2, E2).
package debian
