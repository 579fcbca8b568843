package agent

import (
	"os"
	"strings"
)

// machineID is the machine's identity by machine-id(5); empty where there is none.
func machineID() string {
	b, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
