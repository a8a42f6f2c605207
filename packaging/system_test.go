package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// packages is the folder of the packages that `make packages` has made. Without it, without root or a tool, the test is skipped, unless
// BERTH_PACKAGES is "required".
func packages(t *testing.T, tools ...string) string {
	t.Helper()
	missing := ""
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = tool + " is not installed"
		}
	}
	dir := os.Getenv("BERTH_DIST")
	switch {
	case runtime.GOOS != "linux" || os.Getuid() != 0:
		missing = "the packages are installed by root on Linux"
	case dir == "":
		missing = "BERTH_DIST is not set; make packages sets it"
	}
	if missing != "" && os.Getenv("BERTH_PACKAGES") == "required" {
		t.Fatal(missing)
	}
	if missing != "" {
		t.Skip(missing)
	}
	return dir
}

// only is the only file that fits a pattern.
func only(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// cleanRoot is a Debian of its essential packages and systemd, from the mirror of this machine.
func cleanRoot(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	suite := strings.TrimSpace(command(t, false, "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"))
	command(t, false, "mmdebstrap", "--quiet", "--variant=essential", "--include=passwd,systemd-sysv", "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/locale/*", suite, root)
	return root
}

// TestPackagesInACleanSystem installs the .deb where systemd runs and does all that an administrator does with it (testdata/systemd.sh),
// and then the .rpm.
func TestPackagesInACleanSystem(t *testing.T) {
	t.Parallel()
	dir := packages(t, "mmdebstrap", "systemd-nspawn", "rpm")
	root := cleanRoot(t)
	write(t, filepath.Join(root, "berth.deb"), read(t, only(t, filepath.Join(dir, "berth_*_linux_"+runtime.GOARCH+".deb"))))
	write(t, filepath.Join(root, "test.sh"), read(t, filepath.Join("testdata", "systemd.sh")))
	write(t, filepath.Join(root, "etc", "systemd", "system", "test.service"), "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\n"+
		"ExecStart=/bin/sh /test.sh\n")
	link(t, "../test.service", filepath.Join(root, "etc", "systemd", "system", "default.target.wants", "test.service"))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	// No network but loopback. The machine may have no manager to register with.
	boot := exec.CommandContext(ctx, "systemd-nspawn", append(runtimeOfThisMachine(t), "--quiet", "--directory="+root, "--register=no",
		"--keep-unit", "--private-network", "--console=pipe", "--boot")...)
	boot.WaitDelay = 10 * time.Second
	said, err := boot.CombinedOutput()
	result := read(t, filepath.Join(root, "result"))
	if !strings.HasSuffix(result, "\npassed\n") {
		t.Fatalf("%v\n%s\n%s", err, said, result)
	}
	t.Log(result)
	t.Run("rpm", func(t *testing.T) {
		testRPM(t, root, only(t, filepath.Join(dir, "berth_*_linux_"+runtime.GOARCH+".rpm")))
	})
}

// runtimeOfThisMachine lets the system have runc and what it needs, if this machine has it.
func runtimeOfThisMachine(t *testing.T) []string {
	t.Helper()
	runc, err := exec.LookPath("runc")
	if err != nil && os.Getenv("BERTH_REAL_NODES") == "required" {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	// runc joins a keyring of its own, and limits devices; nspawn permits neither by default.
	args := []string{"--capability=all", "--system-call-filter=@keyring bpf", "--bind-ro=" + runc + ":/usr/bin/runc"}
	for line := range strings.Lines(command(t, false, "ldd", runc)) {
		if words := strings.Fields(line); len(words) > 2 && strings.Contains(words[0], "seccomp") {
			args = append(args, "--bind-ro="+words[2])
		}
	}
	return args
}

// testRPM installs and erases the .rpm below root. The root is a Debian, so what the package depends on is not looked for.
func testRPM(t *testing.T, root, file string) {
	t.Helper()
	write(t, filepath.Join(root, "berth.rpm"), read(t, file))
	rpm := func(args ...string) string {
		return command(t, false, "rpm", append([]string{"--root", root, "--nodeps"}, args...)...)
	}
	in := func(args ...string) string { return command(t, false, "chroot", append([]string{root}, args...)...) }
	rpm("-i", filepath.Join(root, "berth.rpm"))
	if got := in("/usr/bin/berth", "version"); !strings.HasPrefix(got, "berth ") {
		t.Error(got)
	}
	if got := in("stat", "-c", "%U %G %a", "/var/lib/berth", "/etc/berth/berth.env"); got != "berth berth 700\nroot berth 640\n" {
		t.Error(got)
	}
	if got := command(t, false, "rpm", "-qp", "--requires", "--recommends", file); !strings.Contains(got, "shadow-utils") ||
		!strings.Contains(got, "(runc or crun)") {
		t.Error(got)
	}
	write(t, filepath.Join(root, "var", "lib", "berth", "data"), "kept")
	rpm("-e", "berth")
	if read(t, filepath.Join(root, "var", "lib", "berth", "data")) != "kept" {
		t.Error("the data went with the package")
	}
	if _, err := os.Stat(filepath.Join(root, "usr", "lib", "berth")); err == nil {
		t.Error("the programs stay")
	}
}
