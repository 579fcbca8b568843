package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Directives are the names that the engine takes in redis.conf, in lower case,
// with the old aliases that it still knows. It starts the engine for a moment
// (see the package comment), 5 s at most. Settings that the engine hides from
// lists, which are its developers' for tests, are not among them.
func (e Engine) Directives(ctx context.Context) (map[string]bool, error) {
	known := map[string]bool{}
	err := e.try(ctx, nil, func(ctx context.Context, client *redis.Client) error {
		all, err := client.ConfigGet(ctx, "*").Result()
		if err != nil {
			return fmt.Errorf("CONFIG GET *: %w", err)
		}
		for name := range all {
			known[strings.ToLower(name)] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s (%s) for its directives: %w", e, e.Server, err)
	}
	for _, name := range unlisted() {
		known[name] = true
	}
	return known, nil
}

// unlisted are the directives that CONFIG GET leaves out. Source: src/config.c of
// Redis 7.0, loadServerConfigFromString: the branches beside its table, for what
// acts on the file or may come more than once, and its deprecated_configs, which
// it accepts without effect.
func unlisted() []string {
	return []string{
		"include", "loadmodule", "rename-command", "user",
		"list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands",
	}
}

// sorted gives the names in a fixed order, for fleet.Nearest.
func sorted(known map[string]bool) []string { return slices.Sorted(maps.Keys(known)) }

// Defaults are the values that the engine itself gives its directives, by name. It
// starts the engine for a moment, as Directives does; what that start sets itself
// (scratchLines) is not among them.
func (e Engine) Defaults(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := e.try(ctx, nil, func(ctx context.Context, client *redis.Client) error {
		all, err := client.ConfigGet(ctx, "*").Result()
		if err != nil {
			return fmt.Errorf("CONFIG GET *: %w", err)
		}
		maps.Copy(out, all)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s (%s) for its defaults: %w", e, e.Server, err)
	}
	for _, line := range scratchLines() {
		name, _, _ := strings.Cut(line, " ")
		delete(out, name)
	}
	return out, nil
}
