package main

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestManualOfEveryCommand(t *testing.T) {
	emptyEnvironment(t)
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	dir := t.TempDir()
	if r := offTerminal("man", dir); r.code != 0 {
		t.Fatal(r.err)
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, "man1", strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(page), "Nov 2023") || !strings.Contains(string(page), "SYNOPSIS") {
			t.Errorf("the page of %s: %.200s", cmd.CommandPath(), page)
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(newCLI(nil, nil, nil).root())
	for name, has := range map[string]string{"berth.bash": "__start_berth", "_berth": "#compdef berth", "berth.fish": "complete -c berth",
		"berth.ps1": "Register-ArgumentCompleter"} {
		if text, err := os.ReadFile(filepath.Join(dir, "completions", name)); err != nil || !strings.Contains(string(text), has) {
			t.Errorf("%s: %v, no %q", name, err, has)
		}
	}
}

func TestNotifyReady(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd runs on Linux only")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notifyReady(); err != nil {
		t.Error("without systemd:", err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "notify"), "@berth-notify-" + filepath.Base(t.TempDir()) + t.Name()} {
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.Close() }() // only read
		t.Setenv("NOTIFY_SOCKET", path)
		if err := notifyReady(); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 100)
		if n, _, err := socket.ReadFromUnix(text); err != nil || string(text[:n]) != "READY=1" {
			t.Errorf("%s: %q, %v", path, text[:n], err)
		}
	}
}
