package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/redfleet/redfleet/internal/drill"
	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/history/record"
	"github.com/redfleet/redfleet/internal/secret"
)

const (
	// calm is how long clients write before anything is done, for comparison.
	calm = 2 * time.Second
	// writePause is between two writes of one client.
	writePause = 20 * time.Millisecond
	// keyLife is after how long the drill's keys go by themselves, should it be killed.
	keyLife = time.Hour
	// cleanIn bounds the removal of the keys.
	cleanIn = 10 * time.Second
	// pause is between two looks at the group.
	pause = 250 * time.Millisecond
)

// Run carries the drill out, under the lock, after it has judged the group once more:
// what Look said and a person agreed to may be over. Once it has begun it ends with a
// report; an error beside an Outcome says what went wrong after that.
func Run(ctx context.Context, o Options) (out Outcome, err error) {
	err = judged(ctx, o, func(ctx context.Context, f Finding, password secret.Password) (err error) {
		ctx, cancel := context.WithTimeout(ctx, o.limit())
		defer cancel()
		out, err = carryOut(ctx, o, f, password)
		return err
	})
	return out, err
}

// judged takes the lock, looks at the group and calls do only where it is fit for it
// and the master is where it has to be.
func judged(ctx context.Context, o Options, do func(ctx context.Context, f Finding, password secret.Password) error) error {
	return Locked(ctx, o.Client, o.Effects, o.Fleet, o.Who, o.limit(), func(ctx context.Context) error {
		f, err := Look(ctx, o)
		if err != nil {
			return err
		}
		if err := f.Refused(); err != nil {
			return err
		}
		if err := f.Elsewhere(o.From); err != nil {
			return err
		}
		password, err := openSecret(ctx, o)
		if err != nil {
			return err
		}
		return do(ctx, f, password)
	})
}

// course is a drill under way.
type course struct {
	o        Options
	f        Finding
	password secret.Password
	r        *record.Recorder
	fault    history.Fault
	// broken is what must hold and does not, beside what the clients' history shows.
	broken []string
}

func carryOut(ctx context.Context, o Options, f Finding, password secret.Password) (Outcome, error) {
	at := time.Now()
	r, err := record.Start(ctx, recording(f.Target, password))
	if err != nil {
		return Outcome{}, err
	}
	c := &course{o: o, f: f, password: password, r: r}
	err = c.calm(ctx)
	if err == nil {
		if err = c.act(ctx); err == nil {
			c.awaitWhole(ctx)
		}
	}
	h := history.History{Title: fmt.Sprintf("drill %s of %s", o.Kind, o.Group), Groups: []history.Group{r.Stop()}, Length: r.Now()}
	for _, m := range f.Target.Servers {
		h.Nodes = append(h.Nodes, m.Node)
	}
	if c.fault.Number > 0 {
		h.Faults = []history.Fault{c.fault}
	}
	out := Outcome{History: h, Checked: history.Check(h)}
	out.Report = drill.Report{Move: move(o, f, at), Kind: o.Kind}.Fill(h, out.Checked)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanIn)
	defer cancel()
	out.Report.MasterAfter = c.named(ending)
	cleaning := r.Clean(ending)
	out.Report.Cleaned = cleaning == nil
	if cleaning != nil {
		cleaning = fmt.Errorf("keys of the drill may be left (they begin with %s, and go by themselves after %s): %w", keyPrefix, keyLife, cleaning)
	}
	return out, errors.Join(err, cleaning)
}

// keyPrefix begins the names of the drill's keys.
const keyPrefix = "redfleet:drill"

// recording is bounded: two writers of 50 numbers a second each, one of them with
// WAIT, and a look at each server eight times a second.
func recording(t drill.Target, password secret.Password) record.Options {
	o := record.Options{Group: t.Group, MasterName: t.MasterName, Durability: t.Durability, Password: password.Reveal(), OpenSentinels: t.Open,
		Servers: map[string]string{}, Prefix: keyPrefix + ":" + ulid.Make().String(), Life: keyLife, Writers: 1, WaitWriters: 1,
		WritePause: writePause, ProbePause: 125 * time.Millisecond, ReadPause: 250 * time.Millisecond}
	for _, m := range t.Servers {
		o.Servers[m.Node] = m.Addr.String()
	}
	for _, m := range t.Sentinels {
		o.Sentinels = append(o.Sentinels, m.Addr.String())
	}
	return o
}

// named is the node of the master that most sentinels name now, empty for none. It asks
// them also where ctx has ended.
func (c *course) named(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookIn)
	defer cancel()
	now, is := drill.NewMaster(c.f.Target, sentinels(ctx, c.f.Target, c.password, false))
	if !is {
		return ""
	}
	return c.f.Target.NodeOf(now)
}

// move begins a document: the master is where it was.
func move(o Options, f Finding, at time.Time) drill.Move {
	m := drill.Move{Fleet: o.Fleet, Group: o.Group, MasterBefore: f.Master.Node, At: at.UTC().Round(time.Second), Forced: []string{}}
	for _, r := range f.Refusals {
		if r.Forced {
			m.Forced = append(m.Forced, r.Name)
		}
	}
	return m
}

// calm lets the clients write for a while; they must be able to.
func (c *course) calm(ctx context.Context) error {
	c.o.Tell("writing for %s before anything is done", calm)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(calm):
	}
	if n, last := c.r.Acknowledged(); n == 0 || c.r.Now()-last > time.Second {
		return fmt.Errorf("%w: the drill's own client gets no write acknowledged from here, so it could measure nothing; can this machine reach the servers and sentinels of group %q?",
			ErrRefused, c.o.Group)
	}
	return nil
}
