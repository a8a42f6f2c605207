package baseimage

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"html"
	"io"
	"net/url"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
)

// candidate is a wheel of uv on an index.
type candidate struct {
	pinned
	address string
}

// anchor is a link of an index: its address, and whether its file was withdrawn.
var anchor = regexp.MustCompile(`(?is)<a\s([^>]*)>`)
var href = regexp.MustCompile(`(?is)\bhref\s*=\s*["']([^"']+)["']`)

// uvWheel is the name of a wheel of uv for Linux with the C library of Debian.
var uvWheel = regexp.MustCompile(`^uv-(\d+(?:\.\d+)+)-py3-none-manylinux_\d+_\d+_(\w+?)(?:\.[\w.]*)?\.whl$`)

// wheelArchitecture is this machine's as wheels call it.
func wheelArchitecture() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// wheels are those of uv on the index that this machine can run, the newest first.
func (b *build) wheels(ctx context.Context) ([]candidate, error) {
	if b.onIndex != nil {
		return b.onIndex, nil
	}
	if b.Index == "" {
		return nil, berth.Errorf(berth.CodeBadRequest, "This machine knows no index of Python packages, and uv comes from one. Name it "+
			"(--index-url URL), or build without uv (--uv=false).")
	}
	page := strings.TrimSuffix(b.Index, "/") + "/uv/"
	b.say("looking for uv on %s", mirror{uri: b.Index}.host())
	text, err := b.index.get(ctx, page, maxIndex)
	if err != nil {
		return nil, unreachable(page, err)
	}
	base, err := url.Parse(page)
	if err != nil {
		return nil, err
	}
	out := []candidate{}
	for _, a := range anchor.FindAllSubmatch(text, -1) {
		link := href.FindSubmatch(a[1])
		if link == nil || bytes.Contains(a[1], []byte("data-yanked")) {
			continue
		}
		u, err := base.Parse(html.UnescapeString(string(link[1])))
		if err != nil {
			continue
		}
		sum, hashed := strings.CutPrefix(u.Fragment, "sha256=")
		u.Fragment = ""
		m := uvWheel.FindStringSubmatch(path.Base(u.Path))
		if m != nil && hashed && m[2] == wheelArchitecture() {
			out = append(out, candidate{pinned{Name: "uv", Version: m[1], File: m[0], SHA256: sum}, u.String()})
		}
	}
	slices.SortStableFunc(out, func(x, y candidate) int { return -slices.Compare(numbers(x.Version), numbers(y.Version)) })
	b.onIndex = out
	return out, nil
}

func numbers(version string) (out []int) {
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part) // only digits, by the pattern
		out = append(out, n)
	}
	return out
}

func (b *build) newestUV(ctx context.Context) (*pinned, error) {
	all, err := b.wheels(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, berth.Errorf(berth.CodeNotFound, "The index of Python packages has no uv for this machine. Name another (--index-url), or "+
			"build "+
			"without uv (--uv=false).")
	}
	return &all[0].pinned, nil
}

// wheel fetches one wheel of uv and verifies it.
func (b *build) wheel(ctx context.Context, want pinned) ([]byte, error) {
	all, err := b.wheels(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(c candidate) bool { return c.SHA256 == want.SHA256 })
	if at < 0 {
		return nil, berth.Errorf(berth.CodeNotFound, "The index of Python packages has no %s any more. Name another index (--index-url), or "+
			"remove the "+
			"lock file for a new one.", want.File)
	}
	b.say("fetching uv %s", want.Version)
	text, err := b.index.get(ctx, all[at].address, maxFile)
	if err != nil {
		return nil, unreachable(all[at].address, err)
	}
	if digest(text) != want.SHA256 {
		return nil, wrongDigest(all[at].address)
	}
	return text, nil
}

// uvTree is the program of a wheel with its licences.
func uvTree(wheel []byte, at time.Time) (*tree, error) {
	archive, err := zip.NewReader(bytes.NewReader(wheel), int64(len(wheel)))
	if err != nil {
		return nil, berth.Errorf(berth.CodeBadRequest, "The wheel of uv cannot be read: %v.", err)
	}
	t := newTree()
	t.newest = at
	for _, f := range archive.File {
		dir, name := path.Split(f.Name)
		to, mode := "", int64(0o644)
		switch {
		case name == "uv" && strings.HasSuffix(dir, ".data/scripts/"):
			to, mode = "usr/local/bin/uv", 0o755
		case strings.HasPrefix(name, "LICENSE") && strings.Contains(dir, ".dist-info/"):
			to = "usr/local/share/doc/uv/" + name
		default:
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(r, maxUnpacked))
		if err != nil {
			return nil, err
		}
		t.files[to] = entry{tar.Header{Typeflag: tar.TypeReg, Mode: mode, ModTime: at}, text}
	}
	if _, there := t.files["usr/local/bin/uv"]; !there {
		return nil, berth.Errorf(berth.CodeBadRequest, "The wheel of uv has no program. Name another index (--index-url), or build without uv "+
			"(--uv=false).")
	}
	return t, nil
}
