package main

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// little packs small programs in place of Berth's, for each platform named, and returns the folder of the packages. from is a folder that
// little has made before, whose programs are packed again.
func little(t *testing.T, from string, platforms ...string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if from == "" {
		from = filepath.Join(work, "programs")
		buildLittle(t, from, platforms)
	}
	stage := filepath.Join(work, "root")
	for _, name := range []string{"LICENSE", "README.md", "README.ko.md", "docs", "deploy", "packaging"} {
		link(t, filepath.Join(root, name), filepath.Join(stage, name))
	}
	for name, text := range map[string]string{"man1/berth.1": ".TH BERTH 1\n", "completions/berth.bash": "#\n", "completions/_berth": "#\n",
		"completions/berth.fish": "#\n", "completions/berth.ps1": "#\n"} {
		write(t, filepath.Join(stage, "dist", "share", name), text)
	}
	to := filepath.Join(work, "packages")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	r := release{version: "v1.2.3", time: time.Unix(1700000000, 0).UTC(), root: stage, to: to}
	for _, p := range platforms {
		r.os, r.arch, _ = strings.Cut(p, "/")
		r.programs = filepath.Join(from, r.os+"-"+r.arch)
		if err := r.pack(); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(to, "install.sh"), read(t, "install.sh"))
	if err := r.chart(); err != nil {
		t.Fatal(err)
	}
	if err := writeSums(to); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PROGRAMS", from)
	return to
}

const littleProgram = `package main

import (
	"fmt"

	"golang.org/x/mod/semver"
)

func main() { fmt.Println("berth", semver.Canonical("v1.2.3")) }
`

