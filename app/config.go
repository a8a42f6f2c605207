package app

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/identity"
	"berth.dev/berth/images"
	"berth.dev/berth/provider/local"
)

// Config is how a server is run. A value comes from the flag, else the environment, else the file, else the default.
type Config struct {
	DataDir       string   `json:"dataDir"`            // everything that Berth stores
	Listen        string   `json:"listen"`             // host:port of the HTTPS listener
	PublicURL     string   `json:"publicUrl"`          // https address under which clients reach it; from Listen when empty
	Hosts         []string `json:"hosts"`              // further names for the certificate
	TLSCert       string   `json:"tlsCert"`            // certificate of your own authority; Berth creates one when empty
	TLSKey        string   `json:"tlsKey"`             // its key
	TLSCA         string   `json:"tlsCa"`              // the authority, for clients; the system's when empty
	CloudName     string   `json:"cloudName"`          // what Azure clients call this cloud: Berth or AzureCloud
	TemplateHosts []string `json:"templateHosts"`      // hosts from which templates may be fetched through a link
	ControlPlane  []string `json:"controlPlaneRanges"` // location=range: ranges that clusters with authorized IP ranges must accept
	ClusterRanges []string `json:"clusterRanges"`      // loopback and link-local ranges that connected clusters may be in
	HealthEvery   string   `json:"healthInterval"`     // interval between the checks of a cluster, such as 30s
	DebugListen   string   `json:"debugListen"`        // loopback host:port for /metrics and /debug/; "off" for none
	KubeBinary    string   `json:"kubeBinary"`         // berth-kube; when empty, the one beside berth or in PATH
	Nodes         string   `json:"nodes"`              // what runs the nodes of new clusters: auto | real | simulated
	Egress        string   `json:"egress"`             // what pods on real nodes reach outside of their cluster: any | none
	Python        string   `json:"python"`             // environments that ask for another Python: nearest (runs them) | exact (refuses)
	ImageRegistry string   `json:"imageRegistry"`      // registry and folder from which connected clusters pull the images of models
	FilesMax      string   `json:"filesMax"`           // what files of models and services may take: 200GB, 80% of the disk, none
	OTLPEndpoint  string   `json:"otlpEndpoint"`       // where routers send spans of requests, by OTLP over HTTP; nowhere when empty
	LogFormat     string   `json:"logFormat"`          // text | json
	LogLevel      string   `json:"logLevel"`           // debug | info | warn | error
}

// nodesAuto is the value of Nodes that leaves the choice to the machine.
const nodesAuto = "auto"

// Values of Egress.
const (
	egressAny  = "any"
	egressNone = local.EgressNone
)

// Values of Python.
const (
	pythonNearest = "nearest"
	pythonExact   = "exact"
)

// nodes is Nodes as the provider has it.
func (c *Config) nodes() string {
	if c.Nodes == nodesAuto {
		return ""
	}
	return c.Nodes
}

// DefaultConfig has the values that apply when a setting is left out.
func DefaultConfig() Config {
	return Config{
		DataDir: defaultDataDir(), Listen: "127.0.0.1:8443", HealthEvery: "30s", DebugListen: "127.0.0.1:8444",
		LogFormat: "text", LogLevel: "info", CloudName: identity.CloudName, Nodes: nodesAuto, Egress: egressAny,
		Python: pythonNearest, FilesMax: "80%",
	}
}

// defaultDataDir is where the platform keeps users' data.
func defaultDataDir() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" && runtime.GOOS != "windows" {
		return filepath.Join(dir, "berth")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".berth" // no home folder: the working folder
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "berth")
	case "windows":
		if dir := os.Getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, "berth")
		}
		return filepath.Join(home, "AppData", "Local", "berth")
	}
	return filepath.Join(home, ".local", "share", "berth")
}

// setting binds one field to its flag, and by that to its environment variable: --data-dir is BERTH_DATA_DIR.
type setting struct {
	flag, usage string
	text        func(*Config) *string
	list        func(*Config) *[]string
}

