// berth-build builds an image of a folder with a Dockerfile, in a pod that has few rights. It is BuildKit in one process, in a user
// namespace of its own, with a small runtime for the steps instead of runc, which needs C.
//
//	berth-build build --context DIR --dockerfile PATH --name NAME --to DIR [--images DIR] [--work DIR]
//
// writes the image as one archive (docker save), under its SHA-256, and says at its end what it has made, or in one sentence why it has
// not.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// settings are what the parts of the program tell each other.
type settings struct {
	context    string // the folder
	dockerfile string // below it
	name       string // that the image gets
	to         string // the folder of the archive
	images     string // the folder of the server's images; empty for none
	work       string // where BuildKit keeps what it works with
}

// said is what the program says at its end, in the file that Kubernetes reads.
type said struct {
	Digest  string  `json:"digest"` // of the archive
	Size    int64   `json:"size"`   // of the archive, in bytes
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

// terminationLog is where Kubernetes reads the last words of a container.
const terminationLog = "/dev/termination-log"

func main() {
	// The same program is the runtime that BuildKit calls, by the name of a link, and the first process of a step.
	switch filepath.Base(os.Args[0]) {
	case runtimeName:
		os.Exit(runtimeMain(os.Args[1:]))
	case stepName:
		os.Exit(stepMain(os.Args[1]))
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "berth-build: build")
		os.Exit(2)
	}
	s := settings{}
	f := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	f.StringVar(&s.context, "context", "", "folder of the context")
	f.StringVar(&s.dockerfile, "dockerfile", "Dockerfile", "path of the Dockerfile below it")
	f.StringVar(&s.name, "name", "", "name of the image")
	f.StringVar(&s.to, "to", "", "folder of the archive")
	f.StringVar(&s.images, "images", "", "folder of the images of the server, with the socket of its registry")
	f.StringVar(&s.work, "work", "/work", "folder to work in")
	_ = f.Parse(os.Args[2:]) // it ends the program
	switch os.Args[1] {
	case "build":
		os.Exit(outside(os.Args[2:]))
	case "inside":
		os.Exit(inside(s))
	}
	fmt.Fprintln(os.Stderr, "berth-build: build")
	os.Exit(2)
}

// outside starts the program again as root of a user namespace of its own, in which it may mount. It needs nothing but the rights to say
// which ids there are inside.
func outside(args []string) int {
	uids, gids, err := mappings()
	if err != nil {
		return end(said{Error: err.Error()})
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"inside"}, args...)...) // #nosec: this program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: uids, GidMappings: gids,
		GidMappingsEnableSetgroups: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return end(said{Error: fmt.Sprintf("this cluster does not allow the pod a user namespace of its own: %v", err)})
	}
	err = cmd.Wait()
	if failed, is := errors.AsType[*exec.ExitError](err); is {
		return max(failed.ExitCode(), 1)
	}
	return 0
}

// mappings map each id that there is in the pod to itself: the nodes of a plain user's server have id 0 only.
func mappings() (uids, gids []syscall.SysProcIDMap, err error) {
	if uids, err = mapping("/proc/self/uid_map"); err == nil {
		gids, err = mapping("/proc/self/gid_map")
	}
	return uids, gids, err
}

// manyIDs are as many as images usually have.
const manyIDs = 65536

func mapping(file string) (all []syscall.SysProcIDMap, err error) {
	text, err := os.ReadFile(file) // #nosec: of the kernel
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var first, parent, count int
		if _, err := fmt.Sscan(line, &first, &parent, &count); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if first < manyIDs {
			all = append(all, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: min(count, manyIDs-first)})
		}
	}
	return all, nil
}

// inside builds.
func inside(s settings) int {
	began := time.Now()
	made, err := build(s)
	if err != nil {
		return end(said{Error: reason(err)})
	}
	made.Seconds = time.Since(began).Seconds()
	return end(made)
}

// mostSaid bounds a sentence: Kubernetes keeps 4 KiB of the last words.
const mostSaid = 2000

// end writes the last words, and returns the exit code.
func end(s said) int {
	if len(s.Error) > mostSaid {
		s.Error = s.Error[:mostSaid]
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(terminationLog, text, 0o600) // #nosec: of Kubernetes
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if s.Error != "" {
		fmt.Fprintln(os.Stderr, s.Error)
		return 1
	}
	return 0
}
