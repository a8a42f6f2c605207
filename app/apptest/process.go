package apptest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// KubeProcesses are the ids of all berth-kube processes that work in a data folder, recorded or not. Linux only.
func KubeProcesses(t testing.TB, dataDir string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // fails when it has just ended
		if err == nil && strings.Contains(string(line), "berth-kube\x00serve\x00") && strings.Contains(string(line), dataDir) {
			out = append(out, pid)
		}
	}
	return out
}

// ClusterFolders are the folders of clusters in a data folder: by name, the process that is recorded (0 for none).
func ClusterFolders(t testing.TB, dataDir string) map[string]int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dataDir, "clusters"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, e := range entries {
		var p struct {
			PID int `json:"pid"`
		}
		text, err := os.ReadFile(filepath.Join(dataDir, "clusters", e.Name(), "process.json"))
		if err == nil {
			err = json.Unmarshal(text, &p)
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		out[e.Name()] = p.PID
	}
	return out
}
