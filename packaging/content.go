package main

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// file is one file of a package.
type file struct {
	name   string // below the archive's folder, with slashes
	source string
	mode   fs.FileMode
}

// programs of a Linux package, below bin/. runsc is left out (108 MB): the packages recommend runc or crun, and 'make' builds it where
// there is neither.
var linuxPrograms = []string{
	"berth", "berth-kube", "berth-nodes", "nodes/berth-build", "nodes/berth-fe", "nodes/containerd", "nodes/containerd-shim-runc-v2",
	"nodes/hello", "nodes/host-local", "nodes/pause", "nodes/ptp", "nodes/reap", "nodes/unlimited",
}

// content lists the files, sorted by their names.
func (r release) content() ([]file, error) {
	programs := []string{"berth"}
	switch r.os {
	case "linux":
		programs = linuxPrograms
	case "windows":
		programs = []string{"berth.exe"}
	}
	var all []file
	for _, name := range programs {
		all = append(all, file{name: "bin/" + name, source: filepath.Join(r.programs, name), mode: 0o755})
	}
	for _, name := range []string{"LICENSE", "README.md", "README.ko.md"} {
		all = append(all, file{name: name, source: filepath.Join(r.root, name), mode: 0o644})
	}
	for _, name := range []string{"install.md", "install.ko.md", "operations.md", "production.md"} {
		all = append(all, file{name: "docs/" + name, source: filepath.Join(r.root, "docs", name), mode: 0o644})
	}
	share := filepath.Join(r.root, "dist", "share")
	err := filepath.WalkDir(share, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(share, p)
		name = filepath.ToSlash(name)
		if strings.HasPrefix(name, "man1/") {
			name = path.Join("man", name)
		}
		all = append(all, file{name: "share/" + name, source: p, mode: 0o644})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the manual is not there (berth man dist/share writes it): %w", err)
	}
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return all, nil
}