var settings = []setting{
	{flag: "data-dir", usage: "folder for everything that Berth stores", text: func(c *Config) *string { return &c.DataDir }},
	{flag: "listen", usage: "host:port to serve HTTPS on", text: func(c *Config) *string { return &c.Listen }},
	{
		flag: "public-url", usage: "https address under which clients reach this server (default: from --listen)",
		text: func(c *Config) *string { return &c.PublicURL },
	},
	{
		flag: "host", usage: "further host name or address for the certificate (repeatable)",
		list: func(c *Config) *[]string { return &c.Hosts },
	},
	{
		flag: "tls-cert", usage: "PEM file of a certificate from your own authority (default: one that Berth creates)",
		text: func(c *Config) *string { return &c.TLSCert },
	},
	{flag: "tls-key", usage: "PEM file of that certificate's key", text: func(c *Config) *string { return &c.TLSKey }},
	{flag: "tls-ca", usage: "PEM file of that authority, for clients that do not know it", text: func(c *Config) *string { return &c.TLSCA }},
	{
		flag:  "cloud-name",
		usage: "name of this cloud in Azure clients: Berth, or AzureCloud for commands that az offers in its own clouds only",
		text:  func(c *Config) *string { return &c.CloudName },
	},
	{
		flag:  "template-host",
		usage: "host[:port] from which deployments may take templates through a link (repeatable; default: none)",
		list:  func(c *Config) *[]string { return &c.TemplateHosts },
	},
	{
		flag:  "control-plane-range",
		usage: "location=range that this server connects from, such as westeurope=203.0.113.0/28 (repeatable)",
		list:  func(c *Config) *[]string { return &c.ControlPlane },
	},
	{
		flag: "cluster-range",
		usage: "loopback or link-local range that connected clusters may be in, or 'none' (repeatable; default: loopback if only this " +
			"machine reaches the server)",
		list: func(c *Config) *[]string { return &c.ClusterRanges },
	},
	{flag: "health-interval", usage: "interval between the checks of a cluster", text: func(c *Config) *string { return &c.HealthEvery }},
	{
		flag: "debug-listen", usage: "loopback host:port for /metrics and /debug/, or 'off'",
		text: func(c *Config) *string { return &c.DebugListen },
	},
	{
		flag: "kube-binary", usage: "path of berth-kube (default: beside berth, else in PATH)",
		text: func(c *Config) *string { return &c.KubeBinary },
	},
	{
		flag: "nodes", usage: "what runs the nodes of new clusters: real (kubelets on this machine), simulated, or auto (real where possible)",
		text: func(c *Config) *string { return &c.Nodes },
	},
	{
		flag: "egress", usage: "what pods on real nodes reach outside of their cluster: any (what this machine reaches) or none",
		text: func(c *Config) *string { return &c.Egress },
	},
	{
		flag: "python", usage: "environments that ask for another Python than the base image has: nearest (it runs them) or exact (refused)",
		text: func(c *Config) *string { return &c.Python },
	},
	{
		flag: "image-registry",
		usage: "registry and folder, such as registry.example.com/berth, to which this server pushes what serves models, and from which " +
			"connected clusters pull it",
		text: func(c *Config) *string { return &c.ImageRegistry },
	},
	{
		flag: "files-max", usage: "what the files of models and services may take: a size such as 200GB, a part of the disk such as 80%, or none",
		text: func(c *Config) *string { return &c.FilesMax },
	},
	{
		flag: "otlp-endpoint", text: func(c *Config) *string { return &c.OTLPEndpoint },
		usage: "http or https address of an OpenTelemetry collector that clusters reach, for spans of requests to models (default: none)",
	},
	{flag: "log-format", usage: "text or json", text: func(c *Config) *string { return &c.LogFormat }},
	{flag: "log-level", usage: "debug, info, warn or error", text: func(c *Config) *string { return &c.LogLevel }},
}

// AddFlags adds the flags of a server to a command.
func AddFlags(fs *pflag.FlagSet) {
	d := DefaultConfig()
	for _, s := range settings {
		usage := s.usage + " [$" + envName(s.flag) + "]"
		if s.list != nil {
			fs.StringArray(s.flag, nil, usage)
		} else if fs.Lookup(s.flag) == nil {
			fs.String(s.flag, *s.text(&d), usage)
		}
	}
	fs.String("config", "", "YAML file with the same settings (dataDir, listen, publicUrl, hosts, …) [$BERTH_CONFIG]")
}

func envName(flag string) string {
	return "BERTH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// LoadConfig puts the settings together and checks them.
func LoadConfig(fs *pflag.FlagSet, getenv func(string) string) (Config, error) {
	c := DefaultConfig()
	file, _ := fs.GetString("config") // absent: no file
	if file == "" {
		file = getenv("BERTH_CONFIG")
	}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return c, fmt.Errorf("the configuration file cannot be read: %w", err)
		}
		if err := yaml.UnmarshalStrict(text, &c); err != nil {
			return c, fmt.Errorf("the configuration file %s is not valid: %w", file, err)
		}
	}
	for _, s := range settings {
		s.apply(&c, fs, getenv(envName(s.flag)))
	}
	return c, c.check()
}

func (s setting) apply(c *Config, fs *pflag.FlagSet, env string) {
	changed := fs.Changed(s.flag)
	switch {
	case s.list != nil && changed:
		*s.list(c), _ = fs.GetStringArray(s.flag)
	case s.list != nil && env != "":
		*s.list(c) = strings.Split(env, ",")
	case s.list != nil:
	case changed:
		*s.text(c), _ = fs.GetString(s.flag)
	case env != "":
		*s.text(c) = env
	}
}

