package specfile

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/redfleet/redfleet/internal/fleet"
)

// decoder fills structs from a TOML tree. It is written out here, where the
// library has its own, because that one stops at the first wrong type, takes
// Port for port, and names an unknown key without saying in which [[group]].
type decoder struct {
	root     reflect.Type
	problems []fleet.Problem
	spoiled  []string
}

func (d *decoder) problemf(path, format string, args ...any) {
	d.problems = append(d.problems, fleet.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	d.spoiled = append(d.spoiled, path)
}

// assign puts raw into v. What does not fit is a problem and leaves v as it is.
func (d *decoder) assign(path string, v reflect.Value, raw any) {
	switch target := v.Addr().Interface().(type) {
	case *fleet.Directives:
		d.directives(path, target, raw)
		return
	case encoding.TextUnmarshaler:
		d.text(path, target, v, raw)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.table(path, v, raw)
	case reflect.Slice:
		d.list(path, v, raw)
	case reflect.Map:
		d.strings(path, v, raw)
	default:
		d.scalar(path, v, raw)
	}
}

// text takes what is written as a string and read by its own type: a Duration.
func (d *decoder) text(path string, target encoding.TextUnmarshaler, v reflect.Value, raw any) {
	s, ok := raw.(string)
	if !ok {
		d.wrongType(path, v.Type(), raw)
		return
	}
	if err := target.UnmarshalText([]byte(s)); err != nil {
		d.problemf(path, "%s", err)
		return
	}
	if v.IsZero() {
		d.problemf(path, "%s", zeroMessage)
	}
}

// zeroMessage: a zero stands for "not set" in the records, so taking it would
// silently give the default for something that was written down.
const zeroMessage = "0 is no useful value here; write a greater one, or take the line out to have the default"

func (d *decoder) table(path string, v reflect.Value, raw any) {
	table, ok := raw.(map[string]any)
	if !ok {
		d.wrongType(path, v.Type(), raw)
		return
	}
	fields := fieldsOf(v.Type())
	for _, key := range slices.Sorted(maps.Keys(table)) {
		at := child(path, key)
		if i, known := fields[key]; known {
			d.assign(at, v.Field(i), table[key])
			continue
		}
		meant, ok := d.unknownKey(at, key, v.Type())
		if _, both := table[meant]; ok && !both {
			// Go on as if it had been written right, so that what is missing
			// otherwise is not reported on top.
			d.assign(at, v.Field(fields[meant]), table[key])
			d.spoiled = append(d.spoiled, child(path, meant))
		}
	}
}

func (d *decoder) list(path string, v reflect.Value, raw any) {
	tables := v.Type().Elem().Kind() == reflect.Struct
	if _, single := raw.(map[string]any); single && tables {
		d.problemf(path, "wants a list of tables, found one table; write [[%s]] with two brackets, since there can be several", path)
		raw = []any{raw}
	}
	in := reflect.ValueOf(raw)
	if in.Kind() != reflect.Slice {
		d.wrongType(path, v.Type(), raw)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), in.Len(), in.Len()))
	for i := range in.Len() {
		d.assign(element(path, i), v.Index(i), in.Index(i).Interface())
	}
}

// strings takes a table of strings, as in [labels].
func (d *decoder) strings(path string, v reflect.Value, raw any) {
	table, ok := raw.(map[string]any)
	if !ok {
		d.wrongType(path, v.Type(), raw)
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, key := range slices.Sorted(maps.Keys(table)) {
		s, ok := table[key].(string)
		if !ok {
			d.wrongType(child(path, key), v.Type().Elem(), table[key])
			continue
		}
		v.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(s))
	}
}

func (d *decoder) scalar(path string, v reflect.Value, raw any) {
	in := reflect.ValueOf(raw)
	switch {
	case v.Kind() == reflect.Int && in.Kind() == reflect.Int64:
		if in.Int() == 0 {
			d.problemf(path, "%s", zeroMessage)
			return
		}
		if v.OverflowInt(in.Int()) {
			d.problemf(path, "%d is too large", in.Int())
			return
		}
		v.SetInt(in.Int())
	case v.Kind() == in.Kind() && (v.Kind() == reflect.String || v.Kind() == reflect.Bool):
		v.Set(in.Convert(v.Type()))
	default:
		d.wrongType(path, v.Type(), raw)
	}
}

// directives takes the values that can be a line of redis.conf.
func (d *decoder) directives(path string, target *fleet.Directives, raw any) {
	table, ok := raw.(map[string]any)
	if !ok {
		d.problemf(path, "wants a table of directives, as in [%s], found %s", path, found(raw))
		return
	}
	good := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if !isDirectiveValue(table[name]) {
			d.problemf(child(path, name), "wants a string, a number, true or false, or a list of these (a line each), found %s",
				found(table[name]))
			continue
		}
		good[name] = table[name]
	}
	if err := target.UnmarshalTOML(good); err != nil {
		d.problemf(path, "%s", err)
	}
}

func isDirectiveValue(raw any) bool {
	switch v := raw.(type) {
	case string, int64, float64, bool:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !isDirectiveValue(item) })
	default:
		return false
	}
}
