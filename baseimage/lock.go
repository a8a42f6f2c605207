package baseimage

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"berth.dev/berth"
)

// lock holds the exact files that an image is built of, and not where they are: any mirror that has them will do.
type lock struct {
	Architecture string   `json:"architecture"`
	Packages     []pinned `json:"packages"`
	UV           *pinned  `json:"uv,omitempty"`
}

// pinned is one file with its content.
type pinned struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"` // below the root of the mirror; for a wheel, its name
	SHA256  string `json:"sha256"`
}

// readLock reads a lock file. Its error is os.ErrNotExist when there is none.
func readLock(path string) (lock, error) {
	var l lock
	text, err := os.ReadFile(path)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil || len(l.Packages) == 0 {
		return l, berth.Errorf(berth.CodeBadRequest, "%s is not a lock file of 'berth image build'. Remove it for a new one, or give another "+
			"(--lock).",
			path)
	}
	if l.Architecture != architecture() {
		return l, berth.Errorf(berth.CodeBadRequest, "The lock file %s is for %s; this machine is %s. Use one file for each architecture.", path,
			l.Architecture, architecture())
	}
	for _, p := range l.Packages {
		if len(p.SHA256) != 64 || !filepath.IsLocal(p.File) || strings.ContainsAny(p.Name, "/ ") {
			return l, berth.Errorf(berth.CodeBadRequest, "The lock file %s has no digest or no proper path for '%s'. Remove the file for a new "+
				"one.", path,
				p.Name)
		}
	}
	return l, nil
}

func (l lock) write(path string) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".lock-*") // never half a file under the name
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// python is the version of Python that is in the packages, such as 3.13.
func (l lock) python() string {
	for _, p := range l.Packages {
		if m := pythonPackage.FindStringSubmatch(p.Name); m != nil {
			return m[1]
		}
	}
	return ""
}

// architecture is this machine's as Debian calls it.
func architecture() string {
	switch runtime.GOARCH {
	case "arm":
		return "armhf"
	case "386":
		return "i386"
	case "ppc64le":
		return "ppc64el"
	}
	return runtime.GOARCH
}
