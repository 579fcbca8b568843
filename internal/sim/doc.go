// Package sim runs a whole fleet in one process on virtual time, from one seed:
// the real agents, coordinators and boot fences, with models in place of Redis and
// Sentinel (internal/redismodel), of systemd, of Consul's transport and of the
// network. It breaks what a seed says and judges the promises after every step.
//
// It must run in a bubble of testing/synctest, whose clock stands still while
// anything can still happen. Every message takes a time that follows from the
// seed and from what it is (who, to whom, the how-manyth), to the nanosecond, so
// that hardly ever two things happen at once: that is what makes a run the same
// each time on one core (GOMAXPROCS=1) and without the race detector.
//
//	schedule.go    what happens when, drawn from a seed; text form; shrink.go
//	world.go       hosts, their state, who runs on them
//	process.go     one life of an agent, a coordinator or a boot fence
//	consul.go      the way to Consul and what goes wrong on it
//	systemd.go     what runs the instances
//	faults.go      how each event of a schedule is carried out
//	clients.go     clients that write
//	overtaken.go   what an operator does about hazard S22
//	twin.go        what an operator does about a ghost of a second machine
//	unannounced.go which promotions nobody was told of
//	behind.go      what an operator does where all replicas are kept back (S19)
//	invariants.go  the promises, as they can be judged here: judge
//	written.go     … by what is written to Consul
//	files.go       … by the files on the nodes
//	members.go     … by who makes up a group
//	recover.go     … by what an operator rebuilt
//	writable.go    … by who takes writes
//	settled.go     … by what is there at the end
//	minority.go    whose sentinels still know the master
//	excused.go     what a run lost, and what is not held to it therefore
//	coverage.go    how often each fault, label and transition came up
package sim
