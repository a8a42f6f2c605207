package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
	"golang.org/x/mod/module"
)

// bill is which modules the programs of a package are made of, as the Go linker has written it into them.
type bill struct {
	modules map[string]debug.Module // by path@version
	used    map[string][]string     // programs, by path@version
	golang  string                  // version of Go
}

// bill reads the programs among the files.
func (r release) bill(content []file) (bill, error) {
	b := bill{modules: map[string]debug.Module{}, used: map[string][]string{}}
	for _, f := range content {
		program, isProgram := strings.CutPrefix(f.name, "bin/")
		if !isProgram {
			continue
		}
		info, err := buildinfo.ReadFile(f.source)
		if err != nil {
			return b, fmt.Errorf("%s is no program of Go: %w", f.source, err)
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if settings["GOOS"] != r.os || settings["GOARCH"] != r.arch {
			return b, fmt.Errorf("%s is built for %s/%s, not for %s/%s", f.source, settings["GOOS"], settings["GOARCH"], r.os, r.arch)
		}
		b.golang = info.GoVersion
		for _, m := range append(info.Deps, &info.Main) {
			if m.Replace != nil {
				m = m.Replace
			}
			if m.Path == "" || strings.HasPrefix(m.Path, "berth.dev/") || strings.HasPrefix(m.Path, ".") {
				continue
			}
			key := m.Path + "@" + m.Version
			b.modules[key] = *m
			b.used[key] = append(b.used[key], program)
		}
	}
	return b, nil
}

func (b bill) keys() []string { return slices.Sorted(maps.Keys(b.modules)) }

// cycloneDX is the bill in CycloneDX's JSON.
func (b bill) cycloneDX(r release) ([]byte, error) {
	list := cdx.NewBOM()
	self := cdx.Component{BOMRef: "berth", Type: cdx.ComponentTypeApplication, Name: "berth", Version: r.plain(),
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}
	list.Metadata = &cdx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: &self}
	goItself := cdx.Component{BOMRef: "std@" + b.golang, Type: cdx.ComponentTypeLibrary, Name: "std",
		Version:    strings.TrimPrefix(b.golang, "go"),
		PackageURL: "pkg:golang/std@" + strings.TrimPrefix(b.golang, "go"), Licenses: &cdx.Licenses{{License: &cdx.License{ID: "BSD-3-Clause"}}}}
	all := []cdx.Component{goItself}
	names := []string{goItself.BOMRef}
	for _, key := range b.keys() {
		m := b.modules[key]
		properties := []cdx.Property{}
		for _, program := range b.used[key] {
			properties = append(properties, cdx.Property{Name: "berth:program", Value: program})
		}
		all = append(all, cdx.Component{BOMRef: key, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
			PackageURL: "pkg:golang/" + m.Path + "@" + m.Version, Properties: &properties})
		names = append(names, key)
	}
	list.Components = &all
	list.Dependencies = &[]cdx.Dependency{{Ref: "berth", Dependencies: &names}}
	// The same content has the same number.
	list.SerialNumber = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(r.name()+"\n"+strings.Join(names, "\n"))).String()
	var text bytes.Buffer
	encoder := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON)
	encoder.SetPretty(true)
	err := encoder.Encode(list)
	return text.Bytes(), err
}

// licences are the licence texts of all modules, which whoever passes the programs on must pass on too. They come from the module cache,
// where the build has put them.
func (b bill) licences() ([]byte, error) {
	cache, err := exec.Command("go", "env", "GOMODCACHE", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	folders := strings.Split(strings.TrimSpace(string(cache)), "\n")
	var text bytes.Buffer
	text.WriteString("Berth contains the following software.\n")
	if err := addLicences(&text, "Go "+b.golang, folders[1]); err != nil {
		return nil, err
	}
	for _, key := range b.keys() {
		m := b.modules[key]
		path, err := module.EscapePath(m.Path)
		version, err2 := module.EscapeVersion(m.Version)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		if err := addLicences(&text, key, filepath.Join(folders[0], path+"@"+version)); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// addLicences adds the files of a module's folder that say its terms.
func addLicences(to *bytes.Buffer, name, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the licence of %s: %w", name, err)
	}
	found := false
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "PATENTS", "UNLICENSE"},
			func(word string) bool { return strings.HasPrefix(upper, word) }) || strings.HasSuffix(upper, ".GO") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(to, "\n%s\n%s: %s\n\n%s\n", strings.Repeat("=", 80), name, e.Name(), bytes.TrimSpace(text))
	}
	if !found {
		return fmt.Errorf("%s has no licence file in %s", name, dir)
	}
	return nil
}
