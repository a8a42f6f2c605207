package app

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/identity"
	"berth.dev/berth/provider/local"
)

// Config is how a server is run. A value comes from the flag, else the environment, else the file, else the default.
type Config struct {
	DataDir       string   `json:"dataDir"`            // everything that Berth stores
	Database      string   `json:"database"`           // URL of a PostgreSQL database; a file in DataDir when empty
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
	ActivityDays  string   `json:"activityDays"`       // how long the activity log is kept
	HealthEvery   string   `json:"healthInterval"`     // interval between the checks of a cluster, such as 30s
	DebugListen   string   `json:"debugListen"`        // loopback host:port for /metrics and /debug/; "off" for none
	KubeBinary    string   `json:"kubeBinary"`         // berth-kube; when empty, the one beside berth or in PATH
	Nodes         string   `json:"nodes"`              // what runs the nodes of new clusters: auto | real | simulated
	Egress        string   `json:"egress"`             // what pods on real nodes reach outside of their cluster: any | none
	Python        string   `json:"python"`             // environments that ask for another Python: nearest (runs them) | exact (refuses)
	ImageRegistry string   `json:"imageRegistry"`      // registry and folder from which connected clusters pull the images of models
	PullConfig    string   `json:"imagePullConfig"`    // docker config.json by which the nodes of clusters pull images
	// RegistryMirrors are host=URL: what local nodes pull of a host comes from there, if it is there.
	RegistryMirrors []string `json:"registryMirrors"`
	FilesMax        string   `json:"filesMax"`     // what files of models and services may take: 200GB, 80% of the disk, none
	OIDC            string   `json:"oidc"`         // file of the outside providers at which people sign in; none when empty
	OTLPEndpoint    string   `json:"otlpEndpoint"` // where routers send spans of requests, by OTLP over HTTP; nowhere when empty
	LogFormat       string   `json:"logFormat"`    // text | json
	LogLevel        string   `json:"logLevel"`     // debug | info | warn | error
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
		DataDir: defaultDataDir(), Listen: "127.0.0.1:8443", HealthEvery: "30s", ActivityDays: "90", DebugListen: "127.0.0.1:8444",
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
	{
		flag: "database",
		usage: "postgres:// URL of a PostgreSQL database for one or several servers, without a password, which comes from PGPASSWORD or a " +
			"password file (default: a file in the data folder)",
		text: func(c *Config) *string { return &c.Database },
	},
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
	{flag: "activity-days", usage: "days for which the activity log is kept", text: func(c *Config) *string { return &c.ActivityDays }},
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
		flag:  "image-pull-config",
		usage: "docker config.json with logins that may pull and no more: the nodes of clusters get them for what serves models (default: none)",
		text:  func(c *Config) *string { return &c.PullConfig },
	},
	{
		flag: "registry-mirror",
		usage: "host=URL of a registry that nodes of local clusters ask first for the images of the host, such as " +
			"docker.io=https://mirror.example.com (repeatable)",
		list: func(c *Config) *[]string { return &c.RegistryMirrors },
	},
	{
		flag: "files-max", usage: "what the files of models and services may take: a size such as 200GB, a part of the disk such as 80%, or none",
		text: func(c *Config) *string { return &c.FilesMax },
	},
	{
		flag: "oidc", text: func(c *Config) *string { return &c.OIDC },
		usage: "YAML file with the OpenID Connect providers at which people sign in, such as Dex, Keycloak or Entra ID (default: none)",
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
	if u, err := url.Parse(c.Database); err == nil && fs.Changed("database") && hasPassword(u) {
		return c, fmt.Errorf("--database must not contain a password, because every user of the machine sees the arguments of a program: put " +
			"it into PGPASSWORD or a password file (~/.pgpass), or the whole URL into BERTH_DATABASE or the configuration file")
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
