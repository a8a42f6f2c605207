package baseimage

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"berth.dev/berth"
)

// mirror is one suite of one archive of packages.
type mirror struct {
	uri, suite string
	keys       []string // files of keys that may sign it
	inline     string   // or the keys themselves
}

func (m mirror) host() string {
	if u, err := url.Parse(m.uri); err == nil && u.Host != "" {
		return u.Host
	}
	return m.uri
}

// apt is the configuration of the machine's apt: empty on a machine without it.
type apt struct {
	dir      string
	settings map[string]string // names in lower case
	sources  []mirror
}

// readApt reads what there is.
func readApt(dir string) apt {
	a := apt{dir: dir, settings: map[string]string{}}
	if text, err := exec.Command("apt-config", "dump", "--no-empty", "--format", "%f=%v%n", "Acquire").Output(); err == nil {
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			a.settings[strings.ToLower(name)] = value
		}
	}
	lists, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*")) // the pattern is sound
	for _, path := range append([]string{filepath.Join(dir, "sources.list")}, lists...) {
		text, err := os.ReadFile(path)
		switch {
		case err != nil: // none, or not for this user
		case filepath.Ext(path) == ".list":
			a.sources = append(a.sources, a.oneLine(string(text))...)
		case filepath.Ext(path) == ".sources":
			a.sources = append(a.sources, a.deb822(string(text))...)
		}
	}
	return a
}

// proxy answers as apt would: by its own settings, and else by the environment.
func (a apt) proxy(req *http.Request) (*url.URL, error) {
	for _, scheme := range []string{req.URL.Scheme, "http"} { // https has the settings of http where it has none
		for _, name := range []string{"::proxy::" + req.URL.Hostname(), "::proxy"} {
			switch value := a.settings["acquire::"+scheme+name]; value {
			case "":
			case "DIRECT":
				return nil, nil
			default:
				return url.Parse(value)
			}
		}
	}
	return http.ProxyFromEnvironment(req)
}

// anyAge reports whether apt takes lists whose time has run out.
func (a apt) anyAge() bool {
	return slices.Contains([]string{"false", "no", "0"}, strings.ToLower(a.settings["acquire::check-valid-until"]))
}

// mainComponent is the part of an archive in which all of what is wanted lies.
const mainComponent = "main"

// oneLine reads the older format: deb [option=value] URI suite component...
func (a apt) oneLine(text string) (out []mirror) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		if kind != "deb" {
			continue
		}
		options := ""
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			options, rest, _ = strings.Cut(rest[1:], "]")
		}
		var keys []string
		fits := true
		for _, option := range strings.Fields(options) {
			switch name, value, _ := strings.Cut(option, "="); strings.ToLower(name) {
			case "signed-by":
				keys = strings.Split(value, ",")
			case "arch":
				fits = slices.Contains(strings.Split(value, ","), architecture())
			}
		}
		fields := strings.Fields(rest)
		if fits && len(fields) > 2 && slices.Contains(fields[2:], mainComponent) {
			out = append(out, mirror{uri: strings.TrimSuffix(fields[0], "/"), suite: fields[1], keys: keys})
		}
	}
	return out
}

// deb822 reads the newer format: paragraphs of fields.
func (a apt) deb822(text string) (out []mirror) {
	for p := range paragraphs(text) {
		architectures := strings.Fields(p["Architectures"])
		if !slices.Contains(strings.Fields(p["Types"]), "deb") || strings.EqualFold(p["Enabled"], "no") ||
			!slices.Contains(strings.Fields(p["Components"]), mainComponent) ||
			len(architectures) > 0 && !slices.Contains(architectures, architecture()) {
			continue
		}
		m := mirror{}
		if by := p["Signed-By"]; strings.Contains(by, "\n") {
			m.inline = by
		} else {
			m.keys = strings.Fields(by)
		}
		for _, uri := range strings.Fields(p["URIs"]) {
			for _, suite := range strings.Fields(p["Suites"]) {
				m.uri, m.suite = strings.TrimSuffix(uri, "/"), suite
				out = append(out, m)
			}
		}
	}
	return out
}

// choose answers the suites to build from: those that are asked for, or those of the machine's own release.
func (a apt) choose(o Options) ([]mirror, error) {
	release := codename()
	if o.Mirror == "" && len(o.Suites) > 0 {
		return nil, berth.Errorf(berth.CodeBadRequest, "A suite needs its mirror. Add --mirror URL.")
	}
	suites := o.Suites
	if len(suites) == 0 && release != "" {
		suites = []string{release}
	}
	var out []mirror
	if o.Mirror != "" {
		if u, err := url.Parse(o.Mirror); err != nil || !fetchable(u.Scheme) {
			return nil, berth.Errorf(berth.CodeBadRequest, "'%s' is no mirror: give an address that begins with http://, https:// or file:///.",
				shown(o.Mirror))
		}
		if len(suites) == 0 {
			return nil, berth.Errorf(berth.CodeBadRequest, "This machine's release does not say which suite of the mirror to use. Add --suite NAME.")
		}
		for _, s := range suites {
			out = append(out, mirror{uri: strings.TrimSuffix(o.Mirror, "/"), suite: s})
		}
	} else if out = a.own(release); len(out) == 0 {
		return nil, berth.Errorf(berth.CodeBadRequest, "This machine knows no mirror of Debian's packages. Name one: --mirror URL --suite NAME.")
	}
	for i := range out {
		if len(o.Keyrings) > 0 {
			out[i].keys, out[i].inline = o.Keyrings, ""
		} else if len(out[i].keys) == 0 && out[i].inline == "" {
			out[i].keys = a.trusted()
		}
	}
	return out, nil
}

// own are the sources of the machine's release: with its updates, and without those of other vendors, whose suites have other names or
// whose Release file says another origin.
func (a apt) own(release string) (out []mirror) {
	for _, m := range a.sources {
		u, err := url.Parse(m.uri)
		if release != "" && err == nil && fetchable(u.Scheme) &&
			slices.Contains([]string{release, release + "-updates", release + "-security"}, m.suite) {
			out = append(out, m)
		}
	}
	return out
}

func fetchable(scheme string) bool { return scheme == "http" || scheme == "https" || scheme == "file" }

// trusted are the files of keys that apt takes for a source that names none, and those of the distributions' archives, with which a
// machine of another distribution can verify them, too.
func (a apt) trusted() (out []string) {
	for _, pattern := range []string{
		filepath.Join(a.dir, "trusted.gpg.d/*.gpg"), filepath.Join(a.dir, "trusted.gpg.d/*.asc"),
		"/usr/share/keyrings/debian-archive-keyring.*", "/usr/share/keyrings/ubuntu-archive-keyring.*",
	} {
		found, _ := filepath.Glob(pattern) // the patterns are sound
		out = append(out, found...)
	}
	return out
}

// codename is the name of the machine's release, of a distribution that has such suites; else it is empty.
func codename() string {
	return osRelease()["VERSION_CODENAME"]
}

func osRelease() map[string]string {
	out := map[string]string{}
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return out // another system
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		out[name] = strings.Trim(value, `"'`)
	}
	return out
}
