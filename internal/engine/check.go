package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/redisconf"
)

// CheckDirectives lets the engine itself judge a group's config, before
// anything is touched: it is started for a moment with these very lines. Each
// problem has the path "config.<name>": a name that the engine does not know,
// with the nearest that it does; a value that it refuses, in its own words; a
// directive that redfleet sets itself, with what to use instead. All problems
// are told at once. When the engine could not be asked, that is the one problem,
// with the path "config".
//
// A start finds more than CONFIG SET, which refuses everything that can only be
// set at start and knows limits that a start works around. The engine stops at
// the first line that it does not like, so that line is taken out and it is
// started again; a refused start takes some 10 ms.
func (e Engine) CheckDirectives(ctx context.Context, config fleet.Directives) []fleet.Problem {
	lines, problems := linesOf(config)
	var known []string
	for {
		err := e.try(ctx, texts(lines), nil)
		if err == nil {
			break
		}
		at, complaint, ok := complaintIn(err, lines)
		if !ok {
			return append(problems, fleet.Problem{Path: "config",
				Message: fmt.Sprintf("%s could not be asked about these directives: %s", e, err)})
		}
		if known == nil {
			names, err := e.Directives(ctx)
			if err != nil {
				return append(problems, fleet.Problem{Path: "config", Message: err.Error()})
			}
			known = sorted(names)
		}
		bad := lines[at]
		problems = append(problems, e.judge(bad, complaint, known))
		lines = slices.DeleteFunc(lines, func(l line) bool {
			return l == bad || l.name == bad.name && !slices.Contains(known, strings.ToLower(bad.name))
		})
	}
	slices.SortStableFunc(problems, func(a, b fleet.Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems
}

// line is one line to try: the nth value of a directive, of count.
type line struct {
	name, text   string
	nth, ofCount int
}

// linesOf writes the config as it would stand in redis.conf, and says what
// cannot stand there.
func linesOf(config fleet.Directives) (lines []line, problems []fleet.Problem) {
	for _, name := range config.Names() {
		path := "config." + name
		if instead, owned := fleet.OwnedDirective(name); owned {
			problems = append(problems, fleet.Problem{Path: path, Message: fleet.OwnedMessage(name, instead)})
			continue
		}
		for i, value := range config[name] {
			args, err := redisconf.Split(value)
			if err != nil || strings.ContainsAny(name+value, "\n\r\x00") {
				problems = append(problems, fleet.Problem{Path: path,
					Message: "the value cannot be a line of redis.conf; check its quotes and line breaks"})
				continue
			}
			if len(args) == 0 {
				args = []string{""} // save = "" turns it off
			}
			text := name
			for _, arg := range args {
				text += " " + redisconf.Quote(arg)
			}
			lines = append(lines, line{name: name, text: text, nth: i + 1, ofCount: len(config[name])})
		}
	}
	return lines, problems
}

func texts(lines []line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.text
	}
	return out
}

// fatalConfig is what both engines write before they give a start up:
//
//	*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***
//	Reading the configuration file, at line 9
//	>>> 'maxmemory lots'
//	argument must be a memory value
var fatalConfig = regexp.MustCompile(`(?m)^Reading the configuration file, at line (\d+)\n>>> .*\n(.*)$`)

// complaintIn finds which of the lines the engine stopped at, and what it said.
func complaintIn(err error, lines []line) (index int, complaint string, ok bool) {
	var refused *refusal
	if !errors.As(err, &refused) {
		return 0, "", false
	}
	found := fatalConfig.FindStringSubmatch(refused.output)
	if found == nil {
		return 0, "", false
	}
	n, err := strconv.Atoi(found[1])
	index = n - 1 - len(scratchLines())
	if err != nil || index < 0 || index >= len(lines) {
		return 0, "", false
	}
	return index, strings.TrimSpace(found[2]), true
}

func (e Engine) judge(bad line, complaint string, known []string) fleet.Problem {
	p := fleet.Problem{Path: "config." + bad.name}
	if !slices.Contains(known, strings.ToLower(bad.name)) {
		p.Message = fmt.Sprintf("%s does not know this directive", e)
		if near, ok := fleet.Nearest(bad.name, known); ok {
			p.Message += fmt.Sprintf("; did you mean %s?", near)
		}
		return p
	}
	// The engine has one sentence for two faults, and the name is known.
	complaint = strings.TrimPrefix(complaint, "Bad directive or ")
	which := "the value"
	if bad.ofCount > 1 {
		which = fmt.Sprintf("value %d of %d", bad.nth, bad.ofCount)
	}
	p.Message = fmt.Sprintf("%s refuses %s: %s", e, which, complaint)
	return p
}
