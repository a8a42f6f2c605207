// Command packaging packs built programs for one platform: an archive, for Linux also a .deb, a .rpm and an image of OCI, and for each
// platform a list of what is in it (CycloneDX). The same programs make the same bytes. dist.sh builds the programs and runs it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// release is what is packed for one platform.
type release struct {
	version  string // as git describes it: v1.2.3, v1.2.3-5-gabc1234, abc1234
	os, arch string // as Go names them
	time     time.Time
	programs string // folder of the built programs
	root     string // of the repository
	to       string // folder of the packages
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func run() error {
	r := release{}
	platform := flag.String("platform", "", "such as linux/amd64")
	last := flag.Bool("last", false, "instead: write the chart, and SHA256SUMS of all packages")
	flag.StringVar(&r.version, "version", "", "as git describes it")
	flag.StringVar(&r.programs, "programs", "", "folder of the built programs")
	flag.StringVar(&r.root, "root", ".", "folder of the repository, with dist/share")
	flag.StringVar(&r.to, "to", "", "folder for the packages")
	flag.Parse()
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH must be the seconds of the commit: %w", err)
	}
	r.time = time.Unix(seconds, 0).UTC()
	if *last {
		return errors.Join(r.chart(), writeSums(r.to))
	}
	var isPlatform bool
	if r.os, r.arch, isPlatform = strings.Cut(*platform, "/"); !isPlatform {
		return fmt.Errorf("-platform must be such as linux/amd64, not %q", *platform)
	}
	return r.pack()
}

// pack writes every package of the platform.
func (r release) pack() error {
	content, err := r.content()
	if err != nil {
		return err
	}
	bill, err := r.bill(content)
	if err != nil {
		return err
	}
	list, err := bill.cycloneDX(r)
	if err != nil {
		return err
	}
	licences, err := bill.licences()
	if err != nil {
		return err
	}
	texts := filepath.Join(r.root, "dist", "THIRD-PARTY-"+r.os+"-"+r.arch+".txt")
	if err := errors.Join(os.WriteFile(r.path(".cdx.json"), list, 0o644), os.WriteFile(texts, licences, 0o644)); err != nil {
		return err
	}
	content = append(content, file{name: "THIRD-PARTY.txt", source: texts, mode: 0o644})
	if r.os == "windows" {
		return r.zip(content)
	}
	if r.os != "linux" {
		return r.tar(content)
	}
	return together(
		func() error { return r.tar(content) },
		func() error { return r.systemPackage("deb", content) },
		func() error { return r.systemPackage("rpm", content) },
		func() error { return r.image(content) },
	)
}

// together does all at the same time: each compresses on one core.
func together(all ...func() error) error {
	done := make(chan error)
	for _, do := range all {
		go func() { done <- do() }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-done)
	}
	return err
}

// name is that of the archive's only folder, and what every file of the platform begins with.
func (r release) name() string { return "berth_" + r.plain() + "_" + r.os + "_" + r.arch }

func (r release) path(ending string) string { return filepath.Join(r.to, r.name()+ending) }

// plain is the version as dpkg and rpm order it. What git describes as v1.2.3-5-gabc1234 comes after 1.2.3; a commit without a tag comes
// before every release.
func (r release) plain() string {
	v := r.version
	number, rest, isAfter := strings.Cut(strings.TrimPrefix(v, "v"), "-")
	if parts := strings.Split(number, "."); len(parts) == 3 && strings.HasPrefix(v, "v") {
		if !isAfter {
			return number
		}
		if strings.HasPrefix(rest, "rc") {
			return number + "~" + strings.ReplaceAll(rest, "-", ".")
		}
		return number + "+" + strings.ReplaceAll(rest, "-", ".")
	}
	return "0.0.0~" + r.time.Format("20060102") + "." + strings.ReplaceAll(v, "-", ".")
}
