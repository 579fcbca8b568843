package fleet

import "strings"

// Nearest finds the known word that somebody who wrote word most likely meant.
// Case and the difference between "-" and "_" do not count. It answers false
// when nothing is near enough to be worth naming: more than one slip per three
// letters, and no single known word that is the beginning of word or begins
// with it. Of equally near words the first in known wins, so a caller with a
// map sorts its keys first.
func Nearest(word string, known []string) (string, bool) {
	w := foldName(word)
	best, bestDistance := "", len(w)/3+1
	for _, k := range known {
		if d := editDistance(w, foldName(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best != "" {
		return best, true
	}
	return onlyWithPrefix(w, known)
}

// onlyWithPrefix finds the word that was cut short or drawn out ("warning" for
// "warn"), when it can be one only.
func onlyWithPrefix(w string, known []string) (string, bool) {
	found := ""
	for _, k := range known {
		f := foldName(k)
		if min(len(w), len(f)) < 3 || !strings.HasPrefix(f, w) && !strings.HasPrefix(w, f) {
			continue
		}
		if found != "" {
			return "", false
		}
		found = k
	}
	return found, found != ""
}

func foldName(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "_", "-")
}

// editDistance counts the letters to insert, delete, replace or swap with their
// neighbour (optimal string alignment), by bytes: names are ASCII.
func editDistance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
