package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// prepare looks whether the Dockerfile is there, and takes the line out of it that names the image of a frontend: BuildKit would fetch that
// image and run it. The folder is this pod's own copy; the other lines keep their numbers.
func prepare(s settings) error {
	if !filepath.IsLocal(s.dockerfile) {
		return fmt.Errorf("the path %q of the Dockerfile leads out of the context", s.dockerfile)
	}
	root, err := os.OpenRoot(s.context)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	text, err := root.ReadFile(s.dockerfile)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the context has no file %q", s.dockerfile)
	}
	if err != nil {
		return err
	}
	plain, err := withoutSyntax(text)
	if err != nil || bytes.Equal(plain, text) {
		return err
	}
	return root.WriteFile(s.dockerfile, plain, 0o644)
}

// usual is the syntax that this program understands itself.
var usual = regexp.MustCompile(`^(docker\.io/)?docker/dockerfile(:1(\.[0-9.]+)?)?$`)

func withoutSyntax(text []byte) ([]byte, error) {
	name, _, at, found := parser.DetectSyntax(text)
	if !found {
		return text, nil
	}
	if !usual.MatchString(name) {
		return nil, fmt.Errorf("the Dockerfile asks for the syntax %q, and docker/dockerfile:1 alone is known", name)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	for _, r := range at {
		for i := r.Start.Line; i <= r.End.Line && i <= len(lines); i++ {
			lines[i-1] = []byte("\n")
		}
	}
	return bytes.Join(lines, nil), nil
}
