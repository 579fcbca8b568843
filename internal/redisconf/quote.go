package redisconf

import "strings"

// Quote writes one argument so that the engine reads exactly it: as it stands
// where that is safe, else as "…" in the way of sdscatrepr. Split undoes it for
// every string, bytes outside of ASCII and the empty string included.
func Quote(arg string) string {
	if plain(arg) {
		return arg
	}
	const hexDigits = "0123456789abcdef"
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(arg) {
		switch c := arg[i]; c {
		case '\\', '"':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\a':
			b.WriteString(`\a`)
		case '\b':
			b.WriteString(`\b`)
		default:
			if c >= 0x20 && c < 0x7f {
				b.WriteByte(c)
				continue
			}
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Join writes a line's arguments with one space between them.
func Join(args ...string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = Quote(arg)
	}
	return strings.Join(quoted, " ")
}

// plain tells whether an argument needs no quotes. A leading # would make a
// comment of it where it comes first, and the engine quotes it too.
func plain(arg string) bool {
	if arg == "" || arg[0] == '#' {
		return false
	}
	for i := range len(arg) {
		if c := arg[i]; c <= 0x20 || c >= 0x7f || c == '"' || c == '\'' || c == '\\' {
			return false
		}
	}
	return true
}

// SafeUnquoted tells whether an argument reads the same when it is written as it
// stands. Sentinel writes auth-pass, sentinel-pass and names so, whatever they
// hold, and does not start again from a file where they fell apart (seen on
// 7.0.15 with a password that holds a space or a quote). Backslashes and bytes
// outside of ASCII are safe.
func SafeUnquoted(arg string) bool {
	if strings.IndexByte(arg, 0) >= 0 {
		return false
	}
	args, err := Split("x " + arg + " x")
	return err == nil && len(args) == 3 && args[1] == arg
}
