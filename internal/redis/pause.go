package redis

import (
	"context"
	"time"
)

// PauseWrites holds every command that could change data, of all clients, until d
// has passed since the server took this; a longer pause than the one in force
// replaces it, a shorter one changes nothing. Reads go on. What a client was
// answered before is counted in the replication offset that INFO gives after it.
//
// PUBLISH is held too, with all that follows on its connection, so a sentinel that
// makes itself known gets no more answers until the pause ends: one as long as
// down-after has the master counted as down (hazard S13).
func (s *Server) PauseWrites(ctx context.Context, d time.Duration) error {
	_, err := s.do(ctx, "CLIENT", "PAUSE", d.Milliseconds(), "WRITE")
	return err
}

// Unpause ends every pause, and the commands that were held are carried out.
func (s *Server) Unpause(ctx context.Context) error {
	_, err := s.do(ctx, "CLIENT", "UNPAUSE")
	return err
}

// EndClients ends the connections of clients and of subscribers, replicas left out,
// as Sentinel does with those of a server that it makes a replica: they ask for the
// master anew. Connections of this client end too, but for the one that asks.
func (s *Server) EndClients(ctx context.Context) error {
	if _, err := s.do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
		return err
	}
	_, err := s.do(ctx, "CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
	return err
}
