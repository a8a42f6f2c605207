package main

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelpOfEveryCommand(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the default folders in the help are those of Linux")
	}
	emptyEnvironment(t)
	t.Setenv("HOME", "/home/user")
	var all strings.Builder
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		var out, err bytes.Buffer
		if code := run(args, strings.NewReader(""), &out, &err); code != 0 || err.Len() > 0 {
			t.Errorf("%v: exit %d, %s", args, code, err.String())
		}
		all.WriteString("$ berth " + strings.Join(args, " ") + "\n" + out.String() + "\n")
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newCLI(nil, nil, nil).root())
	golden(t, "help.txt", all.String())
}

func TestWrongCommandLines(t *testing.T) {
	emptyEnvironment(t)
	var all strings.Builder
	for _, line := range []string{
		"aks shw", "nonsense", "ml computetarget create", "aks show", "aks show --nope", "aks show stray -n a -g b", "aks list -o xml",
		"aks list --query [", "configure", "configure --defaults colour=red", "ml computetarget scale -n a -g b -w c", "aks delete -n a -g b",
		"ml computetarget create aks -n a -g b -w c --vnet-name v", "ml computetarget attach aks -n a -g b -w c -i x --ssl-cname n", "env --shell tcsh",
	} {
		r := offTerminal(strings.Fields(line)...)
		if isFamily := line == "ml computetarget create"; isFamily != (r.code == 0) || !isFamily && r.code != exitUsage && !strings.Contains(line, "vnet") && !strings.Contains(line, "env") {
			t.Errorf("berth %s: exit %d", line, r.code)
		}
		if r.code != 0 {
			all.WriteString("$ berth " + line + "\n" + strings.ReplaceAll(r.err, t.TempDir(), "TMP") + "\n")
		}
	}
	if strings.Contains(all.String(), "panic") {
		t.Error("a panic")
	}
}
