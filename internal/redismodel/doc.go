// Package redismodel models redis-server and redis-sentinel, Redis 7.0, for a
// simulation on virtual time: what redfleet's promises rest on, and no more
// (docs/testing.md says what is left out). Tests hold the models to the real
// programs by running the same scripts on both.
//
// A World is one simulated network with its hosts and processes. It is started
// from a seed, and everything in it follows from the seed, from the order of the
// calls and from the clock of the time package, which in a bubble of
// testing/synctest is virtual. There is no other source of chance or of time.
//
//	w := redismodel.New(redismodel.Options{Seed: 1})
//	go w.Run(ctx)                                   // in the bubble
//	p, err := w.Start(redismodel.Program{Conf: "/…/redis.conf"})
//	s, err := w.Start(redismodel.Program{Conf: "/…/sentinel.conf", Sentinel: true})
//	conn, err := w.DialContext(ctx, "10.0.0.9", "tcp", "10.0.0.1:6379") // for go-redis
//	p.Signal(syscall.SIGKILL)
//
// What an instance is comes from its configuration file, which it reads at its
// start and rewrites as the real one does; what it knows is in its folder, in
// files that internal/rdb reads. Processes die by signals or with their host
// (World.PowerOff), are frozen (SIGSTOP, World.Freeze), and meet cut paths
// (World.Cut), slow ones (Options.Delay) and disks that refuse (World.ReadOnly).
//
// Inside, instances are state machines without goroutines. They are given
// messages and timers one at a time and in one order, and send messages over
// links that behave as TCP does: in order, late when the path is cut for a while,
// closed when the other process ends, silent when the other host is off.
package redismodel
