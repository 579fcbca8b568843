package redisconf

// SameValue tells whether the engine reads the same from two values of a
// directive with one argument: "64mb" and "67108864", "yes" and "Yes".
func SameValue(name, a, b string) bool {
	return a == b || !secret(Canonical(name)) && normal(a) == normal(b)
}
