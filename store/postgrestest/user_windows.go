package postgrestest

import (
	"os"
	"os/exec"
)

var quit = os.Kill

func giveAway(string) error { return nil }

func asUser(*exec.Cmd) {}
