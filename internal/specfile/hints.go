package specfile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// fieldsOf gives a struct's fields by their TOML keys.
func fieldsOf(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("toml"), ",")
		fields[key] = i
	}
	return fields
}

// unknownKey reports a key that the table does not have, and answers with the
// one of its keys that was probably meant.
func (d *decoder) unknownKey(path, key string, table reflect.Type) (meant string, ok bool) {
	if home := homeOf(key, d.root, ""); home != "" {
		d.problemf(path, "unknown key here; %s belongs %s", key, home)
		return "", false
	}
	known := slices.Sorted(maps.Keys(fieldsOf(table)))
	if meant, ok := fleet.Nearest(key, known); ok {
		d.problemf(path, "unknown key; did you mean %s?", meant)
		return meant, true
	}
	hint := "known are " + strings.Join(known, ", ")
	if table == reflect.TypeFor[fleet.GroupSpec]() {
		hint += "; a directive of the engine goes into [group.config]"
	}
	d.problemf(path, "unknown key; %s", hint)
	return "", false
}

// homeOf finds the table that has exactly this key, to tell a misplaced key
// from a mistyped one. Empty when there is none.
func homeOf(key string, table reflect.Type, path string) string {
	fields := fieldsOf(table)
	if _, ok := fields[key]; ok {
		if path == "" {
			return "to the top of the file, before the first [table]"
		}
		return "into " + path
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := strings.Trim(path, "[]")
		inner := table.Field(fields[name]).Type
		brackets := "[" + child(at, name) + "]"
		if inner.Kind() == reflect.Slice {
			inner, brackets = inner.Elem(), "["+brackets+"]"
		}
		if inner.Kind() != reflect.Struct {
			continue
		}
		if home := homeOf(key, inner, brackets); home != "" {
			return home
		}
	}
	return ""
}

func (d *decoder) wrongType(path string, want reflect.Type, raw any) {
	message := fmt.Sprintf("wants %s, found %s", wanted(want), found(raw))
	if fix := fixOf(want, raw); fix != "" {
		message += "; " + fix
	}
	d.problemf(path, "%s", message)
}

// wanted names a type in the words of a TOML file.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[fleet.Duration]():
		return `a length of time as a string, as in "500ms", "5s" or "1m30s"`
	case reflect.TypeFor[fleet.PasswordSpec]():
		return `a table: { generate = true } or { file = "/path" }`
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return "a list of tables"
		}
		return `a list of strings, as in ["a", "b"]`
	case reflect.Map:
		return "a table of strings"
	default:
		return "a table"
	}
}

// found names a value in the words of a TOML file, without the text of a
// string: somebody may have put a password there (promise secrets-stay-secret).
func found(raw any) string {
	switch v := raw.(type) {
	case string:
		return "a string"
	case int64:
		return "the whole number " + strconv.FormatInt(v, 10)
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	default:
		return "a list"
	}
}

// fixOf says how the value would have to be written, where that is plain.
func fixOf(want reflect.Type, raw any) string {
	s, isString := raw.(string)
	switch {
	case want == reflect.TypeFor[fleet.PasswordSpec]() && isString:
		return "the password itself must not be in a spec"
	case want.Kind() == reflect.Int && isString:
		if _, err := strconv.Atoi(s); err == nil {
			return "write it without quotes"
		}
	case want.Kind() == reflect.Bool && isString && (s == "true" || s == "false"):
		return "write it without quotes"
	case want.Kind() == reflect.Slice && isString:
		return "put it in brackets"
	case want.Kind() == reflect.String:
		if reflect.ValueOf(raw).Kind() != reflect.Slice && reflect.ValueOf(raw).Kind() != reflect.Map {
			return "put it in quotes"
		}
	}
	return ""
}
