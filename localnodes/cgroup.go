package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroups are the cluster's cgroup in every hierarchy that this process may write to.
type cgroups []string

// cgroupName is the cluster's own, the same at each start.
func cgroupName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "/berth-" + hex.EncodeToString(sum[:6])
}

// openCgroups makes the cluster's cgroups. A plain user may not: then there are none, the name of s is empty, and no limit of a pod is
// kept.
func (s *settings) openCgroups() (cgroups, error) {
	groups, err := openCgroups(s.cgroup, s.base)
	if errors.Is(err, fs.ErrPermission) && os.Getuid() != 0 {
		s.cgroup = ""
		return nil, nil
	}
	return groups, err
}

// openCgroups removes what an earlier run left behind and makes the cgroup in every hierarchy.
func openCgroups(name string, base int) (cgroups, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var made cgroups
	for _, root := range all {
		sweep(root)
		if err := offerControllers(root); err != nil {
			return nil, err
		}
		path := filepath.Join(root, name)
		cgroups{path}.remove()
		if err := errors.Join(makeCgroup(path), makeLeaf(filepath.Join(path, ownCgroup)), giveCgroup(path, base)); err != nil {
			made.remove()
			return nil, fmt.Errorf("cgroups cannot be made, so no limit of a pod could be kept: %w", err)
		}
		made = append(made, path)
	}
	return made, nil
}

// ownCgroup is that of kubelets, containerds and this program, in the cluster's.
const ownCgroup = "manage"

// enterCgroups moves this process, and so all that it starts, into the cluster's cgroups: in v2 only who is in a cgroup may move others
// within it.
func enterCgroups(name string) error {
	all, err := hierarchies()
	if err != nil || name == "" {
		return err
	}
	for _, root := range all {
		if err := os.WriteFile(filepath.Join(root, name, ownCgroup, "cgroup.procs"), []byte("0"), 0); err != nil {
			return err
		}
	}
	return nil
}

// giveCgroup lets the ids of the nodes make cgroups in this one, and move processes there.
func giveCgroup(path string, base int) error {
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, base, base)
	})
}

// nodeCgroup makes a node's cgroup in the cluster's; it is empty when there is none.
func (s settings) nodeCgroup(node string) (name string, err error) {
	if s.cgroup == "" {
		return "", nil
	}
	name = filepath.Join(s.cgroup, node)
	return name, makeCgroups(name)
}

func makeCgroups(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range all {
		if err := makeCgroup(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// kubeletControllers are those of v2 that a kubelet insists on, as far as the machine has them.
var kubeletControllers = []string{"cpu", "cpuset", "memory", "hugetlb", "pids"}

// offerControllers lets the cgroups below the root of v2 have what a kubelet needs: the system does not hand on all by itself.
func offerControllers(root string) error {
	has, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) { // v1
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(has)) {
		if !slices.Contains(kubeletControllers, name) {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+name), 0); err != nil {
			return fmt.Errorf("the cgroup controller %s cannot be handed on: %w", name, err)
		}
	}
	return nil
}

// makeLeaf makes a cgroup that processes are in. In v2 such a one hands nothing on.
func makeLeaf(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return copyCPUs(filepath.Dir(path), path)
}

// makeCgroup makes a cgroup for others. What it hands on to those in it is all that its parent has.
func makeCgroup(path string) error {
	if err := makeLeaf(path); err != nil {
		return err
	}
	controllers, err := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) { // v1
		return nil
	}
	if err != nil {
		return err
	}
	var all strings.Builder
	for _, c := range strings.Fields(string(controllers)) {
		all.WriteString("+" + c + " ")
	}
	return os.WriteFile(filepath.Join(path, "cgroup.subtree_control"), []byte(all.String()), 0)
}

// sweepAfter is how old a cgroup must be for sweep: one that is being made has no process yet.
const sweepAfter = time.Minute

// sweep removes the cgroups of clusters that were killed and have been deleted since: nobody else comes for them. In one that runs there
// is always a process.
func sweep(root string) {
	all, _ := filepath.Glob(filepath.Join(root, "berth-????????????")) // the pattern is good
	for _, path := range all {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > sweepAfter && !populated(path) {
			cgroups{path}.remove()
		}
	}
}

// populated reports whether a process is in a cgroup or below it. One that cannot be read counts as populated.
func populated(path string) bool {
	found := false
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "cgroup.procs" {
			text, readErr := os.ReadFile(p)
			found, err = found || len(text) > 0, readErr
		}
		return err
	})
	return found || err != nil
}

// hierarchies are the mount points of cgroup v1, one for each controller, or the one of v2.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, filepath.Join(cgroupRoot, e.Name()))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no cgroups are mounted on " + cgroupRoot)
	}
	return all, nil
}

// copyCPUs gives the cgroup the processors and memory nodes of its parent: in v1 it has none at first, and nothing can run in it.
func copyCPUs(parent, path string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		text, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && strings.TrimSpace(string(text)) != "" {
			err = os.WriteFile(filepath.Join(path, file), text, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remove takes the cgroups away, the innermost first. Processes that were just killed hold theirs for a moment.
func (c cgroups) remove() {
	for _, path := range c {
		var folders []string
		_ = filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				folders = append(folders, p)
			}
			return nil
		})
		for i := len(folders) - 1; i >= 0; i-- {
			for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				if err := os.Remove(folders[i]); err == nil || errors.Is(err, fs.ErrNotExist) {
					break
				}
			}
		}
	}
}
