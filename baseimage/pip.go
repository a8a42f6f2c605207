package baseimage

import (
	"bufio"
	"cmp"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// pip is where the machine's pip gets packages.
type pip struct{ index, proxy string }

// readPip reads pip's configuration as pip does: each file adds to those before it, and the environment comes last.
func readPip(env func(string) string) pip {
	var p pip
	home, _ := os.UserHomeDir() // without one there are no such files
	files := []string{"/etc/xdg/pip/pip.conf", "/etc/pip.conf", filepath.Join(home, ".pip/pip.conf"),
		filepath.Join(cmp.Or(env("XDG_CONFIG_HOME"), filepath.Join(home, ".config")), "pip/pip.conf"), env("PIP_CONFIG_FILE")}
	if v := env("VIRTUAL_ENV"); v != "" {
		files = append(files, filepath.Join(v, "pip.conf"))
	}
	for _, path := range files {
		p.read(path)
	}
	return pip{cmp.Or(env("PIP_INDEX_URL"), p.index), cmp.Or(env("PIP_PROXY"), p.proxy)}
}

// where is the index: the one that is configured, or else the one that pip itself has.
func (p pip) where() string {
	if p.index == "" {
		return ofPip()
	}
	return p.index
}

// read takes the settings of a file, if there is one.
func (p *pip) read(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	section := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
		name, value, _ := strings.Cut(line, "=")
		if value = strings.TrimSpace(value); value == "" || section != "global" && section != "install" {
			continue
		}
		switch strings.ReplaceAll(strings.TrimSpace(name), "_", "-") {
		case "index-url":
			p.index = value
		case "proxy":
			p.proxy = value
		}
	}
}

var pipDefault = regexp.MustCompile(`\(default (https?://[^)\s]+)\)`)

// ofPip is the index that the machine's pip uses when nobody says another; empty when there is no pip.
func ofPip() string {
	for _, command := range [][]string{{"pip3"}, {"pip"}, {"python3", "-m", "pip"}} {
		cmd := exec.Command(command[0], append(command[1:], "download", "--help")...) // #nosec: pip of the one who runs this
		cmd.Env = append(os.Environ(), "COLUMNS=1000")                                // a line is not broken
		if text, err := cmd.Output(); err == nil {
			if m := pipDefault.FindSubmatch(text); m != nil {
				return string(m[1])
			}
		}
	}
	return ""
}

func (p pip) proxyFor(req *http.Request) (*url.URL, error) {
	if p.proxy != "" {
		return url.Parse(p.proxy)
	}
	return http.ProxyFromEnvironment(req)
}
