package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/records"
	"github.com/redfleet/redfleet/internal/verdict"
)

// lookAgain is how soon the services are read again when all but them is
// good: a blocking query per service would not be faster.
const lookAgain = 5 * time.Millisecond

// tellAgain is how long a state may last before its reason is worth a line.
const tellAgain = 2 * time.Second

// await returns the fleet as soon as verify holds. It watches the records, so
// it sees each change within a request's time.
func (l *Lab) await(ctx context.Context, client *consul.Client) (fleet.World, error) {
	watching, stop := context.WithCancel(ctx)
	changes, ended := make(chan []consul.Entry, 1), make(chan struct{})
	go func() {
		defer close(ended)
		// It ends only with its context.
		_ = client.WatchPrefix(watching, fleet.KeysOf(Fleet).Prefix(), func(e []consul.Entry) {
			select {
			case <-changes: // nobody has looked at it, and it is out of date
			default:
			}
			changes <- e
		})
	}()
	defer func() { stop(); <-ended }()

	wait := &waiting{lab: l, client: client}
	for {
		var again <-chan time.Time
		if wait.onServices {
			again = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return fleet.World{}, wait.missing(ctx.Err())
		case name := <-l.units.Exits():
			return fleet.World{}, l.died(ctx, name)
		case wait.entries = <-changes:
		case <-again:
		}
		if w, done := wait.look(ctx); done {
			return w, nil
		}
	}
}

// waiting is what the wait for the verdict has seen so far.
type waiting struct {
	lab     *Lab
	client  *consul.Client
	entries []consul.Entry
	told    fleet.GroupState
	toldAt  time.Time
	group   fleet.Assessment
	verdict verdict.Verdict
	// onServices: everything is good as far as the records tell.
	onServices bool
}

// look judges the records, and where they are good the services too.
func (s *waiting) look(ctx context.Context) (fleet.World, bool) {
	w := records.WorldOf(Fleet, s.entries, time.Now())
	s.onServices = s.judge(w)
	if !s.onServices {
		return w, false
	}
	services, err := records.Services(ctx, s.client, w.Spec)
	if err != nil {
		return w, false
	}
	w.Services = services
	return w, s.judge(w)
}

func (s *waiting) judge(w fleet.World) bool {
	groups := s.lab.Assess(w)
	s.verdict = verdict.New(w, groups)
	serving := len(groups) > 0
	for _, g := range groups {
		s.group = g
		serving = serving && g.State == fleet.GroupServing
		s.tell(g)
	}
	return serving && s.verdict.OK
}

// tell reports each new state, and of a state that lasts what it waits for.
func (s *waiting) tell(g fleet.Assessment) {
	switch {
	case g.State != s.told:
		s.lab.progress("%s", g.State)
	case time.Since(s.toldAt) > tellAgain:
		s.lab.progress("%s: %s", g.State, g.Reason)
	default:
		return
	}
	s.told, s.toldAt = g.State, time.Now()
}

// missing says what did not come about in the time given.
func (s *waiting) missing(cause error) error {
	if !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	lines := []string{fmt.Sprintf("group %s is %s: %s", Group, s.group.State, s.group.Reason)}
	if s.group.State == "" {
		lines = []string{"nothing is known of group " + Group + " yet"}
	}
	for _, c := range s.verdict.Failed() {
		lines = append(lines, fmt.Sprintf("  %s: %s; wanted: %s", c.Name, c.Seen, c.Want))
	}
	return fmt.Errorf("%w in the time given (--timeout); everything stays as it is. %s\nlook into it with: . %s; redfleet status; and the logs below %s",
		ErrNotVerified, strings.Join(lines, "\n"), s.lab.EnvFile(), s.lab.Dir)
}
