package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// source is one line or stanza of apt's lists.
type source struct {
	uris, suites, components []string
}

// mirror returns the mirror that apt in etc (/etc/apt) uses for Debian itself:
// the one that names the suite, else the first that names another Debian suite,
// since a mirror carries them all.
func mirror(etc fs.FS, suite string) (string, error) {
	sources, err := readSources(etc)
	if err != nil {
		return "", fmt.Errorf("reading apt's sources: %w", err)
	}
	debian := []string{suite, "bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}
	for _, wanted := range debian {
		for _, s := range sources {
			if !slices.Contains(s.suites, wanted) || !slices.Contains(s.components, "main") {
				continue
			}
			for _, uri := range s.uris {
				if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "file:/") {
					return uri, nil
				}
			}
		}
	}
	return "", errors.New("apt's sources (/etc/apt) name no mirror of Debian over http, https or file, " +
		"so there is nowhere to take the base image from: add a line such as `deb <mirror> " + suite + " main`")
}

func readSources(etc fs.FS) ([]source, error) {
	lists, err := fs.Glob(etc, "sources.list.d/*.list")
	if err != nil {
		return nil, err
	}
	stanzas, err := fs.Glob(etc, "sources.list.d/*.sources")
	if err != nil {
		return nil, err
	}
	var sources []source
	for _, name := range append([]string{"sources.list"}, append(lists, stanzas...)...) {
		text, err := fs.ReadFile(etc, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, ".sources") {
			sources = append(sources, parseStanzas(string(text))...)
		} else {
			sources = append(sources, parseLines(string(text))...)
		}
	}
	return sources, nil
}

// parseLines reads the one-line format: deb [options] uri suite component…
func parseLines(text string) []source {
	var sources []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind != "deb" {
			continue
		}
		if before, after, found := strings.Cut(rest, "]"); found && strings.HasPrefix(strings.TrimSpace(before), "[") {
			rest = after
		}
		if f := strings.Fields(rest); len(f) >= 3 {
			sources = append(sources, source{uris: f[:1], suites: f[1:2], components: f[2:]})
		}
	}
	return sources
}

// parseStanzas reads the deb822 format: fields, and an empty line between stanzas.
func parseStanzas(text string) []source {
	var sources []source
	fields := map[string][]string{}
	last := ""
	end := func() {
		if slices.Contains(fields["types"], "deb") && !slices.Contains(fields["enabled"], "no") {
			sources = append(sources, source{uris: fields["uris"], suites: fields["suites"], components: fields["components"]})
		}
		fields, last = map[string][]string{}, ""
	}
	for scan := bufio.NewScanner(strings.NewReader(text)); scan.Scan(); {
		line := scan.Text()
		name, value, isField := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] = append(fields[last], strings.Fields(line)...)
		case isField:
			last = strings.ToLower(name)
			fields[last] = strings.Fields(value)
		}
	}
	end()
	return sources
}
