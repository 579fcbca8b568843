package fleet

import "strings"

// Nearest finds the known word that somebody who wrote word most likely meant.
// Case and the difference between "-" and "_" do not count. It answers false
// when nothing is near enough to be worth naming: more than one slip per three
// letters, and no known word that alone begins with word. Of equally near words
// the first in known wins, so a caller with a map sorts its keys first.
func Nearest(word string, known []string) (string, bool) {
	w := foldName(word)
	best, bestDistance := "", len(w)/3+1
	if len(w) < 3 {
		bestDistance = 2
	}
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

// onlyWithPrefix completes a word that was cut short, when it can mean one only.
func onlyWithPrefix(w string, known []string) (string, bool) {
	found := ""
	for _, k := range known {
		if len(w) < 3 || !strings.HasPrefix(foldName(k), w) {
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
