package record

import (
	"context"
	"errors"
	"strconv"

	goredis "github.com/redis/go-redis/v9"

	"github.com/redfleet/redfleet/internal/history"
)

// readMaster reads what the sentinels call the master.
func (r *Recorder) readMaster(ctx context.Context) {
	client := r.through()
	defer func() { _ = client.Close() }()
	every(ctx, r.o.ReadPause, func() {
		reads := r.readAll(context.WithoutCancel(ctx), client.Client)
		for i := range reads {
			reads[i].Node, reads[i].Master = client.server(), true
		}
		r.addReads(reads)
	})
}

// readServer reads one server, whatever it is.
func (r *Recorder) readServer(ctx context.Context, node string) {
	client := r.direct(r.o.Servers[node])
	defer func() { _ = client.Close() }()
	every(ctx, r.o.ReadPause, func() {
		reads := r.readAll(context.WithoutCancel(ctx), client)
		for i := range reads {
			reads[i].Node = node
		}
		r.addReads(reads)
	})
}

func (r *Recorder) addReads(reads []history.Read) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.group.Reads = append(r.group.Reads, reads...)
}

// readAll reads the last number of each writer.
func (r *Recorder) readAll(ctx context.Context, client *goredis.Client) []history.Read {
	start := r.now()
	replies := make([]*goredis.StringCmd, len(r.writers))
	_, whole := client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i, w := range r.writers {
			replies[i] = p.LIndex(ctx, r.list(w.Name), -1)
		}
		return nil
	})
	end := r.now()
	reads := make([]history.Read, len(r.writers))
	for i, w := range r.writers {
		reads[i] = history.Read{Writer: w.Name, Start: start, End: end, Seq: -1}
		if errors.Is(replies[i].Err(), goredis.Nil) {
			continue // an empty list
		}
		reads[i].Class = outcome(replies[i].Err(), replies[i].Val() != "", whole)
		if reads[i].Class != history.OK {
			continue
		}
		var err error
		if reads[i].Seq, err = strconv.Atoi(replies[i].Val()); err != nil {
			reads[i].Class = history.Other
		}
	}
	return reads
}