// buildLittle builds one small program for each platform, under the names of all.
func buildLittle(t *testing.T, to string, platforms []string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "main.go")
	write(t, source, littleProgram)
	for _, p := range platforms {
		system, arch, _ := strings.Cut(p, "/")
		dir := filepath.Join(to, system+"-"+arch)
		all := linuxPrograms
		switch system {
		case "darwin":
			all = []string{"berth"}
		case "windows":
			all = []string{"berth.exe"}
		}
		first := filepath.Join(dir, all[0])
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", first, source)
		build.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, name := range all[1:] {
			write(t, filepath.Join(dir, name), read(t, first))
			if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func link(t *testing.T, old, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(old, name); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// command runs a program and returns what it says; fails is whether it must fail.
func command(t *testing.T, fails bool, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if (err != nil) != fails {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestVersionsAsPackagesOrderThem(t *testing.T) {
	at := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	before := ""
	for _, c := range []struct{ git, want string }{
		{"abc1234-dirty", "0.0.0~20261127.abc1234.dirty"},
		{"abc1234", "0.0.0~20261127.abc1234"},
		{"v1.2.3-rc1", "1.2.3~rc1"},
		{"v1.2.3-rc1-4-gabc1234", "1.2.3~rc1.4.gabc1234"},
		{"v1.2.3", "1.2.3"},
		{"v1.2.3-5-gabc1234", "1.2.3+5.gabc1234"},
		{"v1.2.10", "1.2.10"},
	} {
		got := release{version: c.git, time: at}.plain()
		if got != c.want {
			t.Errorf("%s is %s, not %s", c.git, got, c.want)
		}
		if _, err := exec.LookPath("dpkg"); err == nil && before != "" && c.git != "abc1234" {
			command(t, false, "dpkg", "--compare-versions", before, "lt", got)
		}
		before = got
	}
}

func TestSamePackagesFromSamePrograms(t *testing.T) {
	platforms := []string{"linux/" + runtime.GOARCH, "darwin/arm64", "windows/amd64"}
	one := little(t, "", platforms...)
	two := little(t, os.Getenv("PROGRAMS"), platforms...)
	entries, err := os.ReadDir(one)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4+2+2+1+3 { // linux: four packages and a bill; then install.sh, chart and sums
		t.Errorf("%d packages: %v", len(entries), entries)
	}
	for _, e := range entries {
		if read(t, filepath.Join(one, e.Name())) != read(t, filepath.Join(two, e.Name())) {
			t.Errorf("%s differs the second time", e.Name())
		}
	}
}

func TestWhatIsPacked(t *testing.T) {
	dir := little(t, "", "linux/"+runtime.GOARCH, "windows/amd64")
	t.Run("bill", func(t *testing.T) {
		var list cdx.BOM
		if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "berth_1.2.3_linux_"+runtime.GOARCH+".cdx.json"))), &list); err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(*list.Components, func(c cdx.Component) bool { return c.Name == "golang.org/x/mod" }); i < 0 {
			t.Error("a module that the program has is not in the bill")
		} else if c := (*list.Components)[i]; !strings.HasPrefix(c.PackageURL, "pkg:golang/golang.org/x/mod@v0.") ||
			len(*c.Properties) != len(linuxPrograms) {
			t.Errorf("%+v", c)
		}
	})
	t.Run("archive", func(t *testing.T) {
		archive := filepath.Join(dir, "berth_1.2.3_linux_"+runtime.GOARCH+".tar.gz")
		list := command(t, false, "tar", "-tvzf", archive)
		for _, want := range []string{"-rwxr-xr-x 0/0", "/bin/nodes/containerd\n", "/share/man/man1/berth.1\n", "/THIRD-PARTY.txt\n",
			"2023-11-14"} {
			if !strings.Contains(list, want) {
				t.Errorf("no %q in\n%s", want, list)
			}
		}
		text := command(t, false, "tar", "-xzOf", archive, "berth_1.2.3_linux_"+runtime.GOARCH+"/THIRD-PARTY.txt")
		if !strings.Contains(text, "golang.org/x/mod@v") || !strings.Contains(text, "Redistribution and use in source and binary forms") {
			t.Error("the licence of a module is missing")
		}
	})
	t.Run("zip", func(t *testing.T) {
		z, err := zip.OpenReader(filepath.Join(dir, "berth_1.2.3_windows_amd64.zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = z.Close() }() // only read
		if _, err := z.Open("berth_1.2.3_windows_amd64/bin/berth.exe"); err != nil {
			t.Error(err)
		}
	})
	t.Run("image", func(t *testing.T) { checkImage(t, filepath.Join(dir, "berth_1.2.3_linux_"+runtime.GOARCH+".oci.tar")) })
	t.Run("sums", func(t *testing.T) {
		check := exec.Command("sha256sum", "--strict", "-c", "SHA256SUMS")
		check.Dir = dir
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// checkImage reads the archive as docker does.
func checkImage(t *testing.T, archive string) {
	t.Helper()
	image, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.Architecture != runtime.GOARCH || len(config.RootFS.DiffIDs) != 2 {
		t.Errorf("%+v", config)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatal(layers, err)
	}
	for i, want := range []string{"etc/ssl/certs/ca-certificates.crt", "usr/lib/berth/nodes/berth-fe"} {
		if list := layerList(t, layers[i]); !strings.Contains(list, want) {
			t.Errorf("layer %d lacks %s:\n%s", i, want, list)
		}
	}
}

func layerList(t *testing.T, layer v1.Layer) string {
	t.Helper()
	text, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = text.Close() }() // only read
	list := exec.Command("tar", "-tv")
	list.Stdin = text
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestProgramsOfAnotherPlatformAreRefused(t *testing.T) {
	little(t, "", "darwin/arm64")
	r := release{os: "darwin", arch: "amd64", programs: filepath.Join(os.Getenv("PROGRAMS"), "darwin-arm64")}
	_, err := r.bill([]file{{name: "bin/berth", source: filepath.Join(r.programs, "berth")}})
	if err == nil || !strings.Contains(err.Error(), "is built for darwin/arm64, not for darwin/amd64") {
		t.Error(err)
	}
	if _, err := buildinfo.ReadFile(filepath.Join(r.programs, "berth")); err != nil {
		t.Error(err)
	}
}

func TestInstallScript(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell script")
	}
	dir := little(t, "", runtime.GOOS+"/"+runtime.GOARCH)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	sum, _, _ := strings.Cut(command(t, false, "sha256sum", filepath.Join(dir, "SHA256SUMS")), " ")
	for name, args := range map[string][]string{"folder": {"--from", dir}, "web": {"--from", server.URL},
		"pinned": {"--from", dir, "--sums-sha256", sum}} {
		prefix := filepath.Join(t.TempDir(), "prefix")
		said := command(t, false, "sh", append([]string{"install.sh", "--prefix", prefix}, args...)...)
		if !strings.Contains(said, "Installed berth v1.2.3 in "+prefix) {
			t.Errorf("%s: %s", name, said)
		}
		if got := command(t, false, filepath.Join(prefix, "bin", "berth")); got != "berth v1.2.3\n" {
			t.Errorf("%s: %s", name, got)
		}
		// Once more, over what is there.
		command(t, false, "sh", append([]string{"install.sh", "--prefix", prefix}, args...)...)
		if left, _ := filepath.Glob(filepath.Join(prefix, "lib", "*")); len(left) != 1 {
			t.Errorf("%s leaves %v", name, left)
		}
	}
}

func TestInstallScriptRefuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell script")
	}
	dir := little(t, "", runtime.GOOS+"/"+runtime.GOARCH)
	archive := filepath.Join(dir, fmt.Sprintf("berth_1.2.3_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH))
	whole, sums := read(t, archive), read(t, filepath.Join(dir, "SHA256SUMS"))
	refused := func(want string, args ...string) {
		t.Helper()
		prefix := filepath.Join(t.TempDir(), "prefix")
		said := command(t, true, "sh", append([]string{"install.sh", "--prefix", prefix}, args...)...)
		if !strings.Contains(said, want) {
			t.Errorf("%q, not %q", said, want)
		}
		if _, err := os.Stat(prefix); err == nil {
			t.Error("something was installed")
		}
	}
	refused("another checksum than --sums-sha256", "--from", dir, "--sums-sha256", strings.Repeat("0", 64))
	refused("http is not safe", "--from", "http://downloads.example.com")
	refused("'--nope' is no option", "--nope")
	refused("cannot be fetched", "--from", t.TempDir())
	write(t, archive, whole[:len(whole)-1]+string(whole[len(whole)-1]+1))
	refused("is not what SHA256SUMS says", "--from", dir)
	write(t, archive, whole[:len(whole)/2])
	refused("is not what SHA256SUMS says", "--from", dir)
	write(t, archive, whole)
	other := bytes.ReplaceAll([]byte(sums), []byte(runtime.GOARCH+".tar.gz"), []byte("other.tar.gz"))
	write(t, filepath.Join(dir, "SHA256SUMS"), string(other))
	refused("does not name one archive for", "--from", dir)
}
