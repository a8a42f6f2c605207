package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/gzip"
)

var chartVersions = regexp.MustCompile(`(?m)^(version|appVersion): .*$`)

// chartVersion is the version as helm orders it.
func (r release) chartVersion() string { return strings.ReplaceAll(r.plain(), "~", "-") }

// chart writes the Helm chart as helm package does, with the versions of this release.
func (r release) chart() error {
	dir := filepath.Join(r.root, "deploy", "helm", "berth")
	return create(filepath.Join(r.to, "berth-"+r.chartVersion()+".tgz"), func(to io.Writer) error {
		packed := gzip.NewWriter(to)
		w := tar.NewWriter(packed)
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(filepath.Dir(dir), p)
			if err != nil {
				return err
			}
			if d.Name() == "Chart.yaml" {
				text = chartVersions.ReplaceAll(text, fmt.Appendf(nil, "$1: %q", r.chartVersion()))
			}
			return r.entry(w, tar.Header{Name: filepath.ToSlash(name), Mode: 0o644}, text)
		})
		return errors.Join(err, w.Close(), packed.Close())
	})
}
