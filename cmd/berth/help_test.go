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
	newWorld(t).fill()
	var all strings.Builder
	for _, line := range []string{
		"nonsense", "aks shw", "aks show", "aks show --nope", "aks show stray -n a -g b", "aks list -o xml", "aks list --query [",
		"configure", "configure stray", "configure --defaults colour=red", "ml computetarget scale -n a -g b -w c", "aks scale -n a -g b",
		"aks delete -n a -g b", "aks create -n a -g b -c many", "group create -n a -l b --tags c", "env --shell tcsh",
		"ml computetarget create aks -n a -g b -w c --vnet-name v", "ml computetarget create aks -n a -g b -w c --ssl-cname n",
		"ml computetarget attach aks -n a -g b -w c", "ml computetarget attach aks -n a -g b -w c -i x --ssl-cname n --ssl-leaf-domain-label l",
		"ml computetarget update aks -n a -g b -w c", "ml computetarget update aks -n c -g g -w w --ssl-renew", "serve --listen nowhere",
	} {
		r := offTerminal(strings.Fields(line)...)
		if r.code != exitUsage || r.out != "" {
			t.Errorf("berth %s: exit %d, output %q", line, r.code, r.out)
		}
		all.WriteString("$ berth " + line + "\n" + r.err + "\n")
	}
	golden(t, "usage.txt", all.String())
}