func (c *Config) check() error {
	if c.DataDir == "" {
		return fmt.Errorf("--data-dir must not be empty")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("--listen %q is not host:port: %w", c.Listen, err)
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return fmt.Errorf("--public-url %q is not valid: use https://host[:port] without a path (Azure clients "+
				"refuse anything but https)", c.PublicURL)
		}
		c.PublicURL = "https://" + u.Host
	}
	if c.OTLPEndpoint != "" {
		u, err := url.Parse(c.OTLPEndpoint)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return fmt.Errorf("--otlp-endpoint must be an http or https address without a password, such as http://collector.example:4318; " +
				"put what signs in into OTEL_EXPORTER_OTLP_HEADERS")
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") || c.TLSCA != "" && c.TLSCert == "" {
		return fmt.Errorf("--tls-cert and --tls-key need each other, and --tls-ca needs both")
	}
	if c.DebugListen != "off" && c.DebugListen != "" {
		host, _, err := net.SplitHostPort(c.DebugListen)
		if err != nil || !isLoopback(host) {
			return fmt.Errorf("--debug-listen %q must be a loopback address such as 127.0.0.1:8444, or 'off', because it shows "+
				"the inside of the process", c.DebugListen)
		}
	}
	if err := c.checkWords(); err != nil {
		return err
	}
	return c.checkValues()
}

// checkValues checks what is more than a word.
func (c *Config) checkValues() error {
	if _, err := c.filesMax(0); err != nil {
		return err
	}
	if c.ImageRegistry != "" {
		if err := images.JudgeRegistry(c.ImageRegistry); err != nil {
			return fmt.Errorf("--image-registry: %w", err)
		}
	}
	if _, err := c.controlPlane(); err != nil {
		return err
	}
	if _, err := c.clusterRanges(); err != nil {
		return err
	}
	if d, err := time.ParseDuration(c.HealthEvery); err != nil || d < time.Second {
		return fmt.Errorf("--health-interval %q is not a time of at least a second, such as 30s or 2m", c.HealthEvery)
	}
	_, err := c.level()
	return err
}

// checkWords checks the settings that are one of a few words.
func (c *Config) checkWords() error {
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("--log-format must be text or json, not %q", c.LogFormat)
	}
	if !slices.Contains([]string{nodesAuto, berth.NodesReal, berth.NodesSimulated}, c.Nodes) {
		return fmt.Errorf("--nodes must be auto, real or simulated, not %q", c.Nodes)
	}
	if c.Egress != egressAny && c.Egress != egressNone {
		return fmt.Errorf("--egress must be any or none, not %q", c.Egress)
	}
	if c.Python != pythonNearest && c.Python != pythonExact {
		return fmt.Errorf("--python must be nearest or exact, not %q", c.Python)
	}
	if c.CloudName != identity.CloudName && c.CloudName != identity.PublicCloudName {
		return fmt.Errorf("--cloud-name must be %s or %s, not %q", identity.CloudName, identity.PublicCloudName, c.CloudName)
	}
	return nil
}

func (c *Config) healthInterval() time.Duration {
	d, _ := time.ParseDuration(c.HealthEvery) // checked
	return d
}

// noRange permits no loopback and no link-local range, also where the default would.
const noRange = "none"

func (c *Config) clusterRanges() (out []netip.Prefix, err error) {
	for _, text := range c.ClusterRanges {
		if text == noRange {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--cluster-range %q is neither a range such as 127.0.0.0/8 nor 'none'", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// controlPlane reads the ranges that this server comes from, by location.
func (c *Config) controlPlane() (map[string][]netip.Prefix, error) {
	out := map[string][]netip.Prefix{}
	for _, text := range c.ControlPlane {
		where, cidr, _ := strings.Cut(text, "=")
		location, known := catalog.CanonicalLocation(where)
		p, err := netip.ParsePrefix(cidr)
		if !known || err != nil {
			return nil, fmt.Errorf("--control-plane-range %q is not location=range, such as westeurope=203.0.113.0/28", text)
		}
		out[location] = append(out[location], p.Masked())
	}
	return out, nil
}

func (c *Config) level() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return level, fmt.Errorf("--log-level must be debug, info, warn or error, not %q", c.LogLevel)
	}
	return level, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// endpoint is the address that clients use.
func (c *Config) endpoint(listening net.Addr) string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	host, _, _ := net.SplitHostPort(c.Listen) // checked
	_, port, _ := net.SplitHostPort(listening.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, port)
}

// names are the hosts in the certificate.
func (c *Config) names() []string {
	out := []string{"localhost", "127.0.0.1", "::1", berth.FilesHost}
	if host, _, _ := net.SplitHostPort(c.Listen); host != "" {
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
			out = append(out, host)
		}
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
		out = append(out, u.Hostname())
	}
	return append(out, c.Hosts...)
}
